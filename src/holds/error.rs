//! Why a hold or its recurrence is refused: the part, what stands there, what is wrong.
//!
//! What was seen is the user's own text, so it is cut and made printable.

use std::fmt;

use thiserror::Error;

use crate::schedule::printable;

/// What is wrong with a part of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// A part that no rule has.
    #[error("isn't a part of a recurrence rule")]
    NotAPart,
    /// A line after the rule that isn't one of exceptions.
    #[error("isn't a line EXDATE:..., the only kind that may follow the rule")]
    NotALine,
    /// A part that was there before.
    #[error("is there twice")]
    Repeated,
    /// A part that must be there.
    #[error("is missing")]
    Missing,
    /// No frequency.
    #[error("isn't YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY")]
    NotAFrequency,
    /// `SECONDLY`, or more times a day than it has minutes.
    #[error("comes more often than once a minute, and no hold is asked for more often")]
    TooOften,
    /// Not a number of the range.
    #[error("isn't a number from {0} to {1}")]
    NotInRange(i32, i32),
    /// Not a number of the range, of either sign.
    #[error("isn't a number from 1 to {0} or from -{0} to -1")]
    NotInSignedRange(i32),
    /// No weekday.
    #[error("isn't a weekday such as MO")]
    NotAWeekday,
    /// A weekday with a number where only one without may stand.
    #[error("has a number, as only rules that are MONTHLY, or YEARLY without BYWEEKNO, may have")]
    NumberedWeekday,
    /// A part that this frequency doesn't have.
    #[error("isn't allowed with this FREQ")]
    NotWithFrequency,
    /// `COUNT` and `UNTIL`.
    #[error("stands beside UNTIL, and a rule has only one end")]
    TwoEnds,
    /// `BYSETPOS` alone.
    #[error("needs another BY... part to choose from")]
    NothingToChooseFrom,
    /// Not a date or a time.
    #[error("isn't a date or a time such as 20261231, 20261231T180000 or 20261231T180000Z")]
    NotATime,
    /// No zone of IANA's.
    #[error("isn't an IANA time zone, spelled exactly")]
    NotAZone,
    /// A rule that gives nothing.
    #[error("has no occurrence within 100 years")]
    Never,
    /// A count that ends too late.
    #[error("reaches further than 100 years")]
    TooFar,
    /// Too long a text.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// More than is read.
    #[error("has more than {0} values")]
    TooMany(usize),
    /// A recurrence of which no end is known.
    #[error("needs an end of its first occurrence: ends_at")]
    NoEnd,
    /// An occurrence that is too long.
    #[error("has occurrences that last longer than 366 days")]
    TooLasting,
    /// An end that isn't after the start.
    #[error("isn't after starts_at")]
    NoLength,
    /// A time that can't be the start of a recurrence.
    #[error("isn't in the years 1 to 9999, in which recurrences are")]
    OutOfYears,
    /// No scope.
    #[error("isn't all, organization, template, owner or workspace")]
    NotAScope,
    /// `all` with an id.
    #[error("has no id: all are held")]
    IdOfAll,
    /// Another scope without one.
    #[error("needs an id: scope_id")]
    NoId,
    /// No transition.
    #[error("isn't start, stop, delete or dormant")]
    NotATransition,
    /// An empty list of transitions.
    #[error("is empty: such a hold would hold nothing")]
    NoTransitions,
}

/// Why a hold or its recurrence is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct HoldError {
    /// The part or the argument.
    part: String,
    /// What stands there, cut to a printable length; empty where nothing does.
    seen: String,
    /// What is wrong with it.
    problem: Problem,
}

impl HoldError {
    pub(super) fn new(part: &str, seen: &str, problem: Problem) -> HoldError {
        HoldError {
            part: printable(part),
            seen: printable(seen),
            problem,
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> Problem {
        self.problem
    }
}

impl fmt::Display for HoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HoldError {
            part,
            seen,
            problem,
        } = self;
        if seen.is_empty() {
            write!(f, "{part} {problem}")
        } else {
            write!(f, "{part}: \"{seen}\" {problem}")
        }
    }
}
