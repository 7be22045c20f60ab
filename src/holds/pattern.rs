//! The wall times of a rule: from a time on or back from one, never from the rule's start.
//!
//! Each unit of a rule (a year of a yearly one, ...) can be asked by itself, so an answer
//! costs what lies between the time asked and the occurrence, however old the rule is.

use super::dates::{FIRST_DAY, LAST_DAY, Time};
use super::days::Days;
use super::error::{HoldError, Problem};
use super::parts::{Frequency, Parts};
use super::wall::{DAY, FURTHEST};

/// Occurrences further away than 100 years are not looked for.
pub(super) const REACH: i64 = 36_525 * DAY;

/// The wall times of a rule.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    days: Days,
    times: Times,
    places: Vec<i32>,
    first: i64,
    last: i64,
}

/// At which seconds of a day.
#[derive(Clone, Debug)]
enum Times {
    /// At these, in order.
    Fixed(Vec<i64>),
    /// In units shorter than a day.
    Counted {
        /// The seconds of a unit, counted from 1970 on: of an hour or a minute.
        unit: i64,
        /// Of how many units one counts.
        interval: i64,
        /// One that counts.
        start: i64,
        /// Hours that count; all if there are none.
        hours: Vec<i32>,
        /// Minutes that count; all if there are none.
        minutes: Vec<i32>,
        /// The seconds within a unit, in order.
        within: Vec<i64>,
    },
}

/// More times than this no day has.
const MOST_TIMES: usize = 24 * 60;

impl Pattern {
    /// The wall times of a rule that starts at one.
    pub(super) fn new(parts: &Parts, start: i64) -> Result<Pattern, HoldError> {
        let out_of_years = HoldError::new("starts_at", "", Problem::OutOfYears);
        let day = start.div_euclid(DAY);
        let mut pattern = Pattern {
            days: Days::new(parts, day).ok_or(out_of_years)?,
            times: Times::new(parts, start)?,
            places: parts.places.clone(),
            first: start,
            last: LAST_DAY * DAY + DAY - 1,
        };
        match parts.until {
            Some(Time::Date(day)) => pattern.last = day * DAY + DAY - 1,
            Some(Time::Wall(wall)) => pattern.last = wall,
            // The instant itself is looked at where wall times become instants.
            Some(Time::Utc(unix)) => pattern.last = pattern.last.min(unix + FURTHEST),
            None => {}
        }
        if let Some(count) = parts.count {
            let counted = pattern.onward(start, start + REACH).nth(count - 1);
            let too_far = HoldError::new("COUNT", &count.to_string(), Problem::TooFar);
            pattern.last = counted.ok_or(too_far)?;
        }
        Ok(pattern)
    }

    /// The wall times from one on to another, in order.
    pub(super) fn onward(&self, from: i64, to: i64) -> Walk<'_> {
        Walk::new(self, from, to, true)
    }

    /// The wall times from one back to another, the latest first.
    pub(super) fn back(&self, from: i64, to: i64) -> Walk<'_> {
        Walk::new(self, to, from, false)
    }

    /// All that a unit has, in order; without places to choose, none of days not asked for.
    fn of_unit(&self, unit: i64, from: i64, to: i64) -> Vec<i64> {
        let mut days = self.days.chosen(unit);
        if self.places.is_empty() {
            let asked = from.div_euclid(DAY)..=to.div_euclid(DAY);
            days.retain(|day| asked.contains(day));
        }
        match &self.times {
            Times::Fixed(times) => {
                let at = |place: usize| {
                    let day = days.get(place / times.len())?;
                    Some(day * DAY + times.get(place % times.len())?)
                };
                let places = chosen(&self.places, days.len() * times.len());
                places.into_iter().filter_map(at).collect()
            }
            Times::Counted { .. } => days
                .into_iter()
                .flat_map(|day| self.times.counted(day, &self.places))
                .collect(),
        }
    }
}

/// The places among so many that are chosen, in order: all if the list is empty.
fn chosen(list: &[i32], length: usize) -> Vec<usize> {
    if list.is_empty() {
        return (0..length).collect();
    }
    let place = |place: &i32| {
        let size = usize::try_from(place.unsigned_abs()).ok()?;
        let from_start = if *place > 0 {
            size.checked_sub(1)
        } else {
            length.checked_sub(size)
        };
        from_start.filter(|place| *place < length)
    };
    let mut places: Vec<usize> = list.iter().filter_map(place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

impl Times {
    /// What the rule doesn't say of the time is as at the start.
    fn new(parts: &Parts, start: i64) -> Result<Times, HoldError> {
        let of_day = start.rem_euclid(DAY);
        let or = |list: &[i32], start: i64| {
            if list.is_empty() {
                vec![start]
            } else {
                list.iter().copied().map(i64::from).collect()
            }
        };
        let seconds = or(&parts.seconds, of_day % 60);
        let minutes = or(&parts.minutes, of_day / 60 % 60);
        let hours = or(&parts.hours, of_day / 3600);
        let of_hour: Vec<i64> = minutes
            .iter()
            .flat_map(|minute| seconds.iter().map(move |second| minute * 60 + second))
            .collect();
        let too_often = |name: &str| Err(HoldError::new(name, "", Problem::TooOften));
        let unit = match parts.frequency {
            Frequency::Hourly => 3600,
            Frequency::Minutely => 60,
            _ => {
                if of_hour.len() * hours.len() > MOST_TIMES {
                    return too_often("BYSECOND");
                }
                let times = hours
                    .iter()
                    .flat_map(|hour| of_hour.iter().map(move |within| hour * 3600 + within));
                return Ok(Times::Fixed(times.collect()));
            }
        };
        let within = if unit == 3600 { of_hour } else { seconds };
        if within.len() > usize::try_from(unit / 60).unwrap_or(1) {
            return too_often("BYSECOND");
        }
        let minutes = if unit == 3600 { &[] } else { &*parts.minutes };
        Ok(Times::Counted {
            unit,
            interval: parts.interval,
            start: start.div_euclid(unit),
            hours: parts.hours.clone(),
            minutes: minutes.to_vec(),
            within,
        })
    }

    /// The wall times of a day in units shorter than it, in order.
    fn counted(&self, day: i64, places: &[i32]) -> Vec<i64> {
        let Times::Counted {
            unit,
            interval,
            start,
            hours,
            minutes,
            within,
        } = self
        else {
            return Vec::new();
        };
        let counts = |list: &[i32], value: i64| {
            list.is_empty() || list.iter().any(|listed| i64::from(*listed) == value)
        };
        let first = day * DAY / unit;
        let units = DAY / unit;
        let skipped = (start - first).rem_euclid(*interval);
        let mut times = Vec::new();
        let mut next = skipped;
        while next < units {
            let of_day = next * unit;
            if counts(hours, of_day / 3600) && counts(minutes, of_day / 60 % 60) {
                let places = chosen(places, within.len());
                let chosen = places.into_iter().filter_map(|place| within.get(place));
                times.extend(chosen.map(|within| day * DAY + of_day + within));
            }
            next += interval;
        }
        times
    }
}

/// A walk over wall times, in either direction.
pub(super) struct Walk<'a> {
    pattern: &'a Pattern,
    /// The least and the most that may come.
    from: i64,
    to: i64,
    onward: bool,
    /// The next unit to look into.
    unit: Option<i64>,
    /// What is left of the unit before, the next one last.
    left: Vec<i64>,
}

impl<'a> Walk<'a> {
    fn new(pattern: &'a Pattern, from: i64, to: i64, onward: bool) -> Walk<'a> {
        let from = from.max(pattern.first);
        let to = to.min(pattern.last);
        let begin = if onward { from } else { to };
        // From before all years, or back from after them, the first or last day will do.
        let day = begin.div_euclid(DAY).clamp(FIRST_DAY, LAST_DAY);
        Walk {
            pattern,
            from,
            to,
            onward,
            unit: pattern.days.unit_at(day).filter(|_| from <= to),
            left: Vec::new(),
        }
    }

    /// Does a unit lie wholly beyond the end of the walk?
    fn is_past(&self, unit: i64) -> bool {
        match self.pattern.days.span(unit) {
            Some((first, _)) if self.onward => first * DAY > self.to,
            Some((_, last)) => last * DAY + DAY <= self.from,
            None => true,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        loop {
            if let Some(next) = self.left.pop() {
                return Some(next);
            }
            let unit = self.unit.filter(|unit| !self.is_past(*unit))?;
            self.unit = Some(self.pattern.days.beside(unit, self.onward));
            let (from, to) = (self.from, self.to);
            self.left = self.pattern.of_unit(unit, from, to);
            self.left.retain(|wall| (from..=to).contains(wall));
            if self.onward {
                self.left.reverse();
            }
        }
    }
}
