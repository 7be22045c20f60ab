//! The SQL functions, thin: arguments are checked, a module below does the work, rows
//! go out. What a function promises stands in its COMMENT (`\df+`) and docs/REFERENCE.md.

pub(crate) mod agenda;
mod agreement;
pub(crate) mod control;
mod forecast;
mod holds;
#[cfg(feature = "pg_test")]
#[allow(unsafe_code, clippy::unwrap_used)]
mod in_server;
mod messages;
pub(crate) mod metrics;
mod names;
pub(crate) mod previews;
mod ready;
mod report;
pub(crate) mod rules;
#[allow(unsafe_code)]
pub(crate) mod schedules;
mod seen_by_ticks;
pub(crate) mod status;
pub(crate) mod tick;
mod unreadable;
mod upcoming;
mod versions;
mod waiting;
