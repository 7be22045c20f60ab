//! Taking the product's lock of each workspace, always in the order of ids.
//!
//! By hand the locks end with the caller's transaction. The worker's outlive its commits
//! by a moment: the product takes the snapshot of its transaction just before it tries the
//! lock, and if ours ended in between, it would decide on what was before and be refused
//! by the unique build number.

use std::cell::RefCell;
use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::server::transaction::{self, LockLife};

use super::advisory::lock_key;

/// How long the last locks of a tick outlive their commit; those before have the time of
/// the batch that follows.
const LINGER: Duration = Duration::from_millis(20);

/// How many workspaces a batch of the worker's may lock: with those of the batch before it
/// a quarter of all the locks that the server has room for, so that nobody else goes without.
/// A tick by hand may lock as many as two such batches.
pub(super) fn share() -> usize {
    usize::try_from(transaction::room_for_locks() / 8)
        .unwrap_or(1)
        .max(1)
}

/// Takes the locks that nobody else holds, until the end of the transaction; returns
/// whose they are.
pub(super) fn take_until_commit(ids: impl IntoIterator<Item = Uuid>) -> HashSet<Uuid> {
    free(ids, |key| {
        transaction::try_advisory_lock(key, LockLife::Transaction)
    })
}

/// Those of which `take` gets the lock, asked in the order of ids.
fn free(ids: impl IntoIterator<Item = Uuid>, mut take: impl FnMut(i64) -> bool) -> HashSet<Uuid> {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.retain(|id| take(lock_key(*id)));
    ids.into_iter().collect()
}

fn release(keys: Vec<i64>) {
    for key in keys {
        transaction::release_advisory_lock(key);
    }
}

/// The worker's locks: they belong to its session, and end with it at the latest.
#[derive(Default)]
pub(super) struct Locks {
    current: RefCell<Vec<i64>>,
    lingering: RefCell<Option<Lingering>>,
}

/// Locks of a transaction that has ended.
struct Lingering {
    keys: Vec<i64>,
    since: Instant,
}

impl Locks {
    /// Takes the locks that nobody else holds, until [`Locks::linger`]; returns whose
    /// they are.
    pub(super) fn take(&self, ids: impl IntoIterator<Item = Uuid>) -> HashSet<Uuid> {
        free(ids, |key| {
            let taken = transaction::try_advisory_lock(key, LockLife::Session);
            if taken {
                self.current.borrow_mut().push(key);
            }
            taken
        })
    }

    /// The transaction has ended: its locks are kept until the next one has, those of
    /// the one before are let go. So never more than two batches' are held.
    pub(super) fn linger(&self) {
        let keys = self.current.take();
        if keys.is_empty() {
            return;
        }
        let since = Instant::now();
        if let Some(before) = self.lingering.replace(Some(Lingering { keys, since })) {
            release(before.keys);
        }
    }

    /// The transaction was rolled back: nobody could decide on what it wrote. What it took
    /// goes at once, and what lingers with it: locks that are held for nothing may be all
    /// that the server has, and what is tried next would find none.
    pub(super) fn give_back(&self) {
        release(self.current.take());
        self.let_go();
    }

    /// Lets all go, the last ones when their moment is over.
    pub(super) fn let_go(&self) {
        if let Some(last) = self.lingering.take() {
            thread::sleep(LINGER.saturating_sub(last.since.elapsed()));
            release(last.keys);
        }
    }
}
