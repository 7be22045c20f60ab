//! Workspaces as a product that has run for a while has them: five builds each, four
//! parameters in each build, half of them with schedules in many zones.
//!
//! Everything follows from a workspace's number. At [`IDLE`] nothing is due; a number
//! of workspaces falls due at each of a row of later minutes (a slot each), so that
//! each measurement finds its own, untouched ones. Keys and indexes are made after the
//! rows, as a restore does it.

use postgres::Client;
use workspace_autobuild_tests::product::{Fields, HOUR, Row, Value, parameter};
use workspace_autobuild_tests::{Product, Server, Version};

/// A tick at which nothing is due: a Wednesday.
pub(crate) const IDLE: &str = "2026-03-04 00:00:00+00";

/// The tick of a slot, counted from 1.
pub(crate) fn tick_of(slot: usize) -> String {
    format!("(timestamptz '{IDLE}' + {slot} * interval '1 minute')")
}

/// Builds of each workspace.
const BUILDS: u32 = 5;
/// Templates, every second of which leaves parameters to the product.
const TEMPLATES: u32 = 10;
/// Workspaces of one user.
const PER_USER: u32 = 10;

/// Zones all over the world.
pub(crate) const ZONES: [&str; 24] = [
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/Bogota",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Dubai",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Seoul",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Europe/London",
    "Europe/Paris",
    "Pacific/Auckland",
    "UTC",
];

/// The tables that hold many rows.
const LARGE: [&str; 4] = [
    "provisioner_jobs",
    "workspaces",
    "workspace_builds",
    "workspace_build_parameters",
];

/// The values of the four parameters, in any build of workspace `i`.
const PARAMETERS: [(&str, &str); 4] = [
    ("cpu", "(2 + i % 7)::text"),
    ("image", "'registry.example.com/team/dev:' || i % 50"),
    ("region", "(ARRAY['eu', 'us', 'asia'])[1 + i % 3]"),
    ("user_notes", "'workspace number ' || i"),
];

/// 2 kB of which about a third is random, as a state in JSON.
const STATE: &str = "convert_to(
    (SELECT string_agg('{\"mode\":\"managed\",\"type\":\"docker_container\",\"id\":\"'
                       || md5(i || '.' || part)
                       || '\",\"schema_version\":2}', ',' ORDER BY part)
       FROM generate_series(1, 21) AS part), 'UTF8')";

/// Makes a database with so many workspaces, of which `slots` fall due. Returns its name.
pub(crate) fn generate(server: &Server, version: Version, size: u32, slots: &[u32]) -> String {
    let product = Product::install(server, version);
    let mut client = product.superuser();
    statement(&mut client, "SET maintenance_work_mem = '512MB'");
    let templates = templates(&product);
    let keys = take_keys(&mut client);
    plan(&mut client, &product, size, slots, &templates);
    rows(&product, size);
    for key in keys.iter().rev() {
        statement(&mut client, key);
    }
    statement(&mut client, "VACUUM (FREEZE, ANALYZE)");
    product.create_extension();
    product.database().to_owned()
}

/// Runs a statement that must not fail.
pub(crate) fn statement(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

/// The templates with their versions' ids, as a list of SQL values.
fn templates(product: &Product) -> String {
    let rows: Vec<String> = (0..TEMPLATES)
        .map(|number| {
            let template = product
                .template(&format!("template-{number}"))
                .set_if_there("use_classic_parameter_flow", number % 2 == 0)
                .parameter(
                    parameter("cpu")
                        .kind("number")
                        .default("2")
                        .set("validation_min", 1)
                        .set("validation_max", 32)
                        .set("validation_error", "1 to 32"),
                )
                .parameter(parameter("image").regex("^registry\\.", "must be ours"))
                .parameter(
                    parameter("region")
                        .default("eu")
                        .options(&["eu", "us", "asia"]),
                )
                .parameter(parameter("user_notes").default(""))
                .create();
            let kept = product
                .facts()
                .has_table("template_version_terraform_values");
            if number % 2 == 1 && kept {
                template.first_version().terraform_values("1.6");
            }
            format!(
                "({number}, '{}'::uuid, '{}'::uuid)",
                template.id, template.version
            )
        })
        .collect();
    rows.join(", ")
}

/// Takes keys and indexes off the large tables; returns the statements that put them
/// back, the last first.
fn take_keys(client: &mut Client) -> Vec<String> {
    let tables = format!("'{{{}}}'::regclass[]", LARGE.join(","));
    let read = |client: &mut Client, sql: &str| -> Vec<(String, String)> {
        client
            .query(sql, &[])
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"))
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect()
    };
    let mut found = read(
        client,
        &format!(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                           pg_get_constraintdef(oid))
               FROM pg_constraint
              WHERE (conrelid = ANY ({tables}) OR confrelid = ANY ({tables}))
                AND contype IN ('f', 'p', 'u')
              ORDER BY contype, conname"
        ),
    );
    for (take, _) in &found {
        statement(client, take);
    }
    let indexes = read(
        client,
        &format!(
            "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
               FROM pg_index WHERE indrelid = ANY ({tables}) ORDER BY indexrelid"
        ),
    );
    for (take, _) in &indexes {
        statement(client, take);
    }
    found.extend(indexes);
    found.into_iter().map(|(_, put_back)| put_back).collect()
}

/// A table that says of each workspace what it is: the large tables follow from it.
fn plan(client: &mut Client, product: &Product, size: u32, slots: &[u32], templates: &str) {
    let bounds: Vec<String> = std::iter::once(0)
        .chain(slots.iter().scan(0, |sum, slot| {
            *sum += slot;
            Some(*sum)
        }))
        .map(|bound: u32| bound.to_string())
        .collect();
    let idle_slot = slots.len() + 1;
    let zones: Vec<String> = ZONES.iter().map(|zone| format!("'{zone}'")).collect();
    statement(
        client,
        &format!(
            "CREATE SCHEMA bench AUTHORIZATION product;
             SET ROLE product;
             CREATE TABLE bench.plan AS
             WITH template (number, id, version) AS (VALUES {templates}),
             numbered AS (
                 -- Who is due together is spread all over the tables.
                 SELECT i, (i::bigint * 7919 % {size})::int AS place
                   FROM generate_series(1, {size}) AS i),
             timed AS (
                 SELECT *, width_bucket(place, ARRAY[{bounds}]) AS slot FROM numbered),
             due AS (
                 SELECT i, slot, place,
                        CASE WHEN slot < {idle_slot} THEN {due}
                             ELSE timestamptz '{IDLE}' + interval '1 day'
                                  + place % 1400 * interval '1 minute' END AS due_at,
                        (ARRAY[{zones}])[1 + i % {zone_count}] AS zone
                   FROM timed)
             SELECT i, slot, due_at, zone,
                    CASE WHEN place % 2 = 0 THEN 'scheduled'
                         WHEN slot < {idle_slot} OR place % 10 < 9 THEN 'running'
                         ELSE 'stopped' END AS kind,
                    md5('workspace ' || i)::uuid AS workspace_id,
                    md5('user ' || i / {PER_USER})::uuid AS owner_id,
                    md5('build ' || i || '.{BUILDS}')::uuid AS latest_build_id,
                    t.id AS template_id, t.version AS version_id
               FROM due JOIN template t ON t.number = i % {TEMPLATES};
             CREATE INDEX ON bench.plan (slot);
             ANALYZE bench.plan;
             RESET ROLE",
            bounds = bounds.join(", "),
            due = format_args!("timestamptz '{IDLE}' + slot * interval '1 minute'"),
            zones = zones.join(", "),
            zone_count = ZONES.len(),
        ),
    );
    let mut user = Row::new("users");
    user.set("id", Value::sql("md5('user ' || u)::uuid"))
        .set("username", Value::sql("'user-' || u"))
        .set("email", Value::sql("'user-' || u || '@example.com'"))
        .set("status", "active");
    let users = format!("generate_series(0, {}) AS u", size / PER_USER);
    product.execute(&user.insert(product.facts(), &users));
}

/// The rows of the large tables, builds in the order in which they were made.
fn rows(product: &Product, size: u32) {
    let organization = product.organization().id;
    let mut workspace = Row::new("workspaces");
    workspace
        .set("id", Value::sql("workspace_id"))
        .set("name", Value::sql("'workspace-' || i"))
        .set("owner_id", Value::sql("owner_id"))
        .set("organization_id", organization)
        .set("template_id", Value::sql("template_id"))
        .set("ttl", 8 * HOUR)
        .set(
            "last_used_at",
            Value::sql(format!("timestamptz '{IDLE}' - interval '3 hours'")),
        )
        .set(
            "autostart_schedule",
            Value::sql(
                "CASE WHEN kind = 'scheduled' THEN 'CRON_TZ=' || zone || ' '
                      || to_char(due_at AT TIME ZONE zone, 'FMMI FMHH24')
                      || ' * * ' || extract(dow FROM due_at AT TIME ZONE zone) END",
            ),
        )
        .set_if_there(
            "next_start_at",
            Value::sql("CASE WHEN kind = 'scheduled' THEN due_at END"),
        );

    let id = |what: &str| Value::sql(format!("md5('{what} ' || i || '.' || n)::uuid"));
    let made = || {
        Value::sql(format!(
            "timestamptz '{IDLE}' - interval '2 hours' - ({BUILDS} - n) * interval '12 hours'"
        ))
    };
    let mut job = Row::new("provisioner_jobs");
    job.set("id", id("job"))
        .set("organization_id", organization)
        .set("initiator_id", Value::sql("owner_id"))
        .set("provisioner", "terraform")
        .set("storage_method", "file")
        .set("type", "workspace_build")
        .set(
            "tags",
            Value::sql("'{\"scope\": \"organization\", \"owner\": \"\"}'::jsonb"),
        )
        .set(
            "input",
            Value::sql(
                "jsonb_build_object('workspace_build_id', md5('build ' || i || '.' || n)::uuid,
                                    'dry_run', false)",
            ),
        );
    for column in ["created_at", "updated_at", "started_at", "completed_at"] {
        job.set(column, made());
    }
    let mut build = Row::new("workspace_builds");
    build
        .set("id", id("build"))
        .set("workspace_id", Value::sql("workspace_id"))
        .set("template_version_id", Value::sql("version_id"))
        .set("build_number", Value::sql("n"))
        .set("initiator_id", Value::sql("owner_id"))
        .set("job_id", id("job"))
        .set(
            "transition",
            Value::sql(
                "(CASE WHEN (kind = 'running') = ((5 - n) % 2 = 0) THEN 'start'
                       ELSE 'stop' END)::workspace_transition",
            ),
        )
        .set(
            "deadline",
            Value::sql(
                "CASE WHEN kind = 'running' AND n = 5 THEN due_at
                      ELSE '0001-01-01 00:00:00+00' END",
            ),
        )
        .set(
            "provisioner_state",
            Value::sql(format!("CASE WHEN n = {BUILDS} THEN {STATE} END")),
        );
    for column in ["created_at", "updated_at"] {
        build.set(column, made());
    }
    // In each round of builds another order, as people come and go.
    let all = format!(
        "(SELECT n, p.* FROM generate_series(1, {BUILDS}) AS n
            JOIN LATERAL (SELECT (s::bigint * (ARRAY[7919, 7927, 7933, 7937, 7949])[n] % {size})::int + 1 AS i
                            FROM generate_series(1, {size}) AS s) AS o ON true
            JOIN bench.plan p USING (i)) AS b"
    );
    let facts = product.facts();
    product.execute(&workspace.insert(facts, "bench.plan"));
    product.execute(&job.insert(facts, &all));
    product.execute(&build.insert(facts, &all));
    let mut parameter = Row::new("workspace_build_parameters");
    parameter
        .set("workspace_build_id", id("build"))
        .set("name", Value::sql("parameter.name"))
        .set("value", Value::sql("parameter.value"));
    let values: Vec<String> = PARAMETERS
        .iter()
        .map(|(name, value)| format!("('{name}', {value})"))
        .collect();
    product.execute(&parameter.insert(
        facts,
        &format!(
            "generate_series(1, {BUILDS}) AS n, generate_series(1, {size}) AS i,
             LATERAL (VALUES {}) AS parameter (name, value)",
            values.join(", ")
        ),
    ));
}
