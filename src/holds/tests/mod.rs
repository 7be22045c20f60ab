//! What a hold means: rules, times, sets of holds.

mod asked;
mod brute;
mod held;
mod judged;
mod random;
mod refused;
mod rules;

use crate::instant::Instant;
use crate::schedule::{Bundled, TzifZone};

use super::{HoldError, Recurrence};

/// The instant of `2026-12-31 18:00`, with seconds and their fraction or without, in UTC.
fn at(text: &str) -> Instant {
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"];
    let time = formats
        .iter()
        .find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok())
        .unwrap_or_else(|| panic!("{text}"))
        .and_utc();
    let micros = time.timestamp_subsec_micros();
    let second = Instant::from_unix_seconds(time.timestamp()).unwrap();
    second.saturating_add_micros(i64::from(micros))
}

/// A recurrence whose first occurrence would be from one instant to another.
fn recurrence(text: &str, from: &str, to: &str) -> Result<Recurrence<TzifZone>, HoldError> {
    Recurrence::read(text, at(from), at(to), &Bundled)
}

/// The first starts of a rule of occurrences that last an hour.
fn starts(text: &str, from: &str, count: usize) -> Vec<String> {
    let from = at(from);
    let to = from.saturating_add_micros(crate::instant::HOUR);
    let recurrence = Recurrence::read(text, from, to, &Bundled).unwrap();
    let mut last = from.saturating_add_micros(-1);
    let next = std::iter::from_fn(|| {
        last = recurrence.start_after(last)?;
        Some(last.to_string())
    });
    next.take(count).collect()
}
