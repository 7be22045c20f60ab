-- The agenda: what may fall due when. A cache over the product's tables, kept up to
-- date by marks that the capture triggers leave; none of it is part of a dump.
--
-- All three tables are unlogged: a crash empties them together, and the agenda is built
-- anew; the product's writes cost no WAL for a mark; and none can be published, since
-- two servers' agendas are each their own.

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
