-- The extension's own tables. None refers to a table of the product's, and no view here
-- does: the product's upgrades drop and recreate theirs.

CREATE TABLE @extschema@.autobuild_executor_lock (
    only_row boolean PRIMARY KEY
);
COMMENT ON TABLE @extschema@.autobuild_executor_lock IS
    'Has no rows: the session that holds the EXCLUSIVE lock of this table is the only executor of this database.';
COMMENT ON COLUMN @extschema@.autobuild_executor_lock.only_row IS 'Unused: the table has no rows.';

CREATE TABLE @extschema@.autobuild_ticks (
    tick_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tick_at     timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    source      text NOT NULL CHECK (source OPERATOR(pg_catalog.=) ANY (ARRAY['worker', 'manual'])),
    mode        text NOT NULL CHECK (mode OPERATOR(pg_catalog.=) ANY (ARRAY['scan', 'agenda'])),
    due         integer NOT NULL,
    built       integer NOT NULL,
    conflict    integer NOT NULL,
    blocked     integer NOT NULL,
    failed      integer NOT NULL,
    observed    integer NOT NULL,
    sqlstate    text,
    message     text
);
CREATE INDEX autobuild_ticks_started_at ON @extschema@.autobuild_ticks (started_at);
COMMENT ON TABLE @extschema@.autobuild_ticks IS
    'A row for each tick that did any work, kept for workspace_autobuild.history_retention. A tick with nothing to do writes nothing.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.tick_id IS 'The key.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.tick_at IS 'The time for which the tick decided, before it is truncated to the minute.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.started_at IS 'Start of the tick, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.finished_at IS 'End of its last batch, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.source IS 'worker, or manual for a call of autobuild_tick() or autobuild_run().';
COMMENT ON COLUMN @extschema@.autobuild_ticks.mode IS 'scan: every workspace was checked; agenda: only those that were marked or due.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.due IS 'Workspaces that were due.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.built IS 'Transitions made.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.conflict IS 'Transitions that another session made first.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.blocked IS 'Workspaces that could not be built now.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.failed IS 'Workspaces with an unexpected error.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.observed IS 'Transitions recorded under workspace_autobuild.action = observe.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.sqlstate IS 'SQLSTATE of the first error that ended a batch.';
COMMENT ON COLUMN @extschema@.autobuild_ticks.message IS 'Message of the first error that ended a batch, or which brakes were put on and what could not be told to owners.';

CREATE TABLE @extschema@.autobuild_transitions (
    transition_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tick_id       bigint NOT NULL,
    decided_at    timestamptz NOT NULL,
    workspace_id  uuid NOT NULL,
    transition    text NOT NULL CHECK (transition OPERATOR(pg_catalog.=) ANY (ARRAY['start', 'stop', 'delete', 'dormant', 'remind'])),
    reason        text NOT NULL,
    due_at        timestamptz NOT NULL,
    outcome       text NOT NULL CHECK (outcome OPERATOR(pg_catalog.=) ANY (ARRAY['built', 'conflict', 'blocked', 'failed', 'observed'])),
    code          text,
    build_id      uuid,
    job_id        uuid,
    build_number  integer,
    sqlstate      text,
    message       text
);
CREATE INDEX autobuild_transitions_workspace ON @extschema@.autobuild_transitions (workspace_id, transition_id);
CREATE INDEX autobuild_transitions_decided_at ON @extschema@.autobuild_transitions (decided_at);
COMMENT ON TABLE @extschema@.autobuild_transitions IS
    'A row for each transition that was tried, with its outcome, kept for workspace_autobuild.history_retention.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.transition_id IS 'The key, in the order of recording.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.tick_id IS 'The tick in autobuild_ticks.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.decided_at IS 'Time of the decision, by the clock.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.transition IS 'start, stop, delete, dormant where only the mark is written, or remind where only the owner is reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.reason IS 'The product''s build_reason.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.outcome IS 'built, conflict (another session built first), blocked (can''t be built now), failed (an unexpected error), observed.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.build_id IS 'workspace_builds.id of the build that was written.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.job_id IS 'provisioner_jobs.id of the job that was written.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.build_number IS 'The number of the build that was written, or that it would have had, were it not blocked, failed or only observed; of a reminder, that of the build whose deadline it is.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_transitions.message IS 'A message for people; names a parameter, never its value.';

CREATE TABLE @extschema@.autobuild_attempts (
    workspace_id    uuid PRIMARY KEY,
    build_number    integer NOT NULL,
    transition      text NOT NULL,
    reason          text NOT NULL,
    due_at          timestamptz NOT NULL,
    outcome         text NOT NULL CHECK (outcome OPERATOR(pg_catalog.=) ANY (ARRAY['blocked', 'failed'])),
    code            text,
    sqlstate        text,
    message         text,
    since           timestamptz NOT NULL,
    attempts        integer NOT NULL,
    last_attempt_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    fingerprint     bigint NOT NULL
);
COMMENT ON TABLE @extschema@.autobuild_attempts IS
    'Workspaces that are due and could not be built, a row each; shown by autobuild_blocked.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.transition IS 'start, stop, delete, dormant where only the mark is to be written, or remind where only the owner is to be reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.reason IS 'The product''s build_reason.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.outcome IS 'blocked (can''t be built now) or failed (an unexpected error).';
COMMENT ON COLUMN @extschema@.autobuild_attempts.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.message IS 'A message for people; names a parameter, never its value.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.build_number IS 'The number of the latest build at the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.since IS 'Time of the first of these attempts.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.attempts IS 'Number of attempts since then.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.last_attempt_at IS 'Time of the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.next_attempt_at IS 'Time of the next attempt.';
COMMENT ON COLUMN @extschema@.autobuild_attempts.fingerprint IS 'Hash of what was written or planned: if it changes, the next attempt is made at once.';

CREATE VIEW @extschema@.autobuild_blocked AS
    SELECT workspace_id, transition, reason, due_at, outcome, code, sqlstate, message, since,
           attempts, last_attempt_at, next_attempt_at
      FROM @extschema@.autobuild_attempts;
COMMENT ON VIEW @extschema@.autobuild_blocked IS
    'Workspaces that are due and could not be built: why, since when, and when the next attempt is made.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.transition IS 'start, stop, delete, dormant where only the mark is to be written, or remind where only the owner is to be reminded of the deadline.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.reason IS 'The product''s build_reason.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.due_at IS 'When the transition became due.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.outcome IS 'blocked (can''t be built now) or failed (an unexpected error).';
COMMENT ON COLUMN @extschema@.autobuild_blocked.code IS 'The block code if the outcome is blocked.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.sqlstate IS 'The SQLSTATE if the outcome is failed.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.message IS 'A message for people; names a parameter, never its value.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.since IS 'Time of the first of these attempts.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.attempts IS 'Number of attempts since then.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.last_attempt_at IS 'Time of the last attempt.';
COMMENT ON COLUMN @extschema@.autobuild_blocked.next_attempt_at IS 'Time of the next attempt: after 1, 2, 4 ... 60 minutes, or at once when the workspace''s data changes.';

CREATE TABLE @extschema@.autobuild_unfilled (
    workspace_id    uuid PRIMARY KEY,
    attempts        integer NOT NULL,
    next_attempt_at timestamptz NOT NULL
);
COMMENT ON TABLE @extschema@.autobuild_unfilled IS
    'Workspaces whose next_start_at the worker could not fill in: the product''s code rejected the value or took too long. No start is lost: the product treats an empty next_start_at as due at the next run.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.workspace_id IS 'The workspace.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.attempts IS 'Number of attempts.';
COMMENT ON COLUMN @extschema@.autobuild_unfilled.next_attempt_at IS 'Time of the next attempt: after 1, 2, 4 ... 60 minutes.';

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

REVOKE ALL ON @extschema@.autobuild_executor_lock, @extschema@.autobuild_ticks,
    @extschema@.autobuild_transitions, @extschema@.autobuild_attempts,
    @extschema@.autobuild_unfilled, @extschema@.autobuild_proofs, @extschema@.autobuild_blocked
    FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_ticks, @extschema@.autobuild_transitions,
    @extschema@.autobuild_blocked TO pg_monitor;
