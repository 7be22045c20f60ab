//! What a tick tells whoever ran it.

/// The kinds of transitions, in the order in which [`TickReport::tried`] counts them.
pub const KINDS: [&str; 4] = ["start", "stop", "delete", "dormant"];
/// The outcomes, in the order in which [`TickReport::tried`] counts them.
pub const OUTCOMES: [&str; 5] = ["built", "conflict", "blocked", "failed", "observed"];

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
    /// Due, but left out because somebody held their lock.
    pub locked: i32,
    /// Transitions tried, by kind and outcome.
    pub tried: [[i32; OUTCOMES.len()]; KINDS.len()],
    /// Workspaces that failed, by SQLSTATE.
    pub failures: Vec<(String, i32)>,
    /// The first error that a batch met, if any did.
    pub error: Option<(String, String)>,
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
}

/// What came of a worker's tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// It ran; what it met with single workspaces is in the report.
    Done(TickReport),
    /// It could not begin: the product's tables, the role or its rights are not there.
    Waiting {
        /// The condition.
        sqlstate: String,
        /// What is missing and what to do about it.
        problem: String,
    },
}
