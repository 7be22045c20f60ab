//! The list of databases, read by a process that is connected to none.
//!
//! Without a database there is no SPI; the shared catalog is scanned as the server's
//! own launchers do it.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::roster::Database;

/// `datconnlimit` of a database whose DROP was interrupted.
const INVALID: i32 = -2;

/// The databases that accept connections, by oid and name. Begins and ends a
/// transaction of its own, so that no snapshot is held afterwards.
pub(super) fn list() -> Vec<(Database, String)> {
    let mut databases = Vec::new();
    // SAFETY: the protocol of a catalog scan inside a transaction; the tuple's fixed
    // part is the struct, and is copied before the next tuple is asked for.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let lock = pg_sys::AccessShareLock as i32;
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let database = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            if database.datallowconn && database.datconnlimit != INVALID {
                let name = CStr::from_ptr(database.datname.data.as_ptr());
                databases.push((database.oid.to_u32(), name.to_string_lossy().into_owned()));
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
        pg_sys::CommitTransactionCommand();
    }
    databases
}
