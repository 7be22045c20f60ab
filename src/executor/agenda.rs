//! How a tick uses the agenda, and what it does for it.
//!
//! A tick that finds the agenda ready takes the marks, looks at what is due, and moves
//! the entries of what is not due after all. After it a pass over all workspaces goes on
//! that builds or audits the agenda, piece by piece.

use std::collections::HashMap;
use std::rc::Rc;

use uuid::Uuid;

use crate::agenda::pass::Pass;
use crate::agenda::state::{self, Agenda, State};
use crate::agenda::{entries, remembers};
use crate::instant::{Instant, SECOND};
use crate::product::facts::Scope;
use crate::product::locks::{Purpose, hold};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::Access;
use crate::server::{clock, transaction};
use crate::settings::Settings;

use super::decide::Decided;
use super::history::Source;
use super::tick::{Executor, timed};

/// May a tick by hand at this time use the agenda? Not for a time to come, as of which
/// it must not write entries.
pub fn serves(settings: &Settings, at: Instant) -> bool {
    at <= clock::now() && remembers(&settings.policy, at.truncate_to_minute())
}

/// Runs something in a transaction of the worker's, as the one executor of this database,
/// with the product's tables locked to be read.
pub fn locked<R>(
    settings: &Settings,
    extension: &Extension,
    work: impl FnOnce(Rc<Product>) -> Result<R, Error>,
) -> Result<R, Error> {
    timed(
        settings,
        || {
            transaction::lock_relation(extension.executor_lock);
            hold(&settings.product_schema, Purpose::Read)
        },
        work,
    )
}

/// Goes on with the pass over all workspaces, if one is due, in transactions of the
/// worker's own. `go_on` is told how many it has looked at, and asked before each piece.
pub fn worker_pass(
    at: Instant,
    settings: &Settings,
    mut go_on: impl FnMut(i64) -> bool,
) -> Result<(), Error> {
    let extension = transaction::repeatable_read(|| Ok(()), |()| Extension::get())?;
    let mut passed = 0;
    while go_on(passed) {
        // What holds may change between two pieces: settings don't, but all else is
        // found anew.
        let goes_on = locked(settings, &extension, |product| {
            let executor = Executor::new(settings, at, Source::Worker, product)?;
            let goes_on = executor.pass_on()?;
            passed = executor.passed()?;
            Ok(goes_on)
        })?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

impl Executor<'_> {
    /// What is due at the tick: by a look at every workspace, or at those that the agenda
    /// has as due. Entries of those that are not due after all are moved.
    pub(super) fn decide_due(&self) -> Result<Decided, Error> {
        let Agenda::Ready(state) = &self.agenda else {
            return self.decide(Scope::DueAt(self.tick));
        };
        let Some(taken) = self.pass().take_marks()? else {
            State::new(state.fingerprint).write(&self.extension)?;
            return self.decide(Scope::DueAt(self.tick));
        };
        let ids = entries::due(&self.extension, self.tick, Access::ReadOwn)?;
        let mut decided = Decided::default();
        let mut moved = 0;
        if !ids.is_empty() {
            let mut wanted: HashMap<Uuid, Option<Instant>> =
                ids.iter().map(|id| (*id, None)).collect();
            decided = self.decide(Scope::These(ids))?;
            for (id, at) in &decided.later {
                wanted.insert(*id, Some(*at));
            }
            for due in &decided.due {
                wanted.remove(&due.facts.workspace_id);
            }
            let ids: Vec<Uuid> = wanted.keys().copied().collect();
            let there = entries::of(&self.extension, &ids)?;
            moved = entries::set(&self.extension, &there, &wanted, self.tick)?;
        }
        if taken > 0 || moved > 0 {
            state::touch(&self.extension)?;
        }
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

    /// One piece of the pass that is to go on, if there is one. Returns whether there is
    /// more to do.
    pub(super) fn pass_on(&self) -> Result<bool, Error> {
        if matches!(self.agenda, Agenda::Detached) {
            return Ok(false);
        }
        // Not as it was when the tick began: the tick itself, or an earlier piece, may
        // have found that all is to be built anew.
        match self.agenda_now()? {
            Agenda::Building(state) => Ok(self.pass().piece(state)?.position.is_some()),
            Agenda::Ready(state) if self.audit_is_due(&state) => {
                Ok(self.pass().piece(state)?.position.is_some())
            }
            _ => Ok(false),
        }
    }

    /// How many workspaces the pass has looked at.
    fn passed(&self) -> Result<i64, Error> {
        Ok(match self.agenda_now()? {
            Agenda::Ready(state) | Agenda::Building(state) => state.passed,
            Agenda::Detached | Agenda::Broken(_) => 0,
        })
    }

    fn agenda_now(&self) -> Result<Agenda, Error> {
        let (extension, product) = (&self.extension, &self.product);
        Agenda::find(extension, product, self.settings, Access::ReadOwn)
    }

    /// Is an audit under way, or due: after `audit_interval`, and after a start of the
    /// server, which may have brought other time zones?
    fn audit_is_due(&self, state: &State) -> bool {
        let audited_at = state.audited_at.unwrap_or(Instant::NO_TIME);
        let overdue = self
            .settings
            .audit_interval
            .is_some_and(|seconds| audited_at.saturating_add_micros(seconds * SECOND) <= self.at);
        state.position.is_some() || overdue || audited_at < clock::server_start()
    }
}
