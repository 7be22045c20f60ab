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
