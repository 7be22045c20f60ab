//! A time limit on a piece of a worker's work.
//!
//! The server arms `statement_timeout` for what a client sends only, so that a worker
//! has to do it itself. When the time is over, the work is canceled with 57014, as a
//! client's statement is.

use pgrx::pg_sys;

use crate::instant::Millis;

/// The server's number of this timeout, the same in all versions that we build for.
const STATEMENT_TIMEOUT: i32 = 3;

// SAFETY: the server's timeouts, declared as its headers have them; pgrx doesn't bind them.
unsafe extern "C-unwind" {
    fn enable_timeout_after(id: i32, milliseconds: i32);
    fn disable_timeout(id: i32, keep_indicator: bool);
    fn get_timeout_indicator(id: i32, reset: bool) -> bool;
}

/// A limit that runs; it ends with this, also while an error unwinds.
pub(crate) struct Limit(());

impl Limit {
    /// Begins a limit; none for 0. Not to be nested, and for
    /// background workers only: in a session the server's own limit is armed already.
    pub(crate) fn begin(limit: Millis) -> Option<Limit> {
        if limit <= Millis(0) {
            return None;
        }
        // SAFETY: the timeout is registered in every process that is connected to a
        // database.
        unsafe { enable_timeout_after(STATEMENT_TIMEOUT, limit.0) };
        Some(Limit(()))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: as above. If it fired when the work was just done, the cancel that it
        // asked for must not hit what comes next; anybody else's cancel must.
        unsafe {
            disable_timeout(STATEMENT_TIMEOUT, true);
            if get_timeout_indicator(STATEMENT_TIMEOUT, true) {
                (&raw mut pg_sys::QueryCancelPending).write_volatile(0);
            }
        }
    }
}
