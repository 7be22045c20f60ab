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
pub use worker::worker;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pgrx::pg_sys;
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
use crate::server::scope::{deadlock_timeout, give_way};
use crate::server::subtransaction::attempt;
use crate::settings::{Action, Settings};

use crate::executor::agenda;
use crate::executor::batch::{Writer, fingerprint};
use crate::executor::decide::{self, Decided, Due, Fill};
use crate::executor::fill::{Filled, fill};
use crate::executor::history::{self, Earlier, Source, TickRecord};
use crate::executor::locks::Locks;
use crate::executor::outcome::{Attempt, BuildsLeft, Outcome, count};
use crate::executor::plan::{Planned, plan_all};
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
    locks: Locks,
    /// The server's, in milliseconds.
    deadlock_timeout: i32,
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
    ) -> Result<Executor<'a>, Error> {
        let extension = Extension::get()?;
        let product = Product::find(&settings.product_schema)?;
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
            locks: Locks::default(),
            deadlock_timeout: deadlock_timeout(),
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

    /// Plans, writes and records a batch; nothing of `run` is changed if it fails.
    fn work(&self, run: &mut Run, due: Vec<Due>) -> Result<Vec<Attempt>, Error> {
        let planned = attempt(|| {
            acting_as(self.role, || {
                plan_all(&self.product, &self.settings.policy, due, self.at)
            })
        })
        .map_err(|error| self.name_missing_right(error))?;

        let mut next = run.clone();
        let (ready, mut attempts) = self.sort_out(&mut next, &planned);
        let now = clock::now();
        let mut given_up = None;
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
            give_way(self.deadlock_timeout);
            let written = writer
                .write(&ready)
                .map_err(|error| self.name_missing_right(error))?;
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
        Ok(attempts)
    }

    /// Which of the planned are written now, and the attempts at those that can't be.
    /// Counts what the cap holds back; leaves out who waits for a later attempt.
    fn sort_out<'p>(
        &self,
        run: &mut Run,
        planned: &'p [Planned],
    ) -> (Vec<&'p Planned>, Vec<Attempt>) {
        let mut ready = Vec::new();
        let mut attempts = Vec::new();
        for planned in planned {
            let earlier = run.earlier.get(&planned.due.facts.workspace_id);
            if self.source == Source::Worker && earlier.is_some_and(|e| self.waits(e, planned)) {
                continue;
            }
            match &planned.work {
                Err(block) => attempts.push(Attempt::blocked(&planned.due, block)),
                Ok(None) => ready.push(planned),
                Ok(Some(_)) if run.builds_left.take() => ready.push(planned),
                Ok(Some(_)) => run.report.held_back = run.report.held_back.saturating_add(1),
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

    /// Removes history that is older than it is to be kept. Looks first, so that nothing
    /// is written where there is none.
    fn prune(&self) -> Result<(), Error> {
        let Some(minutes) = self.settings.history_retention else {
            return Ok(());
        };
        let before = clock::now().saturating_add_micros(-i64::from(minutes) * MINUTE);
        if history::has_older(&self.extension, before)? {
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
