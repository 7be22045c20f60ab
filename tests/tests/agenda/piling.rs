//! Marks that are many, or stand for many workspaces: taken in pieces, given up where they
//! cost more than a pass, and never without bound.

use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::product::{HOUR, Value, texts};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Server, Transition, Version, await_until};

use super::support::*;

const FULL: &str = "SELECT pg_relation_size('autobuild_marks') >= 2500 * 8192";

/// Workspaces of a template of their own that run until then (an SQL expression over `i`).
fn running(product: &Product, template: &str, count: u32, until: &str) {
    product
        .template(template)
        .create()
        .workspaces(count, Transition::Start)
        .deadline(Value::sql(until))
        .create();
}

fn yes(client: &mut Client, sql: &str) -> bool {
    value(client, sql).as_deref() == Some("t")
}

/// Marks of workspaces that there are none of.
fn strangers_marks(client: &mut Client, count: u32) {
    execute(
        client,
        &format!(
            "INSERT INTO autobuild_marks (kind, id)
             SELECT 'w', gen_random_uuid() FROM generate_series(1, {count})"
        ),
    );
}

/// Marks until the table has but so many pages left.
fn fill_marks(client: &mut Client, left: u32) {
    let pages = "SELECT pg_relation_size('autobuild_marks') / 8192 >= 2500 - ";
    while !yes(client, &format!("{pages}{left}")) {
        strangers_marks(client, 1000);
    }
}

#[test]
fn a_change_of_a_template_of_very_many_has_ticks_scan_until_a_pass_has_seen_them() {
    let product = install(Version::NEWEST);
    running(&product, "many", 10_100, "now() + interval '1 day'");
    running(&product, "few", 5, "now() + interval '1 day'");
    let mut root = product.superuser();
    attach(&mut root);
    let change = |template: &str| {
        format!("UPDATE templates SET failure_ttl = failure_ttl + 1 WHERE name = '{template}'")
    };
    product.execute(&change("few"));
    tick(&mut root);
    assert_eq!(mode(&mut root), "agenda");
    product.execute(&change("many"));
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE template_version_id = (SELECT active_version_id FROM templates WHERE name = 'few')",
    );
    // Previews need no tick to know it.
    let preview = "SELECT workspace_id FROM autobuild_preview()";
    assert_eq!(texts(&mut root, preview).len(), 5);
    assert_eq!(tick(&mut root).len(), 5);
    assert_eq!(mode(&mut root), "scan");
    let recorded = texts(&mut root, "SELECT mode FROM autobuild_ticks");
    assert_eq!(recorded, [[Some("scan".to_owned())]]);
    build(&mut root);
    let late = "SELECT count(*) FROM autobuild_agenda a
                  JOIN workspace_builds b USING (workspace_id)
                 WHERE b.transition = 'start' AND b.deadline > now() AND a.due_at > b.deadline";
    assert_eq!(value(&mut root, late).as_deref(), Some("0"));
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("10100"));
}

#[test]
fn more_marks_than_a_pass_costs_are_not_taken_one_by_one() {
    let product = install(Version::NEWEST);
    running(&product, "docker", 5, "now() + interval '1 day'");
    let mut root = product.superuser();
    attach(&mut root);
    strangers_marks(&mut root, 25_000);
    tick(&mut root);
    assert_eq!(mode(&mut root), "agenda");
    assert_eq!(progress(&mut root, "marks").as_deref(), Some("0"));
    strangers_marks(&mut root, 201_000);
    tick(&mut root);
    assert_eq!(mode(&mut root), "scan");
    build(&mut root);
}

/// How many workspaces one template has; with 300,000 it was tried, too.
fn very_many() -> u32 {
    std::env::var("AGENDA_WORKSPACES").map_or(40_000, |n| n.parse().expect("a number"))
}

#[test]
fn a_change_of_a_template_stops_no_tick_of_the_others() {
    let count = very_many();
    let server = ticking()
        // Enough for a scan, and for a piece.
        .set(
            "workspace_autobuild.statement_timeout",
            &format!("{}s", 2.max(count / 20_000)),
        )
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    running(&product, "many", count, "now() + interval '1 day'");
    running(&product, "few", 5, "now() + interval '1 day'");
    product.execute("UPDATE workspaces SET last_used_at = now()");
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON * 5, || {
        mode(&mut root) == "agenda"
    });
    // A server that takes half of a second and more to write the entries of one piece.
    execute(
        &mut root,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.6); RETURN NULL; END';
         CREATE TRIGGER slow BEFORE INSERT ON autobuild_agenda EXECUTE FUNCTION slow()",
    );
    for n in 1..=3 {
        product.execute(&format!(
            "UPDATE templates SET time_til_dormant = {HOUR} + 60000000000 * {n}
              WHERE name = 'many'"
        ));
        product.execute(
            "UPDATE workspace_builds SET deadline = now() - interval '2 minutes'
              WHERE id = (SELECT b.id FROM workspace_builds b JOIN templates t
                              ON t.active_version_id = b.template_version_id
                           WHERE t.name = 'few' AND b.transition = 'start'
                             AND b.deadline > now() LIMIT 1)",
        );
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        await_until("a stop", Duration::from_secs(20), || {
            value(&mut root, stops) == Some(n.to_string())
        });
    }
    await_until("the agenda is built", SOON * 5, || {
        mode(&mut root) == "agenda"
    });
    let errors = "SELECT count(*) FROM autobuild_ticks WHERE sqlstate IS NOT NULL";
    assert_eq!(value(&mut root, errors).as_deref(), Some("0"));
}

#[test]
fn after_a_timeout_with_the_agenda_the_next_tick_scans() {
    let server = ticking()
        .set("workspace_autobuild.statement_timeout", "1s")
        .set("workspace_autobuild.lock_timeout", "1min")
        // A tick that holds the product's tables waits for half of this.
        .set("deadlock_timeout", "1min")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    running(&product, "docker", 5, "now() + interval '1 day'");
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    // What makes reading the agenda take for ever.
    let mut in_the_way = product.superuser();
    execute(&mut in_the_way, "BEGIN; LOCK autobuild_agenda");
    product.execute("UPDATE workspace_builds SET deadline = now() - interval '1 minute'");
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    await_until("the stops", SOON, || {
        value(&mut root, stops).as_deref() == Some("5")
    });
    let modes = "SELECT DISTINCT mode FROM autobuild_ticks";
    assert_eq!(value(&mut root, modes).as_deref(), Some("scan"));
    execute(&mut in_the_way, "COMMIT");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
}

#[test]
fn marks_are_never_more_than_their_table_may_hold() {
    let product = install(Version::NEWEST);
    running(&product, "docker", 5_000, "now() + interval '1 day'");
    let mut root = product.superuser();
    attach(&mut root);
    fill_marks(&mut root, 10);
    let change = "UPDATE workspace_builds SET deadline = deadline - interval '1 minute'";
    product.execute(change);
    assert!(yes(&mut root, FULL));
    let marks = "SELECT count(*) FROM autobuild_marks";
    let count = value(&mut root, marks);
    let number: u32 = count
        .as_deref()
        .and_then(|n| n.parse().ok())
        .expect("a count");
    assert!(number <= 400_000, "{number} marks");
    // Whoever writes is not held up, and nothing is added.
    product.execute(change);
    product.execute("UPDATE workspaces SET autostart_schedule = '0 9 * * *'");
    assert_eq!(value(&mut root, marks), count);
    // What has no mark is not overlooked, whatever vacuums come.
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE id = (SELECT id FROM workspace_builds LIMIT 1)",
    );
    execute(&mut root, "DELETE FROM autobuild_marks");
    execute(&mut root, "VACUUM autobuild_marks");
    assert_eq!(mode(&mut root), "scan");
    let preview = "SELECT workspace_id FROM autobuild_preview()";
    assert_eq!(texts(&mut root, preview).len(), 1);
    for stops in [1, 0, 0] {
        assert_eq!(tick(&mut root).len(), stops);
        assert_eq!(mode(&mut root), "scan");
    }
    let problem = value(&mut root, "SELECT problem FROM autobuild_status").unwrap_or_default();
    assert!(
        problem.contains("autobuild_detach() and then autobuild_attach()"),
        "{problem}"
    );
    execute(&mut root, "SELECT autobuild_detach()");
    attach(&mut root);
    // Also of the one whose stop is under way: a pass does not look at its job.
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("5000"));
}

/// Five workspaces that run, with an agenda, and with a worker that is paused.
fn paused_with_agenda(server: &Server) -> (Product, Client) {
    let product = Product::with_extension(server, Version::NEWEST);
    running(&product, "docker", 5, "now() + interval '1 day'");
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    execute(&mut root, "SELECT autobuild_pause('to fill it')");
    (product, root)
}

#[test]
fn what_was_changed_without_a_mark_is_not_overlooked_by_the_worker() {
    let server = ticking().start();
    let (product, mut root) = paused_with_agenda(&server);
    // A writer whose change finds no room for its mark, and that takes its time.
    let mut writer = product.connect();
    let mut filled = product.superuser();
    execute(
        &mut filled,
        "BEGIN; LOCK autobuild_marks IN ROW EXCLUSIVE MODE",
    );
    fill_marks(&mut filled, 0);
    execute(
        &mut writer,
        "BEGIN; UPDATE workspace_builds SET deadline = now() - interval '1 minute'",
    );
    execute(&mut filled, "COMMIT");
    execute(&mut root, "SELECT autobuild_resume()");
    let ticks = "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
                  WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
    let made = |root: &mut Client| -> i64 {
        value(root, ticks)
            .and_then(|n| n.parse().ok())
            .expect("a count")
    };
    let before = made(&mut root);
    await_until("ticks", SOON, || made(&mut root) > before + 2);
    assert!(yes(&mut root, FULL), "as long as the writer is at it");
    assert_eq!(mode(&mut root), "scan");
    execute(&mut writer, "COMMIT");
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    await_until("the stops", SOON, || {
        value(&mut root, stops).as_deref() == Some("5")
    });
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    assert!(!yes(&mut root, FULL));
}

#[test]
fn dead_marks_under_an_old_snapshot_are_gone_after_a_tick() {
    let server = ticking().start();
    let (product, mut root) = paused_with_agenda(&server);
    product.execute("UPDATE workspace_builds SET deadline = now() - interval '1 minute'");
    let mut old = product.superuser();
    execute(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM users",
    );
    strangers_marks(&mut root, 150_000);
    execute(&mut root, "SELECT autobuild_resume()");
    await_until("no dead marks", SOON, || {
        yes(
            &mut root,
            "SELECT pg_relation_size('autobuild_marks') < 100000",
        ) && progress(&mut root, "marks").as_deref() == Some("0")
    });
    assert_eq!(mode(&mut root), "agenda");
    let modes = "SELECT DISTINCT mode FROM autobuild_ticks";
    assert_eq!(value(&mut root, modes).as_deref(), Some("agenda"));
    // The old snapshot's marks are gone, and it knows that.
    let preview = "SELECT workspace_id FROM autobuild_preview()";
    assert_eq!(texts(&mut old, preview).len(), 5);
    assert_eq!(texts(&mut root, preview).len(), 0);
}
