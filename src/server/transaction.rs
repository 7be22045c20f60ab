//! Transactions of a background worker: REPEATABLE READ, begun before any snapshot.
//!
//! A session's call runs in its caller's transaction and never comes here.

use pgrx::pg_sys;

use crate::instant::Millis;

use super::catch::catching;
use super::error::Error;
use super::statement_timeout::Limit;

/// Runs the work in a REPEATABLE READ transaction of its own and commits it.
///
/// `before_snapshot` runs first, in the transaction but before its snapshot: locks
/// taken there are held when the snapshot is taken, and what it returns goes to `work`.
/// If either raises or returns an error, or the commit does, the transaction is rolled
/// back and the error returned.
///
/// Where the postmaster is gone no transaction begins: the process ends, since a new
/// server can't start while it lives.
pub(crate) fn repeatable_read<L, R>(
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    repeatable_read_within(Millis(0), before_snapshot, work)
}

/// As [`repeatable_read`], with a limit on all but the commit. A commit may wait for a synchronous standby, and to cancel that wait would
/// show a build to provisioners that a failover then loses.
pub(crate) fn repeatable_read_within<L, R>(
    limit: Millis,
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    end_with_postmaster();
    let result = catching(|| {
        let limit = Limit::begin(limit);
        // SAFETY: a worker's process is between transactions here; the isolation level
        // may be set as long as no snapshot was taken.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::XactIsoLevel = pg_sys::XACT_REPEATABLE_READ as i32;
        }
        let locks = before_snapshot()?;
        // SAFETY: inside the transaction begun above.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        let value = work(locks)?;
        drop(limit);
        // SAFETY: pops the snapshot pushed above, then commits.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        Ok(value)
    });
    if result.is_err() {
        // SAFETY: ends whatever is left of the transaction; without one it does nothing.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }
    result
}

/// Ends the process if the postmaster is gone.
fn end_with_postmaster() {
    // SAFETY: declared as the server's headers have it; pgrx doesn't bind it.
    unsafe extern "C-unwind" {
        fn PostmasterIsAliveInternal() -> bool;
    }
    // SAFETY: asks the operating system; proc_exit runs the callbacks of this process as
    // at any end, outside of a transaction.
    unsafe {
        if !PostmasterIsAliveInternal() {
            pg_sys::proc_exit(1);
        }
    }
}

/// Runs something that reads what is committed now, whatever snapshot the transaction has;
/// what this transaction itself wrote is seen as well.
pub(crate) fn with_latest_snapshot<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: inside a transaction that has its snapshot; the stack keeps a copy. An ERROR
    // inside leaves through the (sub)transaction's abort, which pops it.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let result = work();
    // SAFETY: pops the snapshot pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// Has any transaction that wrote ended since this transaction's snapshot was taken? If none
/// has, what is committed now is what that snapshot sees. A quick look.
pub(crate) fn others_ended_since_snapshot() -> bool {
    // SAFETY: inside a REPEATABLE READ transaction, which keeps its snapshot; the latest one
    // is the server's own until the next is asked for.
    unsafe {
        let ours = &*pg_sys::GetTransactionSnapshot();
        let latest = &*pg_sys::GetLatestSnapshot();
        ours.xmax != latest.xmax || running(ours) != running(latest)
    }
}

/// The transactions that run as a snapshot has it.
///
/// # Safety
/// It is a snapshot of the server's.
unsafe fn running(snapshot: &pg_sys::SnapshotData) -> Vec<pg_sys::TransactionId> {
    // SAFETY: the list holds as many as it says.
    unsafe { list(snapshot.xip, snapshot.xcnt as usize) }
}

/// # Safety
/// There are so many from the first on; of none it may point nowhere.
unsafe fn list(first: *mut pg_sys::TransactionId, count: usize) -> Vec<pg_sys::TransactionId> {
    match count {
        0 => Vec::new(),
        // SAFETY: see above.
        count => unsafe { std::slice::from_raw_parts(first, count).to_vec() },
    }
}

/// What a snapshot sees: two that are equal see the same rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    upto: pg_sys::TransactionId,
    running: Vec<pg_sys::TransactionId>,
    running_parts: Vec<pg_sys::TransactionId>,
    /// This transaction, if it wrote anything, and its command.
    own: (pg_sys::TransactionId, pg_sys::CommandId),
}

/// What the active snapshot sees.
pub(crate) fn seen() -> Seen {
    // SAFETY: inside a transaction with an active snapshot, as every function has one; the
    // list of subtransactions holds as many as it says.
    unsafe {
        let snapshot = &*pg_sys::GetActiveSnapshot();
        Seen {
            upto: snapshot.xmax,
            running: running(snapshot),
            running_parts: list(snapshot.subxip, snapshot.subxcnt.max(0) as usize),
            own: (pg_sys::GetTopTransactionIdIfAny(), snapshot.curcid),
        }
    }
}

/// Runs something that reads under the transaction's own snapshot, with all that this
/// transaction itself wrote up to now. For REPEATABLE READ.
pub(crate) fn with_own_writes<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: inside a transaction that has its snapshot, of which the stack keeps a copy
    // that sees the commands before this one; as in `with_latest_snapshot` else.
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
    let result = work();
    // SAFETY: pops the snapshot pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// Runs something that reads the catalog as it is now, whatever snapshot the transaction
/// has: statements are planned by the catalog of now too, also in a transaction whose
/// snapshot is older than the last change of a table.
pub(crate) fn with_latest_catalog<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: inside a transaction; the stack keeps a copy of the snapshot. An ERROR
    // inside leaves through the (sub)transaction's abort, which pops it.
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetCatalogSnapshot(pg_sys::RelationRelationId));
    }
    let result = work();
    // SAFETY: pops the snapshot pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// Is the current transaction REPEATABLE READ or stricter?
pub(crate) fn is_repeatable_read() -> bool {
    // SAFETY: reads a variable of the current transaction.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// How long an advisory lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockLife {
    /// Until the transaction ends.
    Transaction,
    /// Until it is released as often as it was taken, or the session ends.
    Session,
}

/// How many locks the server has room for, all sessions' together.
pub(crate) fn room_for_locks() -> i64 {
    // SAFETY: settings of the server's that do not change while it runs.
    unsafe { i64::from(pg_sys::max_locks_per_xact) * i64::from(pg_sys::MaxBackends) }
}

/// Tries to take an advisory lock, as `pg_try_advisory_lock(bigint)` and
/// `pg_try_advisory_xact_lock(bigint)` do. Needs no snapshot.
pub(crate) fn try_advisory_lock(key: i64, life: LockLife) -> bool {
    let function = match life {
        LockLife::Transaction => pg_sys::pg_try_advisory_xact_lock_int8,
        LockLife::Session => pg_sys::pg_try_advisory_lock_int8,
    };
    // SAFETY: both functions are strict, take one bigint and look at nothing else.
    unsafe {
        pgrx::direct_function_call::<bool>(function, &[pgrx::IntoDatum::into_datum(key)])
            .unwrap_or(false)
    }
}

/// Releases an advisory lock of the session's. Needs no transaction.
pub(crate) fn release_advisory_lock(key: i64) {
    // SAFETY: as try_advisory_lock.
    unsafe {
        pgrx::direct_function_call::<bool>(
            pg_sys::pg_advisory_unlock_int8,
            &[pgrx::IntoDatum::into_datum(key)],
        );
    }
}

/// Does the server replay another's WAL (a standby)?
pub(crate) fn in_recovery() -> bool {
    // SAFETY: reads shared state.
    unsafe { pg_sys::RecoveryInProgress() }
}
