//! A server without the preload, and the worker that a session starts there.

use postgres::error::SqlState;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::Options;
use workspace_autobuild_tests::{Product, Server, StopMode, Version, await_until};

use super::support::*;

/// A tick each second; not preloaded.
fn without_preload() -> Options {
    Server::options()
        .set("workspace_autobuild.tick_interval", "1s")
        .set("workspace_autobuild.databases", "elsewhere")
}

#[test]
fn without_the_preload_the_status_says_what_to_do() {
    let server = without_preload()
        .set("shared_preload_libraries", "plpgsql")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    assert_status(&mut client, "worker_state", "not_preloaded");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(
        problem.contains("shared_preload_libraries = 'plpgsql, workspace-autobuild'"),
        "{problem}"
    );
    let problem = status(&mut product.connect(), "problem").unwrap_or_default();
    assert!(!problem.contains("plpgsql"), "{problem}");
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    texts(&mut client, "SELECT autobuild_pause('still works')");
    assert_status(&mut client, "pause_reason", "still works");
    // Without a launcher the session's configuration is what there is to know of it.
    texts(&mut client, "SET workspace_autobuild.role = nobody");
    assert_status(&mut client, "role", "product");
    texts(&mut client, "RESET workspace_autobuild.role");
    // A tick by hand is what the status shows as the last one.
    overdue(&product, 3);
    texts(&mut client, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(texts(&mut client, "SELECT autobuild_tick()").len(), 3);
    texts(&mut client, "COMMIT");
    assert_status(&mut client, "last_tick_built", "3");
    assert_status(&mut client, "last_tick_at IS NULL", "f");
}

#[test]
fn a_started_worker_ticks_until_the_server_restarts() {
    let mut server = without_preload().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_start_worker()");
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("shared_preload_libraries"), "{problem}");
    wake(&mut client);
    let refused = client
        .simple_query("SELECT autobuild_start_worker()")
        .expect_err("there is one");
    assert_eq!(
        refused.code(),
        Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
    );
    stop_at_once(&mut server);
    server.start();
    let mut client = product.superuser();
    assert_status(&mut client, "worker_state", "not_preloaded");
}

#[test]
fn a_started_worker_comes_back_after_it_was_ended_or_killed() {
    let server = without_preload().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_start_worker()");
    await_tick(&mut client, "done");
    texts(
        &mut client,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild launcher'",
    );
    await_status(&mut client, "worker_state", "not_preloaded");
    await_status(&mut client, "worker_state", "idle");
    await_tick(&mut client, "done");
}

#[test]
fn a_started_worker_is_in_nobodys_way_and_goes_with_its_database() {
    let server = without_preload().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut inside = product.superuser();
    texts(&mut inside, "SELECT autobuild_start_worker()");
    await_tick(&mut inside, "done");
    drop(inside);
    let database = product.database().to_owned();
    drop(product);
    let mut client = server.client("postgres");
    texts(
        &mut client,
        &format!("CREATE DATABASE copy TEMPLATE {database}"),
    );
    texts(&mut client, &format!("DROP DATABASE {database}"));
    await_until("the launcher ends", SOON, || {
        value(
            &mut client,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'workspace-autobuild%'",
        )
        .as_deref()
            == Some("0")
    });
    let mut copy = server.client("copy");
    assert_status(&mut copy, "worker_state", "not_preloaded");
}

#[test]
fn a_preloaded_server_starts_no_second_worker() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let refused = product
        .superuser()
        .simple_query("SELECT autobuild_start_worker()")
        .expect_err("it is preloaded");
    assert_eq!(
        refused.code(),
        Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
    );
}

#[test]
fn a_worker_started_before_its_extension_is_committed_waits_for_it() {
    let mut server = without_preload().start();
    let product = Product::install(&server, Version::NEWEST);
    let mut client = product.superuser();
    texts(&mut client, "BEGIN");
    texts(&mut client, "CREATE EXTENSION \"workspace-autobuild\"");
    texts(&mut client, "SELECT autobuild_start_worker()");
    texts(&mut client, "COMMIT");
    await_tick(&mut client, "done");
    server.stop(StopMode::Fast);
}
