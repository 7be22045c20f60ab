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
use crate::instant::{Instant, SECOND};
use crate::ledger::attempts::{self, Stuck};
use crate::ledger::pauses::{self, Pause};
use crate::ledger::ticks;
use crate::product::copies::{dump_problem, not_subscribed};
use crate::product::licence;
use crate::product::locks::are_free;
use crate::product::role::executor_role;
use crate::product::schema::Product;
use crate::product::zones;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::{Extension, database_name};
use crate::server::identity::role_name;
use crate::server::query::{Access, Arg, fetch_one};
use crate::server::transaction::in_recovery;
use crate::server::{clock, guc};
use crate::settings::{self, Action, Settings};
use crate::worker::configured::workers_settings;
use crate::worker::launcher::MAX_WORKERS;
use crate::worker::roster::Database;
use crate::worker::state::{Health, LastTick, Phase, Slot};
use crate::worker::{process, region, spawn};

use super::blockers;
use super::control;

/// A tick that is so late says why; and so long a launcher may take to appear.
const LATE: i64 = 5 * SECOND;

/// What the shared state says of this database.
pub(crate) struct Seen {
    /// The launcher lives.
    pub launcher: bool,
    /// There was one since shared memory was made.
    pub launched: bool,
    /// There was no worker slot for it.
    pub starved: bool,
    /// The databases in which tick workers are at work, if these are as many as may be.
    pub busy_with: Vec<Database>,
    /// The database's slot.
    pub slot: Option<Slot>,
}

/// Looks at the shared state; `None` without any.
pub(crate) fn seen() -> Result<Option<Seen>, Error> {
    region::visit(|region| {
        let mut pid = 0;
        let mut seen = region.with(|state| {
            pid = state.launcher_pid;
            let at_work = |slot: &&mut Slot| slot.worker_pid != 0;
            Seen {
                launcher: false,
                launched: state.launched,
                starved: state.starved,
                busy_with: if state.busy {
                    let slots = state.slots().filter(at_work);
                    slots.map(|slot| slot.database).collect()
                } else {
                    Vec::new()
                },
                slot: state.slot(region::this_database()).map(|slot| *slot),
            }
        });
        seen.launcher = process::lives(pid);
        seen
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
    /// Which zones of schedules the server has no file of.
    zone_problem: Option<String>,
    /// Who is in a tick's way.
    blockers: Vec<String>,
    /// What is in the way of a dump.
    dump_problem: Option<String>,
    /// The workspaces that can't move.
    stuck: Stuck,
    /// The database's collation version isn't the system's.
    collation_problem: Option<String>,
    /// The server has just become one in which a launcher is to run, and has none yet.
    launcher_comes: bool,
}

impl Status {
    fn read() -> Result<Status, Error> {
        let extension = Extension::get()?;
        let seen = seen()?;
        let pause = extension.as_owner(|| pauses::find(&extension))?;
        let last_tick = match seen.as_ref().and_then(|seen| seen.slot.as_ref()) {
            Some(slot) if slot.last_tick.made => Some(slot.last_tick),
            _ => extension
                .as_owner(|| ticks::last(&extension))?
                .map(of_history),
        };
        let mut settings = workers_settings(&extension)?;
        let blockers = match seen.as_ref().and_then(|seen| seen.slot.as_ref()) {
            Some(slot) => blockers::problems(&settings, slot)?,
            None => Vec::new(),
        };
        let stuck = extension.as_owner(|| attempts::count_stuck(&extension))?;
        let launcher_comes = match &seen {
            Some(seen) => !seen.launcher && !seen.launched && has_just_begun()?,
            None => false,
        };
        // Without the product's tables there is none.
        let found = Product::find(&settings.product_schema).ok();
        let licence_problem = match &found {
            // A migration that holds them is told of by others; it must not be waited for.
            Some(product) if are_free(product, &licence::READ) => {
                licence::follow(product, &mut settings)?;
                licence::problem(product, &settings)?
            }
            _ => None,
        };
        let zone_problem = match &found {
            Some(product) if are_free(product, &zones::READ) => zones::problem(product, &settings)?,
            _ => None,
        };
        let agenda = match &found {
            Some(product) => Agenda::find(&extension, product, &settings, Access::Read)?,
            None => Agenda::Detached,
        };
        Ok(Status {
            product: extension
                .must_be_current()
                .and_then(|()| role(&settings))
                .map_err(|error| error.to_string()),
            agenda_problem: match &found {
                Some(product) => agenda::problem(&extension, &agenda, product)?,
                None => None,
            },
            dump_problem: match &found {
                Some(product) => dump_problem(&extension, product)?,
                None => None,
            },
            licence_problem,
            zone_problem,
            agenda,
            blockers,
            settings,
            stuck,
            collation_problem: collation_problem()?,
            launcher_comes,
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
            _ if self.launcher_comes => WorkerState::Idle,
            _ if !seen.launcher || seen.starved => WorkerState::Failing,
            Some(slot) if slot.failures > 0 => WorkerState::Failing,
            Some(slot) if matches!(slot.health, Health::Waiting | Health::Busy) => {
                WorkerState::Waiting
            }
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
        problems.extend(self.blockers.clone());
        problems.extend(self.dump_problem.clone());
        problems.extend(self.collation_problem.clone());
        problems.extend(self.licence_problem.clone());
        problems.extend(self.zone_problem.clone());
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
        if self.launcher_comes {
            return None;
        }
        if !seen.launcher {
            return Some(
                "the launcher is not running; see the server's log. It is started again after 5 \
                seconds, and needs a free slot of max_worker_processes"
                    .into(),
            );
        }
        if seen.starved {
            return Some(format!(
                "no background worker slot is free, ticks are late: {}",
                spawn::MORE_SLOTS
            ));
        }
        let of_slot = self.slot().and_then(|slot| {
            waits_for_standby(slot)
                .or_else(|| waits_its_turn(slot, &seen.busy_with))
                .or_else(|| problem_of(slot))
        });
        of_slot.or_else(|| self.all_fail()).or_else(|| {
            region::preloaded().is_none().then(|| {
                format!(
                    "the worker was started by hand and ends with the server; {}",
                    preload_advice()
                )
            })
        })
    }
}

impl Status {
    /// Ticks are made, and all that is due fails in them; at most of the ticks nothing is
    /// tried, since those that failed wait for their next attempt.
    fn all_fail(&self) -> Option<String> {
        let tick = self.last_tick.filter(|tick| tick.due > 0)?;
        let Stuck {
            all,
            failed,
            sqlstate,
        } = &self.stuck;
        let none_moved = tick.built == 0 && tick.observed == 0 && tick.held_back == 0;
        (none_moved && *failed > 0 && *all >= i64::from(tick.due)).then(|| {
            format!(
                "nothing that is due can be built: {failed} of {all} workspaces fail (SQLSTATE {sqlstate}), \
                 the others are blocked; SELECT * FROM autobuild_blocked says why"
            )
        })
    }
}

/// The worker has written, and its commit waits for a standby.
fn waits_for_standby(slot: &Slot) -> Option<String> {
    process::waits_for_standby(slot.worker_pid).then(|| {
        "the worker's commit waits for a synchronous standby, and its builds are not visible \
        until one answers: restore a standby, or remove it from synchronous_standby_names and \
        reload"
            .to_owned()
    })
}

/// A tick is late because as many workers as may be are at work elsewhere.
fn waits_its_turn(slot: &Slot, busy_with: &[Database]) -> Option<String> {
    let late = clock::now().micros().saturating_sub(slot.next_at);
    let waits = slot.worker_pid == 0 && slot.next_at != 0 && late >= LATE;
    (waits && !busy_with.is_empty()).then(|| {
        let names = busy_with.iter().filter_map(|&other| database_name(other));
        format!(
            "the tick is {} s late and waits for its turn: all {MAX_WORKERS} workers are busy in \
            other databases ({}); see autobuild_status there",
            late / SECOND,
            names.collect::<Vec<_>>().join(", ")
        )
    })
}

/// The problem that a slot tells of.
fn problem_of(slot: &Slot) -> Option<String> {
    if slot.failures > 0 {
        let error = slot.last_error.get().unwrap_or_default();
        return Some(format!(
            "{} consecutive errands failed, the last with: {error}",
            slot.failures
        ));
    }
    if matches!(slot.health, Health::Waiting | Health::Busy) {
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
    let present = guc::setting_if_allowed("shared_preload_libraries");
    let value = match present.as_deref().map(str::trim) {
        Some("") | None => spawn::LIBRARY.to_owned(),
        Some(present) => format!("{present}, {}", spawn::LIBRARY),
    };
    let kept = if present.is_none() {
        " (after the existing entries)"
    } else {
        ""
    };
    format!("set shared_preload_libraries = '{value}'{kept} and restart the server")
}

/// Was the server started or promoted so lately that its launcher may still be on its way?
/// The control file is written when recovery ends.
fn has_just_begun() -> Result<bool, Error> {
    let began = fetch_one(
        "SELECT c.pg_control_last_modified FROM pg_catalog.pg_control_system() c",
        Vec::new(),
        |row| row.time(0),
    )?
    .flatten();
    let age = began.map(|at| clock::now().micros().saturating_sub(at.micros()));
    Ok(age.is_some_and(|age| (0..LATE).contains(&age)))
}

/// The server's warning at each connection, which is logged only once for the worker.
fn collation_problem() -> Result<Option<String>, Error> {
    let problem = fetch_one(
        "SELECT pg_catalog.quote_ident(d.datname), d.datcollversion, v.actual \
         FROM pg_catalog.pg_database d, \
         LATERAL (SELECT pg_catalog.pg_database_collation_actual_version(d.oid) AS actual) v \
         WHERE d.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid) \
         AND d.datcollversion IS NOT NULL \
         AND (v.actual IS NULL OR v.actual OPERATOR(pg_catalog.<>) d.datcollversion)",
        vec![Arg::BigInt(Some(i64::from(region::this_database())))],
        |row| {
            let name = row.text(0)?.unwrap_or_default();
            let made = row.text(1)?.unwrap_or_default();
            let now = row
                .text(2)?
                .unwrap_or_else(|| "without a version".to_owned());
            Ok(format!(
                "the database was created with collation version {made}, but the system's is \
                {now}: indexes on text may be \
                 out of order; REINDEX DATABASE {name}, then ALTER DATABASE {name} REFRESH COLLATION VERSION"
            ))
        },
    )?;
    Ok(problem)
}

/// A tick of the history, in the shape of a slot's.
fn of_history(tick: ticks::Recorded) -> LastTick {
    let micros = |at: Option<Instant>| at.map_or(0, Instant::micros);
    let taken = micros(tick.finished_at).saturating_sub(micros(tick.started_at));
    LastTick {
        made: true,
        at: micros(tick.tick_at),
        ms: taken.max(0) / 1000,
        due: tick.due,
        built: tick.built,
        blocked: tick.blocked,
        failed: tick.failed,
        observed: tick.observed,
        locked: 0,
        held_back: 0,
        troubled: tick.troubled,
    }
}

/// The role as which the product's tables are read and written, or what is missing.
fn role(settings: &Settings) -> Result<Option<String>, Error> {
    let product = Product::find(&settings.product_schema)?;
    not_subscribed(&product)?;
    executor_role(&product, settings).map(role_name)
}

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
    "../../sql/status.sql",
    name = "status",
    requires = [autobuild_read_status],
);
