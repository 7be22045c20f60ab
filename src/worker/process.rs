//! What our background processes need of the server: signals, the latch, what they
//! show in `pg_stat_activity`.
//!
//! Termination is the server's own `die`, so that it works in every wait of the
//! server's and not only where our loops look.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use crate::server::cancel;

/// `application_name` of the launcher and the tick workers.
pub(crate) const APPLICATION: &CStr = c"workspace-autobuild";

// SAFETY: the server's signal handlers, declared as its headers have them: what pgrx makes
// of them is for calling.
unsafe extern "C-unwind" {
    fn die(signal: i32);
    fn SignalHandlerForConfigReload(signal: i32);
}

/// Installs the server's handlers for SIGTERM, SIGINT and SIGHUP, then unblocks signals.
pub(crate) fn handle_signals() {
    install(pg_sys::SIGTERM as i32, die);
    install(pg_sys::SIGINT as i32, cancel::on_signal);
    install(pg_sys::SIGHUP as i32, SignalHandlerForConfigReload);
    // SAFETY: the handlers above are in place.
    unsafe { pg_sys::BackgroundWorkerUnblockSignals() };
}

fn install(signal: i32, handler: unsafe extern "C-unwind" fn(i32)) {
    // SAFETY: the handlers above are the server's own, made for backends such as this one,
    // or end in one.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pg_sys::pqsignal(signal, Some(handler));
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        pg_sys::pqsignal_be(signal, Some(handler));
    }
}

/// Reads the configuration again if SIGHUP asked for it; says whether it did.
pub(crate) fn reload_if_asked() -> bool {
    // SAFETY: the flag is the server's own; between transactions a process may reload.
    unsafe {
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() == 0 {
            return false;
        }
        (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
    }
    true
}

/// Sleeps until the latch is set or the time is over. Ends the process when the
/// postmaster is gone.
pub(crate) fn sleep(milliseconds: i64) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: waits on this process's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            milliseconds.max(0),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}

/// Sets the latch of another process, if it is there.
pub(crate) fn wake(pid: i32) {
    // SAFETY: entries of the process array are never freed; a latch set once too often
    // (the entry went to another process just now) is harmless.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

/// Does this process live, attached to shared memory?
pub(crate) fn lives(pid: i32) -> bool {
    // SAFETY: looks into the process array.
    pid != 0 && unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Does this process's commit wait for a synchronous standby?
pub(crate) fn waits_for_standby(pid: i32) -> bool {
    // SAFETY: as in `wake`; one int is read, which may be of a moment ago.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        pid != 0
            && !process.is_null()
            && (&raw const (*process).syncRepState).read_volatile()
                == pg_sys::SYNC_REP_WAITING as i32
    }
}

/// This process's id.
pub(crate) fn my_pid() -> i32 {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::MyProcPid }
}

/// Shows what the process does; `None` while it does nothing.
pub(crate) fn show(activity: Option<&str>) {
    let text = CString::new(activity.unwrap_or_default()).unwrap_or_default();
    let state = if activity.is_some() {
        pg_sys::BackendState::STATE_RUNNING
    } else {
        pg_sys::BackendState::STATE_IDLE
    };
    // SAFETY: the server copies the text.
    unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) };
}

/// Shows the application's name.
pub(crate) fn show_application() {
    // SAFETY: a constant C string, which the server copies.
    unsafe { pg_sys::pgstat_report_appname(APPLICATION.as_ptr()) };
}

/// Sets a setting for the rest of this process, above whatever the database, the role
/// or the configuration says.
pub(crate) fn set(name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
        // SAFETY: C strings that outlive the call.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Runs something when the process ends, while shared memory is still there.
pub(crate) fn at_exit(callback: extern "C-unwind" fn(i32, pg_sys::Datum)) {
    // SAFETY: the callback is a function of this library, which is never unloaded.
    unsafe { pg_sys::before_shmem_exit(Some(callback), pg_sys::Datum::from(0)) };
}

static mut PREVIOUS_LOG: pg_sys::emit_log_hook_type = None;

thread_local! {
    static LAST_WORDS: Cell<Option<String>> = const { Cell::new(None) };
    static HUSHED: Cell<bool> = const { Cell::new(false) };
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// From now on the message with which this process dies is kept for [`last_words`]. The FATAL
/// of a requested termination is not logged: it is not an error, the server's own launchers
/// exit without one too, and the postmaster logs the exit. If `hushed`, the warning about the
/// database's collation version, which the server gives at each connection, is not logged
/// either. Called once.
pub(crate) fn watch_log(hushed: bool) {
    HUSHED.set(hushed);
    // SAFETY: one thread; the hook before ours is kept and called.
    unsafe {
        PREVIOUS_LOG = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(on_log);
    }
}

/// The message with which this process dies.
pub(crate) fn last_words() -> Option<String> {
    LAST_WORDS.take()
}

/// Did the server say something of the database as this process connected?
pub(crate) fn was_warned() -> bool {
    WARNED.get()
}

/// # Safety
/// For the server, with the error that it is about to log.
#[pg_guard]
unsafe extern "C-unwind" fn on_log(error_pointer: *mut pg_sys::ErrorData) {
    // SAFETY: see above; the error may be kept out of the log here, and its texts are C
    // strings or NULL.
    unsafe {
        if let Some(error) = error_pointer.as_mut() {
            look_at(error);
        }
        if let Some(previous) = PREVIOUS_LOG {
            pg_guard_ffi_boundary(|| previous(error_pointer));
        }
    }
}

/// # Safety
/// The error is one of the server's: its texts are C strings or NULL.
unsafe fn look_at(error: &mut pg_sys::ErrorData) {
    // SAFETY: see above.
    let text = |text: *const c_char| unsafe {
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy())
    };
    if error.elevel >= pg_sys::FATAL as i32 {
        LAST_WORDS.set(text(error.message).map(Cow::into_owned));
        if error.sqlerrcode == PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN as i32 {
            error.output_to_server = false;
        }
    } else if error.elevel == pg_sys::WARNING as i32
        // Messages are translated, the names of the server's functions are not.
        && text(error.funcname).as_deref() == Some("CheckMyDatabase")
    {
        WARNED.set(true);
        error.output_to_server &= !HUSHED.get();
    }
}
