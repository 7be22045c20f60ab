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
