//! One tick: candidates, verdicts, builds, outcomes.
//!
//! [`tick::manual`] runs in its caller's transaction, [`tick::worker`] in transactions
//! of its own, [`tick::preview`] writes nothing; all three decide, plan and order by the
//! same functions, so they can't disagree.

pub mod advisory;
pub mod agenda;
pub mod batch;
pub mod decide;
pub mod fill;
pub mod history;
pub mod holders;
pub mod locks;
pub mod narrow;
pub mod notify;
pub mod outcome;
pub mod plan;
pub mod recheck;
pub mod report;
pub mod tick;
pub mod unfilled;
