-- Who may call what, and what each function is for (shown by \df+).

CREATE VIEW @extschema@.autobuild_rules AS
    SELECT rule, in_force, because, setting, description FROM @extschema@.autobuild_list_rules();
COMMENT ON VIEW @extschema@.autobuild_rules IS
    'Every rule, in order: is it in force on this schema of the product''s, why, and which setting bears on it.';
COMMENT ON COLUMN @extschema@.autobuild_rules.rule IS 'The rule or condition; those that act come first, in the order in which the first that applies wins.';
COMMENT ON COLUMN @extschema@.autobuild_rules.in_force IS 'Is it in force here?';
COMMENT ON COLUMN @extschema@.autobuild_rules.because IS 'The sign in the product''s schema, or the setting, that says so.';
COMMENT ON COLUMN @extschema@.autobuild_rules.setting IS 'The setting that bears on it, with its value.';
COMMENT ON COLUMN @extschema@.autobuild_rules.description IS 'What the rule does, in a sentence.';
GRANT SELECT ON @extschema@.autobuild_rules TO PUBLIC;

REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_tick(timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_grant(text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_attach() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_detach() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.autobuild_list_rules() IS
    'The rows of the view autobuild_rules.';
COMMENT ON FUNCTION @extschema@.autobuild_next_transition(uuid, timestamptz) IS
    'What happens next to this workspace and when; or the code and sentence why nothing does, or why what is due can''t be built. Unknown id: P0002.';
COMMENT ON FUNCTION @extschema@.autobuild_explain(uuid, timestamptz) IS
    'The conditions and rules for this workspace in order, with what was observed, down to the deciding one.';
COMMENT ON FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz) IS
    'The next transitions of all workspaces within the horizon (a month counts as 30 days), overdue ones first, then soonest.';
COMMENT ON FUNCTION @extschema@.autobuild_preview(timestamptz) IS
    'The rows and outcomes that autobuild_tick would give, in the same order; nothing is written, no lock is taken.';
COMMENT ON FUNCTION @extschema@.autobuild_tick(timestamptz) IS
    'One tick in the caller''s transaction, which must be REPEATABLE READ or stricter (25000); a row for each transition, in the order of work. Acts as workspace_autobuild.role, ignores back-off and workspace_autobuild.action. 55P03 while another executor of this database is at work.';
COMMENT ON FUNCTION @extschema@.autobuild_attach() IS
    'Puts the capture triggers on the product''s tables, whose owner or a superuser the caller must be; the agenda is then built in the background (autobuild_agenda_progress), and a tick costs what is due, not what exists. False if they were there already.';
COMMENT ON FUNCTION @extschema@.autobuild_detach() IS
    'Takes the capture triggers off and empties the agenda; ticks scan again. False if there was none.';
COMMENT ON FUNCTION @extschema@.autobuild_grant(text) IS
    'Grants a role exactly what the executor needs on the product''s tables, and returns the statements that did so.';
COMMENT ON FUNCTION @extschema@.autobuild_schedule_next(text, timestamptz, integer) IS
    'The next runs of a schedule after a time, at most count of them; none for a schedule that never runs. A text that is no schedule: 22023.';
COMMENT ON FUNCTION @extschema@.autobuild_schedule_check(text) IS
    'Is this text a schedule? Never raises, so CHECK ((autobuild_schedule_check(s)).valid) works; all NULL for NULL.';

-- What the planner is to expect. A COST of 10,000 is what reading some 25 pages is
-- reckoned at: about a third of a millisecond, what a few statements take.
ALTER FUNCTION @extschema@.autobuild_next_transition(uuid, timestamptz) ROWS 1 COST 10000;
ALTER FUNCTION @extschema@.autobuild_explain(uuid, timestamptz) ROWS 10 COST 10000;
ALTER FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz) ROWS 500 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_preview(timestamptz) ROWS 50 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_tick(timestamptz) ROWS 50 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_grant(text) ROWS 20 COST 10000;
ALTER FUNCTION @extschema@.autobuild_schedule_next(text, timestamptz, integer) ROWS 1 COST 1000;
ALTER FUNCTION @extschema@.autobuild_schedule_check(text) COST 1000;
ALTER FUNCTION @extschema@.autobuild_list_rules() ROWS 30 COST 10000;
ALTER FUNCTION @extschema@.autobuild_list_waiting() ROWS 50 COST 10000;
ALTER FUNCTION @extschema@.autobuild_worker_status() ROWS 1 COST 50000;
ALTER FUNCTION @extschema@.autobuild_worker_metrics() ROWS 80 COST 50000;
ALTER FUNCTION @extschema@.autobuild_read_agenda() ROWS 1 COST 10000;
