CREATE VIEW @extschema@.autobuild_status AS
SELECT
    s.worker_pid, s.worker_state, s.mode, s.action, s.paused, s.pause_reason, s.role,
    s.last_tick_at, s.last_tick_ms, s.last_tick_due, s.last_tick_built, s.last_tick_blocked,
    s.last_tick_failed, s.last_tick_observed, s.locked, s.held_back, s.next_tick_at, s.lag,
    s.consecutive_failures, s.last_error, s.last_error_at, s.problem, s.extension_version
FROM @extschema@.autobuild_worker_status() AS s;
COMMENT ON VIEW @extschema@.autobuild_status IS
    'How the worker''s ticks fare in this database: always one row.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_pid IS
    'The process at work in this database; NULL between ticks.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_state IS
    'not_preloaded, standby, off, paused, running, failing, waiting (for the product''s tables, for the role, or for what problem says) or idle.';
COMMENT ON COLUMN @extschema@.autobuild_status.mode IS
    'How a tick finds what is due: scan or agenda.';
COMMENT ON COLUMN @extschema@.autobuild_status.action IS
    'What the worker does with what is due (workspace_autobuild.action): build, observe (decide and record only) or off.';
COMMENT ON COLUMN @extschema@.autobuild_status.paused IS
    'autobuild_pause() is in force.';
COMMENT ON COLUMN @extschema@.autobuild_status.pause_reason IS
    'Why, as given to autobuild_pause().';
COMMENT ON COLUMN @extschema@.autobuild_status.role IS
    'The role as which the product''s tables are read and written.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_at IS
    'The time of the last tick that was made, on the wall clock''s multiples of tick_interval.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_ms IS
    'How long the last tick took, in milliseconds.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_due IS
    'Workspaces that were due at the last tick, those that wait for another attempt too.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_built IS
    'Transitions that the last tick made.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_blocked IS
    'Workspaces that the last tick could not build.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_failed IS
    'Workspaces that met an unexpected error at the last tick.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_observed IS
    'Transitions that the last tick recorded under action = observe.';
COMMENT ON COLUMN @extschema@.autobuild_status.locked IS
    'Workspaces left out at the last tick because somebody held their lock.';
COMMENT ON COLUMN @extschema@.autobuild_status.held_back IS
    'Workspaces that are due and that max_builds_per_tick held back at the last tick.';
COMMENT ON COLUMN @extschema@.autobuild_status.next_tick_at IS
    'When the next tick is due; NULL while none is to be made.';
COMMENT ON COLUMN @extschema@.autobuild_status.lag IS
    'How long ago the first tick was due that was not made; zero while all is on time, NULL while no ticks are to be made.';
COMMENT ON COLUMN @extschema@.autobuild_status.consecutive_failures IS
    'Ticks in a row that failed as a whole.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_error IS
    'The last error since the server started, also when ticks are made again.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_error_at IS
    'When that error came.';
COMMENT ON COLUMN @extschema@.autobuild_status.problem IS
    'What is wrong and what to do about it; NULL when all is well.';
COMMENT ON COLUMN @extschema@.autobuild_status.extension_version IS
    'The version of the extension in this database.';
GRANT SELECT ON @extschema@.autobuild_status TO PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_worker_status() IS
    'The row of the view autobuild_status.';
