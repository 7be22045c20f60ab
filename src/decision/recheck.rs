//! A second look, before a batch commits, at what its decisions rest on.
//!
//! Between a batch's snapshot and its commit a user may wake a workspace, extend a deadline,
//! clear a schedule; an administrator may suspend an owner, forbid autostart, make a hold. A snapshot
//! never sees that, so the facts are read again as they are committed now, without the
//! batch's own builds, and judged again: what comes to another decision must not be kept.
//! Where no transaction has ended since, there is nothing to look at. No row is locked for
//! it, so nobody waits for us; what is changed after this look is as if it had been changed
//! after the commit.

use std::collections::HashMap;

use uuid::Uuid;

use crate::instant::{Instant, Nanos};
use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::transition::{BuildReason, Transition};
use crate::new_build::request::Request;
use crate::new_build::version::chosen_version;
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::transaction::{
    others_ended_since_snapshot, with_latest_snapshot, with_own_writes,
};

use super::due::Due;
use super::holds;
use super::judge::judge;

/// What was written for a workspace.
pub(crate) struct Made<'a> {
    /// The decision.
    pub due: &'a Due,
    /// The new build, if there is one.
    pub build_id: Option<Uuid>,
}

/// What is written follows from this, beside what never changes.
#[derive(PartialEq, Eq)]
struct Basis {
    transition: Transition,
    reason: BuildReason,
    mark_dormant: bool,
    latest_build: Option<Uuid>,
    version: Option<Uuid>,
    owner: Uuid,
    organization: Option<Uuid>,
    /// A mark says when the workspace is to be deleted.
    delete_after: Option<Nanos>,
    /// A reminder names the deadline.
    deadline: Option<Instant>,
}

impl Basis {
    fn of(product: &Product, policy: &Policy, facts: &Facts, next: &Next) -> Basis {
        let request = Request {
            facts,
            next,
            signs: &product.signs,
            policy,
        };
        let template = facts.template.as_ref();
        Basis {
            transition: next.transition,
            reason: next.reason,
            mark_dormant: next.mark_dormant,
            latest_build: facts.latest.as_ref().map(|latest| latest.id),
            version: chosen_version(&request),
            owner: facts.owner_id,
            organization: template.map(|template| template.organization_id),
            delete_after: template
                .filter(|_| next.mark_dormant)
                .map(|template| template.time_til_dormant_autodelete),
            deadline: facts
                .latest
                .as_ref()
                .filter(|_| next.transition == Transition::Remind)
                .and_then(|latest| latest.deadline),
        }
    }
}

/// The columns of a workspace's row that decisions rest on.
fn row(facts: &Facts) -> impl PartialEq {
    (
        facts.deleted,
        facts.schedule.clone(),
        (facts.dormant_at, facts.deleting_at, facts.last_used_at),
        (facts.next_start_at, facts.always_update),
    )
}

/// Facts of now, with the workspace's own row as it was.
fn with_row_of(now: Facts, before: &Facts) -> Facts {
    Facts {
        deleted: before.deleted,
        schedule: before.schedule.clone(),
        dormant_at: before.dormant_at,
        deleting_at: before.deleting_at,
        last_used_at: before.last_used_at,
        next_start_at: before.next_start_at,
        always_update: before.always_update,
        ..now
    }
}

/// The workspaces of which the decision would be another one by now; read as whoever acts.
/// What was made is part of this transaction and not yet committed.
pub(crate) fn overtaken(
    product: &Product,
    policy: &Policy,
    tick: Instant,
    made: &[Made<'_>],
) -> Result<Vec<Uuid>, Error> {
    if made.is_empty() || !others_ended_since_snapshot() {
        return Ok(Vec::new());
    }
    let mut decided: HashMap<Uuid, &Made<'_>> = made
        .iter()
        .map(|made| (made.due.facts.workspace_id, made))
        .collect();
    let holds_before = holds::read(tick)?;
    let holds = with_latest_snapshot(|| holds::read(tick))?;
    let held_as_before = holds == holds_before;
    let stands = |due: &Due, facts: &Facts| {
        let before = Basis::of(product, policy, &due.facts, &due.next);
        let due = judge(product, policy, &holds, facts, tick).due();
        due.is_some_and(|now| Basis::of(product, policy, facts, &now) == before)
    };
    // Those that don't stand, as they are now.
    let mut others: HashMap<Uuid, Facts> = HashMap::new();
    with_latest_snapshot(|| {
        facts::read(product, without(&decided), |mut facts| {
            let id = facts.workspace_id;
            let Some(due) = decided.get(&id).map(|made| made.due) else {
                return Ok(());
            };
            if due.next.mark_dormant || due.fill_next_start_at.is_some() {
                // This transaction wrote these columns, and so nobody else has.
                facts.dormant_at = due.facts.dormant_at;
                facts.deleting_at = due.facts.deleting_at;
                facts.next_start_at = due.facts.next_start_at;
            }
            if due.next.transition == Transition::Remind
                && let (Some(now), Some(before)) = (&mut facts.latest, &due.facts.latest)
            {
                // And this one of the build's.
                now.notified_deadline = before.notified_deadline;
            }
            if held_as_before && facts == due.facts || stands(due, &facts) {
                decided.remove(&id);
            } else {
                others.insert(id, facts);
            }
            Ok(())
        })
    })?;
    if !others.is_empty() {
        // A trigger on the product's tables may write the workspace's row because of the
        // build. Then this transaction wrote it, and again nobody else has: without this
        // such a workspace would be overtaken by itself at each tick.
        with_own_writes(|| {
            facts::read(product, without(&decided), |ours| {
                let id = ours.workspace_id;
                if let Some(due) = decided.get(&id).map(|made| made.due)
                    && row(&ours) != row(&due.facts)
                    && let Some(now) = others.remove(&id)
                    && stands(due, &with_row_of(now, &due.facts))
                {
                    decided.remove(&id);
                }
                Ok(())
            })
        })?;
    }
    let mut overtaken: Vec<Uuid> = decided.into_keys().collect();
    overtaken.sort_unstable();
    Ok(overtaken)
}

/// These workspaces without what was built for them.
fn without(made: &HashMap<Uuid, &Made<'_>>) -> Selection {
    Selection::Without(made.iter().map(|(id, made)| (*id, made.build_id)).collect())
}
