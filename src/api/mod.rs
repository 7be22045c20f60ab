//! The SQL functions, thin: arguments are checked, a module below does the work, rows
//! go out. What a function promises stands in its COMMENT (`\df+`) and the README.

pub mod agenda;
pub mod blockers;
pub mod control;
#[cfg(feature = "pg_test")]
#[allow(unsafe_code, clippy::unwrap_used)]
mod in_server;
pub mod metrics;
pub mod previews;
pub mod rules;
#[allow(unsafe_code)]
pub mod schedules;
pub mod status;
pub mod tick;
mod waiting;
