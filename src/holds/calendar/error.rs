//! Why a calendar is refused: the line, and what is wrong there.

use thiserror::Error;

use crate::holds::error::HoldError;
use crate::schedule::printable;

/// What is wrong with a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not `NAME;PARAMETER=value:value`.
    #[error("isn't a name, a colon and a value")]
    NotALine,
    /// A line outside of `BEGIN:VCALENDAR` and its end.
    #[error("stands outside of BEGIN:VCALENDAR and END:VCALENDAR")]
    Outside,
    /// A component that can't be in the one around it.
    #[error("can't begin here")]
    Misplaced,
    /// An end of something else than what began last.
    #[error("doesn't end what began last")]
    NotEnded,
    /// The text ends first.
    #[error("is not followed by its END")]
    Open,
    /// Nothing is there.
    #[error("has no BEGIN:VCALENDAR")]
    NoCalendar,
    /// A second one.
    #[error("is there twice in one event")]
    Repeated,
    /// An event without `DTSTART`.
    #[error("has no DTSTART")]
    NoStart,
    /// Both a `DTEND` and a `DURATION`.
    #[error("stands beside DTEND, and an event has only one end")]
    TwoEnds,
    /// Not a date or a time, or not of the kind that it has to be.
    #[error("isn't a date or a time such as 20261231, 20261231T180000 or 20261231T180000Z")]
    NotATime,
    /// A date where the event has times, or the other way round.
    #[error("isn't a date as DTSTART is, or isn't a time as DTSTART is")]
    AnotherKind,
    /// Not a duration.
    #[error("isn't a duration such as P2D or PT1H30M")]
    NotADuration,
    /// An end before the start.
    #[error("is before DTSTART")]
    Backwards,
    /// No zone of IANA's.
    #[error("isn't an IANA time zone, spelled exactly")]
    NotAZone,
    /// A part of iCalendar that is rare and not read.
    #[error("is not read here; make that hold by hand")]
    NotRead,
    /// More than is read.
    #[error("has more than {0} bytes")]
    TooLong(usize),
    /// More than is read.
    #[error("is more than the {0} events and holds that one calendar may have")]
    TooMany(usize),
    /// A rule that a hold can't have.
    #[error(transparent)]
    Hold(#[from] HoldError),
}

/// Why a calendar is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarError {
    /// The line of the text, from 1 on, where what is wrong begins; none where it is no line's.
    pub line: Option<usize>,
    /// What stands there, cut to a printable length.
    seen: String,
    /// What is wrong.
    pub fault: Fault,
}

impl CalendarError {
    pub(super) fn new(line: impl Into<Option<usize>>, seen: &str, fault: Fault) -> CalendarError {
        CalendarError {
            line: line.into(),
            seen: printable(seen),
            fault,
        }
    }
}

impl std::error::Error for CalendarError {}

impl std::fmt::Display for CalendarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CalendarError { line, seen, fault } = self;
        if let Some(line) = line {
            write!(f, "line {line}: ")?;
        }
        match fault {
            Fault::Hold(error) => error.fmt(f),
            fault => write!(f, "\"{seen}\" {fault}"),
        }
    }
}
