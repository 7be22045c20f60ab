//! Telling whoever listens on channel `workspace_autobuild` of each transition made, and of
//! brakes that were put on.
//!
//! The payload has what it takes to make up for what SQL can't do: to write to the
//! owner, to keep an audit trail, to see that a start changed the template version.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::brakes::Brake;
use crate::decision::planned::Planned;
use crate::server::error::Error;
use crate::server::notify::notify;

/// Tasks that one payload names: PostgreSQL refuses payloads of 8000 bytes.
const TASKS: usize = 100;

/// The payload: one JSON object for each transition.
#[derive(Serialize)]
struct Payload<'a> {
    workspace_id: Uuid,
    owner_id: Uuid,
    organization_id: Uuid,
    template_id: Option<Uuid>,
    transition: &'a str,
    reason: &'a str,
    due_at: String,
    /// The workspace was marked dormant, with the build or alone.
    dormant: bool,
    build_id: Option<Uuid>,
    job_id: Option<Uuid>,
    build_number: Option<i32>,
    /// The version that the latest build had before.
    previous_template_version_id: Option<Uuid>,
    /// The version that was built.
    template_version_id: Option<Uuid>,
    /// The tasks that name the workspace, deleted ones left out.
    task_ids: &'a [Uuid],
}

impl<'a> Payload<'a> {
    fn of(attempt: &'a Attempt, planned: &Planned, tasks: &'a [Uuid]) -> Payload<'a> {
        let facts = &planned.due.facts;
        let plan = planned.work.as_ref().ok().and_then(Option::as_ref);
        Payload {
            workspace_id: attempt.workspace_id,
            owner_id: facts.owner_id,
            organization_id: facts.organization_id,
            template_id: facts.template.as_ref().map(|template| template.id),
            transition: attempt.transition.name(),
            reason: attempt.reason.name(),
            due_at: attempt.due_at.to_string(),
            dormant: planned.due.next.mark_dormant,
            build_id: attempt.build_id,
            job_id: attempt.job_id,
            build_number: attempt.build_number,
            previous_template_version_id: facts.latest.as_ref().map(|l| l.template_version_id),
            template_version_id: plan.map(|plan| plan.template_version_id),
            task_ids: tasks.get(..TASKS).unwrap_or(tasks),
        }
    }
}

/// The payload of a brake that was put on.
#[derive(Serialize)]
struct BrakePayload<'a> {
    /// The kind of transition that waits from now on.
    brake: &'a str,
    since: String,
    allowed: i64,
    workspaces: i64,
    message: String,
}

/// Notifies of brakes that were put on; delivered when they are committed.
pub(super) fn brakes(put_on: &[Brake]) -> Result<(), Error> {
    let payloads = put_on.iter().filter_map(|brake| {
        let payload = BrakePayload {
            brake: brake.transition.name(),
            since: brake.since.to_string(),
            allowed: brake.allowed,
            workspaces: brake.workspaces,
            message: brake.sentence(),
        };
        serde_json::to_string(&payload).ok()
    });
    // A listener that isn't told finds it in autobuild_status.problem.
    notify("workspace_autobuild", payloads.collect()).map(drop)
}

/// Notifies of the transitions that were made; delivered when they are committed.
/// `planned` has what is known of their workspaces, `tasks` the tasks of each.
pub(super) fn transitions(
    attempts: &[Attempt],
    planned: &[Planned],
    tasks: &HashMap<Uuid, Vec<Uuid>>,
) -> Result<(), Error> {
    let planned: HashMap<Uuid, &Planned> = planned
        .iter()
        .map(|planned| (planned.due.facts.workspace_id, planned))
        .collect();
    let payloads: Vec<String> = attempts
        .iter()
        .filter(|attempt| attempt.outcome == Outcome::Built)
        .filter_map(|attempt| {
            let planned = planned.get(&attempt.workspace_id)?;
            let tasks = tasks
                .get(&attempt.workspace_id)
                .map_or(&[][..], Vec::as_slice);
            serde_json::to_string(&Payload::of(attempt, planned, tasks)).ok()
        })
        .collect();
    // A listener that isn't told finds it in autobuild_transitions.
    notify("workspace_autobuild", payloads).map(drop)
}
