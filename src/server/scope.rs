//! Settings of the server's that hold for one piece of work, and are put back after it.

use std::ffi::{CStr, CString};

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
        // What SET clauses of functions use.
        set(name, value, pg_sys::GucAction::GUC_ACTION_SAVE);
    }
    work()
}

/// As SET LOCAL: a setting for the rest of the transaction.
pub fn set_for_transaction(name: &str, value: &str) {
    set(name, value, pg_sys::GucAction::GUC_ACTION_LOCAL);
}

fn set(name: &str, value: &str, action: pg_sys::GucAction::Type) {
    if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
        // SAFETY: C strings that outlive the call.
        unsafe {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
                action,
                true,
                0,
                false,
            );
        }
    }
}

/// After how many milliseconds of waiting the server looks for a deadlock.
pub fn deadlock_timeout() -> i32 {
    // SAFETY: reads the variable of a setting.
    unsafe { pg_sys::DeadlockTimeout }
}

/// For the rest of the transaction, which is about to hold rows, be the one that gives way
/// to whoever waits for them: look for a deadlock long before he does (`others` is his
/// `deadlock_timeout`), and stop waiting before he would look. A wait without limit stays
/// one.
pub fn give_way(others: i32) {
    // SAFETY: reads the variable of a setting.
    let lock_timeout = unsafe { pg_sys::LockTimeout };
    let longest = (others / 2).max(1);
    if lock_timeout > longest {
        set_for_transaction("lock_timeout", &longest.to_string());
    }
    set_for_transaction("deadlock_timeout", &(others / 10).max(1).to_string());
}

/// A setting as it stands, for a user who may read all settings; `None` for others.
pub fn setting_if_allowed(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: look-ups inside a transaction; the value is the server's own C string, or
    // NULL for a setting that there isn't.
    unsafe {
        let all = pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_SETTINGS);
        if !pg_sys::has_privs_of_role(pg_sys::GetUserId(), all) {
            return None;
        }
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}
