//! A recurrence: when its occurrences begin, as instants.
//!
//! What is asked is asked around a time, so it costs the same for an old rule as for a new
//! one (see `pattern`). No zone is trusted to have its wall times in order.

use crate::instant::{Instant, SECOND};
use crate::schedule::{Zone, ZoneSource, find_zone};

use super::dates::{Time, time};
use super::error::{HoldError, Problem};
use super::parts::Parts;
use super::pattern::{Pattern, REACH};
use super::wall::{DAY, FURTHEST, instant_of, wall_at};

/// A longer text is not read.
const LONGEST: usize = 1 << 16;
/// More exceptions are not read.
const MOST_EXCEPTIONS: usize = 1000;
/// No occurrence lasts longer.
const LONGEST_OCCURRENCE: i64 = 366 * DAY * SECOND;

/// When a hold that recurs holds.
#[derive(Clone, Debug)]
pub struct Recurrence<Z> {
    pattern: Pattern,
    /// None is UTC, which needs no database.
    zone: Option<Z>,
    /// The first start, which is at this instant even where its wall time comes twice.
    starts_at: Instant,
    start: i64,
    /// What rules don't know of: microseconds after the second.
    fraction: i64,
    /// Microseconds that each occurrence lasts.
    length: i64,
    /// Unix seconds, where the rule ends with an instant.
    until: Option<i64>,
    exceptions: Vec<Time>,
}

impl<Z: Zone> Recurrence<Z> {
    /// Reads a rule, e.g. `TZID=Europe/Berlin;FREQ=WEEKLY;BYDAY=SA,SU`. Lines `EXDATE:...`
    /// may follow it: dates, or times in the rule's zone or, with `Z`, in UTC, at which it has
    /// no occurrence. The first occurrence that the rule has begins at or after `starts_at`.
    pub fn read<S: ZoneSource<Zone = Z>>(
        text: &str,
        starts_at: Instant,
        ends_at: Instant,
        zones: &S,
    ) -> Result<Recurrence<Z>, HoldError> {
        let refuse = |part: &str, seen: &str, problem| Err(HoldError::new(part, seen, problem));
        if text.len() > LONGEST {
            return refuse("recurrence", "", Problem::TooLong(LONGEST));
        }
        let length = ends_at.micros().saturating_sub(starts_at.micros());
        if length <= 0 {
            return refuse("ends_at", "", Problem::NoLength);
        }
        if length > LONGEST_OCCURRENCE {
            return refuse("recurrence", "", Problem::TooLasting);
        }
        let mut lines = text.trim().lines();
        let rule = lines.next().unwrap_or_default().trim();
        let (zone, rule) = match prefixed(rule, "TZID=") {
            None => (None, rule),
            Some(rest) => {
                let (name, rule) = rest.split_once(';').unwrap_or((rest, ""));
                let zone = find_zone(name, zones);
                let zone = zone.ok_or(HoldError::new("TZID", name, Problem::NotAZone))?;
                (Some(zone), rule)
            }
        };
        let parts = Parts::read(prefixed(rule, "RRULE:").unwrap_or(rule))?;
        let mut exceptions = Vec::new();
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let listed = prefixed(line, "EXDATE:");
            let listed = listed.ok_or(HoldError::new("recurrence", line, Problem::NotALine))?;
            for item in listed.split(',') {
                let read = time(item.trim());
                exceptions.push(read.ok_or(HoldError::new("EXDATE", item, Problem::NotATime))?);
            }
        }
        if exceptions.len() > MOST_EXCEPTIONS {
            return refuse("EXDATE", "", Problem::TooMany(MOST_EXCEPTIONS));
        }
        exceptions.sort_unstable();
        let unix = starts_at.unix_seconds();
        let start = wall_at(unix, zone.as_ref());
        let recurrence = Recurrence {
            pattern: Pattern::new(&parts, start)?,
            zone,
            starts_at,
            start,
            fraction: starts_at.micros().rem_euclid(SECOND),
            length,
            until: match parts.until {
                Some(Time::Utc(until)) => Some(until),
                _ => None,
            },
            exceptions,
        };
        let before = starts_at.saturating_add_micros(-1);
        if recurrence.start_after(before).is_none() {
            return refuse("recurrence", rule, Problem::Never);
        }
        Ok(recurrence)
    }

    /// The zone that it is in, but for UTC.
    pub(super) fn zone(&self) -> Option<&Z> {
        self.zone.as_ref()
    }

    /// If an occurrence covers an instant: when the one that lasts longest ends.
    pub fn covering(&self, at: Instant) -> Option<Instant> {
        // All last equally long, so the one that began last ends last.
        let end = self.last_start(at).map(|start| self.end(start));
        end.filter(|end| *end > at)
    }

    /// The times between two instants, also in part, in which occurrences cover it; those that
    /// follow upon each other without a gap are one.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
        let (first, last) = (from.unix_seconds() - FURTHEST, to.unix_seconds() + FURTHEST);
        let within = self.pattern.onward(first, last);
        let within = within
            .filter_map(|wall| self.start_of(wall))
            .filter(|start| *start > from && *start < to);
        // Of those that begin before both the last one ends last.
        let mut starts: Vec<Instant> = self.last_start(from).into_iter().chain(within).collect();
        starts.sort_unstable();
        let mut times: Vec<(Instant, Instant)> = Vec::new();
        for start in starts {
            let end = self.end(start);
            match times.last_mut() {
                Some((_, last)) if start <= *last => *last = end,
                _ if end > from => times.push((start, end)),
                _ => {}
            }
        }
        times
    }

    fn end(&self, start: Instant) -> Instant {
        start.saturating_add_micros(self.length)
    }

    /// The last start at or before an instant, as far back as one could still cover it.
    fn last_start(&self, at: Instant) -> Option<Instant> {
        let unix = at.unix_seconds();
        let back = unix - self.length / SECOND - 1 - FURTHEST;
        let mut last: Option<Instant> = None;
        for wall in self.pattern.back(unix + FURTHEST, back) {
            let beaten = |last: Instant| wall + FURTHEST < last.unix_seconds();
            if last.is_some_and(beaten) {
                break;
            }
            let start = self.start_of(wall).filter(|start| *start <= at);
            last = last.max(start);
        }
        last
    }

    /// The first start after an instant, within a hundred years.
    pub fn start_after(&self, at: Instant) -> Option<Instant> {
        let unix = at.unix_seconds();
        let mut first: Option<Instant> = None;
        let from = (unix - FURTHEST).max(self.start);
        for wall in self.pattern.onward(from, from + REACH) {
            let beaten = |first: Instant| wall - FURTHEST > first.unix_seconds();
            if first.is_some_and(beaten) {
                break;
            }
            if let Some(start) = self.start_of(wall).filter(|start| *start > at) {
                first = Some(first.map_or(start, |first| first.min(start)));
            }
        }
        first
    }

    /// The instant of an occurrence that begins at a wall time, unless it is an exception.
    fn start_of(&self, wall: i64) -> Option<Instant> {
        let excepted = |form: Time| self.exceptions.binary_search(&form).is_ok();
        if excepted(Time::Date(wall.div_euclid(DAY))) || excepted(Time::Wall(wall)) {
            return None;
        }
        let unix = instant_of(wall, self.zone.as_ref());
        if excepted(Time::Utc(unix)) || self.until.is_some_and(|until| unix > until) {
            return None;
        }
        if wall == self.start {
            return Some(self.starts_at);
        }
        let start = Instant::from_unix_seconds(unix)?;
        Some(start.saturating_add_micros(self.fraction))
    }
}

/// What follows a prefix in whatever case.
fn prefixed<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
