//! Why a schedule text is refused: the field, what stands there, what is wrong.
//!
//! What was seen is the user's own text, so it is cut and made printable before it
//! goes into a message, a log or a table.

use std::fmt;

use thiserror::Error;

/// How many characters of the text an error repeats.
const SEEN: usize = 40;

/// A part of a schedule text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What follows `CRON_TZ=`.
    TimeZone,
    /// The first field, 0 to 59.
    Minute,
    /// The second field, 0 to 23.
    Hour,
    /// The third field, always `*`.
    DayOfMonth,
    /// The fourth field, always `*`.
    Month,
    /// The fifth field, 0 (Sunday) to 6, or names.
    DayOfWeek,
}

impl Field {
    /// The largest number that the field takes; the smallest is 0.
    pub(super) fn max(self) -> u8 {
        match self {
            Field::Minute => 59,
            Field::Hour => 23,
            Field::DayOfWeek => 6,
            // Not fields of numbers here.
            Field::TimeZone | Field::DayOfMonth | Field::Month => 0,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::TimeZone => "time zone",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day of month",
            Field::Month => "month",
            Field::DayOfWeek => "day of week",
        })
    }
}

/// What is wrong with a part of a schedule text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// A prefix, but no ASCII space anywhere.
    #[error("isn't followed by a space and five fields")]
    NoSpace,
    /// No such zone, or a name that isn't IANA's or isn't spelled as there.
    #[error("isn't an IANA time zone, spelled exactly")]
    NotAnIanaZone,
    /// A day of month or a month that isn't `*`.
    #[error("isn't *, and a weekly schedule allows nothing else")]
    NotAStar,
    /// Neither a number nor a name where one must stand.
    #[error("isn't a number")]
    NotANumber,
    /// Neither a number nor a weekday's name.
    #[error("isn't a number or a weekday such as MON")]
    NotAWeekday,
    /// A number past the field's end.
    #[error("is outside 0 to {0}")]
    OutOfRange(u8),
    /// A range whose start is past its end.
    #[error("is a range that ends before it starts")]
    Reversed,
    /// More than one `-` in an item.
    #[error("has more than one -")]
    ManyHyphens,
    /// More than one `/` in an item.
    #[error("has more than one /")]
    ManySlashes,
    /// A step of 0.
    #[error("has a step of 0")]
    StepZero,
    /// A step that isn't a number, or one past 2^63 - 1.
    #[error("has a step that isn't a number up to 2^63 - 1")]
    StepNotANumber,
}

/// Why a schedule text is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error(
        "needs five fields (minute, hour, day of month, month, day of week), has {found}: \"{seen}\""
    )]
    FieldCount {
        /// How many there are, without a time zone prefix.
        found: usize,
        /// The fields, cut to a printable length.
        seen: String,
    },
    /// A field, or the time zone, that is refused.
    #[error("{field}: \"{seen}\" {problem}")]
    At {
        /// Where.
        field: Field,
        /// The item there, cut to a printable length.
        seen: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

impl ScheduleError {
    pub(super) fn at(field: Field, seen: &str, problem: Problem) -> Self {
        ScheduleError::At {
            field,
            seen: printable(seen),
            problem,
        }
    }

    /// What is wrong with a part; none where there aren't five.
    pub(super) fn problem(&self) -> Option<Problem> {
        match self {
            ScheduleError::FieldCount { .. } => None,
            ScheduleError::At { problem, .. } => Some(*problem),
        }
    }

    pub(super) fn field_count(found: usize, seen: &str) -> Self {
        ScheduleError::FieldCount {
            found,
            seen: printable(seen),
        }
    }
}

/// The first characters of a text, with all that doesn't print escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut seen = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(SEEN) {
        match c {
            '\'' | '"' => seen.push(c),
            _ => seen.extend(c.escape_debug()),
        }
    }
    if chars.next().is_some() {
        seen.push('…');
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_cut_and_holds_no_control_character() {
        assert_eq!(printable("a\tb\u{7f}\u{202e}é'"), "a\\tb\\u{7f}\\u{202e}é'");
        assert_eq!(printable(&"x".repeat(40)), "x".repeat(40));
        assert_eq!(printable(&"x".repeat(41)), format!("{}…", "x".repeat(40)));
    }

    #[test]
    fn an_error_names_the_field_the_text_and_the_fault() {
        let error = ScheduleError::at(Field::Minute, "60", Problem::OutOfRange(59));
        assert_eq!(error.to_string(), "minute: \"60\" is outside 0 to 59");
    }
}
