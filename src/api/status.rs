//! `autobuild_status`: one row that says how ticks fare in this database, and what to
//! do if they don't.
//!
//! Read by everybody, also without the preload and on a standby. What is running comes
//! from the shared state, what ran before the server started from the history.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{extension_sql_file, name, pg_extern, search_path};

use crate::agenda;
use crate::agenda::state::Agenda;
use crate::instant::Instant;
use crate::product::licence;
use crate::product::role::executor_role;
use crate::product::schema::Product;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::identity::role_name;
use crate::server::query::{Access, run};
use crate::server::transaction::in_recovery;
use crate::server::{clock, scope};
use crate::settings::{self, Action, Settings};
use crate::worker::configured::workers_settings;
use crate::worker::state::{Health, LastTick, Phase, Slot};
use crate::worker::{process, region, spawn};

use super::control::{self, Pause};

/// What the shared state says of this database.
pub struct Seen {
    /// The launcher lives.
    pub launcher: bool,
    /// There was no worker slot for it.
    pub starved: bool,
    /// The database's slot.
    pub slot: Option<Slot>,
}

/// Looks at the shared state; `None` without any.
pub fn seen() -> Result<Option<Seen>, Error> {
    region::visit(|region| {
        let (launcher, starved, slot) = region.with(|state| {
            let slot = state.slot(region::this_database()).map(|slot| *slot);
            (state.launcher_pid, state.starved, slot)
        });
        Seen {
            launcher: process::lives(launcher),
            starved,
            slot,
        }
    })
}

/// The states that `worker_state` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkerState {
    NotPreloaded,
    Standby,
    Off,
    Paused,
    Running,
    Failing,
    Waiting,
    Idle,
}

impl WorkerState {
    fn name(self) -> &'static str {
        match self {
            WorkerState::NotPreloaded => "not_preloaded",
            WorkerState::Standby => "standby",
            WorkerState::Off => "off",
            WorkerState::Paused => "paused",
            WorkerState::Running => "running",
            WorkerState::Failing => "failing",
            WorkerState::Waiting => "waiting",
            WorkerState::Idle => "idle",
        }
    }

    /// Are ticks to be made?
    fn ticks(self) -> bool {
        matches!(
            self,
            WorkerState::Running | WorkerState::Failing | WorkerState::Waiting | WorkerState::Idle
        )
    }
}

/// All that the row is made of.
struct Status {
    extension: Extension,
    settings: Settings,
    pause: Option<Pause>,
    seen: Option<Seen>,
    last_tick: Option<LastTick>,
    /// The role as which the product's tables are used, or what is missing there.
    product: Result<Option<String>, String>,
    agenda: Agenda,
    /// What is wrong with the agenda.
    agenda_problem: Option<String>,
    /// What is wrong between `licensed_rules` and the product's licences.
    licence_problem: Option<String>,
}

impl Status {
    fn read() -> Result<Status, Error> {
        let extension = Extension::get()?;
        let seen = seen()?;
        let pause = extension.as_owner(|| control::pause(&extension))?;
        let last_tick = match seen.as_ref().and_then(|seen| seen.slot.as_ref()) {
            Some(slot) if slot.last_tick.made => Some(slot.last_tick),
            _ => extension.as_owner(|| last_recorded_tick(&extension))?,
        };
        let mut settings = workers_settings(&extension)?;
        // Without the product's tables there is none.
        let found = Product::find(&settings.product_schema).ok();
        let licence_problem = match &found {
            Some(product) => {
                licence::follow(product, &mut settings)?;
                licence::problem(product, &settings)?
            }
            None => None,
        };
        let agenda = match &found {
            Some(product) => Agenda::find(&extension, product, &settings, Access::Read)?,
            None => Agenda::Detached,
        };
        Ok(Status {
            product: role(&settings).map_err(|error| error.to_string()),
            agenda_problem: match &found {
                Some(product) => agenda::problem(&extension, &agenda, product)?,
                None => None,
            },
            licence_problem,
            agenda,
            settings,
            extension,
            pause,
            seen,
            last_tick,
        })
    }

    fn slot(&self) -> Option<&Slot> {
        self.seen.as_ref().and_then(|seen| seen.slot.as_ref())
    }

    fn state(&self) -> WorkerState {
        let Some(seen) = &self.seen else {
            return WorkerState::NotPreloaded;
        };
        if in_recovery() {
            return WorkerState::Standby;
        }
        if self.settings.action == Action::Off || !control::names_this_database() {
            return WorkerState::Off;
        }
        if self.pause.is_some() {
            return WorkerState::Paused;
        }
        match &seen.slot {
            Some(slot) if slot.phase == Phase::Ticking => WorkerState::Running,
            _ if !seen.launcher || seen.starved => WorkerState::Failing,
            Some(slot) if slot.failures > 0 => WorkerState::Failing,
            Some(slot) if slot.health == Health::Waiting => WorkerState::Waiting,
            _ if self.product.is_err() => WorkerState::Waiting,
            _ => WorkerState::Idle,
        }
    }

    /// What is wrong and what to do about it; `None` when all is well.
    fn problem(&self, state: WorkerState) -> Option<String> {
        let mut problems: Vec<String> = self.problem_of_worker(state).into_iter().collect();
        // What the last tick waited for may be the very same.
        if let Err(problem) = &self.product
            && !problems.contains(problem)
        {
            problems.push(problem.clone());
        }
        problems.extend(self.agenda_problem.clone());
        problems.extend(self.licence_problem.clone());
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    fn problem_of_worker(&self, state: WorkerState) -> Option<String> {
        let Some(seen) = &self.seen else {
            return Some(format!(
                "no ticks are made: the library is not preloaded; {}, or run autobuild_start_worker() for a worker until then",
                preload_advice()
            ));
        };
        match state {
            WorkerState::Standby | WorkerState::NotPreloaded | WorkerState::Paused => return None,
            WorkerState::Off => {
                return (!control::names_this_database()).then(|| {
                    "this database is not named in workspace_autobuild.databases".to_owned()
                });
            }
            _ => {}
        }
        if !seen.launcher {
            return Some(
                "the launcher is not running: the server's log says why; it is started again after 5 seconds, and needs a free slot of max_worker_processes"
                    .into(),
            );
        }
        if seen.starved {
            return Some(
                "no background worker slot is free, ticks are late: raise max_worker_processes and restart the server"
                    .into(),
            );
        }
        self.slot().and_then(problem_of).or_else(|| {
            region::preloaded().is_none().then(|| {
                format!(
                    "the worker was started by hand and ends with the server; {}",
                    preload_advice()
                )
            })
        })
    }
}

/// The problem that a slot tells of.
fn problem_of(slot: &Slot) -> Option<String> {
    if slot.failures > 0 {
        let error = slot.last_error.get().unwrap_or_default();
        return Some(format!(
            "{} errands in a row failed, the last with: {error}",
            slot.failures
        ));
    }
    if slot.health == Health::Waiting {
        return slot.problem.get();
    }
    if slot.last_tick.troubled {
        let error = slot.last_error.get().unwrap_or_default();
        return Some(format!("a batch of the last tick failed with: {error}"));
    }
    (slot.last_tick.held_back > 0).then(|| {
        format!(
            "max_builds_per_tick holds back {} transitions that are due",
            slot.last_tick.held_back
        )
    })
}

/// How to preload the library beside what is preloaded already, which only those may
/// know that may read all settings.
fn preload_advice() -> String {
    let present = scope::setting_if_allowed("shared_preload_libraries");
    let value = match present.as_deref().map(str::trim) {
        Some("") | None => spawn::LIBRARY.to_owned(),
        Some(present) => format!("{present}, {}", spawn::LIBRARY),
    };
    let kept = if present.is_none() {
        " (after what is there)"
    } else {
        ""
    };
    format!("set shared_preload_libraries = '{value}'{kept} and restart the server")
}

/// The last tick in the history.
fn last_recorded_tick(extension: &Extension) -> Result<Option<LastTick>, Error> {
    let mut last = None;
    run(
        &format!(
            "SELECT t.tick_at, t.started_at, t.finished_at, t.due, t.built, t.blocked, t.failed, \
             t.sqlstate IS NOT NULL \
             FROM {} t ORDER BY t.tick_id USING OPERATOR(pg_catalog.>) LIMIT 1",
            extension.table("autobuild_ticks")
        ),
        Access::Read,
        Vec::new(),
        |row| {
            let micros = |at: Option<Instant>| at.map_or(0, Instant::micros);
            let taken = micros(row.time(2)?).saturating_sub(micros(row.time(1)?));
            last = Some(LastTick {
                made: true,
                at: micros(row.time(0)?),
                ms: taken.max(0) / 1000,
                due: row.int(3)?.unwrap_or(0),
                built: row.int(4)?.unwrap_or(0),
                blocked: row.int(5)?.unwrap_or(0),
                failed: row.int(6)?.unwrap_or(0),
                held_back: 0,
                troubled: row.bool(7)?,
            });
            Ok(())
        },
    )?;
    Ok(last)
}

/// The role as which the product's tables are read and written, or what is missing.
fn role(settings: &Settings) -> Result<Option<String>, Error> {
    let product = Product::find(&settings.product_schema)?;
    executor_role(&product, settings).map(role_name)
}

fn time(micros: i64) -> Option<TimestampWithTimeZone> {
    Instant::from_micros(micros).map(clock::timestamptz)
}

/// The row of the view autobuild_status.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
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
    let status = Status::read().or_raise();
    let state = status.state();
    let problem = status.problem(state);
    let slot = status.slot();
    let tick = status.last_tick;
    let lag = slot
        .filter(|_| state.ticks())
        .map(|slot| slot.lag(clock::now(), settings::tick_interval()))
        .and_then(|micros| Interval::new(0, 0, micros).ok());
    TableIterator::once((
        slot.map(|slot| slot.worker_pid).filter(|&pid| pid != 0),
        state.name().to_owned(),
        status.agenda.mode().to_owned(),
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
        slot.filter(|slot| state.ticks() && slot.next_at != 0)
            .and_then(|slot| time(slot.next_at)),
        lag,
        slot.map_or(0, |slot| i32::try_from(slot.failures).unwrap_or(i32::MAX)),
        slot.and_then(|slot| slot.last_error.get()),
        problem,
        status.extension.version.clone(),
    ))
}

extension_sql_file!(
    "../../sql/status.sql",
    name = "status",
    requires = [autobuild_worker_status],
);
