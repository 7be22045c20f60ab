//! How a tick uses the agenda, and what it does for it.
//!
//! A tick that finds the agenda ready takes the marks, looks at what is due, and moves
//! the entries of what is not due after all. After it a pass over all workspaces goes on
//! that builds or audits the agenda, piece by piece.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use uuid::Uuid;

use crate::agenda::marks::{self, Burden};
use crate::agenda::pass::{NextPiece, Pass, Taken};
use crate::agenda::state::{self, Agenda, State};
use crate::agenda::triggers::keep_new_builds;
use crate::agenda::{attach, due_by, entries};
use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::due::{Decided, Kept, Listed};
use crate::decision::holds;
use crate::decision::planned::Planned;
use crate::instant::Instant;
use crate::ledger::ticks::Source;
use crate::product::facts::Selection;
use crate::product::locks::{Purpose, hold, is_waited_for};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::guc::{set_for_transaction, statement_timeout};
use crate::server::query::Access;
use crate::server::relation::{self, Mode};
use crate::server::{cancel, clock, transaction};
use crate::settings::Settings;

use super::context::Executor;
use super::timed::timed;

/// How long a tick by hand builds the agenda at a time.
const BUILDING: Duration = Duration::from_secs(30);

/// Runs something in a transaction of the worker's, as the one executor of this database,
/// with the product's tables locked to be read.
pub(crate) fn locked<R>(
    settings: &Settings,
    extension: &Extension,
    work: impl FnOnce(Rc<Product>) -> Result<R, Error>,
) -> Result<R, Error> {
    timed(
        settings,
        || {
            relation::lock_one(extension.executor_lock, Mode::Exclusive);
            hold(&settings.product_schema, Purpose::Read)
        },
        work,
    )
}

/// What is due at a tick of the worker's that found the agenda ready, in transactions of
/// its own. The marks come first, a piece of them in each, so that none takes longer than
/// a piece takes, however many marks there are. `go_on` is asked before each; once it says
/// no, nothing is decided.
pub(super) fn worker_due(
    executor: &Executor<'_>,
    go_on: impl Fn() -> bool,
) -> Result<Option<Decided<Listed>>, Error> {
    let (settings, extension) = (executor.settings, &executor.extension);
    let alone = |work: &dyn Fn(&Executor<'_>) -> Result<Taken, Error>| {
        locked(settings, extension, |product| {
            work(&executor.with(product)?)
        })
    };
    let decide = || {
        for piece in 0.. {
            if !go_on() {
                return Ok(None);
            }
            match alone(&|executor| executor.take_marks(piece))? {
                Taken::Some { more: true, .. } => {}
                Taken::Some { .. } | Taken::Lost => break,
            }
        }
        locked(settings, extension, |product| {
            executor.with(product)?.decide_now()
        })
        .map(Some)
    };
    let decided = decide();
    if decided
        .as_ref()
        .is_err_and(|error| error.sqlstate().is_canceled())
        && !cancel::was_asked()
    {
        // What took too long would do so again at the next tick: that one scans. Where not
        // even this works, there is no more to do about it.
        let _ = alone(&|executor| executor.lose_agenda());
    }
    decided
}

/// Goes on with the pass over all workspaces, if one is due, in transactions of the
/// worker's own. `go_on` is told how many it has looked at, and asked before each piece.
pub(crate) fn worker_pass(
    at: Instant,
    settings: &Settings,
    mut go_on: impl FnMut(i64) -> bool,
) -> Result<(), Error> {
    let extension = transaction::repeatable_read(|| Ok(()), |()| Extension::get())?;
    let mut passed = 0;
    while go_on(passed) {
        // What holds may change between two pieces: settings don't, but all else is
        // found anew.
        let then = locked(settings, &extension, |product| {
            let executor = Executor::new(settings, at, Source::Worker, product)?;
            let then = executor.pass_on()?;
            passed = executor.passed()?;
            Ok(then)
        })?;
        if then == NextPiece::Nothing {
            break;
        }
    }
    Ok(())
}

/// Empties the table of marks where it is a burden, in transactions of the worker's own:
/// by TRUNCATE, for which a writer of the product's waits no longer than attaching has him
/// wait. Returns whether there were too many marks, and the agenda is built anew. For every
/// errand, also one that makes no tick, so that marks don't pile up for ever. Raises 55P03 if
/// somebody is at work on the marks for longer than a moment: next time, then.
pub(crate) fn relieve() -> Result<bool, Error> {
    let found = transaction::repeatable_read(
        || Ok(()),
        |()| {
            let Some(extension) = Extension::find()? else {
                return Ok(None);
            };
            let bears = marks::burden(&extension)? == Burden::Bearable;
            let table = extension.relation(c"autobuild_marks");
            Ok(table.filter(|_| !bears).map(|table| (extension, table)))
        },
    )?;
    let Some((extension, table)) = found else {
        return Ok(false);
    };
    transaction::repeatable_read(
        || {
            // Whoever left a mark, or none since the table is full, has committed once
            // this lock is held: the snapshot comes after it.
            set_for_transaction("lock_timeout", attach::LOCK_WAIT);
            relation::lock_one(table, Mode::AccessExclusive);
            Ok(())
        },
        |()| {
            let burden = marks::burden(&extension)?;
            match burden {
                Burden::Bearable => {}
                Burden::Dead => marks::empty(&extension)?,
                Burden::TooMany => state::give_up(&extension)?,
            }
            Ok(burden == Burden::TooMany)
        },
    )
}

impl Executor<'_> {
    /// What is due at a tick by hand, in the one transaction that it has: those that the agenda
    /// has as due, which is built first where it isn't; or by a look at every workspace.
    pub(super) fn decide_due<D: Kept>(&self) -> Result<Decided<D>, Error> {
        match self.agenda {
            Agenda::Ready(_) => {
                for piece in 0.. {
                    match self.take_marks(piece)? {
                        Taken::Some { more: true, .. } => {}
                        Taken::Some { .. } | Taken::Lost => break,
                    }
                }
            }
            Agenda::Building(_) if self.source.is_a_call() => self.build_at_once()?,
            Agenda::Detached if self.source.is_a_call() => {
                if let Some(decided) = self.decide_as_others()? {
                    return Ok(decided);
                }
            }
            _ => {}
        }
        self.decide_now()
    }

    /// Goes on with the pass that builds the agenda, up to its end if that is near enough and
    /// nobody waits for what this tick has locked: else the next tick by hand goes on.
    fn build_at_once(&self) -> Result<(), Error> {
        let longest = match statement_timeout() {
            0 => BUILDING,
            limit => BUILDING.min(Duration::from_millis(u64::from(limit.unsigned_abs() / 4))),
        };
        let begun = std::time::Instant::now();
        while self.pass_on()? == NextPiece::GoOn && begun.elapsed() < longest {
            // Whoever comes first is not to wait for all of it.
            if is_waited_for(&self.product, self.extension.executor_lock)? {
                break;
            }
        }
        Ok(())
    }

    /// What is due at a tick by hand that must not write to the agenda, since it is for a time
    /// to come: read as a preview does, which takes no mark and moves no entry.
    fn decide_as_others<D: Kept>(&self) -> Result<Option<Decided<D>>, Error> {
        let (product, tick) = (&self.product, self.tick);
        let ids = self.reading(|| due_by(product, self.settings, tick, tick))?;
        let Some(ids) = ids else {
            return Ok(None);
        };
        let mut decided = self.decide(Selection::These(ids))?;
        decided.by_agenda = true;
        Ok(Some(decided))
    }

    /// Takes the next piece of the marks. More than so many pieces cost more than a pass:
    /// then the agenda is built anew.
    fn take_marks(&self, piece: i64) -> Result<Taken, Error> {
        // Not as it was when the tick began: it may have been given up meanwhile.
        if !matches!(self.agenda_now()?, Agenda::Ready(_)) {
            return Ok(Taken::Lost);
        }
        let taken = if piece < marks::TOO_MANY / marks::PIECE {
            self.naming(|| self.pass().take_marks())?
        } else {
            Taken::Lost
        };
        match taken {
            Taken::Lost => self.lose_agenda(),
            Taken::Some { count: 0, .. } => Ok(taken),
            Taken::Some { .. } => {
                state::touch(&self.extension)?;
                Ok(taken)
            }
        }
    }

    /// Has ticks scan, and the agenda built anew.
    fn lose_agenda(&self) -> Result<Taken, Error> {
        if let Agenda::Ready(state) = self.agenda_now()? {
            self.pass().begin_anew(state.fingerprint)?;
        }
        Ok(Taken::Lost)
    }

    /// What is due, once the marks are taken. Entries of those that are not due after all
    /// are moved.
    fn decide_now<D: Kept>(&self) -> Result<Decided<D>, Error> {
        if !self.agenda_serves()? {
            return self.scan();
        }
        let ids = entries::due(&self.extension, self.tick, Access::ReadOwn)?;
        let mut decided: Decided<D> = Decided::default();
        if !ids.is_empty() {
            let mut wanted: HashMap<Uuid, Option<Instant>> =
                ids.iter().map(|id| (*id, None)).collect();
            decided = self.decide(Selection::These(ids))?;
            for (id, at) in &decided.later {
                wanted.insert(*id, Some(*at));
            }
            for due in &decided.due {
                wanted.remove(&due.place().workspace_id);
            }
            let ids: Vec<Uuid> = wanted.keys().copied().collect();
            let there = entries::of_workspaces(&self.extension, &ids)?;
            if entries::set(&self.extension, &there, &wanted, self.tick)? > 0 {
                state::touch(&self.extension)?;
            }
        }
        decided.by_agenda = true;
        Ok(decided)
    }

    /// The entries that these workspaces get once their builds are written at `now`, as far as
    /// this is known without reading them again: of a build that is written as it was meant to,
    /// and of nothing else with it. Of the others the builds leave marks; so do all where the
    /// agenda is not ready.
    pub(super) fn settled(
        &self,
        planned: &[&Planned],
        now: Instant,
    ) -> Result<HashMap<Uuid, Option<Instant>>, Error> {
        let known = !planned.is_empty() && self.agenda_serves()? && keep_new_builds(&self.product)?;
        if !known {
            return Ok(HashMap::new());
        }
        let (product, policy, tick) = (&self.product, &self.settings.policy, self.tick);
        let holds = holds::read(tick)?;
        Ok(planned
            .iter()
            .filter_map(|planned| {
                let facts = planned.facts_once_built(now)?;
                let entry = entries::entry(product, policy, &holds, &facts, tick);
                // What is due stays marked.
                let settled = entry.is_none_or(|at| at > tick);
                settled.then_some((facts.workspace_id, entry))
            })
            .collect())
    }

    /// Sets these entries, of those that were built.
    pub(super) fn settle(
        &self,
        settled: &HashMap<Uuid, Option<Instant>>,
        attempts: &[Attempt],
    ) -> Result<(), Error> {
        let wanted: HashMap<Uuid, Option<Instant>> = attempts
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Built)
            .filter_map(|attempt| settled.get_key_value(&attempt.workspace_id))
            .map(|(id, entry)| (*id, *entry))
            .collect();
        // They are there: each was due.
        let there = wanted.keys().map(|id| (*id, self.tick)).collect();
        if entries::set(&self.extension, &there, &wanted, self.tick)? > 0 {
            state::touch(&self.extension)?;
        }
        Ok(())
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

    /// One piece of the pass that is to go on, if there is one.
    pub(super) fn pass_on(&self) -> Result<NextPiece, Error> {
        if matches!(self.agenda, Agenda::Detached) {
            return Ok(NextPiece::Nothing);
        }
        // Not as it was when the tick began: the tick itself, or an earlier piece, may
        // have found that all is to be built anew.
        match self.agenda_now()? {
            // What is not marked any more (a table of ours was emptied) is in the past of
            // whoever sees the row that is written here.
            Agenda::Unbuilt(fingerprint) => self.pass().begin_anew(fingerprint),
            Agenda::Building(state) => self.naming(|| self.pass().piece(state)),
            Agenda::Ready(state) if self.audit_is_due(&state) => {
                self.naming(|| self.pass().piece(state))
            }
            _ => Ok(NextPiece::Nothing),
        }
    }

    /// How many workspaces the pass has looked at.
    fn passed(&self) -> Result<i64, Error> {
        Ok(match self.agenda_now()? {
            Agenda::Ready(state) | Agenda::Building(state) => state.passed,
            _ => 0,
        })
    }

    /// May this tick use the agenda, and is it complete?
    fn agenda_serves(&self) -> Result<bool, Error> {
        Ok(!matches!(self.agenda, Agenda::Detached)
            && matches!(self.agenda_now()?, Agenda::Ready(_)))
    }

    fn agenda_now(&self) -> Result<Agenda, Error> {
        let (extension, product) = (&self.extension, &self.product);
        Agenda::find(extension, product, self.settings, Access::ReadOwn)
    }

    /// Is an audit under way, or due: after `audit_interval`, and after a start of the
    /// server, which may have brought other code of the same version?
    fn audit_is_due(&self, state: &State) -> bool {
        let audited_at = state.audited_at.unwrap_or(Instant::NO_TIME);
        let overdue = self
            .settings
            .audit_interval
            .is_some_and(|interval| audited_at.saturating_add(interval) <= self.at);
        state.position.is_some() || overdue || audited_at < clock::server_start()
    }
}
