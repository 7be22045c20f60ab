//! A second reading of a schedule's text, which shares nothing with the first: slow, and
//! as close to the grammar's own words as can be. It asks of each number whether an item
//! admits it, and of each minute whether the clock shows a time that is admitted.

use workspace_autobuild::schedule::{TzifZone, Zone};

/// The five fields, read.
pub(crate) struct Reading {
    minutes: Vec<i64>,
    hours: Vec<i64>,
    /// Sunday is 0.
    weekdays: Vec<i64>,
    zone: Option<TzifZone>,
}

impl Reading {
    /// Reads a text without its zone; `None` where it is to be refused.
    pub(crate) fn of(fields: &str, zone: Option<TzifZone>) -> Option<Reading> {
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, "*", "*", weekdays] = fields[..] else {
            return None;
        };
        Some(Reading {
            minutes: field(minutes, 59, false)?,
            hours: field(hours, 23, false)?,
            weekdays: field(weekdays, 6, true)?,
            zone,
        })
    }

    /// Does it have no runs?
    pub(crate) fn never_runs(&self) -> bool {
        self.minutes.is_empty() || self.hours.is_empty() || self.weekdays.is_empty()
    }

    /// Seconds east of UTC at an instant.
    pub(crate) fn offset(&self, unix_seconds: i64) -> i64 {
        self.zone
            .as_ref()
            .map_or(0, |z| i64::from(z.span_at(unix_seconds).offset))
    }

    /// The weekday that the clock shows, Sunday = 0. The Unix epoch was a Thursday.
    pub(crate) fn weekday(&self, unix_seconds: i64) -> i64 {
        let local = unix_seconds + self.offset(unix_seconds);
        (local.div_euclid(86_400) + 4).rem_euclid(7)
    }

    /// Does the clock show an admitted time at this very second?
    pub(crate) fn shows(&self, unix_seconds: i64) -> bool {
        let local = unix_seconds + self.offset(unix_seconds);
        let of_day = local.rem_euclid(86_400);
        of_day % 60 == 0
            && self.minutes.contains(&(of_day / 60 % 60))
            && self.hours.contains(&(of_day / 3600))
            && self.weekdays.contains(&self.weekday(unix_seconds))
    }
}

/// The numbers that a field admits: those that one of its items does. Items that are
/// empty do not count.
fn field(text: &str, max: i64, names: bool) -> Option<Vec<i64>> {
    let items: Vec<Vec<i64>> = text
        .split(',')
        .filter(|item| !item.is_empty())
        .map(|item| numbers(item, max, names))
        .collect::<Option<_>>()?;
    let admits = |n: &i64| items.iter().any(|item| item.contains(n));
    Some((0..=max).filter(admits).collect())
}

fn numbers(item: &str, max: i64, names: bool) -> Option<Vec<i64>> {
    let parts: Vec<&str> = item.split('/').collect();
    let (range, step) = match parts[..] {
        [range] => (range, None),
        [range, step] => (range, Some(number(step)?)),
        _ => return None,
    };
    let ends: Vec<&str> = range.split('-').collect();
    let (first, last) = match ends[..] {
        ["*" | "?", ..] => (0, max),
        [only] => {
            let only = value(only, max, names)?;
            (only, if step.is_some() { max } else { only })
        }
        [first, last] => (value(first, max, names)?, value(last, max, names)?),
        _ => return None,
    };
    let step = step.unwrap_or(1);
    if step == 0 || first > last {
        return None;
    }
    Some((first..=last).filter(|n| (n - first) % step == 0).collect())
}

fn value(text: &str, max: i64, names: bool) -> Option<i64> {
    const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let folded = text.replace('\u{130}', "i").to_ascii_lowercase();
    let named = NAMES.iter().position(|name| names && *name == folded);
    let value = match named {
        Some(place) => i64::try_from(place).ok()?,
        None => number(text)?,
    };
    (value <= max).then_some(value)
}

/// Digits, at least one, with at most one plus sign before them, below 2^63.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.bytes().try_fold(0i64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })
}
