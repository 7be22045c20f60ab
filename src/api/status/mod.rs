//! `autobuild_status`: one row that says how ticks fare in this database, and what to
//! do if they don't.
//!
//! Read by everybody, also without the preload and on a standby. What is running comes
//! from the shared state ([`seen`]), what ran before the server started from the history;
//! all is read first ([`read`]), and then said ([`state`], [`problem`]).

mod blockers;
mod collation;
pub(super) mod problem;
mod read;
pub(super) mod seen;
mod state;

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{extension_sql_file, name, pg_extern, search_path};

use crate::instant::Instant;
use crate::server::clock;
use crate::server::error::OrRaise;
use crate::settings;

use read::Status;

fn time(micros: i64) -> Option<TimestampWithTimeZone> {
    Instant::from_micros(micros).map(clock::timestamptz)
}

/// The row of the view autobuild_status.
#[pg_extern(name = "autobuild_worker_status", volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_read_status() -> TableIterator<
    'static,
    (
        name!(worker_pid, Option<i32>),
        name!(worker_state, String),
        name!(mode, String),
        name!(action, String),
        name!(paused, bool),
        name!(pause_reason, Option<String>),
        name!(role, Option<String>),
        name!(last_tick_at, Option<TimestampWithTimeZone>),
        name!(last_tick_ms, Option<i64>),
        name!(last_tick_due, Option<i32>),
        name!(last_tick_built, Option<i32>),
        name!(last_tick_blocked, Option<i32>),
        name!(last_tick_failed, Option<i32>),
        name!(last_tick_observed, Option<i32>),
        name!(locked, Option<i32>),
        name!(held_back, Option<i32>),
        name!(next_tick_at, Option<TimestampWithTimeZone>),
        name!(lag, Option<Interval>),
        name!(consecutive_failures, i32),
        name!(last_error, Option<String>),
        name!(last_error_at, Option<TimestampWithTimeZone>),
        name!(problem, Option<String>),
        name!(extension_version, String),
    ),
> {
    let status = Status::read().or_raise();
    let state = status.state();
    let problem = status.problem(state);
    let slot = status.slot();
    let tick = status.last_tick;
    // The history has no such numbers.
    let workers_tick = slot.map(|slot| slot.last_tick).filter(|tick| tick.made);
    let lag = slot
        .filter(|_| state.ticks())
        .map(|slot| slot.lag(clock::now(), settings::tick_interval()))
        .and_then(|micros| Interval::new(0, 0, micros).ok());
    TableIterator::once((
        slot.map(|slot| slot.worker_pid).filter(|&pid| pid != 0),
        state.name().to_owned(),
        status.agenda.mode().to_owned(),
        status.settings.action.name().to_owned(),
        status.pause.is_some(),
        status.pause.as_ref().and_then(|pause| pause.reason.clone()),
        status
            .product
            .clone()
            .unwrap_or_else(|_| status.settings.role.clone()),
        tick.and_then(|tick| time(tick.at)),
        tick.map(|tick| tick.ms),
        tick.map(|tick| tick.due),
        tick.map(|tick| tick.built),
        tick.map(|tick| tick.blocked),
        tick.map(|tick| tick.failed),
        tick.map(|tick| tick.observed),
        workers_tick.map(|tick| tick.locked),
        workers_tick.map(|tick| tick.held_back),
        slot.filter(|slot| state.ticks() && slot.next_at != 0)
            .and_then(|slot| time(slot.next_at)),
        lag,
        slot.map_or(0, |slot| i32::try_from(slot.failures).unwrap_or(i32::MAX)),
        slot.and_then(|slot| slot.last_error.get()),
        slot.filter(|slot| slot.last_error_at != 0)
            .and_then(|slot| time(slot.last_error_at)),
        problem,
        status.extension.version.clone(),
    ))
}

/// The same row as version 0.1.0 of the extension declares it: what its `autobuild_status`
/// answers with until ALTER EXTENSION. The server hands the row on as it was declared.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn autobuild_worker_status() -> TableIterator<
    'static,
    (
        name!(worker_pid, Option<i32>),
        name!(worker_state, String),
        name!(mode, String),
        name!(paused, bool),
        name!(pause_reason, Option<String>),
        name!(role, Option<String>),
        name!(last_tick_at, Option<TimestampWithTimeZone>),
        name!(last_tick_ms, Option<i64>),
        name!(last_tick_due, Option<i32>),
        name!(last_tick_built, Option<i32>),
        name!(last_tick_blocked, Option<i32>),
        name!(last_tick_failed, Option<i32>),
        name!(next_tick_at, Option<TimestampWithTimeZone>),
        name!(lag, Option<Interval>),
        name!(consecutive_failures, i32),
        name!(last_error, Option<String>),
        name!(problem, Option<String>),
        name!(extension_version, String),
    ),
> {
    TableIterator::new(autobuild_read_status().map(
        |(
            worker_pid,
            worker_state,
            mode,
            _action,
            paused,
            pause_reason,
            role,
            last_tick_at,
            last_tick_ms,
            last_tick_due,
            last_tick_built,
            last_tick_blocked,
            last_tick_failed,
            _last_tick_observed,
            _locked,
            _held_back,
            next_tick_at,
            lag,
            consecutive_failures,
            last_error,
            _last_error_at,
            problem,
            extension_version,
        )| {
            (
                worker_pid,
                worker_state,
                mode,
                paused,
                pause_reason,
                role,
                last_tick_at,
                last_tick_ms,
                last_tick_due,
                last_tick_built,
                last_tick_blocked,
                last_tick_failed,
                next_tick_at,
                lag,
                consecutive_failures,
                last_error,
                problem,
                extension_version,
            )
        },
    ))
}

extension_sql_file!(
    "../../../sql/status.sql",
    name = "status",
    requires = [autobuild_read_status],
);
