//! Transactions of the worker's, each with limits on what it waits and takes.

use crate::server::error::Error;
use crate::server::guc::set_for_transaction;
use crate::server::transaction;
use crate::settings::{Limits, Settings};

/// A transaction of the worker's, which may take no longer than `statement_timeout`.
pub(super) fn timed<L, R>(
    settings: &Settings,
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    limited(settings.limits(false), before_snapshot, work)
}

/// As [`timed`], with these limits in place of the settings'.
pub(super) fn limited<L, R>(
    limits: Limits,
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    transaction::repeatable_read_within(
        limits.statement_timeout,
        || {
            set_for_transaction("lock_timeout", &limits.lock_timeout.0.to_string());
            before_snapshot()
        },
        work,
    )
}
