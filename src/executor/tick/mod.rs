//! Running a tick: by hand in the caller's transaction ([`manual()`]), by the worker in
//! its own ([`worker()`]), or as a preview that writes nothing ([`preview()`]).
//!
//! What they share stands here: what a tick works with, and how a batch of what is due
//! is planned, written and recorded.

mod manual;
mod preview;
mod worker;

pub use manual::manual;
pub use preview::preview;
pub(super) use worker::timed;
pub use worker::{is_busy, worker};

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use crate::agenda::state::Agenda;
use crate::instant::{Instant, MINUTE};
use crate::product::copies::not_subscribed;
use crate::product::facts::Scope;
use crate::product::inputs::task_ids;
use crate::product::role::{executor_role, missing_rights};
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::query::Access;
use crate::server::subtransaction::attempt;
use crate::settings::{Action, Settings};

use crate::executor::agenda;
use crate::executor::batch::{Writer, Written, fingerprint};
use crate::executor::decide::{self, Decided, Due, Fill};
use crate::executor::fill::{Filled, fill};
use crate::executor::history::{self, Earlier, Source, TickRecord};
use crate::executor::locks::Locks;
use crate::executor::outcome::{Attempt, BuildsLeft, Outcome, Turn, count};
use crate::executor::plan::{Planned, plan_all};
use crate::executor::recheck::{self, Made};
use crate::executor::report::TickReport;

/// What a tick works with: found anew for each tick.
pub(super) struct Executor<'a> {
    pub(super) settings: &'a Settings,
    pub(super) extension: Extension,
    pub(super) product: Rc<Product>,
    pub(super) role: pg_sys::Oid,
    /// The clock's time of the tick.
    pub(super) at: Instant,
    /// The same, cut down to the minute: what rules compare with.
    pub(super) tick: Instant,
    source: Source,
    pub(super) agenda: Agenda,
    locks: Rc<Locks>,
}

/// What came of a batch.
struct Worked {
    attempts: Vec<Attempt>,
    /// What was decided of these is overtaken: nothing was written, a new transaction
    /// decides anew.
    overtaken: Vec<Uuid>,
}

/// How far a tick is.
#[derive(Clone)]
struct Run {
    record: TickRecord,
    report: TickReport,
    earlier: Rc<HashMap<Uuid, Earlier>>,
    builds_left: BuildsLeft,
}

impl<'a> Executor<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        at: Instant,
        source: Source,
        product: Rc<Product>,
    ) -> Result<Executor<'a>, Error> {
        let extension = Extension::current()?;
        not_subscribed(&product)?;
        let role = executor_role(&product, settings)?;
        let agenda = if source == Source::Manual && !agenda::serves(settings, at) {
            Agenda::Detached
        } else {
            Agenda::find(&extension, &product, settings, Access::Read)?
        };
        Ok(Executor {
            settings,
            extension,
            product,
            role,
            at,
            tick: at.truncate_to_minute(),
            source,
            agenda,
            locks: Rc::default(),
        })
    }

    /// The same tick's, in a transaction that found and locked the product's tables anew.
    pub(super) fn with(&self, product: Rc<Product>) -> Result<Executor<'a>, Error> {
        Ok(Executor {
            role: executor_role(&product, self.settings)?,
            product,
            settings: self.settings,
            extension: self.extension.clone(),
            at: self.at,
            tick: self.tick,
            source: self.source,
            agenda: self.agenda.clone(),
            locks: Rc::clone(&self.locks),
        })
    }

    fn new_run(&self) -> Result<Run, Error> {
        Ok(Run {
            record: TickRecord {
                tick_id: None,
                tick_at: self.at,
                started_at: clock::now(),
                source: self.source,
                mode: self.agenda.mode(),
            },
            report: TickReport::default(),
            earlier: Rc::new(history::earlier_attempts(&self.extension)?),
            builds_left: BuildsLeft::new(self.settings.max_builds_per_tick),
        })
    }

    /// Reads and decides as the executor's role. A right that it lacks is named. Asked in
    /// each transaction: a subscription may begin during a tick.
    pub(super) fn decide(&self, scope: Scope) -> Result<Decided, Error> {
        not_subscribed(&self.product)?;
        let read = attempt(|| {
            acting_as(self.role, || {
                decide::due(&self.product, &self.settings.policy, scope, self.tick)
            })
        });
        read.map_err(|error| self.name_missing_right(error))
    }

    /// Turns "permission denied" into an error that names what is missing and the GRANT.
    fn name_missing_right(&self, error: Error) -> Error {
        if !error.is("42501") {
            return error;
        }
        match missing_rights(&self.product, self.role) {
            Ok(Some(named)) => named.detail(error.message),
            Ok(None) | Err(_) => error,
        }
    }

    /// Plans, writes and records a batch; nothing of `run` is changed if it fails. `turn` is
    /// asked of what is to be written, and only of that.
    fn work(
        &self,
        run: &mut Run,
        due: Vec<Due>,
        turn: &mut dyn FnMut(Uuid) -> Turn,
    ) -> Result<Worked, Error> {
        let planned = attempt(|| {
            acting_as(self.role, || {
                plan_all(&self.product, &self.settings.policy, due, self.at)
            })
        })
        .map_err(|error| self.name_missing_right(error))?;

        let mut next = run.clone();
        let (mut ready, mut attempts) = self.sort_out(&mut next, &planned, turn);
        let now = clock::now();
        let mut given_up = None;
        let mut overtaken = Vec::new();
        if self.source == Source::Worker && self.settings.action == Action::Observe {
            attempts.extend(
                ready
                    .iter()
                    .map(|planned| Attempt::would_be(&planned.due, Outcome::Observed)),
            );
            attempts = history::not_yet_observed(&self.extension, attempts)?;
        } else {
            let writer = Writer {
                product: &self.product,
                role: self.role,
                now,
                licensed: self.settings.policy.licensed,
                notify_jobs: self.settings.notify_jobs,
            };
            let written = self.write(&writer, &mut ready, &mut overtaken)?;
            next.builds_left.give_back(overtaken.len());
            attempts.extend(written.attempts);
            given_up = written.given_up;
        }
        // Planning keeps the order of work.
        let places: HashMap<Uuid, usize> = planned
            .iter()
            .enumerate()
            .map(|(n, planned)| (planned.due.facts.workspace_id, n))
            .collect();
        attempts.sort_by_key(|attempt| places.get(&attempt.workspace_id).copied());

        // Who still waits for a provisioner was recorded when that began.
        let news: Vec<Attempt> = attempts
            .iter()
            .filter(|attempt| !history::still_waits(&next.earlier, attempt))
            .cloned()
            .collect();
        count(&mut next.report, &news);
        if let Some(error) = &given_up
            && next.report.error.is_none()
        {
            next.report.error = Some((error.sqlstate(), error.message.clone()));
        }
        if !news.is_empty() || given_up.is_some() {
            history::record(
                &self.extension,
                &mut next.record,
                &news,
                &next.report,
                &next.earlier,
                now,
            )?;
            if self.settings.notify_transitions {
                self.notify(&attempts, &planned)?;
            }
        }
        *run = next;
        Ok(Worked {
            attempts,
            overtaken,
        })
    }

    /// Writes what is ready. What was overtaken by then is taken back, and moved from
    /// `ready` to `overtaken`.
    fn write(
        &self,
        writer: &Writer<'_>,
        ready: &mut Vec<&Planned>,
        overtaken: &mut Vec<Uuid>,
    ) -> Result<Written, Error> {
        loop {
            let mut changed = Vec::new();
            let written = attempt(|| {
                let written = writer.write(ready)?;
                changed = self.overtaken(ready, &written.attempts)?;
                if changed.is_empty() {
                    Ok(written)
                } else {
                    Err(Error::new(
                        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                        "what was decided is overtaken",
                    ))
                }
            });
            if changed.is_empty() {
                return written.map_err(|error| self.name_missing_right(error));
            }
            ready.retain(|planned| !changed.contains(&planned.due.facts.workspace_id));
            overtaken.append(&mut changed);
        }
    }

    /// The workspaces that were written and would be decided otherwise by now.
    fn overtaken(&self, ready: &[&Planned], attempts: &[Attempt]) -> Result<Vec<Uuid>, Error> {
        let built: HashMap<Uuid, Option<Uuid>> = attempts
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Built)
            .map(|attempt| (attempt.workspace_id, attempt.build_id))
            .collect();
        let made: Vec<Made<'_>> = ready
            .iter()
            .filter_map(|planned| {
                let due = &planned.due;
                let build_id = *built.get(&due.facts.workspace_id)?;
                Some(Made { due, build_id })
            })
            .collect();
        acting_as(self.role, || {
            recheck::overtaken(&self.product, &self.settings.policy, self.tick, &made)
        })
    }

    /// Which of the planned are written now, and the attempts at those that can't be.
    /// Counts what is held back, by the cap or for want of locks, and whose lock somebody
    /// else holds; leaves out who waits for a later attempt.
    fn sort_out<'p>(
        &self,
        run: &mut Run,
        planned: &'p [Planned],
        turn: &mut dyn FnMut(Uuid) -> Turn,
    ) -> (Vec<&'p Planned>, Vec<Attempt>) {
        let mut ready = Vec::new();
        let mut attempts = Vec::new();
        for planned in planned {
            let id = planned.due.facts.workspace_id;
            let earlier = run.earlier.get(&id);
            if self.source == Source::Worker && earlier.is_some_and(|e| self.waits(e, planned)) {
                continue;
            }
            let builds = match &planned.work {
                Err(block) => {
                    attempts.push(Attempt::blocked(&planned.due, block));
                    continue;
                }
                Ok(plan) => plan.is_some(),
            };
            let turn = if builds && run.builds_left.is_used_up() {
                Turn::Later
            } else {
                turn(id)
            };
            match turn {
                Turn::Ours => {
                    if builds {
                        run.builds_left.take();
                    }
                    ready.push(planned);
                }
                Turn::Taken => run.report.leave_out(id),
                Turn::Later => run.report.held_back = run.report.held_back.saturating_add(1),
            }
        }
        (ready, attempts)
    }

    /// Does this workspace wait for a later attempt? Not when something changed: a block
    /// that is gone or another one, other facts behind a failure, a newer build.
    fn waits(&self, earlier: &Earlier, planned: &Planned) -> bool {
        let due = &planned.due;
        let latest = due.facts.latest.as_ref().map_or(0, |l| l.build_number);
        if earlier.build_number != latest || earlier.transition != due.next.transition.name() {
            return false;
        }
        let same = match (&planned.work, earlier.outcome.as_str()) {
            (Err(block), "blocked") => earlier.code.as_deref() == Some(block.code),
            (_, "failed") => earlier.fingerprint == fingerprint(planned),
            _ => false,
        };
        same && (earlier.is_waiting() || history::too_soon(earlier.next_attempt_at, self.at))
    }

    /// Fills in `next_start_at` of the workspaces whose locks are held.
    fn fill(&self, fills: &[Fill], held: &HashSet<Uuid>) -> Result<Filled, Error> {
        not_subscribed(&self.product)?;
        let fills: Vec<Fill> = fills
            .iter()
            .filter(|(id, _, _)| held.contains(id))
            .cloned()
            .collect();
        fill(&self.product, self.role, &fills).map_err(|error| self.name_missing_right(error))
    }

    /// The workspaces of `autobuild_attempts` that nothing is due for any more.
    fn no_longer_due(&self, run: &Run, due: &[Uuid]) -> Vec<Uuid> {
        let due: HashSet<Uuid> = due.iter().copied().collect();
        run.earlier
            .keys()
            .copied()
            .filter(|id| !due.contains(id))
            .collect()
    }

    /// History before this is kept no longer.
    fn kept_from(&self) -> Option<Instant> {
        let minutes = self.settings.history_retention?;
        Some(clock::now().saturating_add_micros(-i64::from(minutes) * MINUTE))
    }

    /// Is there history that is kept no longer?
    fn has_old_history(&self) -> Result<bool, Error> {
        self.kept_from().map_or(Ok(false), |before| {
            history::has_older(&self.extension, before)
        })
    }

    /// Removes history that is kept no longer. Looks first, so that nothing is written
    /// where there is none.
    fn prune(&self) -> Result<(), Error> {
        if let Some(before) = self.kept_from()
            && history::has_older(&self.extension, before)?
        {
            history::prune(&self.extension, before)?;
        }
        Ok(())
    }

    /// NOTIFY of each transition made, as JSON, for whoever listens.
    fn notify(&self, attempts: &[Attempt], planned: &[Planned]) -> Result<(), Error> {
        let with_tasks: Vec<Uuid> = planned
            .iter()
            .map(|planned| &planned.due.facts)
            .filter(|facts| facts.has_task)
            .map(|facts| facts.workspace_id)
            .collect();
        let tasks = attempt(|| acting_as(self.role, || task_ids(&self.product, &with_tasks)))?;
        self.extension
            .as_owner(|| super::notify::transitions(attempts, planned, &tasks))
    }
}

fn ids_of(fills: &[Fill]) -> impl Iterator<Item = Uuid> {
    fills.iter().map(|(id, _, _)| *id)
}
