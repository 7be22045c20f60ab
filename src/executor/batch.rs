//! Writing one batch: all of it in three statements, or halved until the offender
//! stands alone.
//!
//! Runs inside the caller's transaction, each try in a subtransaction, as the product's
//! role in a restricted context. What can't be cured here (a serialization failure, a
//! full disk, a cancel, a lock that is held) ends the batch and is returned.

use std::collections::HashMap;

use pgrx::{PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::planned::Planned;
use crate::decision::telling::Telling;
use crate::instant::Instant;
use crate::lifecycle::transition::Transition;
use crate::new_build::job_input::{JOB_POSTED_CHANNEL, job_posted_payload};
use crate::product::messages::{self, Queued};
use crate::product::role::lacks_a_right;
use crate::product::schema::Product;
use crate::product::write::{self, NewBuild, Reminded};
use crate::server::error::Error;
use crate::server::notify::notify;
use crate::settings::Settings;
use crate::sqlstate::SqlState;

/// Rows of a batch that may fail with the same SQLSTATE before the batch is given up:
/// by then it is not the rows.
pub(super) const SAME_FAILURES: usize = 20;

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// An attempt for each workspace that was tried, in no particular order.
    pub attempts: Vec<Attempt>,
    /// Why the batch was given up before all were tried.
    pub given_up: Option<Error>,
    /// Rows of messages that were queued with reminders.
    pub told: u64,
}

/// Everything that writing needs beside the rows.
pub(super) struct Writer<'a> {
    /// The product's tables.
    pub product: &'a Product,
    /// The role that writes them.
    pub role: pg_sys::Oid,
    /// The clock's time that all rows of the batch get.
    pub now: Instant,
    /// The settings of the tick.
    pub settings: &'a Settings,
    /// What messages are made from, if any is; or why it can't be read.
    pub telling: Result<Option<Telling<'a>>, Error>,
}

/// One piece of work: a workspace with its new ids.
struct Item<'a> {
    planned: &'a Planned,
    build: Option<NewBuild>,
    /// The messages of a reminder, which is made together with them or not at all.
    messages: Vec<Queued>,
}

impl Item<'_> {
    fn is_reminder(&self) -> bool {
        self.planned.due.next.transition == Transition::Remind
    }
}

impl Writer<'_> {
    /// Writes what is planned. Workspaces that are blocked are not in `planned`.
    ///
    /// Errors: 40001 and 40P01 (to be tried again in a new transaction), and whatever
    /// ends a batch at once (classes 53 and 57, 55P03; 42501 where a grant is missing).
    pub(super) fn write(&self, planned: &[&Planned]) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut items = Vec::new();
        for planned in planned {
            match self.reminder(planned) {
                Ok(messages) => items.push(self.item(planned, messages)),
                Err(error) => {
                    let failed = Attempt::failed(planned, error.sqlstate(), error.message);
                    written.attempts.push(failed);
                }
            }
        }
        // Rows are locked and inserted by workspace id, so that two writers can't wait
        // for each other.
        items.sort_by_key(|item| item.planned.due.facts.workspace_id);
        let (reminders, items): (Vec<Item<'_>>, Vec<Item<'_>>) =
            items.into_iter().partition(Item::is_reminder);
        self.write_items(&items, &mut written, &mut HashMap::new())?;
        // What keeps reminders from being made keeps nothing from being built.
        let given_up = written.given_up.take();
        self.write_items(&reminders, &mut written, &mut HashMap::new())?;
        written.given_up = given_up.or(written.given_up);
        Ok(written)
    }

    /// The messages of a reminder; of anything else there are none yet.
    ///
    /// Errors: 55000 it can't be made as the product makes it, and whatever kept it from being
    /// read.
    fn reminder(&self, planned: &Planned) -> Result<Vec<Queued>, Error> {
        if planned.due.next.transition != Transition::Remind {
            return Ok(Vec::new());
        }
        let telling = self.telling.as_ref().map_err(Clone::clone)?;
        let (messages, not_made) = telling
            .as_ref()
            .map(|telling| telling.messages(planned, self.now))
            .unwrap_or_default();
        match not_made.first() {
            None if telling.is_some() => Ok(messages),
            not_made => Err(Error::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                match not_made {
                    Some(not_made) => format!("the owner can't be reminded: {}", not_made.why),
                    None => "the owner can't be reminded: the product's tables keep no messages"
                        .to_owned(),
                },
            )),
        }
    }

    fn item<'a>(&self, planned: &'a Planned, messages: Vec<Queued>) -> Item<'a> {
        let due = &planned.due;
        let facts = &due.facts;
        let build = match (&planned.work, &facts.latest, &facts.template) {
            (Ok(Some(plan)), Some(latest), Some(template)) => Some(NewBuild {
                workspace_id: facts.workspace_id,
                owner_id: facts.owner_id,
                organization_id: template.organization_id,
                build_id: Uuid::now_v7(),
                job_id: Uuid::now_v7(),
                latest_build_id: latest.id,
                template_version_id: plan.template_version_id,
                build_number: latest.build_number.saturating_add(1),
                transition: due.next.transition,
                reason: due.next.reason,
                tags: plan.tags.clone(),
                preset_id: plan.preset_id,
                parameters: plan.parameters.clone(),
                same_parameters: planned.same_parameters,
            }),
            _ => None,
        };
        Item {
            planned,
            build,
            messages,
        }
    }

    fn write_items(
        &self,
        items: &[Item<'_>],
        written: &mut Written,
        failures: &mut HashMap<SqlState, usize>,
    ) -> Result<(), Error> {
        if items.is_empty() || written.given_up.is_some() {
            return Ok(());
        }
        let error = match write::writing(self.product, self.role, || self.write_once(items)) {
            Ok(told) => {
                written.attempts.extend(items.iter().map(built));
                written.told += told;
                return Ok(());
            }
            Err(error) => error,
        };
        if error.sqlstate().ends_batch()
            || lacks_a_right(&error, self.product, self.settings, self.role)
        {
            return Err(error);
        }
        if let [item] = items {
            written.attempts.push(self.failed(item, &error));
            if !self.is_conflict(&error) {
                let count = failures.entry(error.sqlstate()).or_default();
                *count += 1;
                if *count > SAME_FAILURES {
                    written.given_up = Some(error);
                }
            }
            return Ok(());
        }
        let (left, right) = items.split_at(items.len() / 2);
        self.write_items(left, written, failures)?;
        self.write_items(right, written, failures)
    }

    /// Writes all of the items, or raises. Returns the rows of messages.
    fn write_once(&self, items: &[Item<'_>]) -> Result<u64, Error> {
        let builds: Vec<NewBuild> = items.iter().filter_map(|item| item.build.clone()).collect();
        write::lock_to_be_deleted(self.product, &builds)?;
        write::builds(self.product, &builds, self.now)?;
        self.write_marks(items)?;
        let fills: Vec<_> = items
            .iter()
            .filter_map(|item| {
                let due = &item.planned.due;
                Some((
                    due.facts.workspace_id,
                    due.facts.schedule.clone()?,
                    due.fill_next_start_at?,
                ))
            })
            .collect();
        write::next_start_at(self.product, &fills)?;
        let told = self.write_reminders(items)?;
        if self.settings.notify_jobs {
            // A daemon that isn't told finds the job when it polls.
            notify(JOB_POSTED_CHANNEL, payloads(items))?;
        }
        Ok(told)
    }

    fn write_reminders(&self, items: &[Item<'_>]) -> Result<u64, Error> {
        let reminded: Vec<Reminded> = items
            .iter()
            .filter(|item| item.is_reminder())
            .filter_map(|item| {
                let latest = item.planned.due.facts.latest.as_ref()?;
                Some((latest.id, latest.deadline?))
            })
            .collect();
        write::reminder_marks(self.product, &reminded, self.now)?;
        let messages: Vec<&Queued> = items.iter().flat_map(|item| &item.messages).collect();
        messages::queue(self.product, &messages, self.now)
    }

    fn write_marks(&self, items: &[Item<'_>]) -> Result<(), Error> {
        let marked: Vec<&Item<'_>> = items
            .iter()
            .filter(|item| item.planned.due.next.mark_dormant)
            .collect();
        let workspaces: Vec<Uuid> = marked
            .iter()
            .map(|item| item.planned.due.facts.workspace_id)
            .collect();
        let (signs, policy) = (&self.product.signs, &self.settings.policy);
        let delete_after: Vec<Option<i64>> = marked
            .iter()
            .map(|item| item.planned.due.deleted_after(signs, policy))
            .map(|after| after.map(|micros| micros.0))
            .collect();
        write::dormancy_marks(self.product, &workspaces, self.now, &delete_after)
    }

    /// What came of a workspace that failed alone.
    fn failed(&self, item: &Item<'_>, error: &Error) -> Attempt {
        let due = &item.planned.due;
        if self.is_conflict(error) {
            return Attempt {
                message: Some("another session built the workspace first".to_owned()),
                ..Attempt::new(due, Outcome::Conflict)
            };
        }
        Attempt::failed(item.planned, error.sqlstate(), error.message.clone())
    }

    /// Is it the violation that says that someone else has built first?
    fn is_conflict(&self, error: &Error) -> bool {
        error.sqlstate().is_unique_violation()
            && self
                .product
                .build_number_keys
                .iter()
                .any(|key| error.message.contains(key.as_str()))
    }
}

fn built(item: &Item<'_>) -> Attempt {
    let due = &item.planned.due;
    let Some(build) = &item.build else {
        return Attempt::numbered(due, Outcome::Built);
    };
    Attempt {
        build_id: Some(build.build_id),
        job_id: Some(build.job_id),
        build_number: Some(build.build_number),
        ..Attempt::new(due, Outcome::Built)
    }
}

/// The distinct postings for the jobs of these items.
fn payloads(items: &[Item<'_>]) -> Vec<String> {
    let mut payloads: Vec<String> = items
        .iter()
        .filter_map(|item| {
            let build = item.build.as_ref()?;
            let template = item.planned.due.facts.template.as_ref()?;
            let plan = item.planned.work.as_ref().ok()?.as_ref()?;
            job_posted_payload(template.organization_id, &plan.provisioner, &build.tags)
        })
        .collect();
    payloads.sort_unstable();
    payloads.dedup();
    payloads
}
