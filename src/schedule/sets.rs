//! The sets of minutes, hours and weekdays, and the search in them.
//!
//! The search works on local minutes: minutes of a clock that is never moved,
//! counted from 1970-01-01 00:00 on that clock. It costs a few bit operations.

/// Minutes in a day.
const DAY: i64 = 24 * 60;

/// The wall clock times of a weekly schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sets {
    /// Bit 0 to 59.
    pub minutes: u64,
    /// Bit 0 to 23.
    pub hours: u32,
    /// Bit 0 to 6, Sunday = 0.
    pub weekdays: u8,
}

impl Sets {
    /// The sets of the bits that belong to each field; others are dropped.
    pub(super) fn new(minutes: u64, hours: u64, weekdays: u64) -> Sets {
        Sets {
            minutes: minutes & ((1 << 60) - 1),
            hours: (hours & ((1 << 24) - 1)) as u32,
            weekdays: (weekdays & ((1 << 7) - 1)) as u8,
        }
    }

    /// Whether no time is in all of the sets.
    pub(super) fn is_empty(&self) -> bool {
        self.minutes == 0 || self.hours == 0 || self.weekdays == 0
    }

    /// The first local minute at or after a local minute that is in all of the sets.
    pub(super) fn at_or_after(&self, local_minute: i64) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let first_minute = i64::from(self.minutes.trailing_zeros());
        let day = local_minute.div_euclid(DAY);
        let (hour, minute) = (
            local_minute.rem_euclid(DAY) / 60,
            local_minute.rem_euclid(60),
        );
        let weekday = weekday(day);
        if self.weekdays & (1 << weekday) != 0 {
            let rest_of_hour = self.minutes >> minute;
            if self.hours & (1 << hour) != 0 && rest_of_hour != 0 {
                return Some(local_minute + i64::from(rest_of_hour.trailing_zeros()));
            }
            let later_hours = self.hours & (u32::MAX << (hour + 1));
            if later_hours != 0 {
                let hour = i64::from(later_hours.trailing_zeros());
                return Some(day * DAY + hour * 60 + first_minute);
            }
        }
        // Two weeks of days, from tomorrow on; the first is at most seven days off.
        let week = u32::from(self.weekdays);
        let days = 1 + i64::from(((week | week << 7) >> (weekday + 1)).trailing_zeros());
        let first_hour = i64::from(self.hours.trailing_zeros());
        Some((day + days) * DAY + first_hour * 60 + first_minute)
    }

    /// The last local minute at or before a local minute that is in all of the sets.
    pub(super) fn at_or_before(&self, local_minute: i64) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let last_minute = highest(self.minutes);
        let day = local_minute.div_euclid(DAY);
        let (hour, minute) = (
            local_minute.rem_euclid(DAY) / 60,
            local_minute.rem_euclid(60),
        );
        let weekday = weekday(day);
        if self.weekdays & (1 << weekday) != 0 {
            let hour_so_far = self.minutes & !(u64::MAX << (minute + 1));
            if self.hours & (1 << hour) != 0 && hour_so_far != 0 {
                return Some(local_minute - minute + highest(hour_so_far));
            }
            let earlier_hours = self.hours & !(u32::MAX << hour);
            if earlier_hours != 0 {
                let hour = highest(earlier_hours.into());
                return Some(day * DAY + hour * 60 + last_minute);
            }
        }
        // Two weeks of days, up to yesterday; the last is at most seven days ago.
        let week = u64::from(self.weekdays);
        let today = i64::from(weekday) + 7;
        let days = today - highest((week | week << 7) & !(u64::MAX << today));
        Some((day - days) * DAY + highest(self.hours.into()) * 60 + last_minute)
    }

    /// The same times on the weekdays that are not among these; bit 0 is Sunday.
    pub(super) fn without(&self, weekdays: u8) -> Sets {
        Sets {
            weekdays: self.weekdays & !weekdays,
            ..*self
        }
    }
}

/// The number of the highest bit of a set that is not empty.
fn highest(set: u64) -> i64 {
    63 - i64::from(set.leading_zeros())
}

/// The weekday of a day counted from 1970-01-01, a Thursday; Sunday = 0.
pub(super) fn weekday(day: i64) -> u8 {
    (day + 4).rem_euclid(7) as u8
}
