//! Catching what the server raises, with its true SQLSTATE.
//!
//! pgrx knows the SQLSTATEs of the server's own list and turns every other one into
//! XX000; but a trigger or a procedural language may raise any. So the code is read
//! while the server still has it, from an error context callback.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;

use pgrx::{PgTryBuilder, pg_sys};

use super::error::{Error, flush_error_state};

/// Runs the work; what it raises, or panics with, is returned as its error. Nothing is
/// rolled back: that is the caller's part.
pub(crate) fn catching<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    /// Called by the server for each message that it finishes, an ERROR before it jumps.
    ///
    /// # Safety
    /// `last` points to a `Cell<i32>`, as it does where this is registered below.
    unsafe extern "C-unwind" fn note_code(last: *mut c_void) {
        // SAFETY: the cell outlives the callback; there is a message under way, whose code
        // is read without changing it.
        unsafe { (*last.cast::<Cell<i32>>()).set(pg_sys::geterrcode()) };
    }

    let last = Cell::new(0);
    let mut callback = pg_sys::ErrorContextCallback {
        // SAFETY: reads the top of the server's list of callbacks.
        previous: unsafe { pg_sys::error_context_stack },
        callback: Some(note_code),
        arg: (&raw const last).cast_mut().cast(),
    };
    let previous = callback.previous;
    // SAFETY: the server's own protocol: the callback is pushed here, popped below, and
    // lives on this frame all the while.
    unsafe { pg_sys::error_context_stack = &raw mut callback };
    let last = AssertUnwindSafe(&last);
    let result = PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_others(move |caught| {
            let error = Error::from(caught).with_code(last.get());
            flush_error_state();
            Err(error)
        })
        .catch_rust_panic(|caught| Err(Error::from(caught)))
        .execute();
    // SAFETY: see above.
    unsafe { pg_sys::error_context_stack = previous };
    result
}
