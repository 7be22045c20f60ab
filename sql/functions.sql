-- Who may call what, and what each function is for (shown by \df+).

CREATE VIEW @extschema@.autobuild_rules AS
    SELECT rule, in_force, because, setting, description FROM @extschema@.autobuild_list_rules();
COMMENT ON VIEW @extschema@.autobuild_rules IS
    'Every rule, in order: whether it is in force with the product''s schema here, why, and the setting that governs it.';
COMMENT ON COLUMN @extschema@.autobuild_rules.rule IS 'The rule or condition; acting rules come first, in the order in which the first that applies wins.';
COMMENT ON COLUMN @extschema@.autobuild_rules.in_force IS 'Whether the rule is in force here.';
COMMENT ON COLUMN @extschema@.autobuild_rules.because IS 'What in the product''s schema, or which setting, decides this.';
COMMENT ON COLUMN @extschema@.autobuild_rules.setting IS 'The setting that governs the rule, with its value.';
COMMENT ON COLUMN @extschema@.autobuild_rules.description IS 'What the rule does.';
GRANT SELECT ON @extschema@.autobuild_rules TO PUBLIC;

REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_tick(timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_run(timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_grant(text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_attach() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_detach() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.autobuild_list_rules() IS
    'The rows of the view autobuild_rules.';
COMMENT ON FUNCTION @extschema@.autobuild_next_transition(uuid, timestamptz) IS
    'The next transition of this workspace and its time; or the code and message why there is none, or why a transition that is due can''t be built. Unknown id: P0002.';
COMMENT ON FUNCTION @extschema@.autobuild_explain(uuid, timestamptz) IS
    'The conditions and rules for this workspace in order, with what was observed, up to the one that decides.';
COMMENT ON FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz, integer, uuid, uuid, uuid) IS
    'The next transitions of all workspaces within the horizon (a month counts as 30 days), and the reminders of deadlines, overdue ones first, then soonest: at most max_rows; of one workspace, a template or an owner where these are given. A horizon or time that is NULL: no row.';
COMMENT ON FUNCTION @extschema@.autobuild_report(timestamptz) IS
    'One HTML page: what is wrong, the transitions of the next 24 hours, who is blocked, holds, agreement with the product''s executor, what ticks cost. Each section is read as the caller; what the caller may not read is left out, and the page says so. For psql -Atc ... > page.html.';
COMMENT ON FUNCTION @extschema@.autobuild_preview(timestamptz) IS
    'The rows and outcomes that autobuild_tick would return, in the same order; nothing is written, no workspace is locked.';
COMMENT ON FUNCTION @extschema@.autobuild_tick(timestamptz) IS
    'One tick in the caller''s transaction, which must be REPEATABLE READ or stricter (25000); a row for each transition, in the order of execution. Acts as workspace_autobuild.role, ignores back-off and workspace_autobuild.action. 55P03 while another executor of this database is running.';
COMMENT ON FUNCTION @extschema@.autobuild_run(timestamptz) IS
    'One tick for a timer, where no worker is: as autobuild_tick(), but it honours workspace_autobuild.action, a pause and back-off as the worker does. No rows, and a NOTICE, in a pause or with action = off.';
COMMENT ON FUNCTION @extschema@.autobuild_attach() IS
    'Adds the capture triggers to the product''s tables; the caller must own these or be a superuser. The agenda is then built in the background (autobuild_agenda_progress), and a tick costs what is due, not what exists. False if the triggers existed already.';
COMMENT ON FUNCTION @extschema@.autobuild_detach() IS
    'Removes the capture triggers and empties the agenda; ticks scan again. False if there were no triggers.';
COMMENT ON FUNCTION @extschema@.autobuild_grant(text) IS
    'Grants a role exactly the rights that the executor needs on the product''s tables under the worker''s settings, and returns the statements that it ran.';
COMMENT ON FUNCTION @extschema@.autobuild_schedule_next(text, timestamptz, integer) IS
    'The next runs of a schedule after a time, at most count of them; none for a schedule that never runs. An invalid schedule: 22023.';
COMMENT ON FUNCTION @extschema@.autobuild_schedule_check(text) IS
    'Whether this text is a valid schedule. Never raises an error, so CHECK ((autobuild_schedule_check(s)).valid) works; all NULL for NULL.';

-- What the planner is to expect. A COST of 10,000 is what reading some 25 pages is
-- reckoned at: about a third of a millisecond, what a few statements take.
ALTER FUNCTION @extschema@.autobuild_next_transition(uuid, timestamptz) ROWS 1 COST 10000;
ALTER FUNCTION @extschema@.autobuild_explain(uuid, timestamptz) ROWS 10 COST 10000;
ALTER FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz, integer, uuid, uuid, uuid) ROWS 500 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_forecast(timestamptz, timestamptz, interval, text) ROWS 700 COST 10000000;
ALTER FUNCTION @extschema@.autobuild_preview(timestamptz) ROWS 50 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_tick(timestamptz) ROWS 50 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_run(timestamptz) ROWS 50 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_grant(text) ROWS 20 COST 10000;
ALTER FUNCTION @extschema@.autobuild_schedule_next(text, timestamptz, integer) ROWS 1 COST 1000;
ALTER FUNCTION @extschema@.autobuild_schedule_check(text) COST 1000;
ALTER FUNCTION @extschema@.autobuild_list_rules() ROWS 30 COST 10000;
ALTER FUNCTION @extschema@.autobuild_list_waiting() ROWS 50 COST 10000;
ALTER FUNCTION @extschema@.autobuild_list_unreadable() ROWS 10 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_count_unreadable() ROWS 1 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_count_unknown_templates() ROWS 1 COST 100000;
ALTER FUNCTION @extschema@.autobuild_version_check(uuid) ROWS 2 COST 10000;
ALTER FUNCTION @extschema@.autobuild_ready() ROWS 10 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) ROWS 500 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) ROWS 1 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_worker_status() ROWS 1 COST 50000;
ALTER FUNCTION @extschema@.autobuild_worker_metrics() ROWS 80 COST 50000;
ALTER FUNCTION @extschema@.autobuild_read_agenda() ROWS 1 COST 10000;
