//! Was this process asked to give up what it does (`pg_cancel_backend`)?
//!
//! The error does not tell: a trigger may raise 57014, and the server's own timers end a
//! statement by the same signal. Only who sent the signal does.

use std::sync::atomic::{AtomicBool, Ordering};

/// The server's numbers of its timeouts, the same in all versions that we build for.
const LOCK_TIMEOUT: i32 = 2;
const STATEMENT_TIMEOUT: i32 = 3;

// SAFETY: declared as the server's headers have them, in every version that we build for;
// pgrx doesn't bind them.
unsafe extern "C-unwind" {
    fn StatementCancelHandler(signal: i32);
    fn get_timeout_indicator(id: i32, reset: bool) -> bool;
}

static ASKED: AtomicBool = AtomicBool::new(false);

/// What SIGINT does in our processes: what the server does, and it is noted who asked.
///
/// # Safety
/// For the server's table of signal handlers.
pub(crate) unsafe extern "C-unwind" fn on_signal(signal: i32) {
    // SAFETY: reads two marks of this process, which a timer sets before it signals;
    // then the server's own handler.
    unsafe {
        if !get_timeout_indicator(LOCK_TIMEOUT, false)
            && !get_timeout_indicator(STATEMENT_TIMEOUT, false)
        {
            ASKED.store(true, Ordering::Relaxed);
        }
        StatementCancelHandler(signal);
    }
}

/// Did somebody ask, since the process began?
pub(crate) fn was_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
