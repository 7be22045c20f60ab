//! A tick by hand builds the agenda at once, and one for a time to come reads it.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::autobuild::{self, NINE};
use workspace_autobuild_tests::product::{Fields, Value, texts};
use workspace_autobuild_tests::{Product, Transition, Version, await_until};

use super::support::*;

/// So many that run, each an hour longer than the one before.
fn running(product: &Product, count: u32) {
    let template = product.template("docker").create();
    template
        .workspaces(count, Transition::Start)
        .deadline(Value::sql("now() + i * interval '1 hour'"))
        .create();
}

/// One more of them is overdue.
fn overdue(product: &Product) {
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE id = (SELECT id FROM workspace_builds
                       WHERE transition = 'start' AND deadline > now() LIMIT 1)",
    );
}

/// The modes of the ticks that did something, the first one first.
fn modes(client: &mut Client) -> Vec<String> {
    texts(client, "SELECT mode FROM autobuild_ticks ORDER BY tick_id")
        .into_iter()
        .flatten()
        .flatten()
        .collect()
}

#[test]
fn the_first_tick_by_hand_after_attaching_scans_and_the_second_one_works_by_the_agenda() {
    for call in ["autobuild_tick()", "autobuild_run()"] {
        let product = install(Version::NEWEST);
        // More than a tick went on with after its work.
        running(&product, 60_000);
        let mut root = product.superuser();
        execute(&mut root, "SELECT autobuild_attach()");
        for (n, mode_then) in ["scan", "agenda", "agenda"].into_iter().enumerate() {
            overdue(&product);
            execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
            let rows = texts(&mut root, &format!("SELECT * FROM {call}"));
            execute(&mut root, "COMMIT");
            assert_eq!(rows.len(), 1, "{call}");
            assert_eq!(modes(&mut root)[n], mode_then, "{call}");
        }
        assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
    }
}

#[test]
fn a_statement_timeout_leaves_time_for_the_scan_and_the_next_ticks_go_on() {
    let product = install(Version::NEWEST);
    running(&product, 60_000);
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    tick(&mut root);
    let begun = Instant::now();
    texts(&mut root, "SELECT * FROM autobuild_preview()");
    // A quarter of it, the piece that is under way then, and the scan: but no more pieces.
    let timeout = begun.elapsed().as_millis() * 3;
    execute(&mut root, &format!("SET statement_timeout = {timeout}"));
    // Where the machine has other work, one may come to its end too late; not all.
    let built = (0..20).any(|_| {
        let ticked = autobuild::try_tick(&mut root, "now");
        ticked.is_ok() && mode(&mut root) == "agenda"
    });
    assert!(built, "{:?}", progress(&mut root, "passed"));
}

#[test]
fn a_tick_by_hand_builds_no_further_where_somebody_waits_for_a_lock() {
    let product = install(Version::NEWEST);
    // Two pieces.
    running(&product, 10_500);
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    tick(&mut root);
    // Two that wait for each other, and for nobody else.
    let lock = "BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE";
    let (mut first, mut second) = (product.superuser(), product.superuser());
    execute(&mut first, lock);
    thread::scope(|scope| {
        scope.spawn(|| execute(&mut second, lock));
        let waits = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                      WHERE NOT l.granted AND d.datname = current_database()";
        await_until("one waits", Duration::from_secs(30), || {
            value(&mut root, waits).as_deref() == Some("1")
        });
        let ticked = autobuild::try_tick(&mut root, "now");
        execute(&mut first, "COMMIT");
        assert!(ticked.is_ok(), "{ticked:?}");
    });
    assert_eq!(mode(&mut root), "scan");
    assert_eq!(progress(&mut root, "passed").as_deref(), Some("10000"));
    execute(&mut second, "COMMIT");
    tick(&mut root);
    assert_eq!(mode(&mut root), "agenda");
}

#[test]
fn a_tick_by_hand_for_a_time_to_come_reads_the_agenda_and_writes_nothing_to_it() {
    let product = install(Version::NEWEST);
    running(&product, 10_000);
    let template = product.template("starts").create();
    template
        .workspaces(3, Transition::Stop)
        .schedule(NINE)
        .set("next_start_at", Value::sql("now() + i * interval '1 hour'"))
        .created_at(Value::sql("now() - interval '3 days'"))
        .create();
    let mut root = product.superuser();
    attach(&mut root);
    execute(&mut root, "ANALYZE");
    // Changed since, and not taken yet.
    product.execute(
        "UPDATE workspace_builds SET deadline = now() + interval '90 minutes'
          WHERE deadline > now() + interval '9998 hours'",
    );
    let (marked, set_then) = (marks(&mut root), entries(&mut root));
    assert_eq!(marked.len(), 2);
    let later = value(&mut root, "SELECT now() + interval '30 hours'").expect("a time");
    let ticked = format!(
        "SELECT workspace_id, transition, reason, due_at, outcome, build_number
           FROM autobuild_tick('{later}')"
    );
    execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    execute(&mut root, &set("role = 'product'"));
    assert_eq!(mode(&mut root), "scan");
    let by_scan = texts(&mut root, &ticked);
    execute(&mut root, "ROLLBACK");
    assert!(by_scan.len() >= 32, "{}", by_scan.len());

    // A session of its own, which has read nothing else.
    let mut session = product.superuser();
    execute(&mut session, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(texts(&mut session, &ticked), by_scan);
    let read = "SELECT max(seq_tup_read + coalesce(idx_tup_fetch, 0))
                  FROM pg_stat_xact_user_tables WHERE relname IN ('workspaces', 'workspace_builds')";
    let read: i64 = value(&mut session, read)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    execute(&mut session, "COMMIT");
    assert!(read < 2_000, "{read} rows were read for {}", by_scan.len());
    assert_eq!(modes(&mut root), ["agenda"]);
    assert_eq!(entries(&mut root), set_then);
    // Those that were there, and those of the builds.
    let then = marks(&mut root);
    assert!(marked.iter().all(|mark| then.contains(mark)));
    assert!(then.len() >= marked.len() + by_scan.len());
    // The ticks of now go on with them.
    assert_eq!(autobuild::tick(&mut root, "now"), []);
    assert_eq!(mode(&mut root), "agenda");
    no_drift(&mut root);
}
