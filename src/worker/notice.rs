//! Sessions tell the launcher of new, changed and dropped extensions and databases.
//!
//! An object-access hook marks the session's transaction; its commit knocks, a rollback
//! does not. A knock only says that something has changed: the launcher reads the catalog
//! itself, so an extra knock does no harm, and a lost one costs at most some minutes.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::{pg_guard, pg_sys};

use super::process;
use super::region::{self, this_database};
use super::roster::Knock;

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

thread_local! {
    static MARKED: Cell<bool> = const { Cell::new(false) };
}

/// Installs the hook and the callback; called while the library is preloaded.
pub(super) fn install() {
    // SAFETY: the postmaster loads libraries one by one, before there is any other
    // process or thread; the hook of those loaded before is kept and called.
    unsafe {
        PREVIOUS = pg_sys::object_access_hook;
        pg_sys::object_access_hook = Some(on_access);
        pg_sys::RegisterXactCallback(Some(on_transaction), std::ptr::null_mut());
    }
}

/// # Safety
/// For the server, with what it has for such hooks.
#[pg_guard]
unsafe extern "C-unwind" fn on_access(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    use pg_sys::ObjectAccessType::{OAT_DROP, OAT_POST_ALTER, OAT_POST_CREATE};
    let changes = matches!(access, OAT_POST_CREATE | OAT_DROP | OAT_POST_ALTER);
    let ours = class == pg_sys::ExtensionRelationId || class == pg_sys::DatabaseRelationId;
    if changes && ours {
        MARKED.set(true);
    }
    // SAFETY: hands on what the server gave.
    unsafe {
        if let Some(previous) = PREVIOUS {
            pg_guard_ffi_boundary(|| previous(access, class, object, sub, argument));
        }
    }
}

#[pg_guard]
extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    match event {
        XACT_EVENT_COMMIT if MARKED.take() => knock(Knock::Look),
        XACT_EVENT_ABORT | XACT_EVENT_PREPARE => MARKED.set(false),
        _ => {}
    }
}

/// Knocks for this session's database at the preloaded launcher, and wakes it.
fn knock(knock: Knock) {
    if let Some(region) = region::preloaded() {
        let launcher = region.with(|state| {
            state.knock(this_database(), knock);
            state.launcher_pid
        });
        process::wake(launcher);
    }
}
