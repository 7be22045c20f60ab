//! What a tick works with: settings, tables, role, locks, and how far it is.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::agenda::serves_by_hand;
use crate::agenda::state::Agenda;
use crate::decision::due::{Decided, Kept};
use crate::decision::holds::released_after;
use crate::decision::judge::{read_due, scan};
use crate::decision::report::TickReport;
use crate::decision::turn::BuildsLeft;
use crate::instant::{HOUR, Instant, Micros};
use crate::ledger::back_off::LastAttempt;
use crate::ledger::ticks::{Source, TickRecord};
use crate::ledger::{attempts, holds, prune};
use crate::product::copies::not_subscribed;
use crate::product::facts::Selection;
use crate::product::role::{executor_role, name_missing_right};
use crate::product::schema::Product;
use crate::product::starts::Wanted;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::query::Access;
use crate::server::subtransaction::in_subtransaction;
use crate::settings::Settings;

use super::locks::Locks;

/// How long a hold is kept after its end: longer than from a run to the next, so that none
/// that was missed in it comes to count.
const HOLDS_KEPT: Micros = Micros(30 * 24 * HOUR);

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
    pub(super) source: Source,
    pub(super) agenda: Agenda,
    pub(super) locks: Rc<Locks>,
}

/// How far a tick is.
#[derive(Clone)]
pub(super) struct TickState {
    pub(super) record: TickRecord,
    pub(super) report: TickReport,
    pub(super) last_attempts: Rc<HashMap<Uuid, LastAttempt>>,
    pub(super) builds_left: BuildsLeft,
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
        let agenda = if source.is_a_call()
            && (!serves_by_hand(&settings.policy, at)
                || released_after(&extension, at.truncate_to_minute())?)
        {
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

    /// The same for the same tick, in a transaction that found and locked the product's tables anew.
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

    pub(super) fn begin(&self) -> Result<TickState, Error> {
        Ok(TickState {
            record: TickRecord {
                tick_id: None,
                tick_at: self.at,
                started_at: clock::now(),
                source: self.source,
                mode: self.agenda.mode(),
            },
            report: TickReport::default(),
            last_attempts: Rc::new(attempts::read(&self.extension)?),
            builds_left: BuildsLeft::new(self.settings.max_builds_per_tick),
        })
    }

    /// Reads and decides as the executor's role. A right that it lacks is named. Asked in
    /// each transaction: a subscription may begin during a tick.
    pub(super) fn decide<D: Kept>(&self, selection: Selection) -> Result<Decided<D>, Error> {
        self.reading(|| read_due(&self.product, &self.settings.policy, selection, self.tick))
    }

    /// The same for all workspaces.
    pub(super) fn scan<D: Kept>(&self) -> Result<Decided<D>, Error> {
        let wanted = Wanted::DueAndEmpty;
        self.reading(|| scan(&self.product, &self.settings.policy, wanted, self.tick))
    }

    /// Reads as the executor's role.
    pub(super) fn reading<R>(&self, read: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        not_subscribed(&self.product)?;
        self.naming(|| acting_as(self.role, read))
    }

    /// Runs something, whole or not at all. A right that the role lacks is named.
    pub(super) fn naming<R>(&self, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        in_subtransaction(work).map_err(|error| self.name_missing_right(error))
    }

    /// Names the right that is missing, where one is.
    pub(super) fn name_missing_right(&self, error: Error) -> Error {
        name_missing_right(error, &self.product, self.settings, self.role)
    }

    /// The workspaces of `autobuild_attempts` that nothing is due for any more.
    pub(super) fn no_longer_due(&self, state: &TickState, due: &[Uuid]) -> Vec<Uuid> {
        let due: HashSet<Uuid> = due.iter().copied().collect();
        state
            .last_attempts
            .keys()
            .copied()
            .filter(|id| !due.contains(id))
            .collect()
    }

    /// History before this is kept no longer.
    fn kept_from(&self) -> Option<Instant> {
        let retention = self.settings.history_retention?;
        Some(clock::now().saturating_sub(retention))
    }

    /// Holds that were over before this are kept no longer.
    fn holds_kept_from(&self) -> Instant {
        clock::now().min(self.at).saturating_sub(HOLDS_KEPT)
    }

    /// Is there history that is kept no longer, or a hold?
    pub(super) fn has_old_history(&self) -> Result<bool, Error> {
        if holds::has_over(&self.extension, self.holds_kept_from())? {
            return Ok(true);
        }
        self.kept_from().map_or(Ok(false), |before| {
            prune::has_older(&self.extension, before)
        })
    }

    /// Removes history and holds that are kept no longer. Looks first, so that nothing is
    /// written where there is none.
    pub(super) fn prune(&self) -> Result<(), Error> {
        let before = self.holds_kept_from();
        if holds::has_over(&self.extension, before)? {
            holds::forget(&self.extension, before)?;
        }
        if let Some(before) = self.kept_from()
            && prune::has_older(&self.extension, before)?
        {
            prune::remove(&self.extension, before)?;
        }
        Ok(())
    }
}
