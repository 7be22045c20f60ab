//! A recurrence rule's text, taken apart: RFC 5545, 3.3.10, and nothing beyond it.

use chrono::Weekday;

use super::dates::{Time, time};
use super::error::{HoldError, Problem};

/// How often occurrences may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
}

/// The parts of a rule. An empty list is a part that isn't there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub frequency: Frequency,
    pub interval: i64,
    pub count: Option<usize>,
    pub until: Option<Time>,
    pub week_start: Weekday,
    pub months: Vec<i32>,
    pub weeks: Vec<i32>,
    pub year_days: Vec<i32>,
    pub month_days: Vec<i32>,
    /// With a number: which one of the month or the year, below 0 from its end; 0 is each.
    pub weekdays: Vec<(i32, Weekday)>,
    pub hours: Vec<i32>,
    pub minutes: Vec<i32>,
    pub seconds: Vec<i32>,
    pub places: Vec<i32>,
}

/// The most occurrences that a rule may count: all of them are walked when it is read.
const MOST_COUNTED: i32 = 10_000;

impl Parts {
    /// Reads `FREQ=...;...`.
    pub(super) fn read(text: &str) -> Result<Parts, HoldError> {
        let mut frequency = None;
        let mut week_start = None;
        let (mut interval, mut count, mut until) = (None, None, None);
        let mut weekdays = None;
        let mut lists: [Option<Vec<i32>>; LISTS.len()] = Default::default();
        for part in text.split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(HoldError::new("recurrence", part, Problem::NotAPart));
            };
            let name = name.to_ascii_uppercase();
            let name = name.as_str();
            match name {
                "FREQ" => once(name, &mut frequency, read_frequency(value)?)?,
                "INTERVAL" => once(name, &mut interval, number(name, value, 1, i32::MAX)?)?,
                "COUNT" => once(name, &mut count, number(name, value, 1, MOST_COUNTED)?)?,
                "UNTIL" => {
                    let read = time(value);
                    let read = read.ok_or(HoldError::new(name, value, Problem::NotATime))?;
                    once(name, &mut until, read)?;
                }
                "WKST" => {
                    let read = weekday(value);
                    let read = read.ok_or(HoldError::new(name, value, Problem::NotAWeekday))?;
                    once(name, &mut week_start, read)?;
                }
                "BYDAY" => once(name, &mut weekdays, read_weekdays(value)?)?,
                _ => {
                    let list = LISTS.iter().zip(&mut lists);
                    let Some((list, values)) = list.into_iter().find(|(l, _)| l.name == name)
                    else {
                        return Err(HoldError::new(name, value, Problem::NotAPart));
                    };
                    once(name, values, list.read(value)?)?;
                }
            }
        }
        let frequency = frequency.ok_or(HoldError::new("FREQ", "", Problem::Missing))?;
        let [
            seconds,
            minutes,
            hours,
            month_days,
            year_days,
            weeks,
            months,
            places,
        ] = lists.map(Option::unwrap_or_default);
        let parts = Parts {
            frequency,
            interval: i64::from(interval.unwrap_or(1)),
            count: count.and_then(|count| usize::try_from(count).ok()),
            until,
            week_start: week_start.unwrap_or(Weekday::Mon),
            months,
            weeks,
            year_days,
            month_days,
            weekdays: weekdays.unwrap_or_default(),
            hours,
            minutes,
            seconds,
            places,
        };
        parts.check()?;
        Ok(parts)
    }

    /// What the RFC forbids together.
    fn check(&self) -> Result<(), HoldError> {
        use Frequency::{Daily, Monthly, Weekly, Yearly};
        let refuse = |name: &str, problem| Err(HoldError::new(name, "", problem));
        let frequency = self.frequency;
        if self.count.is_some() && self.until.is_some() {
            return refuse("COUNT", Problem::TwoEnds);
        }
        if !self.weeks.is_empty() && frequency != Yearly {
            return refuse("BYWEEKNO", Problem::NotWithFrequency);
        }
        if !self.year_days.is_empty() && matches!(frequency, Monthly | Weekly | Daily) {
            return refuse("BYYEARDAY", Problem::NotWithFrequency);
        }
        if !self.month_days.is_empty() && frequency == Weekly {
            return refuse("BYMONTHDAY", Problem::NotWithFrequency);
        }
        let numbered = frequency == Monthly || frequency == Yearly && self.weeks.is_empty();
        if !numbered && self.weekdays.iter().any(|(number, _)| *number != 0) {
            return refuse("BYDAY", Problem::NumberedWeekday);
        }
        let days = [&self.months, &self.weeks, &self.year_days, &self.month_days];
        let times = [&self.hours, &self.minutes, &self.seconds];
        let mut others = days.into_iter().chain(times);
        if !self.places.is_empty() && self.weekdays.is_empty() && others.all(Vec::is_empty) {
            return refuse("BYSETPOS", Problem::NothingToChooseFrom);
        }
        Ok(())
    }
}

/// A part that is a list of numbers.
struct List {
    name: &'static str,
    least: i32,
    most: i32,
    /// Does it count from the end, too, below zero?
    signed: bool,
}

const fn list(name: &'static str, least: i32, most: i32, signed: bool) -> List {
    List {
        name,
        least,
        most,
        signed,
    }
}

const LISTS: [List; 8] = [
    list("BYSECOND", 0, 59, false),
    list("BYMINUTE", 0, 59, false),
    list("BYHOUR", 0, 23, false),
    list("BYMONTHDAY", 1, 31, true),
    list("BYYEARDAY", 1, 366, true),
    list("BYWEEKNO", 1, 53, true),
    list("BYMONTH", 1, 12, false),
    list("BYSETPOS", 1, 366, true),
];

impl List {
    /// Sorted, each number once.
    fn read(&self, text: &str) -> Result<Vec<i32>, HoldError> {
        let mut values = Vec::new();
        for item in text.split(',') {
            let value = plain_number(item, self.signed);
            let within = |value: &i32| {
                let size = if self.signed { value.abs() } else { *value };
                (self.least..=self.most).contains(&size)
            };
            let problem = match self.signed {
                true => Problem::NotInSignedRange(self.most),
                false => Problem::NotInRange(self.least, self.most),
            };
            let value = value.filter(within);
            values.push(value.ok_or(HoldError::new(self.name, item, problem))?);
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), HoldError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(HoldError::new(name, "", Problem::Repeated)),
    }
}

fn read_frequency(text: &str) -> Result<Frequency, HoldError> {
    let problem = match text.to_ascii_uppercase().as_str() {
        "YEARLY" => return Ok(Frequency::Yearly),
        "MONTHLY" => return Ok(Frequency::Monthly),
        "WEEKLY" => return Ok(Frequency::Weekly),
        "DAILY" => return Ok(Frequency::Daily),
        "HOURLY" => return Ok(Frequency::Hourly),
        "MINUTELY" => return Ok(Frequency::Minutely),
        "SECONDLY" => Problem::TooOften,
        _ => Problem::NotAFrequency,
    };
    Err(HoldError::new("FREQ", text, problem))
}

fn number(name: &str, text: &str, least: i32, most: i32) -> Result<i32, HoldError> {
    plain_number(text, false)
        .filter(|value| (least..=most).contains(value))
        .ok_or(HoldError::new(name, text, Problem::NotInRange(least, most)))
}

/// Digits, with a sign where one may stand.
fn plain_number(text: &str, signed: bool) -> Option<i32> {
    let digits = match text.strip_prefix(['+', '-']) {
        Some(digits) if signed => digits,
        _ => text,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

/// `MO`, `-1FR`, ...
fn read_weekdays(text: &str) -> Result<Vec<(i32, Weekday)>, HoldError> {
    let mut weekdays = Vec::new();
    for item in text.split(',') {
        let refused = |problem| HoldError::new("BYDAY", item, problem);
        let split = item
            .len()
            .checked_sub(2)
            .and_then(|at| item.split_at_checked(at));
        let (number, day) = split.ok_or(refused(Problem::NotAWeekday))?;
        let day = weekday(day).ok_or(refused(Problem::NotAWeekday))?;
        let number = match number {
            "" => 0,
            number => plain_number(number, true)
                .filter(|number| (1..=53).contains(&number.abs()))
                .ok_or(refused(Problem::NotInSignedRange(53)))?,
        };
        if !weekdays.contains(&(number, day)) {
            weekdays.push((number, day));
        }
    }
    Ok(weekdays)
}
