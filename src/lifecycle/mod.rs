//! Facts about a workspace in, a verdict with its reasons out.
//!
//! The rules exist once, here: the worker's tick, `autobuild_tick`, the previews
//! and `autobuild_explain` all call [`verdict`]. Nothing in this module knows of
//! PostgreSQL: the clock, the zones and the facts are arguments.

pub mod facts;
pub mod signs;
pub mod verdict;
