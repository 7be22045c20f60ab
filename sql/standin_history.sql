-- STAND-IN, dropped at merge.
CREATE TABLE @extschema@.autobuild_ticks (
    tick_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tick_at timestamptz NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz NOT NULL,
    source text NOT NULL, mode text NOT NULL, due int, built int, conflict int, blocked int,
    failed int, observed int, sqlstate text, message text
);
