//! Locks on whole tables, and whether a table's rows are still where a snapshot looks for
//! them.
//!
//! ALTER TABLE's rewrite is not MVCC-safe: to a snapshot that is older than its commit the
//! rewritten table is empty, and no error says so. Who takes the lock first and the
//! snapshot then can't meet that; who can't ([`moved_since_snapshot`]) has to look.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use pgrx::pg_sys;
use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;

use super::error::Error;
use super::query::{Access, Arg, Row, for_each_row};
use super::transaction::with_latest_catalog;

// SAFETY: the server's list of a table's children, declared as its headers have it; pgrx
// doesn't bind it. Both may raise, so they are called through pgrx's boundary.
unsafe extern "C-unwind" {
    fn has_subclass(relation: pg_sys::Oid) -> bool;
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        mode: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

/// How a table is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// As SELECT does.
    AccessShare,
    /// As the check of a foreign key does that points to it.
    RowShare,
    /// As INSERT and UPDATE do.
    RowExclusive,
    /// Of one holder: only readers go on.
    Exclusive,
    /// As TRUNCATE does: not even readers go on.
    AccessExclusive,
}

impl Mode {
    fn number(self) -> pg_sys::LOCKMODE {
        let number = match self {
            Mode::AccessShare => pg_sys::AccessShareLock,
            Mode::RowShare => pg_sys::RowShareLock,
            Mode::RowExclusive => pg_sys::RowExclusiveLock,
            Mode::Exclusive => pg_sys::ExclusiveLock,
            Mode::AccessExclusive => pg_sys::AccessExclusiveLock,
        };
        number as pg_sys::LOCKMODE
    }
}

/// Locks a table and its partitions until the transaction ends, waiting for each no longer
/// than the server's `lock_timeout`; returns them all. Asks for no privilege and needs no
/// snapshot.
pub(crate) fn lock(table: pg_sys::Oid, mode: Mode) -> Vec<pg_sys::Oid> {
    // SAFETY: heavyweight locks by oid inside a transaction, and a list of oids that the
    // server allocates in the current memory.
    unsafe {
        lock_one(table, mode);
        // One that was dropped meanwhile has nothing to lock: who asks looks again.
        let is_there = pg_sys::get_rel_relkind(table) != 0;
        if !is_there || !pg_guard_ffi_boundary(|| has_subclass(table)) {
            return vec![table];
        }
        let list = pg_guard_ffi_boundary(|| {
            find_all_inheritors(table, mode.number(), std::ptr::null_mut())
        });
        let length = usize::try_from((*list).length).unwrap_or(0);
        std::slice::from_raw_parts((*list).elements, length)
            .iter()
            .map(|cell| cell.oid_value)
            .collect()
    }
}

/// Locks one relation until the transaction ends, waiting no longer than the server's
/// `lock_timeout`. Asks for no privilege and needs no snapshot.
pub(crate) fn lock_one(relation: pg_sys::Oid, mode: Mode) {
    // SAFETY: a heavyweight lock by oid inside a transaction.
    unsafe { pg_sys::LockRelationOid(relation, mode.number()) };
}

/// As [`lock_one`], if nobody is in its way.
pub(crate) fn try_lock(relation: pg_sys::Oid, mode: Mode) -> bool {
    // SAFETY: as lock_one, without waiting.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, mode.number()) }
}

/// The relation of this name in a schema, if there is one. Needs no snapshot and asks for no
/// privilege.
pub(crate) fn find(schema: &str, name: &CStr) -> Option<pg_sys::Oid> {
    let schema = CString::new(schema).ok()?;
    // SAFETY: both look-ups are in the catalog's caches, inside a transaction, by names that
    // live for the call.
    let found = unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), namespace)
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// Waits until a table can be locked, and doesn't keep the lock.
pub(crate) fn wait_for(table: pg_sys::Oid, mode: Mode) {
    // SAFETY: a heavyweight lock by oid inside a transaction, given back at once.
    unsafe {
        lock_one(table, mode);
        pg_sys::UnlockRelationOid(table, mode.number());
    }
}

/// Does the catalog of the active snapshot know one of these relations, which are locked, by
/// another file than it has now, or not at all? Then that snapshot sees nothing in it.
pub(crate) fn moved_since_snapshot(relations: &[pg_sys::Oid]) -> Result<bool, Error> {
    let unsure: Vec<pg_sys::Oid> = relations
        .iter()
        .copied()
        .filter(|&relation| !described_before_snapshot(relation))
        .collect();
    if unsure.is_empty() {
        return Ok(false);
    }
    Ok(files(&unsure)? != with_latest_catalog(|| files(&unsure))?)
}

/// Was this relation's row of pg_class there before anything that the active snapshot
/// doesn't see? A quick look, which most relations pass.
fn described_before_snapshot(relation: pg_sys::Oid) -> bool {
    // SAFETY: the tuple is the syscache's, released below; its header is read only. There is
    // an active snapshot, as every caller runs inside a statement or a worker's work.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
        );
        if tuple.is_null() {
            return false;
        }
        let header = (*tuple).t_data;
        let frozen = (pg_sys::HEAP_XMIN_COMMITTED | pg_sys::HEAP_XMIN_INVALID) as u16;
        let before = (*header).t_infomask & frozen == frozen
            || pg_sys::TransactionIdPrecedes(
                (*header).t_choice.t_heap.t_xmin,
                (*pg_sys::GetActiveSnapshot()).xmin,
            );
        pg_sys::ReleaseSysCache(tuple);
        before
    }
}

/// The files of relations, as the active snapshot's catalog has them.
fn files(relations: &[pg_sys::Oid]) -> Result<BTreeMap<u32, u32>, Error> {
    let mut files = BTreeMap::new();
    let oids = relations
        .iter()
        .map(|relation| Some(relation.to_u32().to_string()))
        .collect();
    for_each_row(
        "SELECT c.oid, c.relfilenode FROM pg_catalog.pg_class c
          WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])",
        Access::Read,
        vec![Arg::Texts(oids)],
        |row| {
            let relation = Row::required(row.oid(0)?, "pg_class.oid")?;
            let file = Row::required(row.oid(1)?, "pg_class.relfilenode")?;
            files.insert(relation.to_u32(), file.to_u32());
            Ok(())
        },
    )?;
    Ok(files)
}
