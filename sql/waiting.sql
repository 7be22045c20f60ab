CREATE VIEW @extschema@.autobuild_waiting AS
SELECT
    w.workspace_id, w.build_id, w.job_id, w.build_number, w.transition, w.reason, w.state,
    w.since, w.heartbeat_at, w.worker_id
FROM @extschema@.autobuild_list_waiting() AS w;
COMMENT ON VIEW @extschema@.autobuild_waiting IS
    'Builds that are not done, whoever made them: in the queue for a provisioner, or running; those that wait longest first.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.build_id IS 'workspace_builds.id.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.job_id IS 'provisioner_jobs.id.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.build_number IS 'The build''s number.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.transition IS 'start, stop or delete.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.reason IS 'The product''s build_reason: whether the executor or somebody made it.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.state IS 'pending (no provisioner has taken it), running, or canceling.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.since IS 'Since when it is in this state.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.heartbeat_at IS 'When its job was last written (provisioner_jobs.updated_at): a daemon at work does so again and again.';
COMMENT ON COLUMN @extschema@.autobuild_waiting.worker_id IS 'The daemon that has taken it.';
REVOKE ALL ON @extschema@.autobuild_waiting FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_waiting TO pg_monitor;
COMMENT ON FUNCTION @extschema@.autobuild_list_waiting() IS
    'The rows of the view autobuild_waiting.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_list_waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_list_waiting() TO pg_monitor;
