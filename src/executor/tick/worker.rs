//! A tick of the worker's: transactions of its own, one for each batch, none of them
//! long.

use std::cell::Cell;
use std::ops::ControlFlow;

use uuid::Uuid;

use crate::agenda::state::Agenda;
use crate::decision::attempt::Attempt;
use crate::decision::due::{Decided, Kept, before_reminders};
use crate::decision::pieces::{AfterFailure, Pieces};
use crate::decision::plan::plan_all;
use crate::decision::report::TickReport;
use crate::decision::turn::Turn;
use crate::executor::agenda;
use crate::executor::context::{Executor, TickState};
use crate::executor::locks;
use crate::executor::progress::{Progress, Tick};
use crate::executor::timed::{limited, timed};
use crate::instant::Instant;
use crate::ledger::ticks::Source;
use crate::ledger::{attempts, batch as batch_ledger};
use crate::product::facts::Selection;
use crate::product::holders;
use crate::product::locks::{Purpose, hold};
use crate::proofs::Proofs;
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::relation::{self, Mode};
use crate::server::{cancel, clock};
use crate::settings::{Action, Settings};
use crate::sqlstate::SqlState;

/// One tick of the worker's, in transactions of its own. `progress` is told how far it
/// is, and may break it off between two batches: what is left is the next tick's.
///
/// An error is an unexpected failure of the tick as a whole; what single workspaces or
/// batches met is in the report.
pub(crate) fn worker(
    at: Instant,
    settings: &Settings,
    progress: &dyn Fn(Progress) -> ControlFlow<()>,
) -> Result<Tick, Error> {
    if progress(Progress::Reading).is_break() {
        return Ok(Tick::Done(TickReport::default()));
    }
    let read = timed(
        settings,
        || hold(&settings.product_schema, Purpose::Read),
        |product| {
            let executor = Executor::new(settings, at, Source::Worker, product)?;
            let state = executor.begin()?;
            let scanned = match executor.agenda {
                Agenda::Ready(_) => None,
                _ => Some(executor.decide_due()?),
            };
            Ok((executor, state, scanned))
        },
    )
    .and_then(|(executor, state, scanned)| {
        let decided = match scanned {
            Some(decided) => decided,
            None => {
                match agenda::worker_due(&executor, || progress(Progress::Reading).is_continue())? {
                    Some(decided) => decided,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((executor, state, decided)))
    });
    let (executor, mut state, decided) = match read {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(Tick::Done(TickReport::default())),
        Err(error) if is_busy(&error) => return Ok(Tick::Busy(error)),
        Err(error) if error.sqlstate().lacks_prerequisite() => {
            return Ok(Tick::Waiting(error));
        }
        Err(error) => return Err(error),
    };
    let due: Vec<Uuid> = decided
        .due
        .iter()
        .map(|due| due.place().workspace_id)
        .collect();
    state.record.mode = decided.mode();
    state.report.due = i32::try_from(due.len()).unwrap_or(i32::MAX);
    let versions = executor.versions(decided.due.iter().map(|due| due.version));
    let (transitions, reminders) = due.split_at(before_reminders(&decided.due));
    drop(decided.due);
    // What isn't proved keeps nothing else from being built.
    if let Err(error) = executor.prove(versions) {
        if cancel::was_asked() {
            return Ok(Tick::Canceled(state.report));
        }
        if !is_busy(&error) {
            state.report.note_error(error.sqlstate(), error.to_string());
        }
    }

    let mut overtaken = Vec::new();
    let mut broken_off = false;
    let size = executor.batch_size();
    let mut pieces = Pieces::in_batches(transitions, size).and_then(reminders, size);
    while let Some(piece) = pieces.take_next() {
        let building = Progress::Building {
            done: due.len() - pieces.left() - piece.ids.len(),
            of: due.len(),
        };
        // A cancel may have hit the look for a pause.
        if progress(building).is_break() || cancel::was_asked() {
            broken_off = true;
            break;
        }
        let alone = Cell::new(false);
        let error = match executor.batch(&mut state, piece.ids, piece.hurried, &alone) {
            Ok(anew) => {
                overtaken.extend(anew);
                continue;
            }
            Err(error) => error,
        };
        if cancel::was_asked() {
            return Ok(Tick::Canceled(state.report));
        }
        let after = pieces.failed(piece, error.sqlstate(), alone.get());
        if after != AfterFailure::Again && state.report.error.is_none() {
            let message = executor.with_holders(&state, &error);
            state.report.note_error(error.sqlstate(), message);
        }
        match after {
            AfterFailure::Again | AfterFailure::GoOn => {}
            AfterFailure::Single(id) => executor.stalled(&mut state, id, &error),
            AfterFailure::GiveUp => break,
        }
    }
    // Once more in this tick; who is overtaken again is the next one's.
    for ids in overtaken.chunks(executor.batch_size()) {
        let (done, of) = (due.len() - overtaken.len(), due.len());
        broken_off = broken_off || progress(Progress::Building { done, of }).is_break();
        if broken_off {
            break;
        }
        match executor.batch(&mut state, ids, false, &Cell::new(false)) {
            Ok(again) if again.is_empty() => {}
            Ok(again) => {
                let message = format!(
                    "the data behind {} transitions (the first of workspace {}) changed twice \
                    while they were made; the next tick decides again",
                    again.len(),
                    again.first().copied().unwrap_or_default()
                );
                state
                    .report
                    .note_error(SqlState::SERIALIZATION_FAILURE, message);
            }
            Err(error) => {
                state.report.note_error(error.sqlstate(), error.to_string());
                break;
            }
        }
    }
    // What was built is recorded, whoever wants it to end; of the product's nothing more
    // is written then.
    broken_off |= progress(Progress::Recording).is_break();
    let mut ended = executor.finish(&mut state, &due);
    if ended.is_ok() && !broken_off && settings.action == Action::Build {
        ended = executor.fill_in(&mut state, &decided.fills, progress);
    }
    executor.locks.let_go();
    if cancel::was_asked() {
        return Ok(Tick::Canceled(state.report));
    }
    match ended {
        // What was built counts; the rest is for the next tick to try.
        Err(error) if is_busy(&error) => {
            state.report.note_error(error.sqlstate(), error.to_string());
        }
        ended => ended?,
    }
    Ok(Tick::Done(state.report))
}

/// Is this an error that says that somebody else is at work: a lock that was not to be had,
/// a race that was lost, time that was up? The next tick tries again, and may well succeed.
pub(crate) fn is_busy(error: &Error) -> bool {
    error.sqlstate().is_busy() && !cancel::was_asked()
}

/// What a batch that honours `action` does with the product's tables.
pub(super) fn purpose(settings: &Settings) -> Purpose {
    match settings.action {
        Action::Observe => Purpose::Read,
        Action::Build | Action::Off => Purpose::Write,
    }
}

impl Executor<'_> {
    /// One batch of the worker's, in one transaction: locks first, then the snapshot,
    /// then decision and writing. `alone` tells whether it came to be the one executor and
    /// to hold the product's tables: what it waits for then is a row.
    /// Nothing of `state` is changed if it fails. Returns the workspaces that have to be
    /// decided anew.
    fn batch(
        &self,
        state: &mut TickState,
        ids: &[Uuid],
        hurried: bool,
        alone: &Cell<bool>,
    ) -> Result<Vec<Uuid>, Error> {
        let mut next = state.clone();
        let limits = self.settings.limits(hurried);
        // Behind the cap only what needs no build is dealt with. The locks of the others
        // are for the product's executor, if it is at work as well.
        let capped = state.builds_left.is_used_up();
        let worked = limited(
            limits,
            || {
                relation::lock_one(self.extension.executor_lock, Mode::Exclusive);
                let product = hold(&self.settings.product_schema, purpose(self.settings))?;
                alone.set(true);
                let wanted = if capped { &[] } else { ids };
                Ok((product, self.locks.take(wanted.iter().copied())))
            },
            |(product, held)| {
                let executor = self.with(product)?;
                let (looked_at, taken): (Vec<Uuid>, Vec<Uuid>) =
                    ids.iter().partition(|id| capped || held.contains(id));
                for id in taken {
                    next.report.leave_out(id);
                }
                let Decided { due, .. } = executor.decide(Selection::These(looked_at))?;
                let worked = executor.work(&mut next, due, &mut |id| {
                    if held.contains(&id) || !self.locks.take([id]).is_empty() {
                        Turn::Ours
                    } else {
                        Turn::Taken
                    }
                })?;
                Ok(worked.overtaken)
            },
        );
        let overtaken = self.after(worked)?;
        *state = next;
        Ok(overtaken)
    }

    /// The words of an error, and if it is one of waiting in vain, who may have held what.
    fn with_holders(&self, state: &TickState, error: &Error) -> String {
        let begun = state.record.started_at;
        let holders = if error.sqlstate().waited_in_vain() {
            timed(
                self.settings,
                || Ok(()),
                |()| holders::of_rows(self.settings, begun),
            )
        } else {
            Ok(Vec::new())
        };
        // Who can't be found isn't named; the error counts.
        let holders = holders.unwrap_or_default().into_iter();
        let words: Vec<String> = std::iter::once(error.to_string()).chain(holders).collect();
        words.join("; ")
    }

    /// How many workspaces one transaction is about: never more than may be locked.
    pub(super) fn batch_size(&self) -> usize {
        self.settings.batch_size.min(locks::share())
    }

    /// Records the tick as it stands, with no more attempts.
    pub(super) fn record_tick(&self, state: &mut TickState) -> Result<(), Error> {
        batch_ledger::record(
            &self.extension,
            &mut state.record,
            &[],
            &state.report,
            &state.last_attempts,
            clock::now(),
        )
    }

    /// What becomes of the locks after a transaction.
    pub(super) fn after<R>(&self, worked: Result<R, Error>) -> Result<R, Error> {
        match &worked {
            Ok(_) => self.locks.linger(),
            Err(_) => self.locks.give_back(),
        }
        worked
    }

    /// Records that a workspace alone came to no end: it waits like one that failed. What
    /// can't be recorded is tried again at the next tick.
    fn stalled(&self, state: &mut TickState, id: Uuid, error: &Error) {
        let mut next = state.clone();
        let recorded = limited(
            self.settings.limits(true),
            || {
                relation::lock_one(self.extension.executor_lock, Mode::Exclusive);
                hold(&self.settings.product_schema, Purpose::Read)
            },
            |product| {
                let executor = self.with(product)?;
                let Decided { due, .. } = executor.decide(Selection::These(vec![id]))?;
                let planned = acting_as(executor.role, || {
                    let proofs = Proofs::Kept;
                    plan_all(&executor.product, self.settings, due, self.at, proofs)
                })?;
                let tried: Vec<Attempt> = planned
                    .iter()
                    .map(|planned| {
                        Attempt::failed(planned, error.sqlstate(), error.message.clone())
                    })
                    .collect();
                next.report.count(&tried);
                batch_ledger::record(
                    &self.extension,
                    &mut next.record,
                    &tried,
                    &next.report,
                    &next.last_attempts,
                    clock::now(),
                )
            },
        );
        if recorded.is_ok() {
            *state = next;
        }
    }

    /// Ends a tick: what is no longer stuck is forgotten, an error that ended a batch is
    /// recorded, old history goes; as the one executor, since a tick by hand may be at the
    /// same rows. A tick with nothing of this to do writes nothing, and needs no lock.
    fn finish(&self, state: &mut TickState, due: &[Uuid]) -> Result<(), Error> {
        let stale = self.no_longer_due(state, due);
        let old = timed(self.settings, || Ok(()), |()| self.has_old_history())?;
        if stale.is_empty() && state.report.error.is_none() && !old {
            return Ok(());
        }
        timed(
            self.settings,
            || {
                relation::lock_one(self.extension.executor_lock, Mode::Exclusive);
                Ok(())
            },
            |()| {
                self.extension
                    .as_owner(|| attempts::forget(&self.extension, &stale))?;
                if state.report.error.is_some() {
                    self.record_tick(state)?;
                }
                self.prune()
            },
        )
    }
}
