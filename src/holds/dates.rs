//! Dates and times as iCalendar writes them.

use chrono::NaiveDate;

use super::wall::DAY;

/// The first and the last day that recurrences know, of the years 1 to 9999, in days since
/// 1970.
pub(super) const FIRST_DAY: i64 = -719_162;
pub(super) const LAST_DAY: i64 = 2_932_896;

/// A date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Time {
    /// `20261231`: a day, in days since 1970.
    Date(i64),
    /// `20261231T180000`: what a clock shows.
    Wall(i64),
    /// `20261231T180000Z`: an instant, in Unix seconds.
    Utc(i64),
}

/// The calendar's date of a day.
pub(super) fn date(day: i64) -> Option<NaiveDate> {
    if !(FIRST_DAY..=LAST_DAY).contains(&day) {
        return None;
    }
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

/// The day of a date.
pub(super) fn day(year: i32, month: u32, day: u32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(i64::from(date.to_epoch_days())).filter(|day| (FIRST_DAY..=LAST_DAY).contains(day))
}

/// Reads a date or a time.
pub(super) fn time(text: &str) -> Option<Time> {
    let (date, clock) = match text.split_once(['T', 't']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let days = day(
        i32::try_from(digits(date, 0, 4, 8)?).ok()?,
        digits(date, 4, 6, 8)?,
        digits(date, 6, 8, 8)?,
    )?;
    let Some(clock) = clock else {
        return Some(Time::Date(days));
    };
    let bare = clock.strip_suffix(['Z', 'z']);
    let shown = bare.unwrap_or(clock);
    let part = |from, most| digits(shown, from, from + 2, 6).filter(|value| *value <= most);
    // A leap second counts as the last of its minute.
    let (hour, minute, second) = (part(0, 23)?, part(2, 59)?, part(4, 60)?.min(59));
    let seconds = days * DAY + i64::from(hour * 3600 + minute * 60 + second);
    Some(match bare {
        Some(_) => Time::Utc(seconds),
        None => Time::Wall(seconds),
    })
}

/// The number in a part of a text that is so many digits long and nothing else.
fn digits(text: &str, from: usize, to: usize, length: usize) -> Option<u32> {
    if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.get(from..to)?.parse().ok()
}
