//! The clock, and the border between the server's timestamps and [`Instant`].

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::instant::{HOUR, Instant};

use super::error::Error;

/// The clock's time now.
pub(crate) fn now() -> Instant {
    // SAFETY: reads the clock; no state of the server's is touched.
    let micros = unsafe { pg_sys::GetCurrentTimestamp() };
    saturating(micros)
}

/// SQL's `now()`: when the current transaction began.
pub(crate) fn transaction_start() -> Instant {
    // SAFETY: reads a variable of this process.
    saturating(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// When the server was started.
pub(crate) fn server_start() -> Instant {
    // SAFETY: reads a variable that is set before any session begins.
    saturating(unsafe { pg_sys::PgStartTime })
}

/// A stored timestamp as an instant: infinity is the last or the first that there is.
pub(crate) fn saturating(micros: i64) -> Instant {
    Instant::from_micros(micros).unwrap_or(if micros < 0 {
        Instant::MIN
    } else {
        Instant::MAX
    })
}

/// An argument as an instant; infinity is refused by the argument's name.
pub(crate) fn argument(name: &str, at: TimestampWithTimeZone) -> Result<Instant, Error> {
    let micros: i64 = at.into();
    Instant::from_micros(micros).ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "\"{name}\" must be a finite time, not {}infinity",
                if micros < 0 { "-" } else { "" }
            ),
        )
        .hint("Give a time such as now().")
    })
}

/// An interval in microseconds, with a month of 30 days and a day of 24 hours.
pub(crate) fn interval_micros(interval: &Interval) -> i128 {
    const DAY: i128 = 24 * HOUR as i128;
    i128::from(interval.months()) * 30 * DAY
        + i128::from(interval.days()) * DAY
        + i128::from(interval.micros())
}

/// An instant as SQL's `timestamptz`.
pub(crate) fn timestamptz(at: Instant) -> TimestampWithTimeZone {
    // Every Instant lies within the server's range, so this can't be refused.
    TimestampWithTimeZone::try_from(at.micros())
        .unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}
