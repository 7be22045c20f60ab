-- From 0.1.0 to 0.2.0, written by hand. That it makes the catalog of a fresh install, object
-- by object, is a test (tests/tests/copies/upgrade.rs). History, attempts, pauses and
-- capture triggers are kept; the agenda is a cache, and is built anew.

-- First a function that the library of 0.1.0 lacks: while that one is still loaded, nothing
-- is changed.
DO $library$
BEGIN
CREATE FUNCTION @extschema@.autobuild_read_agenda() RETURNS TABLE (
    ready bool,
    passed bigint,
    repaired bigint,
    begun_at timestamp with time zone,
    audited_at timestamp with time zone,
    drift bigint,
    entries bigint,
    marks bigint
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_read_agenda_wrapper';
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION 'the library that is loaded is older than version 0.2.0 of workspace-autobuild'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Restart the server, then run ALTER EXTENSION "workspace-autobuild" UPDATE again.';
END
$library$;

-- Functions that stay, so that they are the new library's and default to what they now
-- should. Replaced, since triggers, CHECKs and views of others' may depend on them.

CREATE OR REPLACE FUNCTION @extschema@.autobuild_attach() RETURNS bool
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_attach_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_capture() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'autobuild_capture';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_detach() RETURNS bool
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_detach_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_explain(
    workspace_id uuid,
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    step INT,
    "rule" TEXT,
    passed bool,
    observed TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_explain_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_grant(
    "role" TEXT
) RETURNS SETOF TEXT
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_grant_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_list_rules() RETURNS TABLE (
    "rule" TEXT,
    in_force bool,
    because TEXT,
    "setting" TEXT,
    description TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_list_rules_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_next_transition(
    workspace_id uuid,
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    transition TEXT,
    reason TEXT,
    next_transition_at timestamp with time zone,
    due bool,
    skip_reason TEXT,
    detail TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_next_transition_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_pause(
    reason TEXT DEFAULT NULL
) RETURNS void
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_pause_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_preview(
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    workspace_id uuid,
    transition TEXT,
    reason TEXT,
    due_at timestamp with time zone,
    outcome TEXT,
    code TEXT,
    build_id uuid,
    job_id uuid,
    build_number INT,
    sqlstate TEXT,
    message TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_preview_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_resume() RETURNS void
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_resume_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_schedule_check(
    schedule text,
    OUT valid boolean, OUT timezone text, OUT cron text, OUT description text, OUT error text)
    LANGUAGE c STABLE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'autobuild_schedule_check';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_schedule_next(
    "schedule" TEXT,
    "after" timestamp with time zone DEFAULT pg_catalog.now(),
    "count" INT DEFAULT 1
) RETURNS SETOF timestamp with time zone
STRICT STABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_schedule_next_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_start_worker() RETURNS INT
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_start_worker_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_tick(
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    workspace_id uuid,
    transition TEXT,
    reason TEXT,
    due_at timestamp with time zone,
    outcome TEXT,
    code TEXT,
    build_id uuid,
    job_id uuid,
    build_number INT,
    sqlstate TEXT,
    message TEXT
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_tick_wrapper';

CREATE FUNCTION @extschema@.autobuild_run(
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    workspace_id uuid,
    transition TEXT,
    reason TEXT,
    due_at timestamp with time zone,
    outcome TEXT,
    code TEXT,
    build_id uuid,
    job_id uuid,
    build_number INT,
    sqlstate TEXT,
    message TEXT
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_run_wrapper';
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_run(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_run(timestamptz) IS
    'One tick for a timer, where no worker is: as autobuild_tick(), but it honours workspace_autobuild.action, a pause and back-off as the worker does. No rows, and a NOTICE, in a pause or with action = off.';

-- With arguments for the most rows, a workspace, a template, an owner: a call as before is one
-- of the new function. A view of somebody's own on the old one is named by 2BP01 (docs/UPGRADE.md).

DROP FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz);

CREATE FUNCTION @extschema@.autobuild_upcoming(
    "horizon" interval DEFAULT '24 hours',
    "at" timestamp with time zone DEFAULT pg_catalog.now(),
    "max_rows" INT DEFAULT NULL,
    "workspace_id" uuid DEFAULT NULL,
    "template_id" uuid DEFAULT NULL,
    "owner_id" uuid DEFAULT NULL
) RETURNS TABLE (
    workspace_id uuid,
    workspace TEXT,
    owner TEXT,
    template TEXT,
    transition TEXT,
    reason TEXT,
    next_transition_at timestamp with time zone,
    due bool
)
STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_list_upcoming_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_wake() RETURNS bool
STRICT VOLATILE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_wake_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.autobuild_worker_metrics() RETURNS TABLE (
    "metric" TEXT,
    "labels" jsonb,
    "value" double precision
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_worker_metrics_wrapper';

-- Reminders are recorded as well.

ALTER TABLE @extschema@.autobuild_transitions
    DROP CONSTRAINT autobuild_transitions_transition_check,
    ADD CONSTRAINT autobuild_transitions_transition_check
        CHECK (transition OPERATOR(pg_catalog.=) ANY (ARRAY['start', 'stop', 'delete', 'dormant', 'remind']));

-- Comments on what stays.

COMMENT ON COLUMN @extschema@.autobuild_transitions.transition IS 'start, stop, delete, dormant where only the mark is written, or remind where only the owner is reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.message IS 'Message of the first error that ended a batch, or which brakes were put on and what could not be told to owners.';

COMMENT ON COLUMN @extschema@.autobuild_executor_lock.only_row IS 'Unused: the table has no rows.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.tick_id IS 'The key.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.transition_id IS 'The key, in the order of recording.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.transition IS 'start, stop, delete, dormant where only the mark is to be written, or remind where only the owner is to be reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.reason IS 'The product''s build_reason.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.outcome IS 'blocked (can''t be built now) or failed (an unexpected error).';
COMMENT ON COLUMN @extschema@.autobuild_attempts.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.message IS 'A message for people; names a parameter, never its value.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.since IS 'Time of the first of these attempts.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.attempts IS 'Number of attempts since then.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.last_attempt_at IS 'Time of the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.next_attempt_at IS 'Time of the next attempt.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.transition IS 'start, stop, delete, dormant where only the mark is to be written, or remind where only the owner is to be reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.reason IS 'The product''s build_reason.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.outcome IS 'blocked (can''t be built now) or failed (an unexpected error).';
COMMENT ON COLUMN @extschema@.autobuild_blocked.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.message IS 'A message for people; names a parameter, never its value.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.last_attempt_at IS 'Time of the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.metric IS 'The name, which begins with workspace_autobuild_.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.labels IS 'The labels; an empty object if there are none.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.value IS 'The value: a counter since the server started (_total, _bucket, _count, _sum), or a gauge.';
COMMENT ON COLUMN @extschema@.autobuild_rules.description IS 'What the rule does.';
COMMENT ON TABLE @extschema@.autobuild_executor_lock IS
    'Has no rows: the session that holds the EXCLUSIVE lock of this table is the only executor of this database.';
COMMENT ON TABLE @extschema@.autobuild_ticks IS
    'A row for each tick that did any work, kept for workspace_autobuild.history_retention. A tick with nothing to do writes nothing.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.tick_at IS 'The time for which the tick decided, before it is truncated to the minute.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.started_at IS 'Start of the tick, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.finished_at IS 'End of its last batch, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.source IS 'worker, or manual for a call of autobuild_tick() or autobuild_run().';
COMMENT ON COLUMN @extschema@.autobuild_ticks.mode IS 'scan: every workspace was checked; agenda: only those that were marked or due.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.conflict IS 'Transitions that another session made first.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.failed IS 'Workspaces with an unexpected error.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.decided_at IS 'Time of the decision, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.outcome IS 'built, conflict (another session built first), blocked (can''t be built now), failed (an unexpected error), observed.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.build_number IS 'The number of the build that was written, or that it would have had, were it not blocked, failed or only observed; of a reminder, that of the build whose deadline it is.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.message IS 'A message for people; names a parameter, never its value.';
COMMENT ON TABLE @extschema@.autobuild_attempts IS
    'Workspaces that are due and could not be built, a row each; shown by autobuild_blocked.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.build_number IS 'The number of the latest build at the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.fingerprint IS 'Hash of what was written or planned: if it changes, the next attempt is made at once.';
COMMENT ON VIEW @extschema@.autobuild_blocked IS
    'Workspaces that are due and could not be built: why, since when, and when the next attempt is made.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.since IS 'Time of the first of these attempts.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.attempts IS 'Number of attempts since then.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.next_attempt_at IS 'Time of the next attempt: after 1, 2, 4 ... 60 minutes, or at once when the workspace''s data changes.';
COMMENT ON TABLE @extschema@.autobuild_unfilled IS
    'Workspaces whose next_start_at the worker could not fill in: the product''s code rejected the value or took too long. No start is lost: the product treats an empty next_start_at as due at the next run.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.attempts IS 'Number of attempts.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.next_attempt_at IS 'Time of the next attempt: after 1, 2, 4 ... 60 minutes.';
COMMENT ON FUNCTION @extschema@.autobuild_wake() IS
    'Requests a tick now and returns at once: true, or false if there is no worker, a pause, or the server is a standby.';
COMMENT ON FUNCTION @extschema@.autobuild_start_worker() IS
    'Without a preloaded library: starts a worker for this database until the server restarts, and returns the process id of its launcher.';
COMMENT ON VIEW @extschema@.autobuild_metrics IS
    'Counters since the server started, and gauges, of the worker''s ticks in this database, for an exporter.';
COMMENT ON VIEW @extschema@.autobuild_rules IS
    'Every rule, in order: whether it is in force with the product''s schema here, why, and the setting that governs it.';
COMMENT ON COLUMN @extschema@.autobuild_rules.rule IS 'The rule or condition; acting rules come first, in the order in which the first that applies wins.';
COMMENT ON COLUMN @extschema@.autobuild_rules.in_force IS 'Whether the rule is in force here.';
COMMENT ON COLUMN @extschema@.autobuild_rules.because IS 'What in the product''s schema, or which setting, decides this.';
COMMENT ON COLUMN @extschema@.autobuild_rules.setting IS 'The setting that governs the rule, with its value.';
COMMENT ON FUNCTION @extschema@.autobuild_next_transition(uuid, timestamptz) IS
    'The next transition of this workspace and its time; or the code and message why there is none, or why a transition that is due can''t be built. Unknown id: P0002.';
COMMENT ON FUNCTION @extschema@.autobuild_explain(uuid, timestamptz) IS
    'The conditions and rules for this workspace in order, with what was observed, up to the one that decides.';
COMMENT ON FUNCTION @extschema@.autobuild_upcoming(interval, timestamptz, integer, uuid, uuid, uuid) IS
    'The next transitions of all workspaces within the horizon (a month counts as 30 days), and the reminders of deadlines, overdue ones first, then soonest: at most max_rows; of one workspace, a template or an owner where these are given. A horizon or time that is NULL: no row.';
COMMENT ON FUNCTION @extschema@.autobuild_preview(timestamptz) IS
    'The rows and outcomes that autobuild_tick would return, in the same order; nothing is written, no workspace is locked.';
COMMENT ON FUNCTION @extschema@.autobuild_tick(timestamptz) IS
    'One tick in the caller''s transaction, which must be REPEATABLE READ or stricter (25000); a row for each transition, in the order of execution. Acts as workspace_autobuild.role, ignores back-off and workspace_autobuild.action. 55P03 while another executor of this database is running.';
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

-- What waits for a provisioner: new.

CREATE FUNCTION @extschema@.autobuild_list_waiting() RETURNS TABLE (
    workspace_id uuid,
    build_id uuid,
    job_id uuid,
    build_number INT,
    transition TEXT,
    reason TEXT,
    state TEXT,
    since timestamp with time zone,
    heartbeat_at timestamp with time zone,
    worker_id uuid
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_list_waiting_wrapper';

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

-- Forecasts: new.

CREATE FUNCTION @extschema@.autobuild_forecast(
    since timestamp with time zone,
    until timestamp with time zone,
    bucket interval DEFAULT '1 hour',
    by TEXT DEFAULT 'all'
) RETURNS TABLE (
    bucket_start timestamp with time zone,
    group_id uuid,
    starts INT,
    stops INT,
    deletes INT,
    dormant INT,
    running_most INT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_forecast_wrapper';
COMMENT ON FUNCTION @extschema@.autobuild_forecast(timestamptz, timestamptz, interval, text) IS
    'How many starts, stops, deletes and dormancy marks ticks will make from since to until, and the most workspaces that run at once, in each bucket; by all, template or organization. Played forward from how workspaces are now, or as if they were so at since where that is in the past; builds succeed at once, and nobody uses anything.';

-- Schedules that can't be read: new.

CREATE FUNCTION @extschema@.autobuild_list_unreadable() RETURNS TABLE (
    workspace_id uuid,
    "schedule" TEXT,
    error TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_list_unreadable_wrapper';

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

-- Proofs about templates' sources: new.

CREATE TABLE @extschema@.autobuild_proofs (
    template_version_id uuid PRIMARY KEY,
    rules               integer NOT NULL,
    is_static           boolean NOT NULL,
    findings            jsonb NOT NULL,
    proved_at           timestamptz NOT NULL
);
CREATE INDEX autobuild_proofs_proved_at ON @extschema@.autobuild_proofs (proved_at);
COMMENT ON TABLE @extschema@.autobuild_proofs IS
    'What the sources of template versions say of their parameters, a row for each version that was looked at; the last 10,000 are kept. A cache: what is missing is proved again.';
COMMENT ON COLUMN @extschema@.autobuild_proofs.template_version_id IS 'template_versions.id.';
COMMENT ON COLUMN @extschema@.autobuild_proofs.rules IS 'By which rules it was proved; by others it is proved again.';
COMMENT ON COLUMN @extschema@.autobuild_proofs.is_static IS 'Whether the stored parameter definitions are what every render of the source gives.';
COMMENT ON COLUMN @extschema@.autobuild_proofs.findings IS 'What builds need of a static one; of another one the reasons, shown by autobuild_version_check().';
COMMENT ON COLUMN @extschema@.autobuild_proofs.proved_at IS 'When it was proved, by the clock.';
REVOKE ALL ON @extschema@.autobuild_proofs FROM PUBLIC;

CREATE FUNCTION @extschema@.autobuild_version_check(
    template_version_id uuid
) RETURNS TABLE (
    verdict TEXT,
    file TEXT,
    line INT,
    detail TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_version_check_wrapper';
COMMENT ON FUNCTION @extschema@.autobuild_version_check(uuid) IS
    'Whether starts onto this template version can be made: one row static, or one unknown for each thing in its source that makes it so. Reads the proof that a tick kept; has one made for a caller who may read the table files. Unknown id: P0002.';

-- Holds: new.

CREATE FUNCTION @extschema@.autobuild_hold(
    scope TEXT,
    scope_id uuid DEFAULT NULL,
    starts_at timestamp with time zone DEFAULT pg_catalog.now(),
    ends_at timestamp with time zone DEFAULT NULL,
    transitions TEXT[] DEFAULT NULL,
    reason TEXT DEFAULT NULL,
    recurrence TEXT DEFAULT NULL
) RETURNS bigint
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_hold_wrapper';

CREATE FUNCTION @extschema@.autobuild_hold_calendar(
    ics TEXT,
    scope TEXT,
    scope_id uuid DEFAULT NULL,
    transitions TEXT[] DEFAULT NULL,
    reason TEXT DEFAULT NULL,
    zone TEXT DEFAULT NULL
) RETURNS INT
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_hold_calendar_wrapper';

CREATE FUNCTION @extschema@.autobuild_release(
    hold_id bigint
) RETURNS bool
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_release_wrapper';

CREATE FUNCTION @extschema@.autobuild_hold_times(
    starts_at timestamp with time zone,
    ends_at timestamp with time zone,
    recurrence TEXT,
    "at" timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    holds_now bool,
    next_change_at timestamp with time zone
)
STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_hold_times_wrapper';

-- Holds, released ones included: they say which starts were missed. Part of a dump, so that
-- what is held stays so in a restored database. None refers to a table of the product's.
CREATE TABLE @extschema@.autobuild_holds_made (
    hold_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope       text NOT NULL CHECK (scope OPERATOR(pg_catalog.=) ANY (ARRAY['all', 'organization', 'template', 'owner', 'workspace'])),
    scope_id    uuid,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz,
    recurrence  text,
    transitions text[],
    reason      text,
    created_by  text,
    created_at  timestamptz NOT NULL,
    released_at timestamptz
);
-- Whoever dumps the database reads it, and whoever restores the dump writes it: as with pauses.
REVOKE ALL ON TABLE @extschema@.autobuild_holds_made FROM PUBLIC;
GRANT SELECT ON TABLE @extschema@.autobuild_holds_made TO PUBLIC;
GRANT INSERT ON TABLE @extschema@.autobuild_holds_made TO pg_database_owner;
REVOKE ALL ON SEQUENCE @extschema@.autobuild_holds_made_hold_id_seq FROM PUBLIC;
GRANT SELECT ON SEQUENCE @extschema@.autobuild_holds_made_hold_id_seq TO PUBLIC;
GRANT UPDATE ON SEQUENCE @extschema@.autobuild_holds_made_hold_id_seq TO pg_database_owner;
COMMENT ON TABLE @extschema@.autobuild_holds_made IS
    'Holds made by autobuild_hold() and autobuild_hold_calendar(). Kept for 30 days after they were released or have ended, so that no start that was missed under them is made at once.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.hold_id IS 'The key.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.scope IS 'all, organization, template, owner or workspace.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.scope_id IS 'The id of the organization, template, owner or workspace; NULL for all.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.starts_at IS 'Start of the hold, or of its first occurrence.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.ends_at IS 'End of the hold, or of its first occurrence; NULL for one that holds until it is released.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.recurrence IS 'The RFC 5545 rule by which it recurs; NULL for one that holds once.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.transitions IS 'The transitions that it holds; NULL for all.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.reason IS 'The reason given for it.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.created_by IS 'The role that made it.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.created_at IS 'When it was made.';
COMMENT ON COLUMN @extschema@.autobuild_holds_made.released_at IS 'When it was released; NULL if it was not.';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.autobuild_holds_made', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.autobuild_holds_made_hold_id_seq', '');

CREATE VIEW @extschema@.autobuild_holds AS
SELECT h.hold_id, h.scope, h.scope_id, h.starts_at, h.ends_at, h.recurrence, h.transitions,
       h.reason, h.created_by, h.created_at, t.holds_now, t.next_change_at
FROM @extschema@.autobuild_holds_made AS h
CROSS JOIN LATERAL @extschema@.autobuild_hold_times(h.starts_at, h.ends_at, h.recurrence) AS t
WHERE h.released_at IS NULL;
COMMENT ON VIEW @extschema@.autobuild_holds IS
    'Holds that were not released. One that holds once is listed for 30 days after its end.';
COMMENT ON COLUMN @extschema@.autobuild_holds.hold_id IS 'The number for autobuild_release().';
COMMENT ON COLUMN @extschema@.autobuild_holds.scope IS 'all, organization, template, owner or workspace.';
COMMENT ON COLUMN @extschema@.autobuild_holds.scope_id IS 'The id of the organization, template, owner or workspace; NULL for all.';
COMMENT ON COLUMN @extschema@.autobuild_holds.starts_at IS 'Start of the hold, or of its first occurrence.';
COMMENT ON COLUMN @extschema@.autobuild_holds.ends_at IS 'End of the hold, or of its first occurrence; NULL for one that holds until it is released.';
COMMENT ON COLUMN @extschema@.autobuild_holds.recurrence IS 'The RFC 5545 rule by which it recurs; NULL for one that holds once.';
COMMENT ON COLUMN @extschema@.autobuild_holds.transitions IS 'The transitions that it holds; NULL for all.';
COMMENT ON COLUMN @extschema@.autobuild_holds.reason IS 'The reason given for it.';
COMMENT ON COLUMN @extschema@.autobuild_holds.created_by IS 'The role that made it.';
COMMENT ON COLUMN @extschema@.autobuild_holds.created_at IS 'When it was made.';
COMMENT ON COLUMN @extschema@.autobuild_holds.holds_now IS 'Whether it holds now.';
COMMENT ON COLUMN @extschema@.autobuild_holds.next_change_at IS 'When it next begins or ends to hold; NULL if never, or not within 100 years.';
GRANT SELECT ON @extschema@.autobuild_holds TO PUBLIC;

COMMENT ON FUNCTION @extschema@.autobuild_hold_times(timestamptz, timestamptz, text, timestamptz) IS
    'The columns holds_now and next_change_at of the view autobuild_holds. A rule that can''t be read holds from its start on.';
COMMENT ON FUNCTION @extschema@.autobuild_hold(text, uuid, timestamptz, timestamptz, text[], text, text) IS
    'Holds transitions of some workspaces from starts_at on (now: from this minute''s tick on), before ends_at: they are made at its end, but for starts (see workspace_autobuild.missed_starts). Without ends_at until autobuild_release(). The recurrence is an RFC 5545 RRULE without DTSTART, in UTC unless it begins with TZID=<zone>;. Returns the number of the hold. A refused argument: 22023; an unknown id: P0002.';
COMMENT ON FUNCTION @extschema@.autobuild_hold_calendar(text, text, uuid, text[], text, text) IS
    'Makes a hold for each event of a calendar (.ics), of all or of none, and returns how many. Dates are in the zone given, else in that of the calendar (X-WR-TIMEZONE), else in UTC. Errors as autobuild_hold(), with the line.';
COMMENT ON FUNCTION @extschema@.autobuild_release(bigint) IS
    'Ends a hold now. Starts that were missed under it stay missed. False if there is no such hold.';

REVOKE ALL ON FUNCTION @extschema@.autobuild_hold(text, uuid, timestamptz, timestamptz, text[], text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_hold_calendar(text, text, uuid, text[], text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_release(bigint) FROM PUBLIC;

ALTER FUNCTION @extschema@.autobuild_hold_times(timestamptz, timestamptz, text, timestamptz) ROWS 1 COST 1000;

-- What is made anew is locked all at once and in short tries, as autobuild_attach() locks:
-- no writer of the product's stands behind a try for longer than that. Who has left a mark,
-- or none since the catalog is older than the library, has committed once these locks are held.
DO $locks$
BEGIN
    FOR try IN 1 .. 600 LOOP
        BEGIN
            SET LOCAL lock_timeout = '20ms';
            LOCK TABLE @extschema@.autobuild_marks, @extschema@.autobuild_agenda, @extschema@.autobuild_agenda_state,
                @extschema@.autobuild_agenda_progress, @extschema@.autobuild_status, @extschema@.autobuild_pauses,
                @extschema@.autobuild_metrics
                IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_catalog.pg_sleep(0.1);
        END;
    END LOOP;
    RAISE EXCEPTION 'the tables of workspace-autobuild could not be locked for a moment within a minute'
        USING ERRCODE = 'lock_not_available',
              HINT = 'A long transaction uses one of them; try again when it has ended.';
END
$locks$;

-- The agenda, which is unlogged from here on.

DROP VIEW @extschema@.autobuild_agenda_progress;
DROP TABLE @extschema@.autobuild_marks, @extschema@.autobuild_agenda, @extschema@.autobuild_agenda_state;

-- Without a key: nothing looks one mark up, and the product would pay for it.
CREATE UNLOGGED TABLE @extschema@.autobuild_marks (
    kind "char" NOT NULL,
    id   uuid
-- A queue: vacuumed by what comes and goes, not by how much is there. Never shortened by
-- a vacuum: of how long it is it can be told whether marks are missing.
) WITH (vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
COMMENT ON TABLE @extschema@.autobuild_marks IS
    'Changes of the product''s tables since the last tick, recorded in the product''s own transactions.';
COMMENT ON COLUMN @extschema@.autobuild_marks.kind IS
    'What changed: w (a workspace), j (a job), t (a template), u (a user), a (anything: a table was truncated).';
COMMENT ON COLUMN @extschema@.autobuild_marks.id IS 'The id of the changed row.';

CREATE UNLOGGED TABLE @extschema@.autobuild_agenda (
    workspace_id uuid PRIMARY KEY,
    due_at       timestamptz NOT NULL
);
CREATE INDEX autobuild_agenda_due_at ON @extschema@.autobuild_agenda (due_at);
COMMENT ON TABLE @extschema@.autobuild_agenda IS
    'The earliest time at which a transition of a workspace may be due. An entry may be early, never late.';
COMMENT ON COLUMN @extschema@.autobuild_agenda.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_agenda.due_at IS 'The earliest time at which a transition may be due.';

CREATE UNLOGGED TABLE @extschema@.autobuild_agenda_state (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ready       boolean NOT NULL,
    fingerprint bigint NOT NULL,
    position    uuid,
    passed      bigint NOT NULL,
    repaired    bigint NOT NULL,
    begun_at    timestamptz NOT NULL,
    audited_at  timestamptz,
    drift       bigint NOT NULL,
    turn        bigint NOT NULL DEFAULT 0,
    zones       text NOT NULL DEFAULT '',
    zone_files  bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE @extschema@.autobuild_agenda_state IS
    'Progress of building or auditing the agenda; no row before the first tick after autobuild_attach().';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.only_row IS 'Always true: there is at most one row.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.ready IS 'The agenda is complete, and ticks use it.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.fingerprint IS 'Hash of the rules and settings with which the entries were computed.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.position IS 'The last workspace of the current pass; NULL between passes.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.passed IS 'Workspaces that the current pass has read.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.repaired IS 'Entries that the current pass has corrected.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.begun_at IS 'Start of the last or current pass.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.audited_at IS 'End of the last pass.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.drift IS 'Entries that the last audit found late or missing, and corrected.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.turn IS 'Number of transactions that took marks or wrote entries.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.zones IS 'The time zones with which the entries were computed, separated by spaces.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_state.zone_files IS 'Hash of what the files of these zones were then: size, times, inode.';

CREATE VIEW @extschema@.autobuild_agenda_progress AS
    SELECT ready, passed, repaired, begun_at, audited_at, drift, entries, marks
      FROM @extschema@.autobuild_read_agenda();
COMMENT ON VIEW @extschema@.autobuild_agenda_progress IS
    'Progress of the agenda; no row before the first tick after autobuild_attach(), nor on a standby, which has no agenda.';
COMMENT ON FUNCTION @extschema@.autobuild_read_agenda() IS
    'The row of the view autobuild_agenda_progress.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_read_agenda() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_read_agenda() TO pg_monitor;
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.ready IS 'The agenda is complete, and ticks use it.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.passed IS 'Workspaces that the current pass has read.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.repaired IS 'Entries that the current pass has corrected.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.begun_at IS 'Start of the last or current pass.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.audited_at IS 'End of the last pass.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.drift IS 'Entries that the last audit found late or missing, and corrected.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.entries IS 'Number of entries of the agenda.';
COMMENT ON COLUMN @extschema@.autobuild_agenda_progress.marks IS 'Number of marks that no tick has taken yet.';

REVOKE ALL ON @extschema@.autobuild_marks, @extschema@.autobuild_agenda,
    @extschema@.autobuild_agenda_state, @extschema@.autobuild_agenda_progress FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_agenda_progress TO pg_monitor;

-- The status, which has more columns.

DROP VIEW @extschema@.autobuild_status;
DROP FUNCTION @extschema@.autobuild_worker_status();

CREATE FUNCTION @extschema@.autobuild_worker_status() RETURNS TABLE (
    worker_pid INT,
    worker_state TEXT,
    mode TEXT,
    action TEXT,
    paused bool,
    pause_reason TEXT,
    "role" TEXT,
    last_tick_at timestamp with time zone,
    last_tick_ms bigint,
    last_tick_due INT,
    last_tick_built INT,
    last_tick_blocked INT,
    last_tick_failed INT,
    last_tick_observed INT,
    locked INT,
    held_back INT,
    next_tick_at timestamp with time zone,
    lag interval,
    consecutive_failures INT,
    last_error TEXT,
    last_error_at timestamp with time zone,
    problem TEXT,
    extension_version TEXT
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_read_status_wrapper';

CREATE VIEW @extschema@.autobuild_status AS
SELECT
    s.worker_pid, s.worker_state, s.mode, s.action, s.paused, s.pause_reason, s.role,
    s.last_tick_at, s.last_tick_ms, s.last_tick_due, s.last_tick_built, s.last_tick_blocked,
    s.last_tick_failed, s.last_tick_observed, s.locked, s.held_back, s.next_tick_at, s.lag,
    s.consecutive_failures, s.last_error, s.last_error_at, s.problem, s.extension_version
FROM @extschema@.autobuild_worker_status() AS s;
COMMENT ON VIEW @extschema@.autobuild_status IS
    'The state of the worker and its ticks in this database: always one row.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_pid IS
    'The process that runs a tick in this database; NULL between ticks.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_state IS
    'not_preloaded, standby, off, paused, running, failing, waiting (for the product''s tables, for the role, or for what problem says) or idle.';
COMMENT ON COLUMN @extschema@.autobuild_status.mode IS
    'How a tick finds what is due: scan or agenda.';
COMMENT ON COLUMN @extschema@.autobuild_status.action IS
    'What the worker does with what is due (workspace_autobuild.action): build, observe (decide and record only) or off.';
COMMENT ON COLUMN @extschema@.autobuild_status.paused IS
    'Whether autobuild_pause() is in force.';
COMMENT ON COLUMN @extschema@.autobuild_status.pause_reason IS
    'The reason given to autobuild_pause().';
COMMENT ON COLUMN @extschema@.autobuild_status.role IS
    'The role that reads and writes the product''s tables.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_at IS
    'The time for which the last tick was made: a multiple of tick_interval.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_ms IS
    'How long the last tick took, in milliseconds.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_due IS
    'Workspaces that were due at the last tick, including those waiting for another attempt.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_built IS
    'Transitions that the last tick made.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_blocked IS
    'Workspaces that the last tick could not build.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_failed IS
    'Workspaces with an unexpected error at the last tick.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_observed IS
    'Transitions that the last tick recorded under action = observe.';
COMMENT ON COLUMN @extschema@.autobuild_status.locked IS
    'Workspaces left out at the last tick because another session held their lock.';
COMMENT ON COLUMN @extschema@.autobuild_status.held_back IS
    'Due workspaces that max_builds_per_tick held back at the last tick.';
COMMENT ON COLUMN @extschema@.autobuild_status.next_tick_at IS
    'When the next tick is due; NULL while no ticks are made.';
COMMENT ON COLUMN @extschema@.autobuild_status.lag IS
    'Time since the first tick that was due and not made; zero if all ticks are on time, NULL while no ticks are made.';
COMMENT ON COLUMN @extschema@.autobuild_status.consecutive_failures IS
    'Number of consecutive ticks that failed as a whole.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_error IS
    'The last error since the server started, even if later ticks succeeded.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_error_at IS
    'Time of that error.';
COMMENT ON COLUMN @extschema@.autobuild_status.problem IS
    'What is wrong and how to fix it; NULL if nothing is wrong.';
COMMENT ON COLUMN @extschema@.autobuild_status.extension_version IS
    'The version of the extension in this database.';
GRANT SELECT ON @extschema@.autobuild_status TO PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_worker_status() IS
    'The row of the view autobuild_status.';

-- Ours beside the product's own executor.

CREATE FUNCTION @extschema@.autobuild_agreement(
    since timestamp with time zone,
    until timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    workspace_id uuid,
    build_number INT,
    transition TEXT,
    reason TEXT,
    verdict TEXT,
    ours_at timestamp with time zone,
    product_at timestamp with time zone,
    apart interval,
    code TEXT,
    detail TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_agreement_wrapper';

CREATE FUNCTION @extschema@.autobuild_agreement_summary(
    since timestamp with time zone,
    until timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TABLE (
    agreed bigint,
    only_ours bigint,
    only_product bigint,
    median_apart interval,
    sentence TEXT
)
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_agreement_summary_wrapper';

COMMENT ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) IS
    'A row for each transition from since up to until that the product''s executor made or ours observed: verdict both, only_ours or only_product, and why only one, if that is known. Left out: users'' builds, dormancy marks, and what is younger than 3 minutes. Needs the rights to read autobuild_transitions and the product''s builds.';
COMMENT ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) IS
    'How many rows of autobuild_agreement() have each verdict, how much later the product''s executor is at the median, and all of it in a sentence.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) TO pg_monitor;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) TO pg_monitor;

-- What to mend before the product's own executor is switched off.

CREATE FUNCTION @extschema@.autobuild_ready() RETURNS TABLE (
    item TEXT,
    ok bool,
    detail TEXT,
    statement TEXT
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_ready_wrapper';

COMMENT ON FUNCTION @extschema@.autobuild_ready() IS
    'What to mend before the product''s own executor is switched off, a row for each thing: whether it is right (NULL if that can''t be found out now, or not by the caller), what was seen, and the statement that mends it or lists what to mend. For everyone, with the worker''s settings; only the row agreement needs the rights of autobuild_agreement().';

-- The metrics, which have two more.

CREATE FUNCTION @extschema@.autobuild_count_unreadable() RETURNS SETOF double precision
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_count_unreadable_wrapper';

CREATE FUNCTION @extschema@.autobuild_count_unknown_templates() RETURNS SETOF double precision
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_count_unknown_templates_wrapper';

CREATE OR REPLACE VIEW @extschema@.autobuild_metrics AS
SELECT m.metric, m.labels, m.value
FROM @extschema@.autobuild_worker_metrics() AS m
-- Whoever asks for other metrics by their names does not pay for these: the planner sees it.
UNION ALL
SELECT 'workspace_autobuild_unreadable_schedules'::pg_catalog.text, '{}'::pg_catalog.jsonb, u.unreadable
FROM @extschema@.autobuild_count_unreadable() AS u (unreadable)
UNION ALL
SELECT 'workspace_autobuild_unknown_templates'::pg_catalog.text, '{}'::pg_catalog.jsonb, t.templates
FROM @extschema@.autobuild_count_unknown_templates() AS t (templates);
COMMENT ON FUNCTION @extschema@.autobuild_worker_metrics() IS
    'The rows of the view autobuild_metrics but two.';
COMMENT ON FUNCTION @extschema@.autobuild_count_unknown_templates() IS
    'The value of workspace_autobuild_unknown_templates in the view autobuild_metrics; no row while the product''s tables can''t be read.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_count_unknown_templates() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_count_unknown_templates() TO pg_monitor;
COMMENT ON FUNCTION @extschema@.autobuild_count_unreadable() IS
    'The value of workspace_autobuild_unreadable_schedules in the view autobuild_metrics; no row while the product''s tables can''t be read.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_count_unreadable() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_count_unreadable() TO pg_monitor;

-- Pauses, which have another key. Made anew, so that it stands where a fresh install has it.

ALTER EXTENSION "workspace-autobuild" DROP TABLE @extschema@.autobuild_pauses;
ALTER TABLE @extschema@.autobuild_pauses RENAME TO autobuild_pauses_before;
ALTER INDEX @extschema@.autobuild_pauses_pkey RENAME TO autobuild_pauses_before_pkey;
-- From PostgreSQL 18 on a NOT NULL has a name, which the new table's is to have.
ALTER TABLE @extschema@.autobuild_pauses_before ALTER COLUMN paused_at DROP NOT NULL;

CREATE TABLE @extschema@.autobuild_pauses (
    pause_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    reason text,
    paused_at timestamptz NOT NULL,
    paused_by text
);
-- Whoever dumps the database reads it: most often the owner of the product's tables. Who
-- restores the dump writes it; he may take over the whole database, so a pause is little.
REVOKE ALL ON TABLE @extschema@.autobuild_pauses FROM PUBLIC;
GRANT SELECT ON TABLE @extschema@.autobuild_pauses TO PUBLIC;
GRANT INSERT ON TABLE @extschema@.autobuild_pauses TO pg_database_owner;
COMMENT ON TABLE @extschema@.autobuild_pauses IS
    'The pause of this database, set by autobuild_pause() and ended by autobuild_resume(). At most one row, and another one for a replicated pause.';
COMMENT ON COLUMN @extschema@.autobuild_pauses.pause_id IS 'The key.';
COMMENT ON COLUMN @extschema@.autobuild_pauses.reason IS 'The reason given to autobuild_pause().';
COMMENT ON COLUMN @extschema@.autobuild_pauses.paused_at IS 'Start of the pause.';
COMMENT ON COLUMN @extschema@.autobuild_pauses.paused_by IS 'The role that called autobuild_pause().';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.autobuild_pauses', '');

INSERT INTO @extschema@.autobuild_pauses (reason, paused_at, paused_by)
    SELECT reason, paused_at, paused_by FROM @extschema@.autobuild_pauses_before;
DROP TABLE @extschema@.autobuild_pauses_before;

-- A brake that is on: a row that is not released. Part of a dump as the pause is, so that a
-- restored database doesn't go on with what was too much; keys and rights are the pause's, too.
CREATE TABLE @extschema@.autobuild_brakes (
    brake_id    uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    transition  text NOT NULL CHECK (transition OPERATOR(pg_catalog.=) ANY (ARRAY['start', 'stop', 'delete', 'dormant'])),
    braked_at   timestamptz NOT NULL,
    allowed     bigint NOT NULL,
    workspaces  bigint NOT NULL,
    released_at timestamptz,
    released_by text
);
REVOKE ALL ON TABLE @extschema@.autobuild_brakes FROM PUBLIC;
GRANT SELECT ON TABLE @extschema@.autobuild_brakes TO PUBLIC;
GRANT INSERT ON TABLE @extschema@.autobuild_brakes TO pg_database_owner;
COMMENT ON TABLE @extschema@.autobuild_brakes IS
    'The brakes of this database: kinds of transitions of which more were due within an hour than workspace_autobuild.max_transitions_share or max_deletes_share allow. A brake is on until autobuild_resume().';
COMMENT ON COLUMN @extschema@.autobuild_brakes.brake_id IS 'The key.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.transition IS 'The kind that waits: start, stop, delete, or dormant where only the mark is written.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.braked_at IS 'Since when.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.allowed IS 'How many were allowed within an hour.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.workspaces IS 'How many workspaces there were, deleted ones left out.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.released_at IS 'When autobuild_resume() released it, from when on transitions of its kind are counted anew; NULL while it is on.';
COMMENT ON COLUMN @extschema@.autobuild_brakes.released_by IS 'The role that called autobuild_resume().';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.autobuild_brakes', 'WHERE released_at IS NULL');

COMMENT ON FUNCTION @extschema@.autobuild_resume() IS
    'Ends the pause of this database, and releases every brake: what is due is made again, and transitions are counted anew.';

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
ALTER FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) ROWS 500 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) ROWS 1 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_ready() ROWS 10 COST 1000000;
ALTER FUNCTION @extschema@.autobuild_worker_status() ROWS 1 COST 50000;
ALTER FUNCTION @extschema@.autobuild_worker_metrics() ROWS 80 COST 50000;
ALTER FUNCTION @extschema@.autobuild_read_agenda() ROWS 1 COST 10000;

-- A page for a browser.

CREATE FUNCTION @extschema@.autobuild_report(
    at timestamp with time zone DEFAULT pg_catalog.now()
) RETURNS TEXT
STRICT STABLE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'autobuild_report_wrapper';
COMMENT ON FUNCTION @extschema@.autobuild_report(timestamptz) IS
    'One HTML page: what is wrong, the transitions of the next 24 hours, who is blocked, holds, agreement with the product''s executor, what ticks cost. Each section is read as the caller; what the caller may not read is left out, and the page says so. For psql -Atc ... > page.html.';
