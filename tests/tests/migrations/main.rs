//! Migrations of the product's while ticks run: tables that are locked, columns and tables
//! that come, go and change. A tick waits no longer than `lock_timeout`, says what it
//! waits for, and goes on when it can; a migration waits for no tick.

mod rewrites;

use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::{Template, Value, Workspace, parameter, texts};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    Product, SOON, Server, Transition, Version, await_until, invariants,
};

/// No tick that waits for one lock after the other lasts so long.
const LONG: Duration = Duration::from_secs(8);

/// The product's tables that every tick reads or writes.
const TABLES: [&str; 8] = [
    "workspaces",
    "workspace_builds",
    "provisioner_jobs",
    "users",
    "templates",
    "template_versions",
    "template_version_parameters",
    "workspace_build_parameters",
];

fn server() -> Server {
    ticking()
        .set("workspace_autobuild.lock_timeout", "300ms")
        .start()
}

fn value(client: &mut Client, sql: &str) -> String {
    let rows = texts(client, sql);
    let first = rows.into_iter().flatten().next().flatten();
    first.unwrap_or_default()
}

/// A workspace whose deadline has passed.
fn overdue<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template.workspace(name).create();
    workspace
        .build(Transition::Start)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .parameter("region", "eu")
        .create();
    workspace
}

fn template(product: &Product) -> Template<'_> {
    product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create()
}

fn stops(client: &mut Client) -> String {
    value(
        client,
        "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'",
    )
}

/// The longest that a process of ours has waited for a lock just now, in milliseconds.
const WAITING: &str = "
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000), 0)::int
      FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE NOT l.granted AND a.backend_type LIKE 'workspace-autobuild%'";

#[test]
fn a_locked_table_delays_a_tick_and_never_the_reverse() {
    let server = server();
    for attached in [false, true] {
        let product = Product::install(&server, Version::NEWEST);
        let template = template(&product);
        product.create_extension();
        let mut client = product.superuser();
        if attached {
            texts(&mut client, "SELECT autobuild_attach()");
        }
        for (number, table) in TABLES.iter().enumerate() {
            let mut migration = product.connect();
            let begun = Instant::now();
            migration
                .batch_execute(&format!(
                    "SET lock_timeout = '3s'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
                ))
                .unwrap_or_else(|e| panic!("{table}: the migration waits for a tick: {e:?}"));
            assert!(begun.elapsed() < Duration::from_secs(3), "{table}");
            let longest = (0..40).map(|_| {
                std::thread::sleep(Duration::from_millis(50));
                value(&mut client, WAITING).parse::<u64>().unwrap_or(0)
            });
            let longest = longest.max().unwrap_or(0);
            assert!(longest < 1000, "{table}: a tick waited for {longest} ms");
            migration
                .batch_execute("COMMIT")
                .expect("it holds the lock");
            overdue(&template, &format!("{attached} {number}"));
            let built = (number + 1).to_string();
            await_until(&format!("{table}: it goes on"), SOON, || {
                texts(&mut client, "SELECT autobuild_wake()");
                stops(&mut client) == built
            });
        }
        let last = value(&mut client, "SELECT last_error FROM autobuild_status");
        assert!(
            last.contains("could not be locked"),
            "it was told of: {last:?}"
        );
        invariants::check_quiet(&product);
        let drop = "DROP EXTENSION \"workspace-autobuild\"";
        client.batch_execute(drop).expect("it is there");
    }
}

/// A migration's statement, and what the worker says while things are so: nothing if it
/// can go on.
const STEPS: [(&str, &str); 18] = [
    (
        "ALTER TABLE workspaces ADD COLUMN note text DEFAULT 'x'",
        "",
    ),
    ("ALTER TABLE workspaces DROP COLUMN note", ""),
    (
        "ALTER TABLE workspace_builds ADD COLUMN note text NOT NULL DEFAULT 'x'",
        "",
    ),
    ("ALTER TYPE build_reason ADD VALUE 'tests_say_so'", ""),
    (
        "ALTER TABLE template_version_parameters ALTER COLUMN validation_regex TYPE varchar(5000)",
        "",
    ),
    (
        "ALTER TABLE workspace_builds ALTER COLUMN deadline TYPE timestamp USING deadline AT TIME ZONE 'UTC'",
        "",
    ),
    (
        "ALTER TABLE workspaces DROP COLUMN automatic_updates CASCADE",
        "",
    ),
    (
        "ALTER TABLE workspaces ADD COLUMN automatic_updates automatic_updates NOT NULL DEFAULT 'never'",
        "",
    ),
    (
        "ALTER TABLE workspace_builds RENAME COLUMN deadline TO due",
        "deadline",
    ),
    (
        "ALTER TABLE workspace_builds RENAME COLUMN due TO deadline",
        "",
    ),
    ("ALTER TABLE templates RENAME TO blueprints", "templates"),
    ("ALTER TABLE blueprints RENAME TO templates", ""),
    (
        "ALTER TABLE workspace_builds ALTER COLUMN build_number TYPE text",
        "build_number",
    ),
    (
        "ALTER TABLE workspace_builds ALTER COLUMN build_number TYPE bigint USING build_number::bigint",
        "",
    ),
    (
        "ALTER TABLE template_version_parameters RENAME TO gone;
      CREATE TABLE template_version_parameters (LIKE gone INCLUDING ALL);
      INSERT INTO template_version_parameters SELECT * FROM gone; DROP TABLE gone",
        "",
    ),
    (
        "ALTER TABLE workspace_build_parameters RENAME TO gone",
        "workspace_build_parameters",
    ),
    (
        "CREATE TABLE workspace_build_parameters (LIKE gone INCLUDING ALL);
      INSERT INTO workspace_build_parameters SELECT * FROM gone; DROP TABLE gone",
        "",
    ),
    ("CREATE INDEX ON workspace_builds (created_at); ANALYZE", ""),
];

#[test]
fn a_schema_that_changes_is_followed_and_what_is_missing_is_said() {
    let server = server();
    for attached in [false, true] {
        let product = Product::install(&server, Version::NEWEST);
        let template = template(&product);
        product.create_extension();
        // One session's plans live through all of it.
        let mut client = product.superuser();
        if attached {
            texts(&mut client, "SELECT autobuild_attach()");
        }
        let mut built = 0;
        for (number, (statement, missing)) in STEPS.iter().enumerate() {
            let mut migration = product.superuser();
            // A view of the product's stands in the way of some changes.
            migration
                .batch_execute(&format!(
                    "SET lock_timeout = '3s'; {}",
                    drop_views(&product)
                ))
                .expect("views");
            for statement in statement.split(';') {
                migration
                    .batch_execute(statement)
                    .unwrap_or_else(|e| panic!("{statement}: {e:?}"));
            }
            migration
                .batch_execute(
                    "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname IN
                     ('template_version_parameters', 'workspace_build_parameters')
                     LOOP EXECUTE format('ALTER TABLE %s OWNER TO product', t); END LOOP; END $$",
                )
                .expect("an owner");
            if missing.is_empty() {
                overdue(&template, &format!("{attached} {number}"));
                built += 1;
                let sql = "SELECT count(*) FROM autobuild_preview() WHERE outcome <> 'built'";
                assert_eq!(value(&mut client, sql), "0", "{statement}: a kept plan");
                let begun = Instant::now();
                await_until(&format!("{statement}: it goes on"), SOON, || {
                    texts(&mut client, "SELECT autobuild_wake()");
                    stops(&mut client) == built.to_string()
                });
                println!("{statement}: built after {:?}", begun.elapsed());
            } else {
                let refused = client.batch_execute("SELECT * FROM autobuild_preview()");
                let code = refused
                    .expect_err("it can't be read")
                    .code()
                    .map(|c| c.code().to_owned());
                let code = code.unwrap_or_default();
                assert!(code.starts_with("42"), "{statement}: {code}");
                await_until(&format!("{statement}: it says {missing}"), SOON, || {
                    let sql = "SELECT worker_state || problem FROM autobuild_status";
                    let said = value(&mut client, sql);
                    said.starts_with("waiting") && said.contains(missing)
                });
            }
        }
        assert_eq!(invariants::of_history(&product), Vec::<String>::new());
        let longest = value(
            &mut client,
            "SELECT max(finished_at - started_at) FROM autobuild_ticks",
        );
        println!("the longest tick: {longest}");
        let bounded = format!(
            "SELECT max(finished_at - started_at) < interval '{} s' FROM autobuild_ticks",
            LONG.as_secs()
        );
        assert_eq!(value(&mut client, &bounded), "t");
        let drop = "DROP EXTENSION \"workspace-autobuild\"";
        client.batch_execute(drop).expect("it is there");
    }
    let log = server.log();
    let stale: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("panicked") || line.contains("cached plan"))
        .collect();
    assert!(stale.is_empty(), "{stale:?}");
}

/// Drops the product's own views, as its migrations do first.
fn drop_views(product: &Product) -> String {
    let sql = "SELECT 'DROP VIEW IF EXISTS ' || oid::regclass || ' CASCADE' FROM pg_class
                WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
                  AND relname NOT LIKE 'autobuild%'";
    let rows = texts(&mut product.superuser(), sql);
    let statements: Vec<String> = rows.into_iter().flatten().flatten().collect();
    statements.join(";")
}
