//! The grammar of a schedule text: prefix, five fields, items.
//!
//! It is the product's grammar with all its corners, because a text that the product
//! stores must mean here what it means there, and one that it refuses must be
//! refused. Nothing is looked up: the zone stays a name.

use std::num::IntErrorKind;

use super::error::{Field, Problem, ScheduleError};
use super::sets::Sets;

/// A schedule text taken apart.
pub(super) struct Parts<'a> {
    /// What the prefix names; it may be empty. None without a prefix.
    pub zone: Option<&'a str>,
    /// Minute, hour, day of month, month, day of week.
    pub fields: [&'a str; 5],
}

/// Splits off the zone and splits the rest into exactly five fields.
pub(super) fn split(text: &str) -> Result<Parts<'_>, ScheduleError> {
    let (zone, rest) = match text.strip_prefix("CRON_TZ=") {
        None => (None, text),
        // The zone ends at an ASCII space and nowhere else: a tab or a newline is
        // part of a name that no zone has.
        Some(prefixed) => {
            let (zone, rest) = prefixed
                .split_once(' ')
                .ok_or_else(|| ScheduleError::at(Field::TimeZone, prefixed, Problem::NoSpace))?;
            (Some(zone), rest)
        }
    };
    let mut words = rest.split_whitespace();
    let mut fields = [""; 5];
    let mut found = 0;
    for (field, word) in fields.iter_mut().zip(words.by_ref()) {
        *field = word;
        found += 1;
    }
    found += words.count();
    if found != fields.len() {
        return Err(ScheduleError::field_count(found, rest.trim()));
    }
    Ok(Parts { zone, fields })
}

/// The sets that the five fields stand for.
pub(super) fn sets(fields: &[&str; 5]) -> Result<Sets, ScheduleError> {
    let [minute, hour, day_of_month, month, day_of_week] = *fields;
    for (field, text) in [(Field::DayOfMonth, day_of_month), (Field::Month, month)] {
        if text != "*" {
            return Err(ScheduleError::at(field, text, Problem::NotAStar));
        }
    }
    Ok(Sets::new(
        set(Field::Minute, minute)?,
        set(Field::Hour, hour)?,
        set(Field::DayOfWeek, day_of_week)?,
    ))
}

/// The set of one field, bit n for the number n: the union of its items. Empty items
/// don't count, so a field of commas is the empty set.
fn set(field: Field, text: &str) -> Result<u64, ScheduleError> {
    let mut set = 0;
    for text in text.split(',').filter(|item| !item.is_empty()) {
        set |= item(field, text).map_err(|problem| ScheduleError::at(field, text, problem))?;
    }
    Ok(set)
}

/// One item: `*`, `?`, `N` or `A-B`, each with an optional `/step`.
fn item(field: Field, text: &str) -> Result<u64, Problem> {
    let (range, step) = match text.split_once('/') {
        None => (text, None),
        Some((_, step)) if step.contains('/') => return Err(Problem::ManySlashes),
        Some((range, step)) => (range, Some(step)),
    };
    let (low, high) = match range.split_once('-') {
        None => (range, None),
        Some((low, high)) => (low, Some(high)),
    };
    let max = i64::from(field.max());
    let (start, end) = match (low, high) {
        // `*-5` is `*`: the product doesn't look at what follows the star's hyphen.
        ("*" | "?", _) => (0, max),
        (_, Some(high)) if high.contains('-') => return Err(Problem::ManyHyphens),
        (_, Some(high)) => (value(field, low)?, value(field, high)?),
        (_, None) => {
            let start = value(field, low)?;
            (start, if step.is_some() { max } else { start })
        }
    };
    let step = match step.map(number) {
        None => 1,
        Some(Ok(0)) => return Err(Problem::StepZero),
        Some(Ok(step)) => step,
        Some(Err(_)) => return Err(Problem::StepNotANumber),
    };
    if start > end {
        return Err(Problem::Reversed);
    }
    let mut set = 0;
    let mut at = start;
    while at <= end {
        set |= 1 << at;
        at = at.saturating_add(step);
    }
    Ok(set)
}

/// A number of the field, or a weekday's name as its number.
fn value(field: Field, text: &str) -> Result<i64, Problem> {
    if field == Field::DayOfWeek
        && let Some(day) = weekday(text)
    {
        return Ok(day);
    }
    let value = number(text).map_err(|error| match (error, field) {
        (Some(IntErrorKind::PosOverflow), _) => Problem::OutOfRange(field.max()),
        (_, Field::DayOfWeek) => Problem::NotAWeekday,
        _ => Problem::NotANumber,
    })?;
    if value > i64::from(field.max()) {
        return Err(Problem::OutOfRange(field.max()));
    }
    Ok(value)
}

/// Decimal digits with at most one `+` before them, up to 2^63 - 1.
fn number(text: &str) -> Result<i64, Option<IntErrorKind>> {
    // What `parse` takes beyond that is a minus sign, also as in `-0`.
    if text.starts_with('-') {
        return Err(None);
    }
    text.parse::<i64>().map_err(|error| Some(*error.kind()))
}

/// A weekday's three letters in any case, Sunday = 0.
fn weekday(text: &str) -> Option<i64> {
    let mut letters = ['\0'; 3];
    let mut chars = text.chars();
    for letter in &mut letters {
        *letter = match chars.next()? {
            // The only letter beyond ASCII that the product's folding takes to one
            // of these; Rust's own makes two characters of it.
            '\u{130}' => 'i',
            c => c.to_ascii_lowercase(),
        };
    }
    if chars.next().is_some() {
        return None;
    }
    match letters {
        ['s', 'u', 'n'] => Some(0),
        ['m', 'o', 'n'] => Some(1),
        ['t', 'u', 'e'] => Some(2),
        ['w', 'e', 'd'] => Some(3),
        ['t', 'h', 'u'] => Some(4),
        ['f', 'r', 'i'] => Some(5),
        ['s', 'a', 't'] => Some(6),
        _ => None,
    }
}
