-- The pause of this database: a row, or none. Part of a dump, so that a restored
-- database doesn't begin to start workspaces by itself. With a key that no other pause
-- has: a subscriber's own and one that is replicated to it must not collide.
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

COMMENT ON FUNCTION @extschema@.autobuild_pause(text) IS
    'Stops the worker''s ticks in this database, also across restarts, until autobuild_resume(). Takes effect at commit; autobuild_tick() by hand still works.';
COMMENT ON FUNCTION @extschema@.autobuild_resume() IS
    'Ends the pause of this database.';
COMMENT ON FUNCTION @extschema@.autobuild_wake() IS
    'Requests a tick now and returns at once: true, or false if there is no worker, a pause, or the server is a standby.';
COMMENT ON FUNCTION @extschema@.autobuild_start_worker() IS
    'Without a preloaded library: starts a worker for this database until the server restarts, and returns the process id of its launcher.';

REVOKE ALL ON FUNCTION @extschema@.autobuild_pause(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_resume() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_wake() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_start_worker() FROM PUBLIC;
