//! The switches: wake, pause and resume the worker, start one where none is preloaded.
//!
//! PUBLIC has no right to call them; a role with EXECUTE needs no right on the extension's
//! tables, which are written as their owner.

use pgrx::{PgSqlErrorCode, default, extension_sql_file, pg_extern, search_path};

use crate::ledger::{brakes, pauses};
use crate::server::clock;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::{self, Extension};
use crate::server::identity::{current_user, role_name};
use crate::server::transaction::in_recovery;
use crate::settings;
use crate::worker::roster::Knock;
use crate::worker::{process, region, spawn};

/// Stops the worker's ticks in this database until autobuild_resume().
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_pause(reason: default!(Option<&str>, "NULL")) {
    let extension = Extension::current().or_raise();
    let by = role_name(current_user());
    pauses::begin(&extension, reason, by.as_deref()).or_raise();
}

/// Ends a pause, and releases every brake; without one it does nothing.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_resume() {
    let extension = Extension::get().or_raise();
    let by = role_name(current_user());
    pauses::end(&extension).or_raise();
    brakes::release(&extension, by.as_deref(), clock::now()).or_raise();
}

/// Asks the worker for a tick now, and returns at once: true if there is a worker to
/// do it; false without one, in a pause and on a standby.
#[pg_extern(volatile, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_wake() -> bool {
    wake().or_raise()
}

fn wake() -> Result<bool, Error> {
    if in_recovery() || !names_this_database() {
        return Ok(false);
    }
    let extension = Extension::get()?;
    if extension.as_owner(|| pauses::find(&extension))?.is_some() {
        return Ok(false);
    }
    let launcher = region::visit(|region| {
        region.with(|state| {
            state.knock(region::this_database(), Knock::Wake);
            state.launcher_pid
        })
    })?;
    let there = launcher.filter(|&pid| process::lives(pid));
    if let Some(pid) = there {
        process::wake(pid);
    }
    Ok(there.is_some())
}

/// Does `databases` name this database? A launcher that a session started serves its
/// database whatever the setting says.
pub(crate) fn names_this_database() -> bool {
    region::preloaded().is_none() || settings::names_database(&extension::database())
}

/// Starts a worker for this database until the server restarts, where the library is
/// not preloaded. Returns the process id of its launcher.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_start_worker() -> i32 {
    start_worker().or_raise()
}

fn start_worker() -> Result<i32, Error> {
    let refused = |message: &str, hint: &str| {
        Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            message,
        )
        .hint(hint))
    };
    if region::preloaded().is_some() {
        return refused(
            "the library is preloaded, so no worker needs to be started",
            "See autobuild_status for its state in this database.",
        );
    }
    if in_recovery() {
        return refused(
            "the server is a standby",
            "Start the worker after the promotion.",
        );
    }
    if region::visit(|_| ())?.is_some() {
        return refused(
            "a worker was already started for this database",
            "See autobuild_status for its state; autobuild_wake() requests a tick.",
        );
    }
    spawn::start_launcher(region::this_database())
}

extension_sql_file!(
    "../../sql/control.sql",
    name = "control",
    requires = [
        autobuild_pause,
        autobuild_resume,
        autobuild_wake,
        autobuild_start_worker
    ],
);
