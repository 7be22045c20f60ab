//! A tick of the worker's: transactions of its own, one for each batch, none of them
//! long.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use uuid::Uuid;

use crate::agenda::state::Agenda;
use crate::executor::agenda;
use crate::executor::batch;
use crate::executor::decide::{Decided, Fill};
use crate::executor::fill::Filled;
use crate::executor::history::{self, Source};
use crate::executor::holders;
use crate::executor::locks;
use crate::executor::narrow::{Pieces, Then, is_stall};
use crate::executor::outcome::{Attempt, Turn, count};
use crate::executor::plan::plan_all;
use crate::executor::report::{Progress, Tick, TickReport};
use crate::executor::unfilled;
use crate::instant::Instant;
use crate::product::facts::Scope;
use crate::product::locks::{Purpose, hold};
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::scope::set_for_transaction;
use crate::server::{cancel, clock, transaction};
use crate::settings::{Action, Limits, Settings};

use super::{Executor, Run};

/// Workspaces that were put off and are tried again in one tick at the most.
const PUT_OFF_AGAIN: usize = 4;

/// One tick of the worker's, in transactions of its own. `progress` is told how far it
/// is, and may break it off between two batches: what is left is the next tick's.
///
/// An error is an unexpected failure of the tick as a whole; what single workspaces or
/// batches met is in the report.
pub fn worker(
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
            let run = executor.new_run()?;
            let scanned = match executor.agenda {
                Agenda::Ready(_) => None,
                _ => Some(executor.decide_due()?),
            };
            Ok((executor, run, scanned))
        },
    )
    .and_then(|(executor, run, scanned)| {
        let decided = match scanned {
            Some(decided) => decided,
            None => {
                match agenda::worker_due(&executor, || progress(Progress::Reading).is_continue())? {
                    Some(decided) => decided,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((executor, run, decided)))
    });
    let (executor, mut run, decided) = match read {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(Tick::Done(TickReport::default())),
        Err(error) if is_busy(&error) => return Ok(Tick::Busy(error)),
        Err(error) if waits_for(&error) => {
            return Ok(Tick::Waiting {
                sqlstate: error.sqlstate(),
                problem: error.to_string(),
            });
        }
        Err(error) => return Err(error),
    };
    let due: Vec<Uuid> = decided
        .due
        .iter()
        .map(|due| due.facts.workspace_id)
        .collect();
    run.record.mode = decided.mode();
    run.report.due = i32::try_from(due.len()).unwrap_or(i32::MAX);
    drop(decided.due);

    let mut overtaken = Vec::new();
    let mut broken_off = false;
    let mut pieces = Pieces::of(&due, executor.batch_size());
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
        let error = match executor.batch(&mut run, piece.ids, piece.hurried, &alone) {
            Ok(anew) => {
                overtaken.extend(anew);
                continue;
            }
            Err(error) => error,
        };
        if cancel::was_asked() {
            return Ok(Tick::Canceled(run.report));
        }
        let then = pieces.failed(piece, &error, alone.get());
        if then != Then::Again && run.report.error.is_none() {
            run.report.error = Some((error.sqlstate(), executor.with_holders(&run, &error)));
        }
        match then {
            Then::Again | Then::GoOn => {}
            Then::Single(id) => executor.stalled(&mut run, id, &error),
            Then::GiveUp => break,
        }
    }
    // Once more in this tick; who is overtaken again is the next one's.
    for ids in overtaken.chunks(executor.batch_size()) {
        let (done, of) = (due.len() - overtaken.len(), due.len());
        broken_off = broken_off || progress(Progress::Building { done, of }).is_break();
        if broken_off {
            break;
        }
        match executor.batch(&mut run, ids, false, &Cell::new(false)) {
            Ok(again) if again.is_empty() => {}
            Ok(again) => {
                let message = format!(
                    "what {} transitions rest on (the first is of workspace {}) changed twice \
                     while they were made; the next tick decides anew",
                    again.len(),
                    again.first().copied().unwrap_or_default()
                );
                run.report
                    .error
                    .get_or_insert(("40001".to_owned(), message));
            }
            Err(error) => {
                let error = (error.sqlstate(), error.to_string());
                run.report.error.get_or_insert(error);
                break;
            }
        }
    }
    // What was built is recorded, whoever wants it to end; of the product's nothing more
    // is written then.
    broken_off |= progress(Progress::Recording).is_break();
    let mut ended = executor.finish(&mut run, &due);
    if ended.is_ok() && !broken_off && settings.action == Action::Build {
        ended = executor.fill_in(&mut run, &decided.fills, progress);
    }
    executor.locks.let_go();
    if cancel::was_asked() {
        return Ok(Tick::Canceled(run.report));
    }
    match ended {
        // What was built counts; the rest is for the next tick to try.
        Err(error) if is_busy(&error) => {
            let error = (error.sqlstate(), error.to_string());
            run.report.error.get_or_insert(error);
        }
        ended => ended?,
    }
    Ok(Tick::Done(run.report))
}

/// A transaction of the worker's, which may take no longer than `statement_timeout`.
pub(in crate::executor) fn timed<L, R>(
    settings: &Settings,
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    limited(settings.limits(false), before_snapshot, work)
}

/// As [`timed`], with these limits in place of the settings'.
fn limited<L, R>(
    limits: Limits,
    before_snapshot: impl FnOnce() -> Result<L, Error>,
    work: impl FnOnce(L) -> Result<R, Error>,
) -> Result<R, Error> {
    transaction::repeatable_read_within(
        limits.statement_timeout,
        || {
            set_for_transaction("lock_timeout", &limits.lock_timeout.to_string());
            before_snapshot()
        },
        work,
    )
}

/// Is this an error that a worker waits out: the product's tables, the role or its
/// rights are not there (yet)?
fn waits_for(error: &Error) -> bool {
    ["3F000", "42", "55000"].iter().any(|state| error.is(state))
}

/// Is this an error that says that somebody else is at work: a lock that was not to be had,
/// a race that was lost, time that was up? The next tick tries again, and may well succeed.
pub fn is_busy(error: &Error) -> bool {
    let busy = ["55P03", "40001", "40P01", "57014"];
    busy.iter().any(|state| error.is(state)) && !cancel::was_asked()
}

impl Executor<'_> {
    /// One batch of the worker's, in one transaction: locks first, then the snapshot,
    /// then decision and writing. `alone` tells whether it came to be the one executor and
    /// to hold the product's tables: what it waits for then is a row.
    /// Nothing of `run` is changed if it fails. Returns the workspaces that have to be
    /// decided anew.
    fn batch(
        &self,
        run: &mut Run,
        ids: &[Uuid],
        hurried: bool,
        alone: &Cell<bool>,
    ) -> Result<Vec<Uuid>, Error> {
        let mut next = run.clone();
        let limits = self.settings.limits(hurried);
        // Behind the cap only what needs no build is dealt with. The locks of the others
        // are for the product's executor, if it is at work as well.
        let capped = run.builds_left.is_used_up();
        let worked = limited(
            limits,
            || {
                transaction::lock_relation(self.extension.executor_lock);
                let product = hold(&self.settings.product_schema, self.purpose())?;
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
                let Decided { due, .. } = executor.decide(Scope::These(looked_at))?;
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
        *run = next;
        Ok(overtaken)
    }

    /// What a batch does with the product's tables.
    fn purpose(&self) -> Purpose {
        match self.settings.action {
            Action::Observe => Purpose::Read,
            Action::Build | Action::Off => Purpose::Write,
        }
    }

    /// The words of an error, and if it is one of waiting in vain, who may have held what.
    fn with_holders(&self, run: &Run, error: &Error) -> String {
        let begun = run.record.started_at;
        let holders = if error.is("55P03") || error.is("57014") {
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
    fn batch_size(&self) -> usize {
        self.settings.batch_size.min(locks::share())
    }

    /// Records the tick as it stands, with no more attempts.
    fn record_tick(&self, run: &mut Run) -> Result<(), Error> {
        history::record(
            &self.extension,
            &mut run.record,
            &[],
            &run.report,
            &run.earlier,
            clock::now(),
        )
    }

    /// What becomes of the locks after a transaction.
    fn after<R>(&self, worked: Result<R, Error>) -> Result<R, Error> {
        match &worked {
            Ok(_) => self.locks.linger(),
            Err(_) => self.locks.give_back(),
        }
        worked
    }

    /// Records that a workspace alone came to no end: it waits like one that failed. What
    /// can't be recorded is tried again at the next tick.
    fn stalled(&self, run: &mut Run, id: Uuid, error: &Error) {
        let mut next = run.clone();
        let recorded = limited(
            self.settings.limits(true),
            || {
                transaction::lock_relation(self.extension.executor_lock);
                hold(&self.settings.product_schema, Purpose::Read)
            },
            |product| {
                let executor = self.with(product)?;
                let Decided { due, .. } = executor.decide(Scope::These(vec![id]))?;
                let planned = acting_as(executor.role, || {
                    plan_all(&executor.product, &self.settings.policy, due, self.at)
                })?;
                let attempts: Vec<Attempt> = planned
                    .iter()
                    .map(|planned| batch::failed(planned, error))
                    .collect();
                count(&mut next.report, &attempts);
                history::record(
                    &self.extension,
                    &mut next.record,
                    &attempts,
                    &next.report,
                    &next.earlier,
                    clock::now(),
                )
            },
        );
        if recorded.is_ok() {
            *run = next;
        }
    }

    /// Ends a tick: what is no longer stuck is forgotten, an error that ended a batch is
    /// recorded, old history goes; as the one executor, since a tick by hand may be at the
    /// same rows. A tick with nothing of this to do writes nothing, and needs no lock.
    fn finish(&self, run: &mut Run, due: &[Uuid]) -> Result<(), Error> {
        let stale = self.no_longer_due(run, due);
        let old = timed(self.settings, || Ok(()), |()| self.has_old_history())?;
        if stale.is_empty() && run.report.error.is_none() && !old {
            return Ok(());
        }
        timed(
            self.settings,
            || {
                transaction::lock_relation(self.extension.executor_lock);
                Ok(())
            },
            |()| {
                self.extension
                    .as_owner(|| history::forget(&self.extension, &stale))?;
                if run.report.error.is_some() {
                    self.record_tick(run)?;
                }
                self.prune()
            },
        )
    }

    /// Fills in `next_start_at` in batches, until `progress` ends it. What a batch waits for
    /// in vain is narrowed down to a workspace, as with builds, and that one is put off.
    fn fill_in(
        &self,
        run: &mut Run,
        fills: &[Fill],
        progress: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if fills.is_empty() {
            return Ok(());
        }
        let fills: HashMap<Uuid, &Fill> = fills.iter().map(|fill| (fill.0, fill)).collect();
        let put_off = timed(
            self.settings,
            || Ok(()),
            |()| {
                let (there, gone): (HashMap<_, _>, HashMap<_, _>) = unfilled::all(&self.extension)?
                    .into_iter()
                    .partition(|(id, _)| fills.contains_key(id));
                let gone: Vec<Uuid> = gone.into_keys().collect();
                unfilled::forget(&self.extension, &gone)?;
                Ok(there)
            },
        )?;
        let mut ids: Vec<Uuid> = fills
            .keys()
            .filter(|id| !put_off.contains_key(id))
            .copied()
            .collect();
        ids.sort_unstable();
        let mut pieces = Pieces::of(&ids, self.batch_size());
        while let Some(piece) = pieces.take_next() {
            let filling = Progress::Filling {
                done: ids.len() - pieces.left() - piece.ids.len(),
                of: ids.len(),
            };
            if progress(filling).is_break() || cancel::was_asked() {
                return Ok(());
            }
            let Err(error) = self.fill_piece(&fills, piece.ids, piece.hurried, 0) else {
                continue;
            };
            if !is_stall(&error) || cancel::was_asked() {
                return Err(error);
            }
            match pieces.failed(piece, &error, true) {
                Then::Single(id) => self.not_filled(run, id, 0, &error)?,
                Then::Again | Then::GoOn => {}
                Then::GiveUp => break,
            }
        }
        // Those that were put off, each alone: they were waited for already.
        let again = put_off
            .iter()
            .filter(|(_, put_off)| !history::too_soon(put_off.next_attempt_at, self.at));
        for (&id, put_off) in again.take(PUT_OFF_AGAIN) {
            let (done, of) = (ids.len(), ids.len());
            if progress(Progress::Filling { done, of }).is_break() {
                break;
            }
            match self.fill_piece(&fills, &[id], true, put_off.attempts) {
                Err(error) if is_stall(&error) && !cancel::was_asked() => {
                    self.not_filled(run, id, put_off.attempts, &error)?;
                }
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Fills in some, in a transaction of its own; those that refuse are put off. `earlier`:
    /// how often they were tried before.
    fn fill_piece(
        &self,
        fills: &HashMap<Uuid, &Fill>,
        ids: &[Uuid],
        hurried: bool,
        earlier: i32,
    ) -> Result<(), Error> {
        let fills: Vec<Fill> = ids
            .iter()
            .filter_map(|id| fills.get(id).copied().cloned())
            .collect();
        let filled = limited(
            self.settings.limits(hurried),
            || {
                let product = hold(&self.settings.product_schema, Purpose::Write)?;
                Ok((product, self.locks.take(ids.iter().copied())))
            },
            |(product, held)| {
                let Filled { done, refused } = self.with(product)?.fill(&fills, &held)?;
                unfilled::forget(&self.extension, &done)?;
                let refused: Vec<(Uuid, i32)> =
                    refused.into_iter().map(|id| (id, earlier)).collect();
                unfilled::put_off(&self.extension, &refused, self.at)
            },
        );
        self.after(filled)
    }

    /// Puts off a workspace that alone came to no end, and records the tick's error.
    fn not_filled(
        &self,
        run: &mut Run,
        id: Uuid,
        earlier: i32,
        error: &Error,
    ) -> Result<(), Error> {
        let message = format!("next_start_at of workspace {id} could not be filled in: {error}");
        let mut next = run.clone();
        next.report.error.get_or_insert((error.sqlstate(), message));
        timed(
            self.settings,
            || Ok(()),
            |()| {
                unfilled::put_off(&self.extension, &[(id, earlier)], self.at)?;
                self.record_tick(&mut next)
            },
        )?;
        *run = next;
        Ok(())
    }
}
