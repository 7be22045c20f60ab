//! Acting as another user, so that nothing planted on a table gains more than that
//! user's rights.
//!
//! Inside [`acting_as`] the server itself refuses deferred triggers, `SET ROLE`, `SET
//! SESSION AUTHORIZATION` and the like: it is the context in which the server runs
//! index functions and materialized views of others. As there, a setting that is changed
//! inside (any user may set `search_path`) ends with it: what runs afterwards as another
//! user must not be led astray.

use std::ffi::CString;

use pgrx::pg_sys;

/// Runs something as `user`, in a security-restricted context.
///
/// An ERROR inside leaves through the caller's (sub)transaction abort, which puts the
/// caller's identity back as well.
pub(crate) fn acting_as<R>(user: pg_sys::Oid, work: impl FnOnce() -> R) -> R {
    /// Puts settings and identity back, also while a Rust panic unwinds.
    struct Restore(pg_sys::Oid, i32, i32);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the level of settings was begun below, `false` rolls back what was
            // set on it; the identity was read from the server before it was changed.
            unsafe {
                pg_sys::AtEOXact_GUC(false, self.2);
                pg_sys::SetUserIdAndSecContext(self.0, self.1);
            }
        }
    }

    let mut caller = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: both pointers are to locals; the new context only adds restrictions.
    let level = unsafe {
        pg_sys::GetUserIdAndSecContext(&mut caller, &mut context);
        pg_sys::SetUserIdAndSecContext(
            user,
            context
                | (pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION)
                    as i32,
        );
        pg_sys::NewGUCNestLevel()
    };
    let _restore = Restore(caller, context, level);
    work()
}

/// The user whose rights count now.
pub(crate) fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of the backend's.
    unsafe { pg_sys::GetUserId() }
}

/// Is this role a superuser?
pub(crate) fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up inside a transaction, which every caller is in.
    unsafe { pg_sys::superuser_arg(role) }
}

/// The role of this name, if there is one.
pub(crate) fn role_by_name(name: &str) -> Option<pg_sys::Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: a catalog look-up by a C string, inside a transaction.
    let oid = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// The name of a role.
pub(crate) fn role_name(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: with missing_ok the server returns NULL for a role that is gone, else a
    // palloc'd C string.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| {
            std::ffi::CStr::from_ptr(name)
                .to_string_lossy()
                .into_owned()
        })
    }
}
