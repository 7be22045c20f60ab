//! One tick: candidates, verdicts, builds, outcomes.
//!
//! [`tick::manual`] runs in its caller's transaction, [`tick::worker`] in transactions
//! of its own, [`tick::preview`] writes nothing; all three decide, plan and order by
//! [`crate::decision`], so they can't disagree. Statements stand in [`crate::product`] and
//! [`crate::ledger`]: there is none here.

pub(crate) mod advisory;
pub(crate) mod agenda;
mod batch;
mod brakes;
mod context;
mod fill;
mod locks;
mod messages;
mod notify;
pub(crate) mod progress;
pub(crate) mod prove;
pub(crate) mod tick;
mod timed;
mod work;
