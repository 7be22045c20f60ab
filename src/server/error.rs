//! Errors as PostgreSQL shows them: SQLSTATE, what was seen, what to do.
//!
//! An [`Error`] is either ours, built by the module that found it, or one that the
//! server raised and that was caught at a subtransaction or at a worker's border.

use std::fmt;

use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use crate::sqlstate::SqlState;

/// An error with its SQLSTATE and, where there is one, a hint.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// The condition; XX000 for one that is not on the server's list.
    pub code: PgSqlErrorCode,
    /// The condition that is not on the server's list, as the server packs it.
    unlisted: Option<i32>,
    /// What went wrong, with what was seen.
    pub message: String,
    /// More of what was seen.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// An error without detail or hint.
    pub(crate) fn new(code: PgSqlErrorCode, message: impl Into<String>) -> Error {
        Error {
            code,
            unlisted: None,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// The same error with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with more of what was seen.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// An error of the extension's own making.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message)
    }

    /// Its SQLSTATE, which says what it means.
    pub(crate) fn sqlstate(&self) -> SqlState {
        SqlState::from_packed(self.unlisted.unwrap_or(self.code as i32))
    }

    /// The same error with the code that the server had, where this is one that is not
    /// on its list.
    #[must_use]
    pub(super) fn with_code(mut self, packed: i32) -> Error {
        let internal = PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
        if self.code == internal
            && packed != internal as i32
            && PgSqlErrorCode::from(packed) == internal
        {
            self.unlisted = Some(packed);
        }
        self
    }

    /// Raises it as a PostgreSQL ERROR. pgrx raises only what is on the server's list, so
    /// a code that is not goes into the detail.
    pub(crate) fn raise(mut self) -> ! {
        if self.unlisted.is_some() {
            let code = format!("SQLSTATE {}", self.sqlstate());
            self.detail = Some(match self.detail {
                Some(detail) => format!("{detail} ({code})"),
                None => code,
            });
        }
        let mut report = ErrorReport::new(self.code, self.message, "workspace-autobuild");
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = self.hint {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate())?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// How much is kept of a text of the server's, in bytes: a trigger's message may be as
/// long as it likes, what we keep of it not.
const MAX_TEXT: usize = 1_000;

/// The beginning of a text.
fn beginning(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut end = MAX_TEXT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}

impl From<CaughtError> for Error {
    fn from(caught: CaughtError) -> Error {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        }) = &caught;
        Error {
            code: report.sql_error_code(),
            unlisted: None,
            message: beginning(report.message()),
            detail: report.detail().map(beginning),
            hint: report.hint().map(beginning),
        }
    }
}

impl From<pgrx::spi::SpiError> for Error {
    fn from(error: pgrx::spi::SpiError) -> Error {
        Error::internal(format!("a query of the extension failed: {error}"))
    }
}

/// Lets the server act on a cancel, a terminate or a shutdown that waits.
pub(crate) fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Returns the value, or raises the error.
pub(crate) trait OrRaise<T> {
    /// Returns the value, or raises the error.
    fn or_raise(self) -> T;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    }
}

/// Frees what the server keeps of an error that was caught and dealt with.
pub(crate) fn flush_error_state() {
    // SAFETY: called after the error was copied out by the try block.
    unsafe { pg_sys::FlushErrorState() };
}
