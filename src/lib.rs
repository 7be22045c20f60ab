//! workspace-autobuild: starts and stops cloud development workspaces on time, from
//! inside the product's database.
//!
//! The pure half knows nothing of PostgreSQL and compiles without it
//! (`--no-default-features`): [`schedule`] says what a weekly cron text means,
//! [`lifecycle`] turns facts about a workspace into a verdict, [`holds`] says when some are
//! left alone, [`forecast`] what ticks will do, [`new_build`] what a build writes and what speaks
//! against it, [`template`] what a template's source has to do with it, [`messages`] what the
//! owner is told, [`page`] how it is all looked at in a browser.

#[forbid(unsafe_code)]
pub mod columns;
#[forbid(unsafe_code)]
pub mod decision;
#[forbid(unsafe_code)]
pub mod forecast;
#[forbid(unsafe_code)]
pub mod holds;
#[forbid(unsafe_code)]
pub mod instant;
#[forbid(unsafe_code)]
pub mod ledger;
#[forbid(unsafe_code)]
pub mod lifecycle;
#[forbid(unsafe_code)]
pub mod messages;
#[forbid(unsafe_code)]
pub mod new_build;
#[forbid(unsafe_code)]
pub mod page;
#[forbid(unsafe_code)]
pub mod schedule;
#[forbid(unsafe_code)]
pub mod sqlstate;
#[forbid(unsafe_code)]
pub mod template;
#[allow(unsafe_code)]
pub mod worker;

#[cfg(test)]
mod documentation_tests;
#[cfg(test)]
mod recipes_tests;
#[cfg(test)]
mod released_tests;
#[cfg(test)]
mod walls_tests;

#[cfg(feature = "pgrx")]
mod agenda;
#[cfg(feature = "pgrx")]
mod api;
#[cfg(feature = "pgrx")]
mod executor;
#[cfg(feature = "pgrx")]
mod product;
#[cfg(feature = "pgrx")]
mod proofs;
#[cfg(feature = "pgrx")]
#[allow(unsafe_code)]
mod server;
#[cfg(feature = "pgrx")]
#[allow(unsafe_code)]
mod settings;

#[cfg(feature = "pgrx")]
::pgrx::pg_module_magic!();

#[cfg(feature = "pgrx")]
mod load {
    //! What happens when the server loads the library.

    use pgrx::prelude::*;

    extension_sql_file!("../sql/tables.sql", name = "tables", bootstrap);
    extension_sql_file!("../sql/functions.sql", name = "functions", finalize);

    /// Called by the server when it loads the library.
    #[pg_guard]
    extern "C-unwind" fn _PG_init() {
        crate::settings::register();
        crate::worker::register();
    }
}

/// What pgrx's test framework looks for at the root of a crate.
#[cfg(all(test, feature = "pg_test"))]
pub mod pg_test {
    /// Called once before the tests of [`crate::api`] that run inside a server.
    pub fn setup(_options: Vec<&str>) {}

    /// Lines of the test server's `postgresql.conf`.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        Vec::new()
    }
}
