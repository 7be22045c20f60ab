//! Values of an iCalendar text: times in zones, durations, texts.

use chrono::DateTime;

use crate::holds::dates::{FIRST_DAY, LAST_DAY, Time, time};
use crate::holds::wall::{DAY, instant_of};
use crate::schedule::{Zone, ZoneSource, find_zone};

use super::error::{CalendarError, Fault};
use super::lines::Line;

/// A zone by its name; `None` is UTC.
pub(super) struct Clock<Z> {
    name: String,
    zone: Option<Z>,
}

impl<Z: Zone> Clock<Z> {
    /// UTC.
    pub(super) fn utc() -> Clock<Z> {
        Clock {
            name: "UTC".to_owned(),
            zone: None,
        }
    }

    /// The zone of a name, if it is one.
    pub(super) fn of<S: ZoneSource<Zone = Z>>(name: &str, zones: &S) -> Option<Clock<Z>> {
        if name == "UTC" {
            return Some(Clock::utc());
        }
        let zone = Some(find_zone(name, zones)?);
        Some(Clock {
            name: name.to_owned(),
            zone,
        })
    }

    /// What a rule in this zone begins with.
    pub(super) fn prefix(&self) -> String {
        match &self.zone {
            Some(_) => format!("TZID={};", self.name),
            None => String::new(),
        }
    }

    /// A time so many days later by the clock, if it is one that is known.
    pub(super) fn later(&self, time: Time, days: i64) -> Option<Time> {
        let known = |day: i64| (FIRST_DAY..=LAST_DAY).contains(&day);
        match time {
            Time::Date(day) => Some(day + days).filter(|day| known(*day)).map(Time::Date),
            Time::Wall(wall) => {
                let later = wall + days * DAY;
                known(later.div_euclid(DAY)).then_some(Time::Wall(later))
            }
            Time::Utc(unix) => {
                let later = unix + days * DAY;
                known(later.div_euclid(DAY)).then_some(Time::Utc(later))
            }
        }
    }

    /// The instant of a time, in Unix seconds; of a date that of its midnight.
    pub(super) fn unix(&self, time: Time) -> i64 {
        match time {
            Time::Date(day) => instant_of(day * DAY, self.zone.as_ref()),
            Time::Wall(wall) => instant_of(wall, self.zone.as_ref()),
            Time::Utc(unix) => unix,
        }
    }
}

/// A time with the clock that it is told by.
pub(super) struct Told<Z> {
    pub time: Time,
    pub clock: Clock<Z>,
}

impl<Z: Zone> Told<Z> {
    pub(super) fn unix(&self) -> i64 {
        self.clock.unix(self.time)
    }

    pub(super) fn is_date(&self) -> bool {
        matches!(self.time, Time::Date(_))
    }

    /// The day, by its own clock.
    pub(super) fn day(&self) -> i64 {
        match self.time {
            Time::Date(day) => day,
            Time::Wall(seconds) | Time::Utc(seconds) => seconds.div_euclid(DAY),
        }
    }

    /// As an exception of a rule that goes by a clock.
    pub(super) fn exception(&self, of: &Clock<Z>) -> String {
        let text = |seconds: i64, format: &str| {
            let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
            time.format(format).to_string()
        };
        match self.time {
            Time::Date(day) => text(day * DAY, "%Y%m%d"),
            Time::Wall(wall) if self.clock.name == of.name => text(wall, "%Y%m%dT%H%M%S"),
            _ => text(self.unix(), "%Y%m%dT%H%M%SZ"),
        }
    }
}

/// Reads one of a line's values as a time. Where no zone is said, `floating` gives it.
pub(super) fn told<S: ZoneSource>(
    line: &Line,
    value: &str,
    floating: &dyn Fn() -> Result<Clock<S::Zone>, CalendarError>,
    zones: &S,
) -> Result<Told<S::Zone>, CalendarError> {
    let time = time(value.trim()).ok_or_else(|| line.fault(Fault::NotATime))?;
    let is_date = matches!(time, Time::Date(_));
    let as_said = match line
        .parameter("VALUE")
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("DATE") => is_date,
        Some("DATE-TIME") => !is_date,
        None => true,
        Some(_) => return Err(line.fault(Fault::NotRead)),
    };
    if !as_said {
        return Err(line.fault(Fault::NotATime));
    }
    let clock = match (time, line.parameter("TZID")) {
        (Time::Utc(_), _) => Clock::utc(),
        (Time::Wall(_), Some(name)) => {
            let fault = || CalendarError::new(line.number, name, Fault::NotAZone);
            Clock::of(name, zones).ok_or_else(fault)?
        }
        _ => floating()?,
    };
    Ok(Told { time, clock })
}

/// A duration: days, which are as long as the clock makes them, and seconds, which are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duration {
    pub days: i64,
    pub seconds: i64,
}

/// Reads `P1W`, `P2DT3H`, ...
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_uppercase();
    let rest = text.strip_prefix('+').unwrap_or(&text).strip_prefix('P')?;
    let (date, clock) = match rest.split_once('T') {
        Some((date, clock)) if !clock.is_empty() => (date, clock),
        Some(_) => return None,
        None => (rest, ""),
    };
    if rest.is_empty() {
        return None;
    }
    Some(Duration {
        days: sum(date, &[('W', 7), ('D', 1)])?,
        seconds: sum(clock, &[('H', 3600), ('M', 60), ('S', 1)])?,
    })
}

/// The sum of numbers before letters that come in order, each at most once.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut sum = 0;
    for (letter, unit) in units {
        let Some((number, rest)) = text.split_once(*letter) else {
            continue;
        };
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        // Longer than PostgreSQL's time no number has to be.
        if !plain || number.len() > 12 {
            return None;
        }
        sum += number.parse::<i64>().ok()? * unit;
        text = rest;
    }
    text.is_empty().then_some(sum)
}

/// A text without its escapes.
pub(super) fn text(escaped: &str) -> String {
    let mut plain = String::new();
    let mut letters = escaped.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_days_and_seconds() {
        let read = |text| duration(text).map(|read| (read.days, read.seconds));
        assert_eq!(read("P1W"), Some((7, 0)));
        assert_eq!(read("P15DT5H0M20S"), Some((15, 18_020)));
        assert_eq!(read("+pt30m"), Some((0, 1800)));
        for text in [
            "", "P", "PT", "P1DT", "1D", "-P1D", "P1H", "PT1D", "PT1M1H", "P1.5D", "PD",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("P9999999999999W"), None);
    }

    #[test]
    fn escapes_of_a_text_are_taken_away() {
        assert_eq!(text(r"a\, b\; c\\n\nd\N\"), "a, b; c\\n\nd\n\\");
    }
}
