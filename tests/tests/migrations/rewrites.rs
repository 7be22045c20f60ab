//! A table that ALTER TABLE rewrites, or that is made anew under its name, looks empty to a
//! snapshot that is older. Whatever waits for such a change sees the rows all the same, or
//! says that it can't: nobody is built from an empty table.

use std::thread;

use postgres::Client;
use workspace_autobuild_tests::autobuild::{NINE, Refusal};
use workspace_autobuild_tests::product::{Fields, Value, parameter, texts};
use workspace_autobuild_tests::server::hourly;
use workspace_autobuild_tests::{Product, Server, Transition, Version, await_until};

use super::{SOON, value};

/// Every table that a tick reads or writes on the newest tables.
const READ: [&str; 15] = [
    "workspaces",
    "users",
    "templates",
    "template_versions",
    "template_version_parameters",
    "workspace_builds",
    "workspace_build_parameters",
    "provisioner_jobs",
    "provisioner_daemons",
    "template_version_workspace_tags",
    "template_version_terraform_values",
    "template_version_presets",
    "template_version_preset_parameters",
    "tasks",
    "task_workspace_apps",
];

/// How a migration gives a table new files.
const CHANGES: [&str; 2] = [
    "ALTER TABLE $ ADD COLUMN rewritten float8 DEFAULT random();
     ALTER TABLE $ DROP COLUMN rewritten",
    "ALTER TABLE $ RENAME TO old; CREATE TABLE $ (LIKE old INCLUDING ALL);
     INSERT INTO $ SELECT * FROM old; ALTER TABLE $ OWNER TO product; DROP TABLE old CASCADE",
];

/// A server that ticks when it is asked to.
fn server() -> Server {
    hourly()
        // Looked after at each errand.
        .set("workspace_autobuild.audit_interval", "0")
        .start()
}

fn installed(server: &Server) -> Product {
    let product = Product::with_extension(server, Version::V2_34_3);
    let template = product
        .template("docker")
        .set("use_classic_parameter_flow", true)
        .parameter(parameter("disk").default("10GB"))
        .create();
    for name in ["early", "late"] {
        let workspace = template.workspace(name).schedule(NINE).create();
        workspace
            .build(Transition::Stop)
            .created_at(Value::sql("now() - interval '2 days'"))
            .parameter("disk", "100GB")
            .create();
    }
    product
}

/// A migration of a table, as far as its COMMIT.
fn migration(product: &Product, table: &str, change: &str) -> Client {
    let mut session = product.superuser();
    let sql = format!("BEGIN; {}", change.replace('$', table));
    session
        .batch_execute(&sql)
        .unwrap_or_else(|e| panic!("{table}: {e:?}"));
    session
}

/// Waits until somebody other than the migration waits for its lock.
fn await_waiter(client: &mut Client, table: &str) {
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE NOT l.granted AND l.locktype = 'relation' AND d.datname = current_database()
                  AND l.relation::regclass::text NOT LIKE 'autobuild%'";
    await_until(&format!("somebody waits for {table}"), SOON, || {
        value(client, sql) != "0"
    });
}

/// The executor's lock, so that a tick waits before it comes to the product's tables.
fn hold_executor(product: &Product) -> Client {
    let mut session = product.superuser();
    session
        .batch_execute("BEGIN; LOCK TABLE autobuild_executor_lock IN EXCLUSIVE MODE")
        .expect("the executor's lock");
    session
}

fn await_executor(client: &mut Client) {
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE NOT l.granted AND d.datname = current_database()
                  AND l.relation = 'autobuild_executor_lock'::regclass";
    await_until("a tick comes to the executor's lock", SOON, || {
        value(client, sql) == "1"
    });
}

fn wake(client: &mut Client) {
    await_until("the worker is there", SOON, || {
        value(client, "SELECT autobuild_wake()") == "t"
    });
}

/// What came of the starts: how many, and with which disk.
const STARTED: &str = "
    SELECT count(*) || ' ' || coalesce(string_agg(DISTINCT p.value, ','), '')
      FROM workspace_builds b
      LEFT JOIN workspace_build_parameters p ON p.workspace_build_id = b.id AND p.name = 'disk'
     WHERE b.build_number = 2";

/// Removes the starts, as if they had never been.
const UNDO: &str = "
    DELETE FROM workspace_build_parameters WHERE workspace_build_id IN
           (SELECT id FROM workspace_builds WHERE build_number = 2);
    DELETE FROM task_workspace_apps;
    WITH gone AS (DELETE FROM workspace_builds WHERE build_number = 2 RETURNING job_id)
    DELETE FROM provisioner_jobs WHERE id IN (SELECT job_id FROM gone);
    UPDATE workspaces SET next_start_at = NULL";

#[test]
fn a_batch_that_waited_for_a_rewrite_builds_with_what_is_there() {
    let server = server();
    for change in CHANGES {
        let product = installed(&server);
        let mut client = product.superuser();
        for table in READ {
            // A generated column can't be copied so.
            if table == "provisioner_jobs" && change == CHANGES[1] {
                continue;
            }
            let mut executor = hold_executor(&product);
            wake(&mut client);
            await_executor(&mut client);
            let mut migration = migration(&product, table, change);
            executor.batch_execute("COMMIT").expect("held");
            await_waiter(&mut client, table);
            migration.batch_execute("COMMIT").expect("migrated");
            await_until(&format!("{table}: both start"), SOON, || {
                value(&mut client, STARTED).starts_with('2')
            });
            assert_eq!(value(&mut client, STARTED), "2 100GB", "{table}");
            let others = "SELECT string_agg(outcome || ' ' || coalesce(code, sqlstate), ',')
                            FROM autobuild_transitions WHERE outcome <> 'built'";
            assert_eq!(value(&mut client, others), "", "{table}");
            client.batch_execute(UNDO).expect("undone");
        }
    }
}

/// Wakes the worker: it takes its snapshot, and then waits for a table that is being rewritten.
fn rewrite_first(product: &Product, client: &mut Client, table: &str) {
    let mut executor = hold_executor(product);
    wake(client);
    await_executor(client);
    let mut migrated = migration(product, table, CHANGES[0]);
    executor.batch_execute("COMMIT").expect("held");
    await_waiter(client, table);
    migrated.batch_execute("COMMIT").expect("migrated");
}

#[test]
fn a_pass_or_marks_that_waited_for_a_rewrite_lose_no_entry() {
    let server = server();
    let product = installed(&server);
    let mut client = product.superuser();
    client
        .batch_execute(
            "UPDATE workspaces SET autostart_schedule = 'CRON_TZ=UTC 0 9 * * *';
             UPDATE workspace_builds SET created_at = now() + interval '1 day';",
        )
        .expect("nobody is due");
    let progress = "SELECT ready::text FROM autobuild_agenda_progress";
    for table in [
        "workspaces",
        "users",
        "templates",
        "workspace_builds",
        "provisioner_jobs",
    ] {
        // The pass that builds the agenda.
        texts(&mut client, "SELECT autobuild_detach()");
        texts(&mut client, "SELECT autobuild_attach()");
        rewrite_first(&product, &mut client, table);
        await_until(&format!("{table}: the agenda is ready"), SOON, || {
            wake(&mut client);
            value(&mut client, progress) == "true"
        });
        let all = "SELECT count(*) FROM autobuild_agenda";
        assert_eq!(value(&mut client, all), "2", "{table}: built");
        // Marks, and the audit after them.
        client
            .batch_execute(
                "UPDATE users SET status = 'suspended'; UPDATE users SET status = 'active'",
            )
            .expect("marks");
        rewrite_first(&product, &mut client, table);
        await_until(&format!("{table}: the marks are taken"), SOON, || {
            wake(&mut client);
            value(&mut client, "SELECT count(*) FROM autobuild_marks") == "0"
        });
        assert_eq!(value(&mut client, all), "2", "{table}: marks");
    }
}

/// Runs a query in a session of its own while a migration of the table holds its lock, and
/// returns how it ends when the migration commits.
fn beside(product: &Product, table: &str, begin: &str, sql: &str) -> Result<(), Refusal> {
    let mut migration = migration(product, table, CHANGES[0]);
    let mut session = product.superuser();
    session.batch_execute(begin).expect("it begins");
    let mut client = product.superuser();
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            session
                .simple_query(sql)
                .map(drop)
                .map_err(|error| Refusal::of(&error))
        });
        await_waiter(&mut client, table);
        migration.batch_execute("COMMIT").expect("migrated");
        asked.join().expect("no panic")
    })
}

#[test]
fn by_hand_and_previews_say_that_their_snapshot_is_too_old() {
    let product = installed(Server::shared());
    let one = value(
        &mut product.superuser(),
        "SELECT id FROM workspaces WHERE name = 'early'",
    );
    let repeatable = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    let mut told = 0;
    let mut refused = |table, begin, sql: &str| {
        let refusal = beside(&product, table, begin, sql)
            .err()
            .unwrap_or_else(|| panic!("{table}: answered from an empty table: {sql}"));
        assert_eq!(refusal.sqlstate, "40001", "{table}: {sql}: {refusal:?}");
        assert!(refusal.hint.contains("new transaction"), "{refusal:?}");
        told += 1;
    };
    for table in READ {
        refused(table, repeatable, "SELECT * FROM autobuild_tick()");
        refused(table, "SELECT 1", "SELECT * FROM autobuild_preview()");
    }
    for table in ["workspaces", "provisioner_jobs"] {
        refused(table, repeatable, "SELECT * FROM autobuild_upcoming()");
        for function in ["autobuild_next_transition", "autobuild_explain"] {
            refused(
                table,
                "SELECT 1",
                &format!("SELECT * FROM {function}('{one}')"),
            );
        }
    }
    for table in ["workspace_builds", "provisioner_jobs"] {
        refused(table, "SELECT 1", "SELECT * FROM autobuild_waiting");
    }
    for table in ["workspaces", "users", "provisioner_jobs"] {
        refused(table, "SELECT 1", "SELECT * FROM autobuild_unreadable");
    }
    assert_eq!(told, 2 * READ.len() + 11);
    // What was committed before the snapshot is no reason to refuse.
    migration(&product, "users", CHANGES[1])
        .batch_execute("COMMIT")
        .expect("migrated");
    let rows = product.tick(&value(&mut product.superuser(), "SELECT now()"));
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(value(&mut product.superuser(), STARTED), "2 100GB");
}

#[test]
fn a_grant_or_an_index_since_the_snapshot_is_no_reason_to_refuse() {
    let product = installed(Server::shared());
    let mut session = product.superuser();
    session
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .expect("a snapshot");
    product
        .execute("GRANT SELECT ON users, workspaces TO PUBLIC; CREATE INDEX ON workspaces (name)");
    assert_eq!(texts(&mut session, "SELECT FROM autobuild_tick()").len(), 2);
}

#[test]
fn a_migration_is_never_the_victim_of_a_deadlock() {
    let server = hourly()
        .set("workspace_autobuild.lock_timeout", "10s")
        .start();
    let product = installed(&server);
    let mut client = product.superuser();
    let tables = [
        "workspaces",
        "provisioner_jobs",
        "workspace_builds",
        "template_versions",
    ];
    for first in tables {
        for second in tables.into_iter().filter(|second| *second != first) {
            let mut executor = hold_executor(&product);
            wake(&mut client);
            await_executor(&mut client);
            let mut migration = product.superuser();
            migration
                .batch_execute(&format!(
                    "BEGIN; LOCK TABLE {first} IN ACCESS EXCLUSIVE MODE"
                ))
                .expect("a lock");
            executor.batch_execute("COMMIT").expect("held");
            await_waiter(&mut client, first);
            migration
                .batch_execute(&format!(
                    "LOCK TABLE {second} IN ACCESS EXCLUSIVE MODE; COMMIT"
                ))
                .unwrap_or_else(|e| panic!("{first}, {second}: {e:?}"));
            await_until(&format!("{first}, {second}: both start"), SOON, || {
                value(&mut client, STARTED) == "2 100GB"
            });
            client.batch_execute(UNDO).expect("undone");
        }
    }
    assert!(
        !server.log().contains("deadlock detected"),
        "{}",
        server.log()
    );
}
