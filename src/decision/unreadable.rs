//! The workspaces that only a schedule that can't be read keeps from being started.
//!
//! Workspaces share few texts: each is parsed once, and only the workspaces of those that
//! are refused are looked at, which are few or none.

use uuid::Uuid;

use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::unreadable::unreadable_schedule;
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::server::error::Error;

use super::judge::with_schedules;

/// A workspace and its schedule.
pub(crate) struct Unreadable {
    /// `workspaces.id`.
    pub workspace_id: Uuid,
    /// `workspaces.autostart_schedule`, as stored.
    pub schedule: String,
    /// Why it can't be read.
    pub error: Box<str>,
}

/// All of them, by schedule and id.
pub(crate) fn read(product: &Product, policy: &Policy) -> Result<Vec<Unreadable>, Error> {
    let mut found = Vec::new();
    if !policy.allows(ActingRule::Autostart) {
        return Ok(found);
    }
    let mut refused = Vec::new();
    facts::schedules(product, |text| {
        if with_schedules(|schedules| schedules.get(&text).is_err()) {
            refused.push(text);
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
            found.push(Unreadable {
                workspace_id: facts.workspace_id,
                schedule,
                error,
            });
        }
        Ok(())
    })?;
    found.sort_by(|a, b| (&a.schedule, a.workspace_id).cmp(&(&b.schedule, b.workspace_id)));
    Ok(found)
}
