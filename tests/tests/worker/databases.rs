//! Databases come, go, and are copied while ticks run in them.

use std::time::{Duration, Instant};

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, Server, Version, await_until};

use super::support::*;

/// PostgreSQL's own patience with sessions in a database that is dropped or copied.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a statement that wants a database for itself; it must not have to wait long.
#[track_caller]
fn quickly(client: &mut postgres::Client, sql: &str) {
    let begun = Instant::now();
    texts(client, sql);
    let taken = begun.elapsed();
    assert!(taken < PATIENCE, "{sql} took {taken:?}");
}

/// A product's database in which ticks run; no session of the test's stays in it.
fn database_with_ticks(server: &Server) -> String {
    let product = Product::with_extension(server, Version::NEWEST);
    await_tick(&mut product.superuser(), "done");
    product.database().to_owned()
}

#[test]
fn an_extension_is_found_at_its_commit_and_not_before() {
    let server = hourly().start();
    let mut client = server.client("postgres");
    let create = "CREATE EXTENSION \"workspace-autobuild\"";
    texts(&mut client, "BEGIN");
    texts(&mut client, create);
    texts(&mut client, "ROLLBACK");
    for _ in 0..2 {
        texts(&mut client, "BEGIN");
        texts(&mut client, create);
        // Also when the launcher has still to take notice of the last round's drop.
        await_status(&mut client, "next_tick_at IS NULL", "t");
        texts(&mut client, "COMMIT");
        await_status(&mut client, "next_tick_at IS NOT NULL", "t");
        texts(&mut client, "DROP EXTENSION \"workspace-autobuild\"");
    }
    assert_eq!(log_lines(&server, "ERROR"), 0);
}

#[test]
fn a_dropped_extension_ends_the_ticks_and_leaves_the_log_quiet() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let other = Product::with_extension(&server, Version::OLDEST);
    let mut client = product.superuser();
    let mut witness = other.superuser();
    await_tick(&mut client, "done");
    texts(&mut client, "DROP EXTENSION \"workspace-autobuild\"");
    for _ in 0..3 {
        await_tick(&mut witness, "done");
    }
    texts(&mut client, "CREATE EXTENSION \"workspace-autobuild\"");
    await_tick(&mut client, "done");
    for unwanted in ["worker FATAL", "ERROR", "workspace-autobuild: "] {
        assert_eq!(log_lines(&server, unwanted), 0, "{}", server.log());
    }
}

#[test]
fn what_is_rolled_back_changes_nothing() {
    let server = ticking().start();
    let database = database_with_ticks(&server);
    let mut inside = server.client(&database);
    let mut client = server.client("postgres");
    texts(&mut inside, "BEGIN");
    texts(&mut inside, "DROP EXTENSION \"workspace-autobuild\"");
    texts(&mut inside, "ROLLBACK");
    await_tick(&mut inside, "done");
    for alter in [
        "RENAME TO another",
        "ALLOW_CONNECTIONS false",
        "CONNECTION LIMIT 0",
        "SET workspace_autobuild.action = off",
    ] {
        texts(&mut client, "BEGIN");
        // Nobody else may be in a database that is renamed.
        drop(inside);
        quickly(&mut client, &format!("ALTER DATABASE {database} {alter}"));
        texts(&mut client, "ROLLBACK");
        inside = server.client(&database);
        await_tick(&mut inside, "done");
        await_tick(&mut inside, "done");
    }
    assert_eq!(status(&mut inside, "problem"), None);
    for unwanted in ["worker FATAL", "ERROR", "workspace-autobuild: "] {
        assert_eq!(log_lines(&server, unwanted), 0, "{}", server.log());
    }
}

#[test]
fn a_drop_that_is_not_committed_yet_delays_ticks_and_is_told_of_once() {
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "100ms")
        .start();
    let database = database_with_ticks(&server);
    let mut inside = server.client(&database);
    let mut witness = server.client(&database_with_ticks(&server));
    texts(&mut inside, "BEGIN");
    quickly(&mut inside, "DROP EXTENSION \"workspace-autobuild\"");
    await_until("a tick comes to nothing", SOON, || {
        log_lines(&server, "a tick was given up: ") > 0
    });
    for _ in 0..4 {
        await_tick(&mut witness, "done");
    }
    texts(&mut inside, "ROLLBACK");
    await_tick(&mut inside, "done");
    await_status(&mut inside, "worker_state", "idle");
    assert_eq!(log_lines(&server, "a tick was given up: "), 1);
    assert_eq!(log_lines(&server, "ticks are made again"), 1);
    texts(&mut inside, "BEGIN");
    quickly(&mut inside, "DROP EXTENSION \"workspace-autobuild\"");
    await_tick(&mut witness, "done");
    await_tick(&mut witness, "done");
    texts(&mut inside, "COMMIT");
    await_until("no worker is there", SOON, || {
        value(
            &mut inside,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND backend_type LIKE 'workspace-autobuild%'",
        )
        .as_deref()
            == Some("0")
    });
    let before = log_lines(&server, "a tick was given up: ");
    for _ in 0..4 {
        await_tick(&mut witness, "done");
    }
    assert_eq!(log_lines(&server, "a tick was given up: "), before);
}

#[test]
fn a_database_can_be_moved_and_dropped_by_force_while_ticks_run() {
    let server = ticking().start();
    let database = database_with_ticks(&server);
    let mut client = server.client("postgres");
    texts(&mut client, "SET allow_in_place_tablespaces = on");
    texts(&mut client, "CREATE TABLESPACE elsewhere LOCATION ''");
    for place in ["elsewhere", "pg_default", "elsewhere"] {
        quickly(
            &mut client,
            &format!("ALTER DATABASE {database} SET TABLESPACE {place}"),
        );
        let mut inside = server.client(&database);
        await_tick(&mut inside, "done");
        assert_eq!(status(&mut inside, "problem"), None);
    }
    let _inside = server.client(&database);
    quickly(
        &mut client,
        &format!("DROP DATABASE {database} WITH (FORCE)"),
    );
    let mut witness = server.client(&database_with_ticks(&server));
    for _ in 0..3 {
        await_tick(&mut witness, "done");
    }
    assert!(
        log_lines(&server, "does not exist") <= 1,
        "{}",
        server.log()
    );
}

#[test]
fn a_rename_into_the_list_and_out_of_it_takes_effect_at_once() {
    let server = ticking()
        .set("workspace_autobuild.databases", "postgres, \"to be, or\"")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let database = product.database().to_owned();
    drop(product);
    let mut client = server.client("postgres");
    let mut inside = server.client(&database);
    assert_status(&mut inside, "worker_state", "off");
    drop(inside);
    quickly(
        &mut client,
        &format!("ALTER DATABASE {database} RENAME TO \"to be, or\""),
    );
    let mut inside = server.client("to be, or");
    await_tick(&mut inside, "done");
    drop(inside);
    quickly(
        &mut client,
        &format!("ALTER DATABASE \"to be, or\" RENAME TO {database}"),
    );
    let mut inside = server.client(&database);
    await_status(&mut inside, "worker_state", "off");
    await_status(&mut inside, "next_tick_at IS NULL", "t");
}

#[test]
fn copies_renames_and_drops_work_while_ticks_run() {
    let server = ticking().start();
    let database = database_with_ticks(&server);
    let mut client = server.client("postgres");
    for round in 0..5 {
        quickly(
            &mut client,
            &format!("CREATE DATABASE copy_{round} TEMPLATE {database}"),
        );
        let mut copy = server.client(&format!("copy_{round}"));
        await_tick(&mut copy, "done");
        drop(copy);
        quickly(
            &mut client,
            &format!("ALTER DATABASE copy_{round} RENAME TO renamed"),
        );
        let mut renamed = server.client("renamed");
        await_tick(&mut renamed, "done");
        drop(renamed);
        quickly(&mut client, "DROP DATABASE renamed");
    }
    quickly(&mut client, &format!("DROP DATABASE {database}"));
    // A worker may have been on its way into a database that was dropped just then.
    assert!(log_lines(&server, "does not exist") <= 6);
}

#[test]
fn a_long_tick_makes_room_for_who_wants_the_database_for_himself() {
    let server = hourly().set("workspace_autobuild.batch_size", "1").start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 3000);
    product.create_extension();
    let mut inside = product.superuser();
    wake(&mut inside);
    await_status(&mut inside, "worker_state", "running");
    drop(inside);
    let database = product.database().to_owned();
    drop(product);
    let mut client = server.client("postgres");
    quickly(
        &mut client,
        &format!("CREATE DATABASE copy TEMPLATE {database}"),
    );
    let mut inside = server.client(&database);
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    let built: u32 = value(&mut inside, stops)
        .and_then(|n| n.parse().ok())
        .expect("a count");
    assert!(built < 3000, "the tick was over too soon to tell");
    assert_status(&mut inside, "consecutive_failures", "0");
    wake(&mut inside);
    await_until("the rest", 6 * SOON, || {
        value(&mut inside, stops).as_deref() == Some("3000")
    });
}

#[test]
fn a_database_that_takes_no_connections_is_left_alone_and_found_again() {
    let server = ticking().start();
    let database = database_with_ticks(&server);
    let mut client = server.client("postgres");
    texts(
        &mut client,
        &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
    );
    let mut witness = server.client(&database_with_ticks(&server));
    for _ in 0..3 {
        await_tick(&mut witness, "done");
    }
    assert!(log_lines(&server, "is not currently accepting connections") <= 1);
    texts(
        &mut client,
        &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
    );
    await_tick(&mut server.client(&database), "done");
}

#[test]
fn thirty_databases_need_no_thirty_worker_slots() {
    // Two are the launchers', so two are left.
    let server = ticking().set("max_worker_processes", "4").start();
    let mut client = server.client("postgres");
    texts(&mut client, "CREATE DATABASE first");
    texts(
        &mut server.client("first"),
        "CREATE EXTENSION \"workspace-autobuild\"",
    );
    for n in 2..=30 {
        quickly(
            &mut client,
            &format!("CREATE DATABASE database_{n} TEMPLATE first"),
        );
    }
    for n in 2..=30 {
        let mut inside = server.client(&format!("database_{n}"));
        await_until("two ticks", SOON, || ticks(&mut inside, "waiting") > 1);
    }
    assert_eq!(log_lines(&server, "no background worker slot"), 0);
}

#[test]
fn no_worker_slot_is_told_of_once_and_recovered_from() {
    // One is the launcher's own.
    let server = ticking()
        .set("max_worker_processes", "2")
        .set("max_logical_replication_workers", "0")
        .set("max_parallel_workers", "1")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    let mut client = product.superuser();
    product.create_extension();
    await_tick(&mut client, "done");
    // A long tick in another database takes the only slot.
    let hog = hog(&server);
    await_status(&mut client, "worker_state", "failing");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("max_worker_processes"), "{problem}");
    await_status(&mut client, "lag > interval '3 s'", "t");
    hog.execute("COMMIT");
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
    assert_eq!(log_lines(&server, "no background worker slot is free"), 1);
    assert_eq!(log_lines(&server, "slots are free again"), 1);
}
