//! Telling whoever listens on channel `workspace_autobuild` of each transition made.

use serde::Serialize;

use crate::server::error::Error;
use crate::server::query::{Access, Arg, run};

use super::outcome::{Attempt, Outcome};

/// The payload: one JSON object for each transition.
#[derive(Serialize)]
struct Payload<'a> {
    workspace_id: String,
    transition: &'a str,
    reason: &'a str,
    due_at: String,
    build_id: Option<String>,
    job_id: Option<String>,
    build_number: Option<i32>,
}

impl Payload<'_> {
    fn of(attempt: &Attempt) -> Payload<'_> {
        Payload {
            workspace_id: attempt.workspace_id.to_string(),
            transition: attempt.transition.name(),
            reason: attempt.reason,
            due_at: attempt.due_at.to_string(),
            build_id: attempt.build_id.map(|id| id.to_string()),
            job_id: attempt.job_id.map(|id| id.to_string()),
            build_number: attempt.build_number,
        }
    }
}

/// Notifies of the transitions that were made; delivered when they are committed.
pub fn transitions(attempts: &[Attempt]) -> Result<(), Error> {
    let payloads: Vec<Option<String>> = attempts
        .iter()
        .filter(|attempt| attempt.outcome == Outcome::Built)
        .filter_map(|attempt| serde_json::to_string(&Payload::of(attempt)).ok())
        .map(Some)
        .collect();
    if payloads.is_empty() {
        return Ok(());
    }
    run(
        "SELECT pg_catalog.pg_notify('workspace_autobuild', p) FROM pg_catalog.unnest($1) AS p",
        Access::Write,
        vec![Arg::Texts(payloads)],
        |_| Ok(()),
    )?;
    Ok(())
}
