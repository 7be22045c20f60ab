//! Writing one batch: all of it in three statements, or halved until the offender
//! stands alone.
//!
//! Runs inside the caller's transaction, each try in a subtransaction, as the product's
//! role in a restricted context. What can't be cured here (a serialization failure, a
//! full disk, a cancel, a lock that is not to be had) ends the batch and is returned.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;
use uuid::Uuid;

use crate::build::job_input::{JOB_POSTED_CHANNEL, job_posted_payload};
use crate::build::plan::Plan;
use crate::instant::Instant;
use crate::product::role::missing_rights;
use crate::product::schema::Product;
use crate::product::write::{self, NewBuild};
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::notify::notify;
use crate::server::query::{Access, run};
use crate::server::scope::with_settings;
use crate::server::subtransaction::attempt;

use super::narrow::is_stall;
use super::outcome::{Attempt, Outcome};
use super::plan::Planned;

/// Rows of a batch that may fail with the same SQLSTATE before the batch is given up:
/// by then it is not the rows.
pub const SAME_FAILURES: usize = 20;

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Written {
    /// An attempt for each workspace that was tried, in no particular order.
    pub attempts: Vec<Attempt>,
    /// Why the batch was given up before all were tried.
    pub given_up: Option<Error>,
}

/// Everything that writing needs beside the rows.
pub struct Writer<'a> {
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
    pub fn write(&self, planned: &[&Planned]) -> Result<Written, Error> {
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
        failures: &mut HashMap<String, usize>,
    ) -> Result<(), Error> {
        if items.is_empty() || written.given_up.is_some() {
            return Ok(());
        }
        let error = match writing(self.product, self.role, || self.write_once(items)) {
            Ok(()) => {
                written.attempts.extend(items.iter().map(built));
                return Ok(());
            }
            Err(error) => error,
        };
        if ends_batch(&error) || lacks_a_right(&error, self.product, self.role) {
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
                let ttl = template.time_til_dormant_autodelete;
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
                message: Some("someone else built the workspace first".to_owned()),
                ..Attempt::new(due, Outcome::Conflict)
            };
        }
        failed(item.planned, error)
    }

    /// Is it the violation that says that someone else has built first?
    fn is_conflict(&self, error: &Error) -> bool {
        error.is("23505")
            && self
                .product
                .build_number_keys
                .iter()
                .any(|key| error.message.contains(key.as_str()))
    }
}

/// Runs something that writes the product's tables, whole or not at all: as the role, and
/// with the product's own `search_path` for its triggers.
///
/// What a table's owner planted to run at commit runs in the statement, as the role: at
/// commit it would run as whoever commits. (That holds for the rest of the transaction.)
pub fn writing<R>(
    product: &Product,
    role: pg_sys::Oid,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    attempt(|| {
        acting_as(role, || {
            run(
                "SET CONSTRAINTS ALL IMMEDIATE",
                Access::Write,
                vec![],
                |_| Ok(()),
            )?;
            with_settings(&[("search_path", &product.search_path())], work)
        })
    })
}

/// Does an error end the batch, since no single row causes it?
pub fn ends_batch(error: &Error) -> bool {
    error.is("40001") || error.is("40P01") || is_stall(error)
}

/// Is the error for want of a grant, which no row can help? A permission can also be
/// denied to a single row: by row security, or by what a trigger does.
pub fn lacks_a_right(error: &Error, product: &Product, role: pg_sys::Oid) -> bool {
    error.is("42501") && matches!(missing_rights(product, role), Ok(Some(_)))
}

/// A workspace that met an unexpected error.
pub fn failed(planned: &Planned, error: &Error) -> Attempt {
    Attempt {
        sqlstate: Some(error.sqlstate()),
        message: Some(error.message.clone()),
        fingerprint: fingerprint(planned),
        ..Attempt::new(&planned.due, Outcome::Failed)
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

/// A number that changes with what would be written: while it stays, so does a failure.
pub fn fingerprint(planned: &Planned) -> i64 {
    let mut hasher = DefaultHasher::new();
    let due = &planned.due;
    due.facts.schedule.hash(&mut hasher);
    format!("{:?}{:?}", due.facts.template, due.facts.latest).hash(&mut hasher);
    match &planned.work {
        Ok(plan) => {
            let plan: &Option<Plan> = plan;
            format!("{plan:?}").hash(&mut hasher);
        }
        Err(block) => (block.code, &block.message).hash(&mut hasher),
    }
    hasher.finish().cast_signed()
}
