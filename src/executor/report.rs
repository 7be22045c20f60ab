//! What a tick tells whoever ran it.

use uuid::Uuid;

use crate::server::error::Error;

/// The kinds of transitions, in the order in which [`TickReport::tried`] counts them.
pub const KINDS: [&str; 4] = ["start", "stop", "delete", "dormant"];
/// The outcomes, in the order in which [`TickReport::tried`] counts them.
pub const OUTCOMES: [&str; 5] = ["built", "conflict", "blocked", "failed", "observed"];

/// Workspaces that were left out of which is told which they are.
pub const LEFT_OUT: usize = 8;

/// What a tick did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Workspaces that were due.
    pub due: i32,
    /// Transitions made: builds, and dormancy marks without one.
    pub built: i32,
    /// Someone else built first.
    pub conflict: i32,
    /// Could not be built now.
    pub blocked: i32,
    /// An unexpected error.
    pub failed: i32,
    /// Recorded under `action = observe`.
    pub observed: i32,
    /// Due, but held back by `max_builds_per_tick`.
    pub held_back: i32,
    /// Due, but left out, since somebody else holds their lock.
    pub locked: i32,
    /// The first of them in the order of work, [`LEFT_OUT`] at the most.
    pub left_out: Vec<Uuid>,
    /// Transitions tried, by kind and outcome.
    pub tried: [[i32; OUTCOMES.len()]; KINDS.len()],
    /// Workspaces that failed, by SQLSTATE.
    pub failures: Vec<(String, i32)>,
    /// The first error that a batch met, if any did.
    pub error: Option<(String, String)>,
}

impl TickReport {
    /// Somebody else holds the lock of this workspace.
    pub fn leave_out(&mut self, workspace: Uuid) {
        self.locked = self.locked.saturating_add(1);
        if self.left_out.len() < LEFT_OUT {
            self.left_out.push(workspace);
        }
    }
}

/// How far a tick is: for `pg_stat_activity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Reading which workspaces are due.
    Reading,
    /// Building: so many of so many are done.
    Building {
        /// Workspaces done with.
        done: usize,
        /// Workspaces due.
        of: usize,
    },
    /// Writing history, pruning it.
    Recording,
    /// Filling in `next_start_at`: so many of so many are done.
    Filling {
        /// Workspaces done with.
        done: usize,
        /// Workspaces in which it is empty.
        of: usize,
    },
}

/// What came of a worker's tick.
#[derive(Clone, Debug)]
pub enum Tick {
    /// It ran; what it met with single workspaces is in the report.
    Done(TickReport),
    /// Somebody canceled it: what it had done by then.
    Canceled(TickReport),
    /// What it needs was locked, or it took too long: it is for the next one to try, and
    /// nothing is wrong.
    Busy(Error),
    /// It could not begin: the product's tables, the role or its rights are not there.
    Waiting {
        /// The condition.
        sqlstate: String,
        /// What is missing and what to do about it.
        problem: String,
    },
}
