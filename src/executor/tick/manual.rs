//! A tick in its caller's transaction, whole or rolled back with it: by hand, which takes
//! what is due whatever `action` and back-off say, or a timer's, which honours them, and a
//! pause, as the worker does.

use pgrx::PgSqlErrorCode;
use uuid::Uuid;

use crate::agenda::pass::NextPiece;
use crate::agenda::state::Agenda;
use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::due::{Decided, before_reminders};
use crate::decision::plan::version_of;
use crate::decision::turn::Turn;
use crate::executor::advisory::lock_key;
use crate::executor::context::Executor;
use crate::executor::locks;
use crate::executor::work::Worked;
use crate::instant::Instant;
use crate::ledger::ticks::Source;
use crate::ledger::{attempts as attempts_ledger, pauses, unfilled};
use crate::product::locks::{Purpose, hold_under_snapshot};
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::guc::with_settings;
use crate::server::relation::{self, Mode};
use crate::server::subtransaction::in_subtransaction;
use crate::server::transaction::{self, LockLife, with_own_writes};
use crate::settings::{Action, Settings};

use super::worker::purpose;

/// Pieces of a pass over all workspaces that a tick by hand goes on with after its work: a server
/// without the worker audits its agenda so.
const PIECES_BY_HAND: usize = 5;

/// One tick in the caller's transaction; the rows are in the order of work.
///
/// Errors: 25000 the transaction is not REPEATABLE READ or stricter, 25006 the server is a
/// standby, 55P03 another executor of this database is at work, 55000 the role would be a
/// superuser, and whatever the product's tables or the role lack.
pub(crate) fn manual(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    called(at, settings, Source::Manual)
}

/// One tick as the worker makes it, in the caller's transaction. Under a pause or `action =
/// off` there are no rows, and a notice says why: that is meant, and a timer whose job fails
/// each minute would wake somebody up.
///
/// Errors: as [`manual`].
pub(crate) fn run(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    called(at, settings, Source::Timer)
}

fn called(at: Instant, settings: &Settings, source: Source) -> Result<Vec<Attempt>, Error> {
    // Else the server would speak of the mode of a lock.
    if transaction::in_recovery() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "a standby makes no ticks",
        )
        .hint("Ticks are made on the primary; autobuild_preview() says what is due."));
    }
    if !transaction::is_repeatable_read() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
            "a tick must run in a REPEATABLE READ transaction",
        )
        .hint(match source {
            Source::Timer => {
                "ALTER ROLE ... IN DATABASE ... SET default_transaction_isolation = 'repeatable \
                read' for a role of the timer's own; or BEGIN ISOLATION LEVEL REPEATABLE READ; \
                SELECT * FROM autobuild_run(); COMMIT;"
            }
            _ => "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM autobuild_tick(); COMMIT;",
        }));
    }
    let automatic = source.is_automatic();
    if automatic && stands_still(settings)? {
        return Ok(Vec::new());
    }
    let lock_timeout = settings.lock_timeout.0.to_string();
    with_settings(&[("lock_timeout", &lock_timeout)], || {
        if !relation::try_lock(Extension::current()?.executor_lock, Mode::Exclusive) {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                "another executor of this database is running",
            )
            .hint("Try again; the worker holds the lock only while it builds a batch."));
        }
        // The caller's snapshot is older than any lock.
        let purpose = if automatic {
            purpose(settings)
        } else {
            Purpose::Write
        };
        let product = hold_under_snapshot(&settings.product_schema, purpose)?;
        let executor = Executor::new(settings, at, source, product)?;
        let mut state = executor.begin()?;
        let decided: Decided = executor.decide_due()?;
        state.record.mode = decided.mode();
        let lost = executor.agenda.mode() != decided.mode();
        let Decided { due, fills, .. } = decided;
        state.report.due = i32::try_from(due.len()).unwrap_or(i32::MAX);
        let ids: Vec<Uuid> = due.iter().map(|due| due.facts.workspace_id).collect();
        let version = |due| version_of(&executor.product, &settings.policy, due);
        let versions = due.iter().map(version);
        executor.prove_by_hand(executor.versions(versions))?;
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut paused = false;
        let mut room = Room::new();
        let (transitions, reminders) = due.split_at(before_reminders(&due));
        let batches = transitions.chunks(settings.batch_size);
        let batches = batches.map(|batch| (batch, false));
        let last = reminders.chunks(settings.batch_size);
        for (n, (batch, reminds)) in batches.chain(last.map(|batch| (batch, true))).enumerate() {
            // A pause takes effect between two batches.
            if automatic && n > 0 && stands_still(settings)? {
                paused = true;
                break;
            }
            let worked = executor.work(&mut state, batch.to_vec(), &mut |id| room.turn(id));
            let Worked {
                attempts: tried,
                overtaken,
            } = match worked {
                // What they wait for in vain costs no build.
                Err(error)
                    if reminds
                        && error.sqlstate().is_stall()
                        && !error.sqlstate().is_intervention() =>
                {
                    pgrx::warning!("reminders are left to the next call: {error}");
                    break;
                }
                worked => worked?,
            };
            if !overtaken.is_empty() {
                return Err(overtaken_error(&overtaken));
            }
            attempts.extend(tried);
        }
        // Without a single lock this tick would be empty at each call: that is an error.
        if let Some(error) = room.refused
            && !attempts
                .iter()
                .any(|tried| matches!(tried.outcome, Outcome::Built | Outcome::Observed))
        {
            return Err(error);
        }
        if room.left == 0 && state.report.held_back > 0 {
            pgrx::notice!(
                "{} due transitions are left to the next call: a call uses at most a quarter of \
                the server's locks",
                state.report.held_back
            );
        }
        let told = state.report.brakes.iter().cloned();
        for sentence in told.chain(state.report.untold_sentence()) {
            pgrx::warning!("{sentence}");
        }
        let stale = executor.no_longer_due(&state, &ids);
        executor
            .extension
            .as_owner(|| attempts_ledger::forget(&executor.extension, &stale))?;
        // One batch: the locks are held until the caller commits. Who is put off is tried
        // as well, and who refuses keeps its time with the worker.
        let size = settings.batch_size.min(room.left).max(1);
        let fills_in = !paused && (!automatic || settings.action == Action::Build);
        if let Some(fills) = fills.chunks(size).next().filter(|_| fills_in) {
            match in_subtransaction(|| {
                executor.fill(
                    fills,
                    &locks::take_until_commit(fills.iter().map(|(id, _, _)| *id)),
                )
            }) {
                // A trigger waits for something, or locks run out: what is empty is not lost.
                Err(error)
                    if error.sqlstate().is_locked() || error.sqlstate().is_out_of_locks() => {}
                filled => unfilled::forget(&executor.extension, &filled?.done)?,
            }
        }
        executor.prune()?;
        // Not where this tick gave the agenda up: it is built under a later snapshot. Nor where it
        // was building it for as long as it may.
        let built_on = matches!(executor.agenda, Agenda::Building(_));
        let pieces = if lost || built_on { 0 } else { PIECES_BY_HAND };
        for _ in 0..pieces {
            // The entries of what this tick built are of its own rows.
            if with_own_writes(|| executor.pass_on())? != NextPiece::GoOn {
                break;
            }
        }
        Ok(attempts)
    })
}

/// Is there a reason for a timer's tick to do nothing, or no more? A notice says which. A
/// pause counts from its commit, whatever the caller's snapshot.
fn stands_still(settings: &Settings) -> Result<bool, Error> {
    let extension = Extension::current()?;
    let pause =
        transaction::with_latest_snapshot(|| extension.as_owner(|| pauses::find(&extension)))?;
    if let Some(pause) = &pause {
        let reason = pause.reason.as_deref().unwrap_or("no reason was given");
        pgrx::notice!("nothing more is done: autobuild_pause() is in force ({reason})");
    } else if settings.action == Action::Off {
        pgrx::notice!("nothing is done: workspace_autobuild.action is off");
    }
    Ok(pause.is_some() || settings.action == Action::Off)
}

/// What the decisions rest on is not what it was: a new snapshot has to decide anew.
fn overtaken_error(overtaken: &[Uuid]) -> Error {
    let ids: Vec<String> = overtaken.iter().take(5).map(Uuid::to_string).collect();
    Error::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!(
            "the data behind {} transitions was changed after they were decided",
            overtaken.len()
        ),
    )
    .detail(format!("Workspaces: {}", ids.join(", ")))
    .hint("Try again in a new transaction.")
}

/// The locks that this tick may still take: they are held until the caller commits, so
/// with too many nobody else would get one.
struct Room {
    left: usize,
    /// The server had none left.
    refused: Option<Error>,
}

impl Room {
    fn new() -> Room {
        Room {
            left: locks::share().saturating_mul(2),
            refused: None,
        }
    }

    /// Takes the lock of a workspace, if there is one to be had.
    fn turn(&mut self, id: Uuid) -> Turn {
        if self.left == 0 {
            return Turn::Later;
        }
        let key = lock_key(id);
        match in_subtransaction(|| Ok(transaction::try_advisory_lock(key, LockLife::Transaction))) {
            Ok(true) => {
                self.left -= 1;
                Turn::Ours
            }
            Ok(false) => Turn::Taken,
            // Others have them all.
            Err(error) if error.sqlstate().is_out_of_locks() => {
                self.left = 0;
                self.refused = Some(error);
                Turn::Later
            }
            Err(error) => error.raise(),
        }
    }
}
