CREATE VIEW @extschema@.autobuild_unreadable AS
SELECT u.workspace_id, u.schedule, u.error
FROM @extschema@.autobuild_list_unreadable() AS u;
COMMENT ON VIEW @extschema@.autobuild_unreadable IS
    'Workspaces that their schedule would start if it could be read. Whether a workspace is running at the moment does not matter.';
COMMENT ON COLUMN @extschema@.autobuild_unreadable.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_unreadable.schedule IS 'Its autostart_schedule.';
COMMENT ON COLUMN @extschema@.autobuild_unreadable.error IS 'Why it can''t be read.';
GRANT SELECT ON @extschema@.autobuild_unreadable TO PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_list_unreadable() IS
    'The rows of the view autobuild_unreadable.';
