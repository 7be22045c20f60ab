//! Zones as far ahead as a forecast looks.
//!
//! A run is worked out in a few nanoseconds where the offsets of its zone stand in a short
//! list; to ask the zone itself takes many times as long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::schedule::{Span, Zone, ZoneSource};

/// How many changes of a clock are followed. Real zones have two to four a year.
const MOST_CHANGES: usize = 1000;

/// Another source's zones, known for some time.
#[derive(Debug)]
pub(super) struct ZonesAhead<'a, S> {
    zones: &'a S,
    /// Unix seconds.
    from: i64,
    to: i64,
    known: RefCell<HashMap<Box<str>, Option<Offsets>>>,
}

impl<'a, S> ZonesAhead<'a, S> {
    /// What the zones are between two times, in seconds since 1970.
    pub(super) fn new(zones: &'a S, from: i64, to: i64) -> ZonesAhead<'a, S> {
        ZonesAhead {
            zones,
            from,
            to,
            known: RefCell::default(),
        }
    }
}

impl<S: ZoneSource> ZoneSource for ZonesAhead<'_, S> {
    type Zone = Offsets;

    fn zone(&self, name: &str) -> Option<Offsets> {
        let known = self.known.borrow().get(name).cloned();
        known.unwrap_or_else(|| {
            let zone = self.zones.zone(name);
            let offsets = zone.map(|zone| Offsets::between(&zone, self.from, self.to));
            self.known.borrow_mut().insert(name.into(), offsets.clone());
            offsets
        })
    }
}

/// The offsets of a zone, each with the second from which on it holds; the first one holds
/// before, and the last one after.
#[derive(Clone, Debug)]
pub(super) struct Offsets(Rc<[(i64, i32)]>);

impl Offsets {
    fn between<Z: Zone>(zone: &Z, from: i64, to: i64) -> Offsets {
        let first = zone.span_at(from);
        let mut offsets = vec![(i64::MIN, first.offset)];
        let mut until = first.until;
        while let Some(at) = until
            && at <= to
            && offsets.len() < MOST_CHANGES
        {
            let span = zone.span_at(at);
            offsets.push((at, span.offset));
            // An `until` that isn't ahead is a zone's mistake, and must not stop us.
            until = span.until.map(|until| until.max(at + 1));
        }
        Offsets(offsets.into())
    }
}

impl Zone for Offsets {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let mut span = Span {
            offset: 0,
            until: None,
        };
        for (from, offset) in self.0.iter() {
            if *from > unix_seconds {
                span.until = Some(*from);
                break;
            }
            span.offset = *offset;
        }
        span
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        let past = self.0.iter().rev().map(|(from, _)| *from);
        past.filter(|from| *from > i64::MIN)
            .find(|from| *from <= unix_seconds)
    }
}
