//! Points in time, as the product's database keeps them.
//!
//! An [`Instant`] is a `timestamptz`: microseconds since 2000-01-01 00:00:00 UTC,
//! finite. Infinities never get this far: they are refused where SQL values are
//! read. Arithmetic saturates, so no value that a table can hold makes it panic.

use std::fmt;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;

/// Seconds from the Unix epoch to 2000-01-01 00:00:00 UTC.
const UNIX_TO_2000: i64 = 946_684_800;

/// A finite `timestamptz`: microseconds since 2000-01-01 00:00:00 UTC.
///
/// ```
/// use workspace_autobuild::instant::Instant;
///
/// let y2k = Instant::from_micros(0).expect("PostgreSQL keeps it");
/// assert_eq!(y2k.to_string(), "2000-01-01T00:00:00Z");
/// assert!(Instant::NO_TIME < y2k);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The product's "no time": `0001-01-01 00:00:00+00`.
    pub const NO_TIME: Instant = Instant(-63_082_281_600 * SECOND);
    /// The earliest instant that PostgreSQL keeps: 4714-11-24 00:00:00 BC.
    pub const MIN: Instant = Instant(-211_813_488_000 * SECOND);
    /// The first instant that PostgreSQL refuses: 294277-01-01 00:00:00.
    pub const END: Instant = Instant(9_223_371_331_200 * SECOND);
    /// The last instant that PostgreSQL keeps.
    pub const MAX: Instant = Instant(Instant::END.0 - 1);

    /// The instant so many microseconds after 2000-01-01 00:00:00 UTC, if
    /// PostgreSQL can keep it.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// assert_eq!(Instant::from_micros(i64::MAX), None); // `infinity`, to PostgreSQL
    /// ```
    pub fn from_micros(micros: i64) -> Option<Instant> {
        let instant = Instant(micros);
        (Instant::MIN..Instant::END)
            .contains(&instant)
            .then_some(instant)
    }

    /// Microseconds since 2000-01-01 00:00:00 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND) + UNIX_TO_2000
    }

    /// The instant at so many seconds after the Unix epoch, if PostgreSQL can
    /// keep it.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// let epoch = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
    /// assert_eq!(epoch.to_string(), "1970-01-01T00:00:00Z");
    /// ```
    pub fn from_unix_seconds(seconds: i64) -> Option<Instant> {
        seconds
            .checked_sub(UNIX_TO_2000)
            .and_then(|s| s.checked_mul(SECOND))
            .and_then(Instant::from_micros)
    }

    /// Cut down to the whole UTC minute.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// let just_before = Instant::from_micros(-1).expect("PostgreSQL keeps it");
    /// assert_eq!(just_before.to_string(), "1999-12-31T23:59:59.999999Z");
    /// assert_eq!(just_before.truncate_to_minute().to_string(), "1999-12-31T23:59:00Z");
    /// ```
    pub fn truncate_to_minute(self) -> Instant {
        Instant(self.0 - self.0.rem_euclid(MINUTE))
    }

    /// The first whole UTC minute at or after it.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// let just_after = Instant::from_micros(1).expect("PostgreSQL keeps it");
    /// assert_eq!(just_after.ceil_to_minute().to_string(), "2000-01-01T00:01:00Z");
    /// assert_eq!(just_after.truncate_to_minute().ceil_to_minute().to_string(), "2000-01-01T00:00:00Z");
    /// ```
    pub fn ceil_to_minute(self) -> Instant {
        self.saturating_add_micros(MINUTE - 1).truncate_to_minute()
    }

    /// This instant moved by microseconds, kept within what PostgreSQL can hold.
    ///
    /// ```
    /// # use workspace_autobuild::instant::{Instant, MINUTE};
    /// let last = Instant::MAX;
    /// assert_eq!(last.saturating_add_micros(MINUTE), last);
    /// assert!(last.saturating_add_micros(-MINUTE) < last);
    /// ```
    pub fn saturating_add_micros(self, micros: i64) -> Instant {
        Instant(
            self.0
                .saturating_add(micros)
                .clamp(Instant::MIN.0, Instant::MAX.0),
        )
    }

    /// This instant and a duration, kept within what PostgreSQL can hold.
    pub fn saturating_add(self, duration: Micros) -> Instant {
        self.saturating_add_micros(duration.0)
    }

    /// This instant less a duration, kept within what PostgreSQL can hold.
    pub fn saturating_sub(self, duration: Micros) -> Instant {
        self.saturating_add_micros(duration.0.saturating_neg())
    }

    /// Nanoseconds from `earlier` to this instant; exact for every pair.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// // More than an i64 holds.
    /// assert!(Instant::MAX.nanos_since(Instant::MIN) > i128::from(i64::MAX));
    /// ```
    pub fn nanos_since(self, earlier: Instant) -> i128 {
        (i128::from(self.0) - i128::from(earlier.0)) * 1000
    }
}

/// A duration in nanoseconds, as the product's templates have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i64);

impl Nanos {
    /// Cut down to whole microseconds.
    pub fn micros(self) -> Micros {
        Micros(self.0.div_euclid(1000))
    }
}

/// A duration in milliseconds, as the server has its timeouts; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i32);

/// A duration in microseconds, the unit of an [`Instant`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

impl fmt::Display for Nanos {
    /// In the largest unit that it is a whole number of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 4] = [
            (24 * HOUR * 1000, "d"),
            (HOUR * 1000, "h"),
            (MINUTE * 1000, "min"),
            (SECOND * 1000, "s"),
        ];
        let whole = UNITS.iter().find(|(unit, _)| self.0 % unit == 0);
        let (unit, name) = whole.unwrap_or(&(1, "ns"));
        write!(f, "{} {name}", self.0 / unit)
    }
}

/// Date and time of day of an [`Instant`] in UTC, in the proleptic Gregorian calendar that
/// PostgreSQL uses. chrono's own range ends before PostgreSQL's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year; 0 is 1 BC.
    pub year: i64,
    /// 1 is January.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Day of the week; 0 is Monday.
    pub weekday: i64,
    /// Hour, 0 to 23.
    pub hour: i64,
    /// Minute.
    pub minute: i64,
    /// Whole second.
    pub second: i64,
    /// What is beyond the whole second.
    pub micros: i64,
}

impl Instant {
    /// Its date and time of day in UTC.
    pub fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(SECOND);
        let since_2000 = seconds.div_euclid(86_400);
        let days = since_2000 + 10_957 + 719_468;
        let of_day = seconds.rem_euclid(86_400);
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * of_year + 2) / 153;
        let month = if month_index < 10 {
            month_index + 3
        } else {
            month_index - 9
        };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * month_index + 2) / 5 + 1,
            // 1 January 2000 was a Saturday.
            weekday: (since_2000 + 5).rem_euclid(7),
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            micros: self.0.rem_euclid(SECOND),
        }
    }
}

impl fmt::Display for Instant {
    /// ISO 8601 in UTC, with microseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil();
        let (year, suffix) = if at.year > 0 {
            (at.year, "")
        } else {
            (1 - at.year, " BC")
        };
        write!(f, "{year:04}-{:02}-{:02}T", at.month, at.day)?;
        write!(f, "{:02}:{:02}:{:02}", at.hour, at.minute, at.second)?;
        if at.micros != 0 {
            write!(f, ".{:06}", at.micros)?;
        }
        write!(f, "Z{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_the_first_of_january_of_the_year_one() {
        assert_eq!(Instant::NO_TIME.to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn the_ends_are_postgresqls_own() {
        assert_eq!(Instant::MIN.to_string(), "4714-11-24T00:00:00Z BC");
        assert_eq!(Instant::END.to_string(), "294277-01-01T00:00:00Z");
        assert_eq!(Instant::from_micros(i64::MAX), None);
        assert_eq!(Instant::from_micros(i64::MIN), None);
        assert_eq!(Instant::from_micros(Instant::END.micros()), None);
    }

    #[test]
    fn the_unix_epoch_and_leap_days_print_as_dates() {
        let at = |s| Instant::from_unix_seconds(s).unwrap().to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59Z");
    }

    #[test]
    fn days_of_the_week_count_from_monday_also_before_2000() {
        let weekday = |s| Instant::from_unix_seconds(s).unwrap().civil().weekday;
        assert_eq!(weekday(0), 3); // 1 January 1970, a Thursday
        assert_eq!(weekday(-1), 2);
        assert_eq!(weekday(1_704_672_000), 0); // 8 January 2024, a Monday
        assert_eq!(weekday(1_704_671_999), 6);
        assert_eq!(Instant::NO_TIME.civil().weekday, 0);
    }

    #[test]
    fn minutes_are_cut_down_also_before_2000() {
        let at = Instant::from_micros(-1).unwrap();
        assert_eq!(at.truncate_to_minute().to_string(), "1999-12-31T23:59:00Z");
    }
}
