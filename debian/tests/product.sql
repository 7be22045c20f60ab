-- The product's tables as of June 2023, the oldest that are known and the fewest, made
-- from the lists of facts in tests/data/schema; and one workspace that is stopped and has
-- a schedule of every minute. Run from the top of the source, as the tables' owner.
\set ON_ERROR_STOP on
\set QUIET on
CREATE TEMP TABLE enums ("enum" text, "values" text, first_seen text, last_seen text);
CREATE TEMP TABLE columns ("table" text, "column" text, type text, nullability text, "default" text, generated text,
  first_seen text, last_seen text, number serial);
CREATE TEMP TABLE constraints ("table" text, "constraint" text, kind text, columns text, "references" text,
  first_seen text, last_seen text);
\copy enums FROM 'tests/data/schema/enums.csv' (FORMAT csv, HEADER)
\copy columns ("table", "column", type, nullability, "default", generated, first_seen, last_seen) FROM 'tests/data/schema/columns.csv' (FORMAT csv, HEADER)
\copy constraints FROM 'tests/data/schema/constraints.csv' (FORMAT csv, HEADER)

-- What a row of ours says nothing of and may not be NULL. These defaults are taken off
-- again below, since the product's tables have none.
CREATE TEMP TABLE fillers AS
SELECT "table", "column",
       CASE WHEN type = 'uuid' THEN 'gen_random_uuid()'
            WHEN type = 'boolean' THEN 'false'
            WHEN type IN ('integer', 'bigint') THEN '0'
            WHEN type LIKE 'timestamp%' THEN quote_literal('2023-06-01')
            WHEN type = 'jsonb' OR type LIKE '%[]' THEN quote_literal('{}')
            ELSE quote_literal(coalesce((SELECT split_part("values", ' ', 1) FROM enums e WHERE e."enum" = c.type
                                            AND e.first_seen = '2023-06'), ''))
       END AS filler
  FROM columns c WHERE first_seen = '2023-06' AND nullability = 'not null' AND "default" IS NULL;

SELECT format('CREATE TYPE %I AS ENUM (%s)', "enum",
              (SELECT string_agg(quote_literal(value), ', ' ORDER BY n)
                 FROM unnest(string_to_array("values", ' ')) WITH ORDINALITY AS v (value, n)))
  FROM enums WHERE first_seen = '2023-06' \gexec
SELECT format('CREATE TABLE %I (%s)', "table",
              string_agg(format('%I %s %s %s', "column", type, nullability, 'DEFAULT ' || coalesce("default", filler)),
                         ', ' ORDER BY number))
  FROM columns LEFT JOIN fillers USING ("table", "column") WHERE first_seen = '2023-06' GROUP BY "table" \gexec
SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s (%s)', "table", "constraint", kind,
              (SELECT string_agg(quote_ident(name), ', ' ORDER BY n)
                 FROM unnest(string_to_array(columns, ' ')) WITH ORDINALITY AS c (name, n)))
  FROM constraints WHERE first_seen = '2023-06' AND kind IN ('primary key', 'unique') \gexec

BEGIN;
INSERT INTO organizations (id, name) VALUES ('11111111-0000-0000-0000-000000000000', 'first');
INSERT INTO users (id, username, status) VALUES ('22222222-0000-0000-0000-000000000000', 'anna', 'active');
INSERT INTO templates (id, name, organization_id, active_version_id, provisioner)
VALUES ('33333333-0000-0000-0000-000000000000', 'docker', '11111111-0000-0000-0000-000000000000',
        '44444444-0000-0000-0000-000000000000', 'terraform');
INSERT INTO provisioner_jobs (id, organization_id, provisioner, type, started_at, completed_at)
VALUES ('55555555-0000-0000-0000-000000000000', '11111111-0000-0000-0000-000000000000', 'terraform',
        'template_version_import', now(), now()),
       ('66666666-0000-0000-0000-000000000000', '11111111-0000-0000-0000-000000000000', 'terraform',
        'workspace_build', now(), now());
INSERT INTO template_versions (id, template_id, organization_id, name, job_id)
VALUES ('44444444-0000-0000-0000-000000000000', '33333333-0000-0000-0000-000000000000',
        '11111111-0000-0000-0000-000000000000', 'first', '55555555-0000-0000-0000-000000000000');
INSERT INTO workspaces (id, name, owner_id, organization_id, template_id, autostart_schedule, ttl)
VALUES ('77777777-0000-0000-0000-000000000000', 'dev', '22222222-0000-0000-0000-000000000000',
        '11111111-0000-0000-0000-000000000000', '33333333-0000-0000-0000-000000000000', '* * * * *', 3600000000000);
INSERT INTO workspace_builds (id, workspace_id, template_version_id, build_number, transition, job_id, created_at)
VALUES ('88888888-0000-0000-0000-000000000000', '77777777-0000-0000-0000-000000000000',
        '44444444-0000-0000-0000-000000000000', 1, 'stop', '66666666-0000-0000-0000-000000000000', now());
SELECT format('ALTER TABLE %I ALTER %I DROP DEFAULT', "table", "column") FROM fillers \gexec
COMMIT;
