//! How far a worker's tick is, and what came of it.

use crate::decision::report::TickReport;
use crate::server::error::Error;

/// How far a tick is: for `pg_stat_activity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
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
pub(crate) enum Tick {
    /// It ran; what it met with single workspaces is in the report.
    Done(TickReport),
    /// Somebody canceled it: what it had done by then.
    Canceled(TickReport),
    /// What it needs was locked, or it took too long: it is for the next one to try, and
    /// nothing is wrong.
    Busy(Error),
    /// It could not begin: the product's tables, the role or its rights are not there.
    Waiting(Error),
}
