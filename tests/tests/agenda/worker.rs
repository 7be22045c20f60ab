//! The worker and the agenda: built in the background, in nobody's way.

use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::product::Value;
use workspace_autobuild_tests::server::{hourly, ticking};
use workspace_autobuild_tests::{
    Product, SOON, Server, StopMode, Transition, Version, await_until,
};

use super::support::*;

fn product(server: &Server, count: u32) -> Product {
    let product = Product::with_extension(server, Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspaces(count, Transition::Start)
        .deadline(Value::sql(
            "now() + interval '1 hour' + i * interval '1 second'",
        ))
        .create();
    product
}

/// A database whose agenda an hourly worker is building.
fn being_built(server: &Server) -> (Product, Client) {
    let product = product(server, 60_000);
    let mut root = product.superuser();
    execute(
        &mut root,
        "SELECT autobuild_attach(); SELECT autobuild_wake()",
    );
    await_until("the agenda is being built", SOON, || {
        progress(&mut root, "passed > 0").as_deref() == Some("t")
    });
    (product, root)
}

#[test]
fn the_worker_builds_the_agenda_and_after_a_crash_anew() {
    let mut server = ticking().durable().start();
    let product = product(&server, 12_000);
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("12000"));
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE deadline < now() + interval '1 hour' + interval '10 seconds'",
    );
    let stops = "SELECT count(*) >= 9 FROM workspace_builds WHERE transition = 'stop'";
    await_until("stops", SOON, || {
        value(&mut root, stops).as_deref() == Some("t")
    });
    let modes = "SELECT count(*) FROM autobuild_ticks WHERE mode <> 'agenda'";
    assert_eq!(value(&mut root, modes).as_deref(), Some("0"));
    // A crash empties all of it together, and ticks scan until it is there again.
    execute(&mut root, "SELECT autobuild_pause('crash')");
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE transition = 'start' AND deadline > now() + interval '4 hours'",
    );
    server.restart(StopMode::Immediate);
    product.reconnect();
    let mut root = product.superuser();
    assert_eq!(mode(&mut root), "scan");
    assert_eq!(progress(&mut root, "entries"), None);
    let emptied =
        "SELECT (SELECT count(*) FROM autobuild_marks), (SELECT count(*) FROM autobuild_agenda)";
    assert_eq!(
        workspace_autobuild_tests::product::texts(&mut root, emptied),
        [[Some("0".to_owned()), Some("0".to_owned())]]
    );
    let overdue = value(&mut root, "SELECT count(*) FROM autobuild_preview()");
    assert_ne!(overdue.as_deref(), Some("0"));
    execute(&mut root, "SELECT autobuild_resume()");
    await_until("all is stopped", SOON, || {
        value(&mut root, "SELECT count(*) FROM autobuild_preview()").as_deref() == Some("0")
    });
    await_until("the agenda is there again", SOON, || {
        mode(&mut root) == "agenda"
    });
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
}

#[test]
fn an_idle_tick_of_the_workers_writes_no_wal() {
    let server = ticking()
        .set("workspace_autobuild.audit_interval", "0")
        .set("autovacuum", "off")
        .set("checkpoint_timeout", "1h")
        // The server itself notes running transactions every 15 seconds.
        .set("wal_level", "minimal")
        .set("max_wal_senders", "0")
        .start();
    let product = product(&server, 500);
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    execute(&mut root, "VACUUM; ");
    execute(&mut root, "CHECKPOINT");
    let ticks = |root: &mut _| -> i64 {
        value(
            root,
            "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
              WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'",
        )
        .and_then(|n| n.parse().ok())
        .expect("a count")
    };
    let place = |root: &mut _| {
        value(
            root,
            "SELECT pg_current_wal_insert_lsn() || ' ' || pg_snapshot_xmax(pg_current_snapshot())",
        )
    };
    let first = ticks(&mut root);
    await_until("ticks", SOON, || ticks(&mut root) > first + 1);
    let before = place(&mut root);
    await_until("ticks", SOON, || ticks(&mut root) > first + 4);
    assert_eq!(place(&mut root), before);
}

#[test]
fn marks_that_nobody_takes_do_not_pile_up_for_ever() {
    let server = ticking().start();
    let product = product(&server, 100);
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    execute(&mut root, "SELECT autobuild_pause('for long')");
    execute(
        &mut root,
        "INSERT INTO autobuild_marks (kind, id)
         SELECT 'w', gen_random_uuid() FROM generate_series(1, 250000)",
    );
    await_until("the marks are thrown away", SOON, || {
        value(&mut root, "SELECT count(*) FROM autobuild_marks").as_deref() == Some("0")
    });
    assert_eq!(mode(&mut root), "scan");
    execute(&mut root, "SELECT autobuild_resume()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("100"));
    assert!(server.log().contains("too many marks"));
}

#[test]
fn a_database_can_be_dropped_while_its_agenda_is_built() {
    let server = hourly().start();
    let (product, root) = being_built(&server);
    let database = product.database().to_owned();
    drop(root);
    drop(product);
    execute(
        &mut server.client("postgres"),
        &format!("DROP DATABASE {database}"),
    );
}

#[test]
fn a_wake_does_not_wait_for_a_pass() {
    let server = hourly().start();
    let (product, mut root) = being_built(&server);
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
                      WHERE deadline < now() + interval '1 hour' + interval '5 seconds'",
    );
    execute(&mut root, "SELECT autobuild_wake()");
    await_until("stops", Duration::from_secs(10), || {
        value(
            &mut root,
            "SELECT count(*) > 0 FROM workspace_builds WHERE transition = 'stop'",
        )
        .as_deref()
            == Some("t")
    });
    execute(&mut root, "SELECT autobuild_wake()");
    await_until("the agenda is built", SOON * 2, || {
        mode(&mut root) == "agenda"
    });
}
