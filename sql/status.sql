CREATE VIEW @extschema@.autobuild_status AS
SELECT
    s.worker_pid, s.worker_state, s.mode, s.paused, s.pause_reason, s.role,
    s.last_tick_at, s.last_tick_ms, s.last_tick_due, s.last_tick_built, s.last_tick_blocked,
    s.last_tick_failed, s.next_tick_at, s.lag, s.consecutive_failures, s.last_error, s.problem,
    s.extension_version
FROM @extschema@.autobuild_worker_status() AS s;
COMMENT ON VIEW @extschema@.autobuild_status IS
    'How the worker''s ticks fare in this database: always one row.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_pid IS
    'The process at work in this database; NULL between ticks.';
COMMENT ON COLUMN @extschema@.autobuild_status.worker_state IS
    'not_preloaded, standby, off, paused, running, failing, waiting (for the product''s tables or for the role) or idle.';
COMMENT ON COLUMN @extschema@.autobuild_status.mode IS
    'How a tick finds what is due: scan or agenda.';
COMMENT ON COLUMN @extschema@.autobuild_status.role IS
    'The role as which the product''s tables are read and written.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_tick_at IS
    'The time of the last tick that was made, on the wall clock''s multiples of tick_interval.';
COMMENT ON COLUMN @extschema@.autobuild_status.lag IS
    'How long ago the first tick was due that was not made; zero while all is on time, NULL while no ticks are to be made.';
COMMENT ON COLUMN @extschema@.autobuild_status.consecutive_failures IS
    'Ticks in a row that failed as a whole.';
COMMENT ON COLUMN @extschema@.autobuild_status.last_error IS
    'The last error since the server started, also when ticks are made again.';
COMMENT ON COLUMN @extschema@.autobuild_status.problem IS
    'What is wrong and what to do about it; NULL when all is well.';
GRANT SELECT ON @extschema@.autobuild_status TO PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_worker_status() IS
    'The row of the view autobuild_status.';
