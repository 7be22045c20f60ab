//! A subtransaction around a piece of work: it is done whole, or not at all and its
//! error is returned.

use pgrx::pg_sys;

use super::catch::catching;
use super::error::Error;

/// Runs the work in a subtransaction of its own. If it raises, what it did is rolled
/// back and the error is returned; memory context and resource owner are the caller's
/// again either way.
pub(crate) fn in_subtransaction<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // SAFETY: this is the server's own protocol for code that catches errors (as in
    // PL/pgSQL): remember context and owner, begin, and put both back after the end.
    let (context, owner) = unsafe {
        let saved = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(saved.0);
        saved
    };
    let result = catching(work);
    // SAFETY: see above; the subtransaction is the innermost one, since the work's own
    // are ended by the time it returns or unwinds.
    unsafe {
        match &result {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
            }
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    result
}
