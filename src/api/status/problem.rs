//! What is wrong and what to do about it: the sentences of `problem`.

use crate::api::control;
use crate::instant::SECOND;
use crate::ledger::attempts::Stuck;
use crate::server::extension::database_name;
use crate::server::{clock, guc};
use crate::worker::launcher::MAX_WORKERS;
use crate::worker::roster::Database;
use crate::worker::slot::{Health, Slot};
use crate::worker::{process, region, spawn};

use super::read::Status;
use super::seen::LATE;
use super::state::WorkerState;

impl Status {
    /// What is wrong and what to do about it; `None` when all is well.
    pub(super) fn problem(&self, state: WorkerState) -> Option<String> {
        let mut problems: Vec<String> = self.problem_of_worker(state).into_iter().collect();
        // What the last tick waited for may be the very same.
        if let Err(problem) = &self.product
            && !problems.contains(problem)
        {
            problems.push(problem.clone());
        }
        problems.extend(self.brakes.clone());
        problems.extend(self.agenda_problem.clone());
        problems.extend(self.blockers.clone());
        problems.extend(self.dump_problem.clone());
        problems.extend(self.collation_problem.clone());
        problems.extend(self.licence_problem.clone());
        problems.extend(self.schedule_problems.clone());
        problems.extend(self.hold_problem.clone());
        problems.extend(self.template_problem.clone());
        problems.extend(self.message_problem.clone());
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
    if let Some(untold) = slot.untold.get() {
        return Some(untold);
    }
    (slot.last_tick.held_back > 0).then(|| {
        format!(
            "max_builds_per_tick holds back {} transitions that are due",
            slot.last_tick.held_back
        )
    })
}

/// The statement that preloads the library beside what is preloaded already. Each name is a
/// value of its own: in one they would be the name of one library.
pub(crate) fn preload_statement() -> Option<String> {
    let present = guc::setting_if_allowed("shared_preload_libraries")?;
    let names = present.split(',').map(str::trim);
    let values: Vec<String> = names
        .filter(|name| !name.is_empty())
        .chain([spawn::LIBRARY])
        .map(|name| format!("'{}'", name.trim_matches('"').replace('\'', "''")))
        .collect();
    Some(format!(
        "ALTER SYSTEM SET shared_preload_libraries = {};",
        values.join(", ")
    ))
}

/// How to preload the library beside what is preloaded already, which only those may
/// know that may read all settings.
pub(crate) fn preload_advice() -> String {
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
