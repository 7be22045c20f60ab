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

COMMENT ON FUNCTION @extschema@.autobuild_pause(text) IS
    'Stops the worker''s ticks in this database, also across restarts, until autobuild_resume(). Takes effect at commit; autobuild_tick() by hand still works.';
COMMENT ON FUNCTION @extschema@.autobuild_resume() IS
    'Ends the pause of this database, and releases every brake: what is due is made again, and transitions are counted anew.';
COMMENT ON FUNCTION @extschema@.autobuild_wake() IS
    'Requests a tick now and returns at once: true, or false if there is no worker, a pause, or the server is a standby.';
COMMENT ON FUNCTION @extschema@.autobuild_start_worker() IS
    'Without a preloaded library: starts a worker for this database until the server restarts, and returns the process id of its launcher.';

REVOKE ALL ON FUNCTION @extschema@.autobuild_pause(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_resume() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_wake() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_start_worker() FROM PUBLIC;
