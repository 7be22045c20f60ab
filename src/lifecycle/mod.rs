//! Facts about a workspace in, a verdict with its reasons out.
//!
//! The rules exist once, here: the worker's tick, `autobuild_tick`, the previews
//! and `autobuild_explain` all call [`verdict()`](verdict::verdict). Nothing here knows of
//! PostgreSQL: the clock, the zones and the facts are arguments.
//!
//! A verdict has two stages. A workspace that fails one of the conditions
//! (`candidate`) is left alone by every rule. The others are put before the [`rules`] in
//! force, in order; each rule is a file that says when it acts, or why it does not.
//!
//! A reminder of a deadline is no transition, but a rule says when it is made, and a verdict
//! has it beside what happens next.

pub mod allowed;
pub mod bound;
mod candidate;
pub mod explain;
pub mod facts;
pub mod hanging;
mod held;
pub mod listing;
pub mod needs;
pub mod outcome;
pub mod policy;
pub mod rules;
pub mod schedules;
pub mod signs;
pub mod skip;
pub mod steady;
pub mod transition;
pub mod unreadable;
pub mod verdict;

#[cfg(test)]
pub(crate) mod tests;
