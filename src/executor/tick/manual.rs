//! A tick by hand, in its caller's transaction: whole, or rolled back with it.

use pgrx::PgSqlErrorCode;
use uuid::Uuid;

use crate::agenda::pass::Then;
use crate::executor::decide::{Decided, Due};
use crate::executor::history::{self, Source};
use crate::executor::locks;
use crate::executor::outcome::Attempt;
use crate::executor::unfilled;
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::scope::with_settings;
use crate::server::transaction;
use crate::settings::Settings;

use super::{Executor, ids_of};

/// Pieces of a pass over all workspaces that a tick by hand goes on with: a server
/// without the worker builds and audits its agenda so.
const PIECES_BY_HAND: usize = 5;

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
        let decided = executor.decide_due()?;
        run.record.mode = decided.mode();
        let lost = executor.agenda.mode() != decided.mode();
        let Decided { due, fills, .. } = decided;
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
        // One batch: the locks are held until the caller commits. Who is put off is tried
        // as well, and who refuses keeps its time with the worker.
        if let Some(fills) = fills.chunks(settings.batch_size).next() {
            match executor.fill(fills, &locks::take(ids_of(fills))) {
                // A trigger waits for something: what is empty is not lost.
                Err(error) if error.is("55P03") => {}
                filled => unfilled::forget(&executor.extension, &filled?.done)?,
            }
        }
        executor.prune()?;
        // Not where this tick gave the agenda up: it is built under a later snapshot.
        let pieces = if lost { 0 } else { PIECES_BY_HAND };
        for _ in 0..pieces {
            if executor.pass_on()? != Then::GoOn {
                break;
            }
        }
        Ok(attempts)
    })
}

/// Of these workspaces, the ones whose lock the product's executor does not hold.
fn locked(mut due: Vec<Due>) -> Vec<Due> {
    let held = locks::take(due.iter().map(|due| due.facts.workspace_id));
    due.retain(|due| held.contains(&due.facts.workspace_id));
    due
}
