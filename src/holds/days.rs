//! On which days a rule has occurrences: its units (years, months, weeks, days) and what is
//! chosen in them.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate, Weekday};

use super::dates::{FIRST_DAY, LAST_DAY, date, day};
use super::parts::{Frequency, Parts};

/// The days of a rule, with what its start has to fill in.
#[derive(Clone, Debug)]
pub(super) struct Days {
    frequency: Frequency,
    interval: i64,
    week_start: Weekday,
    months: Vec<i32>,
    weeks: Vec<i32>,
    year_days: Vec<i32>,
    month_days: Vec<i32>,
    weekdays: Vec<(i32, Weekday)>,
    /// The unit of the start, from which intervals are counted.
    start: i64,
}

impl Days {
    /// What the rule doesn't say of the day is as on the day of the start.
    pub(super) fn new(parts: &Parts, start_day: i64) -> Option<Days> {
        let start = date(start_day)?;
        let mut days = Days {
            frequency: parts.frequency,
            interval: parts.interval,
            week_start: parts.week_start,
            months: parts.months.clone(),
            weeks: parts.weeks.clone(),
            year_days: parts.year_days.clone(),
            month_days: parts.month_days.clone(),
            weekdays: parts.weekdays.clone(),
            start: 0,
        };
        let by_day = days.year_days.is_empty() && days.month_days.is_empty();
        if by_day && days.weekdays.is_empty() {
            let month_day = start.day().cast_signed();
            match parts.frequency {
                Frequency::Yearly if !days.weeks.is_empty() => {
                    days.weekdays.push((0, start.weekday()));
                }
                Frequency::Yearly if days.months.is_empty() => {
                    days.months.push(start.month().cast_signed());
                    days.month_days.push(month_day);
                }
                Frequency::Yearly | Frequency::Monthly => days.month_days.push(month_day),
                Frequency::Weekly => days.weekdays.push((0, start.weekday())),
                Frequency::Daily | Frequency::Hourly | Frequency::Minutely => {}
            }
        }
        days.start = days.unit(start_day)?;
        Some(days)
    }

    /// The unit that a day is in.
    fn unit(&self, of: i64) -> Option<i64> {
        let date = date(of)?;
        Some(match self.frequency {
            Frequency::Yearly => i64::from(date.year()),
            Frequency::Monthly => i64::from(date.year()) * 12 + i64::from(date.month0()),
            Frequency::Weekly => (of - self.first_of_week()).div_euclid(7),
            _ => of,
        })
    }

    /// The first day that was the first of its week.
    fn first_of_week(&self) -> i64 {
        // Day 4 was a Monday.
        4 + i64::from(self.week_start.num_days_from_monday())
    }

    /// The days of a unit, those of them that recurrences know.
    fn days(&self, unit: i64) -> Option<RangeInclusive<i64>> {
        let month = |months: i64| {
            let year = i32::try_from(months.div_euclid(12)).ok()?;
            let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
            day(year, month, 1)
        };
        let whole = match self.frequency {
            Frequency::Yearly => {
                let year = i32::try_from(unit).ok()?;
                day(year, 1, 1)?..=day(year, 12, 31)?
            }
            Frequency::Monthly => {
                let next = month(unit + 1);
                month(unit)?..=next.map_or(LAST_DAY, |next| next - 1)
            }
            Frequency::Weekly => {
                let first = self.first_of_week() + unit * 7;
                first.max(FIRST_DAY)..=(first + 6).min(LAST_DAY)
            }
            _ => unit..=unit,
        };
        (FIRST_DAY..=LAST_DAY)
            .contains(whole.start())
            .then_some(whole)
    }

    /// How many units lie between two that may have occurrences. Hours and minutes are
    /// counted within days, whose times know of the interval.
    fn step(&self) -> i64 {
        match self.frequency {
            Frequency::Hourly | Frequency::Minutely => 1,
            _ => self.interval,
        }
    }

    /// The last unit at or before a day's that may have occurrences.
    pub(super) fn unit_at(&self, of: i64) -> Option<i64> {
        let unit = self.unit(of.clamp(FIRST_DAY, LAST_DAY))?;
        Some(unit - (unit - self.start).rem_euclid(self.step()))
    }

    /// The unit after or before one.
    pub(super) fn beside(&self, unit: i64, later: bool) -> i64 {
        if later {
            unit + self.step()
        } else {
            unit - self.step()
        }
    }

    /// The first and the last day of a unit.
    pub(super) fn span(&self, unit: i64) -> Option<(i64, i64)> {
        self.days(unit).map(|days| (*days.start(), *days.end()))
    }

    /// The days of a unit on which there are occurrences.
    pub(super) fn chosen(&self, unit: i64) -> Vec<i64> {
        let days = self.days(unit).into_iter().flatten();
        days.filter(|day| self.has(*day)).collect()
    }

    fn has(&self, day: i64) -> bool {
        let Some(date) = date(day) else {
            return false;
        };
        let month = date.month().cast_signed();
        if !self.months.is_empty() && !self.months.contains(&month) {
            return false;
        }
        let year_day = date.ordinal().cast_signed();
        let year_length = if date.leap_year() { 366 } else { 365 };
        if !is_among(&self.year_days, year_day, year_length) {
            return false;
        }
        let month_day = date.day().cast_signed();
        let month_length = i32::from(date.num_days_in_month());
        if !is_among(&self.month_days, month_day, month_length) {
            return false;
        }
        if !self.weeks.is_empty() {
            let (week, weeks) = self.week(date);
            if !is_among(&self.weeks, week, weeks) {
                return false;
            }
        }
        if self.weekdays.is_empty() {
            return true;
        }
        let of_month = self.frequency == Frequency::Monthly || !self.months.is_empty();
        let (place, length) = match of_month {
            true => (month_day, month_length),
            false => (year_day, year_length),
        };
        let from_start = (place - 1) / 7 + 1;
        let from_end = -((length - place) / 7 + 1);
        self.weekdays.iter().any(|(number, weekday)| {
            *weekday == date.weekday() && [0, from_start, from_end].contains(number)
        })
    }

    /// The number of the week that a date is in, and how many the year of that week has. The
    /// first is the first with four days in the year.
    fn week(&self, date: NaiveDate) -> (i32, i32) {
        let into_week = |date: NaiveDate| {
            let days = 7 + date.weekday().num_days_from_monday();
            ((days - self.week_start.num_days_from_monday()) % 7).cast_signed()
        };
        // What the week's fourth day says, its week says.
        let fourth = date.ordinal().cast_signed() + 3 - into_week(date);
        let length = |year: i32| {
            let leap = NaiveDate::from_ymd_opt(year, 1, 1).is_some_and(|date| date.leap_year());
            if leap { 366 } else { 365 }
        };
        let (fourth, year) = if fourth < 1 {
            (fourth + length(date.year() - 1), date.year() - 1)
        } else if fourth > length(date.year()) {
            (fourth - length(date.year()), date.year() + 1)
        } else {
            (fourth, date.year())
        };
        let place = (fourth - 1) % 7;
        let weeks = (length(year) - 1 - place) / 7 + 1;
        ((fourth - 1) / 7 + 1, weeks)
    }
}

/// Is a place among those of a list, which count from the start or, below zero, from the end?
fn is_among(list: &[i32], place: i32, length: i32) -> bool {
    list.is_empty() || list.contains(&place) || list.contains(&(place - length - 1))
}
