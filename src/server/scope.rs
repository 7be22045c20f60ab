//! Settings of the server's that hold for one piece of work, and are put back after it.

use std::ffi::CString;

use pgrx::pg_sys;

/// Runs something with the given server settings, which end with it. An ERROR inside
/// leaves through the (sub)transaction's abort, which puts them back as well.
pub fn with_settings<R>(settings: &[(&str, &str)], work: impl FnOnce() -> R) -> R {
    /// Ends the level of settings, also while a Rust panic unwinds.
    struct Leave(i32);
    impl Drop for Leave {
        fn drop(&mut self) {
            // SAFETY: the level was made by NewGUCNestLevel below; `false` rolls back
            // what was set on it.
            unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
        }
    }

    // SAFETY: begins a level, as a function with SET clauses does.
    let _leave = Leave(unsafe { pg_sys::NewGUCNestLevel() });
    for (name, value) in settings {
        if let (Ok(name), Ok(value)) = (CString::new(*name), CString::new(*value)) {
            // SAFETY: C strings that outlive the call; PGC_S_SESSION with GUC_ACTION_SAVE
            // is what SET clauses of functions use.
            unsafe {
                pg_sys::set_config_option(
                    name.as_ptr(),
                    value.as_ptr(),
                    pg_sys::GucContext::PGC_USERSET,
                    pg_sys::GucSource::PGC_S_SESSION,
                    pg_sys::GucAction::GUC_ACTION_SAVE,
                    true,
                    0,
                    false,
                );
            }
        }
    }
    work()
}
