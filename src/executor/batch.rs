//! Writing one batch: all of it in three statements, or halved until the offender
//! stands alone.
//!
//! Runs inside the caller's transaction, each try in a subtransaction, as the product's
//! role in a restricted context. What can't be cured here (a serialization failure, a
//! full disk, a cancel, a lock that is held) ends the batch and is returned.

use std::collections::HashMap;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::planned::Planned;
use crate::instant::Instant;
use crate::new_build::job_input::{JOB_POSTED_CHANNEL, job_posted_payload};
use crate::product::role::lacks_a_right;
use crate::product::schema::Product;
use crate::product::write::{self, NewBuild};
use crate::server::error::Error;
use crate::server::notify::notify;
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
}

/// Everything that writing needs beside the rows.
pub(super) struct Writer<'a> {
    /// The product's tables.
    pub product: &'a Product,
    /// The role that writes them.
    pub role: pg_sys::Oid,
    /// The clock's time that all rows of the batch get.
    pub now: Instant,
    /// The template's TTL counts for `deleting_at` (the product's licence).
    pub licensed: bool,
    /// Tell waiting provisioner daemons.
    pub notify_jobs: bool,
}

/// One piece of work: a workspace with its new ids.
struct Item<'a> {
    planned: &'a Planned,
    build: Option<NewBuild>,
}

impl Writer<'_> {
    /// Writes what is planned. Workspaces that are blocked are not in `planned`.
    ///
    /// Errors: 40001 and 40P01 (to be tried again in a new transaction), and whatever
    /// ends a batch at once (classes 53 and 57, 55P03; 42501 where a grant is missing).
    pub(super) fn write(&self, planned: &[&Planned]) -> Result<Written, Error> {
        let mut items: Vec<Item<'_>> = planned.iter().map(|planned| self.item(planned)).collect();
        // Rows are locked and inserted by workspace id, so that two writers can't wait
        // for each other.
        items.sort_by_key(|item| item.planned.due.facts.workspace_id);
        let mut written = Written::default();
        let mut failures = HashMap::new();
        self.write_items(&items, &mut written, &mut failures)?;
        Ok(written)
    }

    fn item<'a>(&self, planned: &'a Planned) -> Item<'a> {
        let due = &planned.due;
        let facts = &due.facts;
        let build = match (&planned.work, &facts.latest, &facts.template) {
            (Ok(Some(plan)), Some(latest), Some(template)) => Some(NewBuild {
                workspace_id: facts.workspace_id,
                owner_id: facts.owner_id,
                organization_id: template.organization_id,
                build_id: Uuid::new_v4(),
                job_id: Uuid::new_v4(),
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
        Item { planned, build }
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
            Ok(()) => {
                written.attempts.extend(items.iter().map(built));
                return Ok(());
            }
            Err(error) => error,
        };
        if error.sqlstate().ends_batch() || lacks_a_right(&error, self.product, self.role) {
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

    /// Writes all of the items, or raises.
    fn write_once(&self, items: &[Item<'_>]) -> Result<(), Error> {
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
        if self.notify_jobs {
            // A daemon that isn't told finds the job when it polls.
            notify(JOB_POSTED_CHANNEL, payloads(items))?;
        }
        Ok(())
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
        let delete_after: Vec<Option<i64>> = marked
            .iter()
            .map(|item| {
                let template = item.planned.due.facts.template.as_ref()?;
                let ttl = template.time_til_dormant_autodelete.0;
                // Nanoseconds, which the product cuts to milliseconds.
                (self.licensed && self.product.signs.deletion && ttl > 0)
                    .then_some(ttl / 1_000_000 * 1_000)
            })
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
    Attempt {
        build_id: item.build.as_ref().map(|build| build.build_id),
        job_id: item.build.as_ref().map(|build| build.job_id),
        build_number: item.build.as_ref().map(|build| build.build_number),
        ..Attempt::new(&item.planned.due, Outcome::Built)
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
