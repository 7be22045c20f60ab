//! How a batch of what is due is planned, written, looked at once more and recorded: the
//! same for the worker and for a call, in their caller's transaction.

use std::collections::{HashMap, HashSet};

use pgrx::PgSqlErrorCode;
use uuid::Uuid;

use crate::agenda::capture::settled::without_marks;
use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::brakes::{Brake, Brakes};
use crate::decision::due::{Due, Fill};
use crate::decision::plan::plan_all;
use crate::decision::planned::Planned;
use crate::decision::recheck::{self, Made};
use crate::decision::report::TickReport;
use crate::decision::turn::Turn;
use crate::instant::Instant;
use crate::ledger::back_off::still_waits;
use crate::ledger::ticks::Source;
use crate::ledger::{batch as batch_ledger, brakes as brakes_ledger, transitions};
use crate::product::copies::not_subscribed;
use crate::product::count;
use crate::product::inputs::task_ids;
use crate::proofs::Proofs;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::subtransaction::in_subtransaction;
use crate::server::transaction::with_latest_snapshot;
use crate::settings::Action;

use super::batch::{Writer, Written};
use super::brakes;
use super::context::{Executor, TickState};
use super::fill::{self, Filled};
use super::notify;

/// What came of a batch.
pub(super) struct Worked {
    pub(super) attempts: Vec<Attempt>,
    /// What was decided of these is overtaken: nothing was written, a new transaction
    /// decides anew.
    pub(super) overtaken: Vec<Uuid>,
}

impl Executor<'_> {
    /// Plans, writes and records a batch; nothing of `state` is changed if it fails. `turn` is
    /// asked of what is to be written, and only of that.
    pub(super) fn work(
        &self,
        state: &mut TickState,
        due: Vec<Due>,
        turn: &mut dyn FnMut(Uuid) -> Turn,
    ) -> Result<Worked, Error> {
        let planned = in_subtransaction(|| {
            acting_as(self.role, || {
                // A call makes proofs in the same statement.
                let proofs = match self.source {
                    Source::Worker => Proofs::Kept,
                    Source::Manual | Source::Timer => Proofs::KeptNow,
                };
                plan_all(&self.product, self.settings, due, self.at, proofs)
            })
        })
        .map_err(|error| self.name_missing_right(error))?;

        let mut next = state.clone();
        let now = clock::now();
        let mut brakes = self.brakes(&planned, now)?;
        let (mut ready, mut attempts) = self.sort_out(&mut next, &planned, &mut brakes, turn);
        let put_on = brakes.put_on();
        let sentences = put_on.iter().map(Brake::sentence);
        next.report.brakes.extend(sentences);
        let mut given_up = None;
        let mut overtaken = Vec::new();
        if self.observes() {
            attempts.extend(ready.iter().map(|planned| Attempt::observed(&planned.due)));
            attempts = transitions::not_yet_observed(&self.extension, attempts)?;
        } else {
            let writer = Writer {
                product: &self.product,
                role: self.role,
                now,
                settings: self.settings,
                telling: self.telling(&ready)?,
            };
            let report = &mut next.report;
            let written = self.write(&writer, report, &mut ready, &mut overtaken)?;
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

        // Who still waits for a provisioner, or a proof, was recorded when that began.
        let news: Vec<Attempt> = attempts
            .iter()
            .filter(|attempt| !still_waits(&next.last_attempts, attempt))
            .cloned()
            .collect();
        next.report.count(&news);
        if let Some(error) = &given_up {
            next.report.note_error(error.sqlstate(), &error.message);
        }
        if !news.is_empty() || given_up.is_some() || !put_on.is_empty() {
            brakes_ledger::record(&self.extension, put_on)?;
            batch_ledger::record(
                &self.extension,
                &mut next.record,
                &news,
                &next.report,
                &next.last_attempts,
                now,
            )?;
            if self.settings.notify_transitions {
                self.notify(&attempts, &planned)?;
                self.extension.as_owner(|| notify::brakes(put_on))?;
            }
        }
        *state = next;
        Ok(Worked {
            attempts,
            overtaken,
        })
    }

    /// Is what is due only recorded?
    fn observes(&self) -> bool {
        self.source.is_automatic() && self.settings.action == Action::Observe
    }

    /// The brakes as they are for a batch. A call's snapshot may be older than what others made.
    /// Where nothing is made they neither count nor hold.
    fn brakes(&self, planned: &[Planned], now: Instant) -> Result<Brakes, Error> {
        if self.observes() {
            return Ok(Brakes::default());
        }
        let brakes = || {
            brakes::brakes(&self.extension, self.settings, planned, now, || {
                in_subtransaction(|| acting_as(self.role, || count::workspaces(&self.product)))
                    .map_err(|error| self.name_missing_right(error))
            })
        };
        if self.source.is_a_call() {
            with_latest_snapshot(brakes)
        } else {
            brakes()
        }
    }

    /// Writes what is ready, and tells of it. What was overtaken by then is taken back, and
    /// moved from `ready` to `overtaken`.
    fn write(
        &self,
        writer: &Writer<'_>,
        report: &mut TickReport,
        ready: &mut Vec<&Planned>,
        overtaken: &mut Vec<Uuid>,
    ) -> Result<Written, Error> {
        let before = report.clone();
        let settled = self.settled(ready, writer.now)?;
        loop {
            let mut changed = Vec::new();
            report.clone_from(&before);
            let written = in_subtransaction(|| {
                let quiet = settled.keys().copied().collect();
                let written = without_marks(quiet, || writer.write(ready))?;
                self.settle(&settled, &written.attempts)?;
                report.told += i64::try_from(written.told).unwrap_or(0);
                let (telling, attempts) = (&writer.telling, &written.attempts);
                self.tell(report, telling, ready, attempts, writer.now)?;
                // Last of all: messages may have been waited for.
                changed = self.overtaken(ready, &written.attempts)?;
                if changed.is_empty() {
                    Ok(written)
                } else {
                    Err(Error::new(
                        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                        "the decision is outdated",
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
    /// else holds; leaves out who waits for a later attempt. What a brake is against is blocked.
    fn sort_out<'p>(
        &self,
        state: &mut TickState,
        planned: &'p [Planned],
        brakes: &mut Brakes,
        turn: &mut dyn FnMut(Uuid) -> Turn,
    ) -> (Vec<&'p Planned>, Vec<Attempt>) {
        let mut ready = Vec::new();
        let mut attempts = Vec::new();
        for planned in planned {
            let id = planned.due.facts.workspace_id;
            let last = state.last_attempts.get(&id);
            if self.source.is_automatic()
                && last.is_some_and(|last| last.puts_off(planned, self.at))
            {
                continue;
            }
            let builds = match &planned.work {
                Err(block) => {
                    attempts.push(Attempt::blocked(&planned.due, block));
                    continue;
                }
                Ok(plan) => plan.is_some(),
            };
            let kind = planned.due.next.transition;
            if let Some(brake) = brakes.against(kind) {
                let attempt = brakes::braked(&planned.due, brake);
                if !self.source.is_automatic() || !still_waits(&state.last_attempts, &attempt) {
                    attempts.push(attempt);
                }
                continue;
            }
            let turn = if builds && state.builds_left.is_used_up() {
                Turn::Later
            } else {
                turn(id)
            };
            match turn {
                Turn::Ours => {
                    if builds {
                        state.builds_left.take();
                    }
                    brakes.take(kind);
                    ready.push(planned);
                }
                Turn::Taken => state.report.leave_out(id),
                Turn::Later => state.report.held_back = state.report.held_back.saturating_add(1),
            }
        }
        (ready, attempts)
    }

    /// Fills in `next_start_at` of the workspaces whose locks are held.
    pub(super) fn fill(&self, fills: &[Fill], held: &HashSet<Uuid>) -> Result<Filled, Error> {
        not_subscribed(&self.product)?;
        let fills: Vec<Fill> = fills
            .iter()
            .filter(|(id, _, _)| held.contains(id))
            .cloned()
            .collect();
        fill::fill(&self.product, self.settings, self.role, &fills)
            .map_err(|error| self.name_missing_right(error))
    }

    /// NOTIFY of each transition made, as JSON, for whoever listens.
    fn notify(&self, attempts: &[Attempt], planned: &[Planned]) -> Result<(), Error> {
        let with_tasks: Vec<Uuid> = planned
            .iter()
            .map(|planned| &planned.due.facts)
            .filter(|facts| facts.has_task)
            .map(|facts| facts.workspace_id)
            .collect();
        let tasks =
            in_subtransaction(|| acting_as(self.role, || task_ids(&self.product, &with_tasks)))?;
        self.extension
            .as_owner(|| notify::transitions(attempts, planned, &tasks))
    }
}
