//! The texts that a new job carries, and the word to the daemons that wait for it.
//!
//! The product's own daemons read them, so each is exactly what the product writes.

use serde_json::Value;
use uuid::Uuid;

use crate::lifecycle::signs::Signs;

/// The channel on which the product's servers hear of new jobs.
pub const JOB_POSTED_CHANNEL: &str = "provisioner_job_posted";

/// PostgreSQL refuses a notification whose payload has so many bytes or more.
const PAYLOAD_LIMIT: usize = 8000;

/// `provisioner_jobs.input` of the job that carries out a build.
pub fn job_input(workspace_build_id: Uuid) -> String {
    format!(r#"{{"workspace_build_id": "{workspace_build_id}", "dry_run": false}}"#)
}

/// `provisioner_jobs.trace_metadata`: never NULL; later versions expect the baggage
/// that says on whose behalf a job was made.
pub fn trace_metadata(signs: &Signs) -> &'static str {
    if signs.job_status {
        r#"{"baggage":"audit=baggage;ip=127.0.0.1"}"#
    } else {
        "{}"
    }
}

/// The notification that wakes the daemons which may take jobs for this provisioner with
/// these tags (JSON text, as in [`Plan::tags`](super::plan::Plan)). One for each distinct
/// payload is enough. `None` where PostgreSQL would refuse it as too long: daemons poll as well,
/// so a build must not fail for it.
pub fn job_posted_payload(organization_id: Uuid, provisioner: &str, tags: &str) -> Option<String> {
    let provisioner = Value::from(provisioner);
    let payload =
        format!(r#"{{"organization_id":"{organization_id}","type":{provisioner},"tags":{tags}}}"#);
    (payload.len() < PAYLOAD_LIMIT).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x12345678_9abc_4def_8123_456789abcdef);

    #[test]
    fn the_input_names_the_build_and_is_no_dry_run() {
        assert_eq!(
            job_input(ID),
            r#"{"workspace_build_id": "12345678-9abc-4def-8123-456789abcdef", "dry_run": false}"#
        );
    }

    #[test]
    fn the_trace_has_baggage_only_where_jobs_have_a_status() {
        let mut signs = Signs::default();
        assert_eq!(trace_metadata(&signs), "{}");
        signs.job_status = true;
        assert_eq!(
            trace_metadata(&signs),
            r#"{"baggage":"audit=baggage;ip=127.0.0.1"}"#
        );
    }

    #[test]
    fn a_posting_names_organization_type_and_tags() {
        assert_eq!(
            job_posted_payload(ID, "echo", r#"{"owner":"","scope":"organization"}"#).unwrap(),
            r#"{"organization_id":"12345678-9abc-4def-8123-456789abcdef","type":"echo","tags":{"owner":"","scope":"organization"}}"#
        );
    }

    #[test]
    fn a_posting_that_postgresql_would_refuse_is_left_out() {
        let tags = |n: usize| format!(r#"{{"k":"{}"}}"#, "x".repeat(n));
        let longest = (0..8000)
            .rev()
            .find_map(|n| job_posted_payload(ID, "terraform", &tags(n)))
            .unwrap();
        assert_eq!(longest.len(), 7999);
        assert_eq!(job_posted_payload(ID, "terraform", &tags(8000)), None);
    }
}
