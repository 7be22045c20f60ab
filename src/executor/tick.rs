//! Running a tick: by hand in the caller's transaction, by the worker in its own, or as
//! a preview that writes nothing.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use crate::agenda::entries;
use crate::agenda::pass::Pass;
use crate::agenda::state::{Agenda, State};
use crate::instant::{Instant, MINUTE, SECOND};
use crate::product::facts::Scope;
use crate::product::role::{executor_role, missing_rights};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::query::Access;
use crate::server::scope::{deadlock_timeout, give_way, set_for_transaction, with_settings};
use crate::server::statement_timeout::armed;
use crate::server::subtransaction::attempt;
use crate::server::{clock, transaction};
use crate::settings::{Action, Limits, Settings};

use super::advisory::lock_key;
use super::batch::{Writer, fingerprint};
use super::decide::{self, Decided, Due, Fill};
use super::fill::fill;
use super::history::{self, Earlier, Source, TickRecord};
use super::narrow::{Pieces, Then};
use super::outcome::{Attempt, Outcome, count};
use super::plan::{Planned, plan_all};
use super::report::{Progress, Tick, TickReport};

/// Pieces of a pass over all workspaces that a tick by hand goes on with: a server
/// without the worker builds and audits its agenda so.
const PIECES_BY_HAND: usize = 5;
/// How much of the time between two ticks the worker spends on such a pass: 3/4.
const PASS_SHARE: (i64, i64) = (3, 4);
/// Batches of `next_start_at` that one tick of the worker's fills in at the most.
const FILL_BATCHES: usize = 10;

/// What a tick works with: found anew for each tick.
struct Executor<'a> {
    settings: &'a Settings,
    extension: Extension,
    product: Rc<Product>,
    role: pg_sys::Oid,
    /// The clock's time of the tick.
    at: Instant,
    /// The same, cut down to the minute: what rules compare with.
    tick: Instant,
    source: Source,
    agenda: Agenda,
    /// The server's, in milliseconds.
    deadlock_timeout: i32,
}

/// How far a tick is.
#[derive(Clone)]
struct Run {
    record: TickRecord,
    report: TickReport,
    earlier: Rc<HashMap<Uuid, Earlier>>,
    /// Builds that may still be made.
    builds_left: Option<usize>,
}

impl<'a> Executor<'a> {
    fn new(settings: &'a Settings, at: Instant, source: Source) -> Result<Executor<'a>, Error> {
        let extension = Extension::get()?;
        let product = Product::find(&settings.product_schema)?;
        let role = executor_role(&product, settings)?;
        // A tick for a time to come, by hand, must not write entries as of then.
        let agenda = if at > clock::now().saturating_add_micros(SECOND) {
            Agenda::Detached
        } else {
            Agenda::find(&extension, &product, &settings.policy)?
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
            builds_left: self.settings.max_builds_per_tick,
        })
    }

    /// Reads and decides as the executor's role. A right that it lacks is named.
    fn decide(&self, scope: Scope) -> Result<Decided, Error> {
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

    /// What is due at the tick: by a look at every workspace, or at those that the agenda
    /// has as due. Entries of those that are not due after all are moved.
    fn decide_due(&self) -> Result<Decided, Error> {
        let Agenda::Ready(state) = &self.agenda else {
            return self.decide(Scope::DueAt(self.tick));
        };
        let pass = self.pass();
        if !pass.take_marks()? {
            State::new(state.fingerprint).write(&self.extension)?;
            return self.decide(Scope::DueAt(self.tick));
        }
        let ids = entries::due(&self.extension, self.tick, Access::ReadOwn)?;
        if ids.is_empty() {
            return Ok(Decided::default());
        }
        let mut wanted: HashMap<Uuid, Option<Instant>> = ids.iter().map(|id| (*id, None)).collect();
        let decided = self.decide(Scope::These(ids))?;
        for (id, at) in &decided.later {
            wanted.insert(*id, Some(*at));
        }
        for due in &decided.due {
            wanted.remove(&due.facts.workspace_id);
        }
        let ids: Vec<Uuid> = wanted.keys().copied().collect();
        let there = entries::of(&self.extension, &ids)?;
        entries::set(&self.extension, &there, &wanted)?;
        Ok(decided)
    }

    fn pass(&self) -> Pass<'_> {
        Pass {
            extension: &self.extension,
            product: &self.product,
            policy: &self.settings.policy,
            role: self.role,
            tick: self.tick,
        }
    }

    /// The pass that is to go on: the agenda is being built, or an audit is under way or
    /// falls due (after `audit_interval`, and after a start of the server, which may have
    /// brought other time zones).
    fn pass_due(&self) -> Result<Option<State>, Error> {
        Ok(match &self.agenda {
            Agenda::Detached => None,
            Agenda::Building(state) => Some(state.clone()),
            Agenda::Ready(state) => {
                let audited_at = state.audited_at.unwrap_or(Instant::NO_TIME);
                let overdue = self.settings.audit_interval.is_some_and(|seconds| {
                    audited_at.saturating_add_micros(seconds * SECOND) <= self.at
                });
                let due = state.position.is_some() || overdue || audited_at < clock::server_start();
                due.then(|| state.clone())
            }
        })
    }

    /// Plans, writes and records a batch; nothing of `run` is changed if it fails.
    fn work(&self, run: &mut Run, due: Vec<Due>) -> Result<Vec<Attempt>, Error> {
        let order: Vec<Uuid> = due.iter().map(|due| due.facts.workspace_id).collect();
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
            attempts.extend(ready.iter().map(|planned| observed(planned)));
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
        let places: HashMap<Uuid, usize> = order
            .into_iter()
            .enumerate()
            .map(|(n, id)| (id, n))
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
                self.notify(&attempts)?;
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
                Err(block) => attempts.push(Attempt {
                    code: Some(block.code),
                    message: Some(block.message.clone()),
                    ..Attempt::new(&planned.due, Outcome::Blocked)
                }),
                Ok(None) => ready.push(planned),
                Ok(Some(_)) => {
                    if run.builds_left == Some(0) {
                        run.report.held_back = run.report.held_back.saturating_add(1);
                        continue;
                    }
                    run.builds_left = run.builds_left.map(|left| left - 1);
                    ready.push(planned);
                }
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
        same && (earlier.is_waiting() || earlier.next_attempt_at > self.at)
    }

    /// Fills in `next_start_at` of the workspaces whose locks are held.
    fn fill(&self, fills: &[Fill], held: &HashSet<Uuid>) -> Result<(), Error> {
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
    fn notify(&self, attempts: &[Attempt]) -> Result<(), Error> {
        self.extension
            .as_owner(|| super::notify::transitions(attempts))
    }
}

fn observed(planned: &Planned) -> Attempt {
    let latest = planned.due.facts.latest.as_ref();
    Attempt {
        build_number: latest.map(|latest| latest.build_number.saturating_add(1)),
        ..Attempt::new(&planned.due, Outcome::Observed)
    }
}

/// One tick in the caller's transaction; the rows are in the order of work.
///
/// Errors: 25000 the transaction is not REPEATABLE READ or stricter, 55P03 another
/// executor of this database is at work, 55000 the role would be a superuser, and
/// whatever the product's tables or the role lack.
pub fn manual(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    if !transaction::is_repeatable_read() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
            "a tick must run in a REPEATABLE READ transaction",
        )
        .hint("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM autobuild_tick(); COMMIT;"));
    }
    let executor = Executor::new(settings, at, Source::Manual)?;
    let lock_timeout = settings.lock_timeout.to_string();
    with_settings(&[("lock_timeout", &lock_timeout)], || {
        if !transaction::try_lock_relation(executor.extension.executor_lock) {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                "another executor of this database is at work",
            )
            .hint(
                "Try again in a moment; the worker holds the lock only while it builds a batch.",
            ));
        }
        let mut run = executor.new_run()?;
        let Decided { due, fills, .. } = executor.decide_due()?;
        run.report.due = i32::try_from(due.len()).unwrap_or(i32::MAX);
        let ids: Vec<Uuid> = due.iter().map(|due| due.facts.workspace_id).collect();
        let mut attempts = Vec::new();
        for batch in due.chunks(settings.batch_size) {
            let batch = locked(batch.to_vec());
            attempts.extend(executor.work(&mut run, batch)?);
        }
        let stale = executor.no_longer_due(&run, &ids);
        executor
            .extension
            .as_owner(|| history::forget(&executor.extension, &stale))?;
        // One batch: the locks are held until the caller commits.
        if let Some(fills) = fills.chunks(settings.batch_size).next() {
            executor.fill(fills, &take_locks(&mut ids_of(fills)))?;
        }
        executor.prune()?;
        if let Some(mut state) = executor.pass_due()? {
            for _ in 0..PIECES_BY_HAND {
                state = executor.pass().piece(&state)?;
                if state.position.is_none() {
                    break;
                }
            }
            state.write(&executor.extension)?;
        }
        Ok(attempts)
    })
}

/// Of these workspaces, the ones whose lock the product's executor does not hold; takes
/// the locks, in the order of ids.
fn locked(mut due: Vec<Due>) -> Vec<Due> {
    let mut ids: Vec<Uuid> = due.iter().map(|due| due.facts.workspace_id).collect();
    let held = take_locks(&mut ids);
    due.retain(|due| held.contains(&due.facts.workspace_id));
    due
}

fn ids_of(fills: &[Fill]) -> Vec<Uuid> {
    fills.iter().map(|(id, _, _)| *id).collect()
}

fn take_locks(ids: &mut [Uuid]) -> HashSet<Uuid> {
    ids.sort_unstable();
    ids.iter()
        .copied()
        .filter(|id| transaction::try_advisory_lock(lock_key(*id)))
        .collect()
}

/// The rows and outcomes that [`manual`] would give now, as the caller; nothing is
/// written and no lock is taken.
pub fn preview(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    let product = Product::find(&settings.product_schema)?;
    let tick = at.truncate_to_minute();
    let scope = crate::agenda::due_by(&product, &settings.policy, tick)?
        .map_or(Scope::DueAt(tick), Scope::These);
    let Decided { due, .. } = decide::due(&product, &settings.policy, scope, tick)?;
    let planned = plan_all(&product, &settings.policy, due, at)?;
    let mut builds_left = settings.max_builds_per_tick;
    Ok(planned
        .iter()
        .filter_map(|planned| match &planned.work {
            Err(block) => Some(Attempt {
                code: Some(block.code),
                message: Some(block.message.clone()),
                ..Attempt::new(&planned.due, Outcome::Blocked)
            }),
            Ok(None) => Some(Attempt::new(&planned.due, Outcome::Built)),
            Ok(Some(_)) if builds_left == Some(0) => None,
            Ok(Some(_)) => {
                builds_left = builds_left.map(|left| left - 1);
                Some(Attempt {
                    outcome: Outcome::Built,
                    ..observed(planned)
                })
            }
        })
        .collect())
}

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
        || Ok(()),
        |()| {
            let executor = Executor::new(settings, at, Source::Worker)?;
            let run = executor.new_run()?;
            let scanned = match executor.agenda {
                Agenda::Ready(_) => None,
                Agenda::Detached | Agenda::Building(_) => Some(executor.decide_due()?),
            };
            Ok((executor, run, scanned))
        },
    )
    .and_then(|(executor, run, scanned)| {
        let decided = match scanned {
            Some(decided) => decided,
            // Taking marks writes, so only the one executor may.
            None => executor.locked(|| executor.decide_due())?,
        };
        Ok((executor, run, decided))
    });
    let (executor, mut run, decided) = match read {
        Ok(read) => read,
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
    run.report.due = i32::try_from(due.len()).unwrap_or(i32::MAX);
    drop(decided.due);

    let mut pieces = Pieces::of(&due, settings.batch_size);
    while let Some(piece) = pieces.next() {
        let building = Progress::Building {
            done: due.len() - pieces.left() - piece.ids.len(),
            of: due.len(),
        };
        if progress(building).is_break() {
            break;
        }
        let alone = Cell::new(false);
        let Err(error) = executor.batch(&mut run, piece.ids, piece.hurried, &alone) else {
            if run.builds_left == Some(0) {
                break;
            }
            continue;
        };
        let then = pieces.failed(piece, &error, alone.get());
        if then != Then::Again && run.report.error.is_none() {
            run.report.error = Some((error.sqlstate(), error.to_string()));
        }
        match then {
            Then::Again | Then::GoOn => {}
            Then::Single(id) => executor.stalled(&mut run, id, &error),
            Then::GiveUp => break,
        }
    }
    // What was built is recorded, whoever wants it to end.
    let _ = progress(Progress::Recording);
    executor.finish(&mut run, &due, &decided.fills)?;
    if let Err(error) = executor.go_on_with_pass(progress)
        && run.report.error.is_none()
    {
        run.report.error = Some((error.sqlstate(), error.to_string()));
    }
    Ok(Tick::Done(run.report))
}

/// A transaction of the worker's, which may take no longer than `statement_timeout`.
fn timed<L, R>(
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
    armed(limits.statement_timeout, || {
        transaction::repeatable_read(
            || {
                set_for_transaction("lock_timeout", &limits.lock_timeout.to_string());
                before_snapshot()
            },
            work,
        )
    })
}

/// Is this an error that a worker waits out: the product's tables, the role or its
/// rights are not there (yet)?
fn waits_for(error: &Error) -> bool {
    ["3F000", "42", "55000"].iter().any(|state| error.is(state))
}

impl Executor<'_> {
    /// One batch of the worker's, in one transaction: locks first, then the snapshot,
    /// then decision and writing. `alone` tells whether it came to be the one executor.
    /// Nothing of `run` is changed if it fails.
    fn batch(
        &self,
        run: &mut Run,
        ids: &[Uuid],
        hurried: bool,
        alone: &Cell<bool>,
    ) -> Result<(), Error> {
        let mut next = run.clone();
        let limits = self.settings.limits(hurried);
        limited(
            limits,
            || {
                transaction::lock_relation(self.extension.executor_lock);
                alone.set(true);
                Ok(take_locks(&mut ids.to_vec()))
            },
            |held| {
                let held = held.into_iter().collect();
                let Decided { due, .. } = self.decide(Scope::These(held))?;
                self.work(&mut next, due).map(drop)
            },
        )?;
        *run = next;
        Ok(())
    }

    /// Records that a workspace alone came to no end: it waits like one that failed. What
    /// can't be recorded is tried again at the next tick.
    fn stalled(&self, run: &mut Run, id: Uuid, error: &Error) {
        let mut next = run.clone();
        let recorded = limited(
            self.settings.limits(true),
            || {
                transaction::lock_relation(self.extension.executor_lock);
                Ok(())
            },
            |()| {
                let Decided { due, .. } = self.decide(Scope::These(vec![id]))?;
                let planned = acting_as(self.role, || {
                    plan_all(&self.product, &self.settings.policy, due, self.at)
                })?;
                let attempts: Vec<Attempt> = planned
                    .iter()
                    .map(|planned| super::batch::failed(planned, error))
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

    /// Runs something in a transaction of its own, as the one executor of this database.
    fn locked<R>(&self, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        timed(
            self.settings,
            || {
                transaction::lock_relation(self.extension.executor_lock);
                Ok(())
            },
            |()| work(),
        )
    }

    /// Goes on with a pass over all workspaces, if one is due, for as long as the next
    /// tick allows.
    fn go_on_with_pass(&self, progress: &dyn Fn(Progress) -> ControlFlow<()>) -> Result<(), Error> {
        let Some(mut state) = transaction::repeatable_read(|| Ok(()), |()| self.pass_due())? else {
            return Ok(());
        };
        let (share, of) = PASS_SHARE;
        let until = self
            .at
            .saturating_add_micros(crate::settings::tick_interval() * SECOND * share / of);
        loop {
            let passing = Progress::Passing {
                passed: state.passed,
            };
            if progress(passing).is_break() {
                return Ok(());
            }
            state = self.locked(|| {
                let state = self.pass().piece(&state)?;
                state.write(&self.extension)?;
                Ok(state)
            })?;
            if state.position.is_none() || clock::now() >= until {
                return Ok(());
            }
        }
    }

    /// Ends a tick: what is no longer stuck is forgotten, `next_start_at` is filled in,
    /// an error that ended a batch is recorded, old history goes. A tick with nothing of
    /// this to do writes nothing.
    fn finish(&self, run: &mut Run, due: &[Uuid], fills: &[Fill]) -> Result<(), Error> {
        let stale = self.no_longer_due(run, due);
        timed(
            self.settings,
            || Ok(()),
            |()| {
                self.extension
                    .as_owner(|| history::forget(&self.extension, &stale))?;
                if run.report.error.is_some() {
                    let report = run.report.clone();
                    let earlier = HashMap::new();
                    history::record(
                        &self.extension,
                        &mut run.record,
                        &[],
                        &report,
                        &earlier,
                        clock::now(),
                    )?;
                }
                self.prune()
            },
        )?;
        if self.settings.action == Action::Build {
            for fills in fills.chunks(self.settings.batch_size).take(FILL_BATCHES) {
                timed(
                    self.settings,
                    || Ok(take_locks(&mut ids_of(fills))),
                    |held| self.fill(fills, &held),
                )?;
            }
        }
        Ok(())
    }
}
