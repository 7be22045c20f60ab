//! The floor: the same rows, bare. One INSERT ... SELECT for the jobs, one for the
//! builds with their state, one for the parameters, of workspaces that are already
//! known to be due, and nothing decided.

use std::time::Duration;

use postgres::Client;

use crate::measure::timed;

/// Writes the builds of a slot's workspaces in one transaction.
pub(crate) fn write(client: &mut Client, slot: usize) -> Duration {
    prepare(client, slot);
    let sql = "BEGIN;
        INSERT INTO provisioner_jobs
               (id, created_at, updated_at, initiator_id, organization_id, provisioner,
                storage_method, file_id, type, input, tags, trace_metadata)
        SELECT job_id, now(), now(), owner_id, organization_id, 'terraform', 'file', file_id,
               'workspace_build', input, '{\"scope\": \"organization\", \"owner\": \"\"}', '{}'
          FROM floor_due;
        INSERT INTO workspace_builds
               (id, created_at, updated_at, workspace_id, template_version_id, build_number,
                provisioner_state, initiator_id, transition, job_id, reason)
        SELECT d.build_id, now(), now(), d.workspace_id, d.version_id, l.build_number + 1,
               l.provisioner_state, d.owner_id, d.transition, d.job_id, d.reason
          FROM floor_due d JOIN workspace_builds l ON l.id = d.latest_build_id;
        INSERT INTO workspace_build_parameters (workspace_build_id, name, value)
        SELECT d.build_id, p.name, p.value
          FROM floor_due d
          JOIN workspace_build_parameters p ON p.workspace_build_id = d.latest_build_id;
        COMMIT";
    let (took, result) = timed(|| client.batch_execute(sql));
    result.unwrap_or_else(|e| panic!("the floor: {e:?}"));
    took
}

/// What is due, with the new ids: worked out beforehand.
fn prepare(client: &mut Client, slot: usize) {
    client
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS floor_due;
             CREATE TEMP TABLE floor_due AS
             SELECT d.*, gen_random_uuid() AS job_id, v.job_id AS import_id, i.file_id,
                    i.organization_id,
                    (CASE kind WHEN 'running' THEN 'stop' ELSE 'start' END)::workspace_transition
                        AS transition,
                    (CASE kind WHEN 'running' THEN 'autostop' ELSE 'autostart' END)::build_reason
                        AS reason,
                    jsonb_build_object('workspace_build_id', d.build_id, 'dry_run', false) AS input
               FROM (SELECT *, gen_random_uuid() AS build_id FROM bench.plan
                      WHERE slot = {slot}) d
               JOIN template_versions v ON v.id = d.version_id
               JOIN provisioner_jobs i ON i.id = v.job_id
              ORDER BY d.workspace_id;
             ANALYZE floor_due"
        ))
        .unwrap_or_else(|e| panic!("what is due in slot {slot}: {e:?}"));
}
