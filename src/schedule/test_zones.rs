//! Zone sources for tests: a real zone database compiled in, and made-up zones.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Span, Zone, ZoneSource};

/// The IANA database that comes with `jiff`; the machine's own isn't looked at.
pub(crate) struct BundledZones(TimeZoneDatabase);

/// A zone of [`BundledZones`].
#[derive(Clone, Debug)]
pub(crate) struct BundledZone(TimeZone);

impl BundledZones {
    pub(crate) fn new() -> Self {
        BundledZones(TimeZoneDatabase::bundled())
    }
}

impl ZoneSource for BundledZones {
    type Zone = BundledZone;

    fn zone(&self, name: &str) -> Option<BundledZone> {
        // The look-up doesn't mind the case; the name that it gives back is right.
        let zone = self.0.get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(BundledZone(zone))
    }
}

impl BundledZone {
    /// The offset alone, for tests that look at a clock without a search.
    pub(crate) fn offset_at(&self, unix_seconds: i64) -> i32 {
        self.0.to_offset(timestamp(unix_seconds)).seconds()
    }
}

impl Zone for BundledZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let next = self.0.following(timestamp(unix_seconds)).next();
        Span {
            offset: self.offset_at(unix_seconds),
            until: next.map(|t| t.timestamp().as_second()),
        }
    }
}

/// The nearest instant that `jiff` can hold; it ends at the years -9999 and 9999.
fn timestamp(unix_seconds: i64) -> Timestamp {
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    let seconds = unix_seconds.clamp(*range.start(), *range.end());
    Timestamp::from_second(seconds).expect("a clamped timestamp is in range")
}

/// A made-up zone: an offset from the start and the shifts after it, in order.
#[derive(Clone, Debug)]
pub(crate) struct ShiftingZone {
    pub(crate) offset: i32,
    /// Unix seconds and the offset from then on.
    pub(crate) shifts: Vec<(i64, i32)>,
}

impl Zone for ShiftingZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let past = self.shifts.iter().rev().find(|s| s.0 <= unix_seconds);
        Span {
            offset: past.map_or(self.offset, |s| s.1),
            until: self
                .shifts
                .iter()
                .map(|s| s.0)
                .find(|at| *at > unix_seconds),
        }
    }
}

/// A source in which every name is the same zone.
pub(crate) struct OnlyZone<Z>(pub(crate) Z);

impl<Z: Zone + Clone> ZoneSource for OnlyZone<Z> {
    type Zone = Z;

    fn zone(&self, _name: &str) -> Option<Z> {
        Some(self.0.clone())
    }
}
