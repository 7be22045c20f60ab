//! Has the catalog changed? What was looked up in it holds as long as it has not.

use std::cell::Cell;

use pgrx::pg_sys;

thread_local! {
    static GENERATION: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// A number that grows whenever something in the catalog may have changed.
pub(crate) fn generation() -> u64 {
    listen();
    // SAFETY: inside a transaction; lets the callbacks hear of what others committed.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    GENERATION.get()
}

/// The same number, without asking what others have committed since a lock was last taken:
/// for a relation that this session has locked there is nothing more to hear.
pub(crate) fn generation_heard_of() -> u64 {
    listen();
    GENERATION.get()
}

/// Has the server tell of changes from now on.
fn listen() {
    extern "C-unwind" fn relation_changed(_: pg_sys::Datum, _: pg_sys::Oid) {
        GENERATION.set(GENERATION.get().wrapping_add(1));
    }
    extern "C-unwind" fn entry_changed(_: pg_sys::Datum, _: i32, _: u32) {
        GENERATION.set(GENERATION.get().wrapping_add(1));
    }
    if !REGISTERED.replace(true) {
        // SAFETY: both callbacks only add to a counter, take no lock and can't raise;
        // they are registered once in the life of the process.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0));
            for cache in [
                pg_sys::SysCacheIdentifier::NAMESPACEOID,
                pg_sys::SysCacheIdentifier::TYPEOID,
                pg_sys::SysCacheIdentifier::ENUMOID,
            ] {
                pg_sys::CacheRegisterSyscacheCallback(
                    cache as i32,
                    Some(entry_changed),
                    pg_sys::Datum::from(0),
                );
            }
        }
    }
}
