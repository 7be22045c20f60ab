//! workspace-autobuild: starts and stops cloud development workspaces on time, from
//! inside the product's database.
//!
//! The pure half knows nothing of PostgreSQL and compiles without it
//! (`--no-default-features`): [`schedule`] says what a weekly cron text means,
//! [`lifecycle`] turns facts about a workspace into a verdict, [`build`] says what a
//! build writes and what speaks against it.

pub mod build;
pub mod executor;
pub mod instant;
pub mod lifecycle;
pub mod schedule;
pub mod worker;

#[cfg(feature = "pgrx")]
pub mod api;
#[cfg(feature = "pgrx")]
pub mod product;
#[cfg(feature = "pgrx")]
pub mod server;
#[cfg(feature = "pgrx")]
pub mod settings;

#[cfg(feature = "pgrx")]
::pgrx::pg_module_magic!();

/// Called by the server when it loads the library: at its start if the library is
/// preloaded, else in the first session that needs it.
#[cfg(feature = "pgrx")]
#[::pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    worker::register();
}

// STAND-IN, dropped at merge.
#[cfg(feature = "pgrx")]
::pgrx::extension_sql_file!("../sql/standin_history.sql", name = "standin_history");
