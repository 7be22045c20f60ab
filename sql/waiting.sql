CREATE VIEW @extschema@.autobuild_waiting AS
SELECT
    w.workspace_id, w.build_id, w.job_id, w.build_number, w.transition, w.reason, w.state,
    w.since, w.heartbeat_at, w.worker_id
FROM @extschema@.autobuild_list_waiting() AS w;
COMMENT ON VIEW @extschema@.autobuild_waiting IS
    'Builds that are not complete, made by the executor or by a user: in the queue for a provisioner, or running; the longest wait first.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.build_id IS 'workspace_builds.id.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.job_id IS 'provisioner_jobs.id.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.build_number IS 'The build''s number.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.transition IS 'start, stop or delete.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.reason IS 'The product''s build_reason, which shows whether the executor or a user made the build.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.state IS 'pending (no provisioner has taken it), running, or canceling.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.since IS 'Start of this state.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.heartbeat_at IS 'Last update of the job (provisioner_jobs.updated_at): a running daemon updates it regularly.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.worker_id IS 'The daemon that has taken the job.';
REVOKE ALL ON @extschema@.autobuild_waiting FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_waiting TO pg_monitor;
COMMENT ON FUNCTION @extschema@.autobuild_list_waiting() IS
    'The rows of the view autobuild_waiting.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_list_waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_list_waiting() TO pg_monitor;
