//! Starting background processes: the launcher, once, and tick workers for an errand.

use std::time::Duration;

use pgrx::bgworkers::BackgroundWorkerBuilder;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::instant::Instant;
use crate::server::error::Error;

use super::process;
use super::roster::{Database, Errand};

/// The library's name, as in `shared_preload_libraries`.
pub(crate) const LIBRARY: &str = "workspace-autobuild";
/// What to do where no worker slot is free.
pub(crate) const MORE_SLOTS: &str = "lower max_parallel_workers and reload, so that parallel queries leave slots free, or raise max_worker_processes and restart the server";
/// `backend_type` of the launcher.
const LAUNCHER: &str = "workspace-autobuild launcher";
/// `backend_type` of the tick workers.
const WORKER: &str = "workspace-autobuild worker";
/// A launcher that failed comes back after this time.
const RESTART: Duration = Duration::from_secs(5);

fn launcher(name: &str) -> BackgroundWorkerBuilder {
    // enable_spi_access also sets the start: when recovery has finished, so a standby
    // has no launcher until it is promoted.
    BackgroundWorkerBuilder::new(name)
        .set_type(LAUNCHER)
        .set_library(LIBRARY)
        .set_function("workspace_autobuild_launcher")
        .enable_spi_access()
        .set_restart_time(Some(RESTART))
}

/// Registers the launcher of all databases; called while the library is preloaded.
pub(crate) fn register_launcher() {
    launcher(LAUNCHER).load();
}

/// Starts a launcher for one database, and returns its process id when it runs.
pub(crate) fn start_launcher(database: Database) -> Result<i32, Error> {
    let worker = launcher(&format!("{LAUNCHER} for database {database}"))
        .set_argument(Some(pg_sys::Datum::from(database)))
        .set_notify_pid(process::my_pid());
    let handle = worker.load_dynamic().map_err(|_| no_slot())?;
    handle.wait_for_startup().map_err(|_| {
        Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the launcher could not be started",
        )
        .hint("The server's log says why.")
    })
}

fn no_slot() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "no background worker slot is free",
    )
    .hint(format!("For more: {MORE_SLOTS}."))
}

/// What a tick worker is told when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// What to do.
    pub errand: Errand,
    /// The segment of a started launcher; 0 for the preloaded state.
    pub segment: u32,
}

impl Orders {
    fn to_extra(self) -> String {
        match self.errand {
            Errand::Probe => format!("probe 0 {}", self.segment),
            Errand::Tick(at) => format!("tick {} {}", at.micros(), self.segment),
        }
    }

    /// The orders that a worker finds in its `bgw_extra`.
    pub(crate) fn from_extra(extra: &str) -> Option<Orders> {
        let mut words = extra.split(' ');
        let errand = words.next()?;
        let at = words.next()?.parse().ok()?;
        let segment = words.next()?.parse().ok()?;
        let errand = match errand {
            "probe" => Errand::Probe,
            "tick" => Errand::Tick(Instant::from_micros(at)?),
            _ => return None,
        };
        Some(Orders { errand, segment })
    }
}

/// A tick worker that this process started.
#[derive(Debug)]
pub(crate) struct Worker(*mut pg_sys::BackgroundWorkerHandle);

impl Worker {
    /// Starts a tick worker in a database; `None` if no worker slot is free.
    pub(crate) fn start(database: Database, orders: Orders) -> Option<Worker> {
        let builder = BackgroundWorkerBuilder::new(&format!("{WORKER} for database {database}"))
            .set_type(WORKER)
            .set_library(LIBRARY)
            .set_function("workspace_autobuild_worker")
            .enable_spi_access()
            .set_argument(Some(pg_sys::Datum::from(database)))
            .set_extra(&orders.to_extra())
            .set_notify_pid(process::my_pid());
        let mut worker = pg_sys::BackgroundWorker::from(&builder);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the server copies the worker; the handle is made in memory that lives
        // as long as the process, and freed with this value.
        unsafe {
            let context = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let started = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle);
            pg_sys::MemoryContextSwitchTo(context);
            (started && !handle.is_null()).then(|| Worker(handle))
        }
    }

    /// Is its process gone?
    pub(crate) fn is_gone(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle is this value's own.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: palloc'd by the server for this value.
        unsafe { pg_sys::pfree(self.0.cast()) };
    }
}
