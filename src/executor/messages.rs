//! Telling owners of what was made, in the transaction that made it.
//!
//! Messages are queued in sets, each in a subtransaction of its own: a message that can't be
//! queued never costs a build. A set that fails is halved until the offender stands alone, which
//! is counted and told of. (A reminder is nothing without its message: `batch` queues these.)

use std::collections::HashMap;

use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::planned::Planned;
use crate::decision::report::TickReport;
use crate::decision::telling::Telling;
use crate::instant::Instant;
use crate::lifecycle::transition::Transition;
use crate::product::locks::hold_to_tell;
use crate::product::messages::{self, Audited, Queued};
use crate::product::role::lacks_rights_to_tell;
use crate::product::write::writing;
use crate::server::cancel;
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::subtransaction::in_subtransaction;

use super::context::Executor;

/// Waits in vain after which no more is tried of a set: each takes `lock_timeout`.
const STALLS: usize = 5;

impl Executor<'_> {
    /// Reads what messages on these are made from. What keeps it from being read keeps nothing
    /// from being built.
    ///
    /// Errors: a cancel request.
    pub(super) fn telling(
        &self,
        planned: &[&Planned],
    ) -> Result<Result<Option<Telling<'_>>, Error>, Error> {
        let read = in_subtransaction(|| {
            acting_as(self.role, || {
                let hold = || hold_to_tell(&self.product, self.settings);
                Telling::read(&self.product, self.settings, planned, hold)
            })
        });
        match read {
            Err(error) if cancel::was_asked() => Err(error),
            read => Ok(read.map_err(|error| self.with_rights_to_tell(error))),
        }
    }

    /// The error, with what grants the rights to tell owners where they are missing.
    fn with_rights_to_tell(&self, error: Error) -> Error {
        self.lacks_rights_to_tell(&error).unwrap_or(error)
    }

    /// What is missing of the rights to tell owners, where that is why; `None` where it is
    /// not: a permission can also be denied to a single row.
    fn lacks_rights_to_tell(&self, error: &Error) -> Option<Error> {
        if !error.sqlstate().lacks_right() {
            return None;
        }
        let missing = lacks_rights_to_tell(&self.product, self.settings, self.role);
        let missing = missing.ok().flatten()?;
        Some(Error::new(error.code, missing).detail(error.message.clone()))
    }

    /// Queues the messages on what was made, and writes the audit log's rows.
    ///
    /// Errors: a cancel request.
    pub(super) fn tell(
        &self,
        report: &mut TickReport,
        telling: &Result<Option<Telling<'_>>, Error>,
        planned: &[&Planned],
        attempts: &[Attempt],
        now: Instant,
    ) -> Result<(), Error> {
        let built: HashMap<Uuid, &Attempt> = attempts
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Built)
            .filter(|attempt| attempt.transition != Transition::Remind)
            .map(|attempt| (attempt.workspace_id, attempt))
            .collect();
        let mut made: Vec<&Planned> = planned
            .iter()
            .copied()
            .filter(|planned| built.contains_key(&planned.due.facts.workspace_id))
            .collect();
        let telling = match telling {
            Ok(Some(telling)) => telling,
            Ok(None) => return Ok(()),
            Err(error) => {
                if !made.is_empty() {
                    report.leave_untold(made.len(), error.to_string());
                }
                return Ok(());
            }
        };
        made.sort_by_key(|planned| planned.due.facts.workspace_id);
        let (mut queued, mut audited) = (Vec::new(), Vec::new());
        for planned in made {
            let (messages, not_made) = telling.messages(planned, now);
            queued.extend(messages);
            audited.extend(telling.audited(planned, now));
            for not_made in not_made {
                let notice = not_made.notice.name();
                report.leave_untold(1, format!("{notice}: {}", not_made.why));
            }
        }
        let queued: Vec<&Queued> = queued.iter().collect();
        let audited: Vec<&Audited> = audited.iter().collect();
        let mut stalls = STALLS;
        self.narrowed(report, &queued, &mut stalls, &|messages| {
            messages::queue(&self.product, messages, now)
        })?;
        let told = report.told;
        self.narrowed(report, &audited, &mut stalls, &|marks| {
            messages::audit(&self.product, marks, now)
        })?;
        report.told = told;
        Ok(())
    }

    /// Writes a set, or the halves of it that can be written.
    fn narrowed<T>(
        &self,
        report: &mut TickReport,
        set: &[&T],
        stalls: &mut usize,
        write: &dyn Fn(&[&T]) -> Result<u64, Error>,
    ) -> Result<(), Error> {
        if set.is_empty() {
            return Ok(());
        }
        let error = match writing(&self.product, self.role, || write(set)) {
            Ok(rows) => {
                report.told = report
                    .told
                    .saturating_add(i64::try_from(rows).unwrap_or(i64::MAX));
                return Ok(());
            }
            Err(error) if cancel::was_asked() => return Err(error),
            Err(error) => error,
        };
        let sqlstate = error.sqlstate();
        if sqlstate.is_stall() {
            *stalls = if sqlstate.is_canceled() {
                0
            } else {
                stalls.saturating_sub(1)
            };
        }
        // A race for one row is lost to whoever queues the same message.
        let is_there = set.len() == 1 && sqlstate.is_serialization_failure();
        if is_there {
            return Ok(());
        }
        let lacking = self.lacks_rights_to_tell(&error);
        if set.len() == 1 || *stalls == 0 || lacking.is_some() {
            report.leave_untold(set.len(), lacking.unwrap_or(error).to_string());
            return Ok(());
        }
        let (left, right) = set.split_at(set.len() / 2);
        self.narrowed(report, left, stalls, write)?;
        self.narrowed(report, right, stalls, write)
    }
}
