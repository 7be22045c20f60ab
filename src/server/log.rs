//! Lines in the server's log: one log serves all databases, so each line names its own.

use pgrx::{PgLogLevel, PgSqlErrorCode, ereport};

use super::extension::database;

/// Writes a line about this process's database.
pub(crate) fn log_at(level: PgLogLevel, message: &str) {
    log_of(&database(), level, message);
}

/// Writes a line about a database.
pub(crate) fn log_of(database: &str, level: PgLogLevel, message: &str) {
    ereport!(
        level,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("workspace-autobuild: database \"{database}\": {message}")
    );
}
