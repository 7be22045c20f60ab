//! workspace-autobuild: starts and stops cloud development workspaces on time, from
//! inside the product's database.
//!
//! The pure half knows nothing of PostgreSQL and compiles without it
//! (`--no-default-features`): [`schedule`] says what a weekly cron text means,
//! [`lifecycle`] turns facts about a workspace into a verdict, [`build`] says what a
//! build writes and what speaks against it.

pub mod build;
pub mod instant;
pub mod lifecycle;
pub mod schedule;

#[cfg(feature = "pgrx")]
pub mod executor;
#[cfg(feature = "pgrx")]
pub mod product;
#[cfg(feature = "pgrx")]
pub mod server;
#[cfg(feature = "pgrx")]
pub mod settings;

#[cfg(feature = "pgrx")]
::pgrx::pg_module_magic!();
