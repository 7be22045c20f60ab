//! A rule read the plain way: every minute of every day is asked whether it is one.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Weekday};

/// A rule, part by part; an empty list is a part that isn't there.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub frequency: &'static str,
    pub interval: i64,
    pub week_start: Option<Weekday>,
    pub months: Vec<i64>,
    pub weeks: Vec<i64>,
    pub year_days: Vec<i64>,
    pub month_days: Vec<i64>,
    pub weekdays: Vec<(i64, Weekday)>,
    pub hours: Vec<i64>,
    pub minutes: Vec<i64>,
    pub places: Vec<i64>,
    pub count: Option<usize>,
    pub until: Option<NaiveDateTime>,
}

fn letters(day: Weekday) -> String {
    day.to_string()[..2].to_uppercase()
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FREQ={};INTERVAL={}", self.frequency, self.interval)?;
        let lists = [
            ("BYMONTH", &self.months),
            ("BYWEEKNO", &self.weeks),
            ("BYYEARDAY", &self.year_days),
            ("BYMONTHDAY", &self.month_days),
            ("BYHOUR", &self.hours),
            ("BYMINUTE", &self.minutes),
            ("BYSETPOS", &self.places),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let items: Vec<String> = list.iter().map(i64::to_string).collect();
            write!(f, ";{name}={}", items.join(","))?;
        }
        if !self.weekdays.is_empty() {
            let item = |(number, day): &(i64, Weekday)| match number {
                0 => letters(*day),
                number => format!("{number}{}", letters(*day)),
            };
            let items: Vec<String> = self.weekdays.iter().map(item).collect();
            write!(f, ";BYDAY={}", items.join(","))?;
        }
        if let Some(day) = self.week_start {
            write!(f, ";WKST={}", letters(day))?;
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if let Some(until) = self.until {
            write!(f, ";UNTIL={}", until.format("%Y%m%dT%H%M%SZ"))?;
        }
        Ok(())
    }
}

fn days_between(one: NaiveDate, other: NaiveDate) -> i64 {
    (other - one).num_days()
}

impl Made {
    fn first_of_week(&self, date: NaiveDate) -> NaiveDate {
        let mut first = date;
        while first.weekday() != self.week_start.unwrap_or(Weekday::Mon) {
            first = first - Days::new(1);
        }
        first
    }

    /// The number of a date's week, from the start of the year of that week and from its end.
    fn week(&self, date: NaiveDate) -> [i64; 2] {
        let first = |year| self.first_of_week(NaiveDate::from_ymd_opt(year, 1, 4).unwrap());
        let year = (date.year() - 1..=date.year() + 1)
            .find(|year| first(*year) <= date && date < first(*year + 1))
            .unwrap();
        let week = days_between(first(year), date) / 7 + 1;
        let weeks = days_between(first(year), first(year + 1)) / 7;
        [week, week - weeks - 1]
    }

    fn has_day(&self, date: NaiveDate, start: NaiveDate) -> bool {
        let among = |list: &[i64], values: [i64; 2]| {
            list.is_empty() || values.iter().any(|value| list.contains(value))
        };
        let (month, of_month) = (i64::from(date.month()), i64::from(date.day()));
        let month_length = i64::from(date.num_days_in_month());
        let of_year = i64::from(date.ordinal());
        let year_length = if date.leap_year() { 366 } else { 365 };
        let (f, weeks) = (self.frequency, &self.weeks);
        let no_day =
            self.year_days.is_empty() && self.month_days.is_empty() && self.weekdays.is_empty();
        if no_day {
            let on_weekday = f == "WEEKLY" || f == "YEARLY" && !weeks.is_empty();
            if on_weekday && date.weekday() != start.weekday() {
                return false;
            }
            let on_date = f == "MONTHLY" || f == "YEARLY" && weeks.is_empty();
            if on_date && date.day() != start.day() {
                return false;
            }
            let in_month = f == "YEARLY" && weeks.is_empty() && self.months.is_empty();
            if in_month && date.month() != start.month() {
                return false;
            }
        }
        let by_month = f == "MONTHLY" || !self.months.is_empty();
        let same_weekday = |other: NaiveDate| {
            other.weekday() == date.weekday()
                && other.year() == date.year()
                && (!by_month || other.month() == date.month())
        };
        // Which of its weekday it is: by counting them.
        let count = |step: i64| {
            let others = (0..54).map(|n| date + TimeDelta::weeks(n * step));
            i64::try_from(others.take_while(|other| same_weekday(*other)).count()).unwrap()
        };
        let weekday = |(number, day): &(i64, Weekday)| {
            *day == date.weekday() && (*number == 0 || *number == count(-1) || *number == -count(1))
        };
        among(&self.months, [month, month])
            && among(weeks, self.week(date))
            && among(&self.month_days, [of_month, of_month - month_length - 1])
            && among(&self.year_days, [of_year, of_year - year_length - 1])
            && (self.weekdays.is_empty() || self.weekdays.iter().any(weekday))
    }

    /// The number of the unit that a time is in.
    fn unit(&self, time: NaiveDateTime) -> i64 {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let days = days_between(epoch, time.date());
        let hours = days * 24 + i64::from(time.hour());
        match self.frequency {
            "YEARLY" => i64::from(time.year()),
            "MONTHLY" => i64::from(time.year()) * 12 + i64::from(time.month()),
            "WEEKLY" => days_between(epoch, self.first_of_week(time.date())).div_euclid(7),
            "DAILY" => days,
            "HOURLY" => hours,
            _ => hours * 60 + i64::from(time.minute()),
        }
    }

    /// All occurrences from the start to the end of a day.
    pub(super) fn occurrences(&self, start: NaiveDateTime, to: NaiveDate) -> Vec<NaiveDateTime> {
        let listed = |list: &[i64], value: i64, fixed: bool, at_start: u32| {
            list.contains(&value) || list.is_empty() && (!fixed || value == i64::from(at_start))
        };
        let f = self.frequency;
        let mut units: BTreeMap<i64, Vec<NaiveDateTime>> = BTreeMap::new();
        // Units before the start's don't count, but what is before the start in its unit does.
        let from = NaiveDate::from_ymd_opt(start.year() - 1, 12, 1).unwrap();
        for date in from
            .iter_days()
            .take_while(|date| *date <= to + Days::new(366))
        {
            if !self.has_day(date, start.date()) {
                continue;
            }
            for hour in 0..24 {
                let fixed = !matches!(f, "HOURLY" | "MINUTELY");
                if !listed(&self.hours, hour, fixed, start.hour()) {
                    continue;
                }
                for minute in 0..60 {
                    if listed(&self.minutes, minute, f != "MINUTELY", start.minute()) {
                        let seconds = hour * 3600 + minute * 60 + i64::from(start.second());
                        let time = date.and_time(chrono::NaiveTime::MIN);
                        let time = time + TimeDelta::seconds(seconds);
                        units.entry(self.unit(time)).or_default().push(time);
                    }
                }
            }
        }
        let mut all = Vec::new();
        for (unit, times) in units {
            if (unit - self.unit(start)) % self.interval != 0 {
                continue;
            }
            for (place, time) in times.iter().enumerate() {
                let from_start = i64::try_from(place).unwrap() + 1;
                let from_end = from_start - i64::try_from(times.len()).unwrap() - 1;
                let places = [from_start, from_end];
                let chosen = self.places.is_empty()
                    || places.iter().any(|place| self.places.contains(place));
                if chosen && *time >= start && self.until.is_none_or(|until| *time <= until) {
                    all.push(*time);
                }
            }
        }
        all.truncate(self.count.unwrap_or(usize::MAX));
        all.retain(|time| time.date() <= to);
        all
    }
}

/// A rule's text in a zone.
pub(super) fn in_zone(rule: &Made, zone: &str) -> String {
    let mut text = String::new();
    write!(text, "TZID={zone};{rule}").unwrap();
    text
}
