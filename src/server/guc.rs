//! Settings of the server's that hold for one piece of work, and are put back after it.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

/// A statement without parallel workers: they are for others, and where most of the work is
/// looking up rows one by one they could only help sort, which costs more than it saves.
pub(crate) const NOT_PARALLEL: (&str, &str) = ("max_parallel_workers_per_gather", "0");

/// Runs something with the given server settings, which end with it. An ERROR inside
/// leaves through the (sub)transaction's abort, which puts them back as well.
pub(crate) fn with_settings<R>(settings: &[(&str, &str)], work: impl FnOnce() -> R) -> R {
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
        set(
            name,
            value,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            OnRefusal::Raise,
        );
    }
    work()
}

/// Runs something with settings that were made elsewhere, in this order: one that the
/// server refuses is passed over, as it is when a session begins with it.
pub(crate) fn with_settings_as_given<R>(
    settings: &[(&str, String)],
    work: impl FnOnce() -> R,
) -> R {
    with_settings(&[], || {
        for (name, value) in settings {
            set(
                name,
                value,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                OnRefusal::PassOver,
            );
        }
        work()
    })
}

/// As SET LOCAL: a setting for the rest of the transaction.
pub(crate) fn set_for_transaction(name: &str, value: &str) {
    set(
        name,
        value,
        pg_sys::GucAction::GUC_ACTION_LOCAL,
        OnRefusal::Raise,
    );
}

/// What a value is to come to that a setting does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnRefusal {
    Raise,
    PassOver,
}

fn set(name: &str, value: &str, action: pg_sys::GucAction::Type, refusal: OnRefusal) {
    let level = match refusal {
        // The server's choice, which is ERROR for a session's own settings.
        OnRefusal::Raise => 0,
        OnRefusal::PassOver => pg_sys::DEBUG5 as i32,
    };
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
                level,
                false,
            );
        }
    }
}

/// After how many milliseconds of waiting the server looks for a deadlock.
pub(crate) fn deadlock_timeout() -> i32 {
    // SAFETY: reads the variable of a setting.
    unsafe { pg_sys::DeadlockTimeout }
}

/// The server's `lock_timeout` as it stands, in milliseconds; 0 for none.
pub(crate) fn lock_timeout() -> i32 {
    // SAFETY: reads the variable of a setting.
    unsafe { pg_sys::LockTimeout }
}

/// The session's `statement_timeout` as it stands, in milliseconds; 0 for none.
pub(crate) fn statement_timeout() -> i32 {
    // SAFETY: reads the variable of a setting.
    unsafe { pg_sys::StatementTimeout }
}

/// For the rest of the transaction, which is about to lock the product's tables, gives way to
/// the sessions that wait for these locks: checks for a deadlock long before other sessions
/// do (`others` is their `deadlock_timeout`), and stops waiting before they would check,
/// whatever `lock_timeout` says.
pub(crate) fn give_way(others: i32) {
    let longest = (others / 2).max(1);
    if lock_timeout() == 0 || lock_timeout() > longest {
        set_for_transaction("lock_timeout", &longest.to_string());
    }
    set_for_transaction("deadlock_timeout", &(others / 10).max(1).to_string());
}

/// A setting as it stands; `None` for one that there isn't.
pub(crate) fn setting(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: the value is the server's own C string, or NULL.
    unsafe { text(pg_sys::GetConfigOption(name.as_ptr(), true, false)) }
}

/// The value that RESET would give a setting of ours in this session.
pub(crate) fn setting_after_reset(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: an ERROR for a setting that there isn't; the value is as above.
    unsafe { text(pg_sys::GetConfigOptionResetString(name.as_ptr())) }
}

/// # Safety
/// `value` is a C string, or NULL.
unsafe fn text(value: *const c_char) -> Option<String> {
    // SAFETY: see above.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value).to_string_lossy().into_owned() })
}

/// A setting as it stands, for a user who may read all settings; `None` for others.
pub(crate) fn setting_if_allowed(name: &str) -> Option<String> {
    // SAFETY: look-ups inside a transaction.
    let allowed = unsafe {
        let all = pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_SETTINGS);
        pg_sys::has_privs_of_role(pg_sys::GetUserId(), all)
    };
    allowed.then(|| setting(name)).flatten()
}
