//! What schedules are told of: the workspaces that only a schedule that can't be read keeps
//! from being started, and the zones of the others.
//!
//! Workspaces share few texts: each is parsed once, and only the workspaces of those that
//! are refused are looked at, which are few or none.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::unreadable::unreadable_schedule;
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::server::error::Error;

use super::schedules::with_schedules;

/// The schedules of all workspaces, as far as they are told of.
#[derive(Default)]
pub(crate) struct Schedules {
    /// By schedule and id.
    pub unreadable: Vec<Unreadable>,
    /// The zones that the others name.
    pub zones: BTreeSet<String>,
}

/// A workspace and its schedule.
pub(crate) struct Unreadable {
    /// `workspaces.id`.
    pub workspace_id: Uuid,
    /// `workspaces.autostart_schedule`, as stored.
    pub schedule: String,
    /// Why it can't be read.
    pub error: Box<str>,
}

/// Reads them, where they start anything.
pub(crate) fn read(product: &Product, policy: &Policy) -> Result<Schedules, Error> {
    let mut found = Schedules::default();
    if !policy.allows(ActingRule::Autostart) {
        return Ok(found);
    }
    let mut refused = Vec::new();
    facts::schedules(product, |text| {
        let schedule = with_schedules(|schedules| schedules.get(&text));
        match schedule {
            Ok(schedule) => {
                found.zones.insert(schedule.timezone().to_owned());
            }
            Err(_) => refused.push(text),
        }
    })?;
    if refused.is_empty() {
        return Ok(found);
    }
    facts::read(product, Selection::Scheduled(refused), |facts| {
        let error = with_schedules(|schedules| {
            unreadable_schedule(&facts, &product.signs, policy, schedules)
        });
        if let Some((error, schedule)) = error.zip(facts.schedule) {
            found.unreadable.push(Unreadable {
                workspace_id: facts.workspace_id,
                schedule,
                error,
            });
        }
        Ok(())
    })?;
    let by = |one: &Unreadable| (one.schedule.clone(), one.workspace_id);
    found.unreadable.sort_by_cached_key(by);
    Ok(found)
}
