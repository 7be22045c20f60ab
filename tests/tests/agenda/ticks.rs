//! Ticks and previews with the agenda: they do what a scan does, and read less.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{self, NINE};
use workspace_autobuild_tests::product::{Fields, HOUR, Value, texts};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

/// A template whose workspaces run until then (an SQL expression over `i`).
fn running(product: &Product, count: u32, until: &str) {
    let template = product.template("docker").create();
    template
        .workspaces(count, Transition::Start)
        .deadline(Value::sql(until))
        .create();
}

#[test]
fn what_falls_due_is_done_and_recorded_with_its_mode() {
    let product = install(Version::NEWEST);
    running(&product, 3, "now() + i * interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    assert_eq!(tick(&mut root), []);
    product.execute(
        "UPDATE workspace_builds SET deadline = now() - interval '1 minute'
          WHERE deadline < now() + interval '90 minutes'",
    );
    assert_eq!(tick(&mut root).len(), 1);
    assert_eq!(tick(&mut root), []);
    let recorded = texts(&mut root, "SELECT mode, built FROM autobuild_ticks");
    assert_eq!(
        recorded,
        [[Some("agenda".to_owned()), Some("1".to_owned())]]
    );
}

#[test]
fn an_empty_next_start_at_is_filled_in_as_a_scan_does() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template
        .workspace("dev")
        .schedule(NINE)
        .create_stopped(Value::sql("now()"));
    let mut root = product.superuser();
    attach(&mut root);
    tick(&mut root);
    let filled = "SELECT next_start_at > now() FROM workspaces";
    assert_eq!(value(&mut root, filled).as_deref(), Some("t"));
    // As the product does at an edit of the schedule.
    workspace.update("next_start_at", Value::NULL);
    tick(&mut root);
    assert_eq!(value(&mut root, filled).as_deref(), Some("t"));
    tick(&mut root);
    let entry = "SELECT due_at = next_start_at FROM autobuild_agenda, workspaces";
    assert_eq!(value(&mut root, entry).as_deref(), Some("t"));
}

/// What a tick by the agenda did.
#[track_caller]
fn done(root: &mut Client) -> Vec<String> {
    let rows = tick(root);
    assert_eq!(mode(root), "agenda");
    rows.iter().map(ToString::to_string).collect()
}

#[test]
fn an_owner_is_reminded_and_again_once_the_deadline_moves() {
    let product = install(Version::V2026_06);
    let dev = product.add_reminded("now() - interval '1 hour'", "now() + interval '5 hours'");
    let mut root = product.superuser();
    execute(&mut root, &set("notify_owners = on"));
    execute(&mut root, &set("access_url = 'https://coder.example.com'"));
    attach(&mut root);
    dev.latest_build()
        .update("deadline", Value::sql("now() + interval '1 hour'"));
    let mut reminded = || done(&mut root);
    let once = ["remind autostop built"];
    let never: [&str; 0] = [];
    assert_eq!(reminded(), once);
    assert_eq!(reminded(), never);
    // Nothing is left to be looked at before the stop.
    let entry = "SELECT due_at = deadline FROM autobuild_agenda, workspace_builds";
    assert_eq!(value(&mut product.superuser(), entry).as_deref(), Some("t"));
    // Extended to what is within the time as well: its owner is told at once.
    dev.latest_build()
        .update("deadline", Value::sql("deadline + interval '30 minutes'"));
    assert_eq!(reminded(), once);
    // Extended beyond it: told later.
    dev.latest_build()
        .update("deadline", Value::sql("deadline + interval '3 hours'"));
    assert_eq!(reminded(), never);
    let entry = "SELECT due_at = deadline - interval '2 hours'
                   FROM autobuild_agenda, workspace_builds";
    assert_eq!(value(&mut product.superuser(), entry).as_deref(), Some("t"));
    // Who was not told of it yet is told later still, and that needs no mark.
    let extend = || {
        dev.latest_build()
            .update("deadline", Value::sql("deadline + interval '1 hour'"));
    };
    assert_eq!(marks_of(&product, extend), []);
    assert_eq!(reminded(), never);
}

/// The deadline passes, and nothing is due to stop the workspace: it is looked at again once
/// the deadline moves, or the note of which deadline its owner was told of is gone.
#[test]
fn an_owner_is_reminded_of_a_deadline_that_moves_after_it_passed_and_once_the_note_is_gone() {
    let product = install(Version::V2026_06);
    let dev = product.add_reminded("now() - interval '5 hours'", "now() - interval '1 hour'");
    let mut root = product.superuser();
    execute(&mut root, &set("notify_owners = on"));
    execute(&mut root, &set("rules = 'remind'"));
    execute(&mut root, &set("access_url = 'https://coder.example.com'"));
    attach(&mut root);
    let mut reminded = || done(&mut root);
    let once = ["remind autostop built"];
    let never: [&str; 0] = [];
    assert_eq!(reminded(), never);
    let build = dev.latest_build();
    build.update("deadline", Value::sql("now() + interval '1 hour'"));
    assert_eq!(reminded(), once);
    assert_eq!(reminded(), never);
    build.update("notified_autostop_deadline", "0001-01-01 00:00:00+00");
    product.execute("UPDATE notification_messages SET created_at = '2024-01-01'");
    assert_eq!(reminded(), once);
}

#[test]
fn a_reminder_that_can_not_be_made_stays_on_the_agenda() {
    let product = install(Version::V2026_06);
    product.add_reminded("now() - interval '1 hour'", "now() + interval '1 hour'");
    let mut root = product.superuser();
    execute(&mut root, &set("notify_owners = on"));
    attach(&mut root);
    let mut did = || done(&mut root);
    assert_eq!(did(), ["remind autostop failed 55000"]);
    assert_eq!(did(), ["remind autostop failed 55000"]);
    product.execute("UPDATE notification_templates SET actions = '[]'");
    assert_eq!(did(), ["remind autostop built"]);
    assert!(did().is_empty());
}

#[test]
fn a_suspended_owners_workspace_is_due_at_any_time_also_an_earlier_one() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let anna = product.user("anna").suspended().create();
    // Without a provisioner it stays due.
    product.remove_daemons();
    template
        .workspace("dev")
        .owner(anna)
        .create()
        .build(Transition::Start)
        .create();
    let mut root = product.superuser();
    attach(&mut root);
    for at in [
        "now()",
        "now() - interval '1 year'",
        "now() + interval '1 day'",
    ] {
        let preview = format!("SELECT workspace_id, outcome, code FROM autobuild_preview({at})");
        let seen = texts(&mut root, &preview);
        assert_eq!(seen.len(), 1, "{at}");
        assert_eq!(seen, by_scan(&mut root, &preview), "{at}");
    }
}

#[test]
fn a_preview_of_a_past_time_knows_what_each_rule_would_have_done_then() {
    let product = install(Version::NEWEST);
    let template = product
        .template("docker")
        .set("time_til_dormant", HOUR)
        .create();
    // Dormant for long; what wins today is the deadline, which came later.
    template
        .workspace("dev")
        .set("last_used_at", Value::sql("now() - interval '3 days'"))
        .create_started(
            Value::sql("now() - interval '4 days'"),
            Value::sql("now() - interval '1 hour'"),
        );
    // Without a provisioner both stay due.
    product.remove_daemons();
    let mut root = product.superuser();
    attach(&mut root);
    for (at, reason) in [
        ("now()", "autostop"),
        ("now() - interval '1 day'", "dormancy"),
        ("now() - interval '3 days'", ""),
    ] {
        let preview = format!("SELECT reason FROM autobuild_preview({at})");
        let seen = texts(&mut root, &preview);
        assert_eq!(seen, by_scan(&mut root, &preview), "{at}");
        let reasons: Vec<String> = seen.into_iter().flatten().flatten().collect();
        assert_eq!(reasons.concat(), reason, "{at}");
    }
}

#[test]
fn a_blocked_day_is_passed_over_once_the_run_is_too_late() {
    // Before next_start_at came, only the first run counted; with a limit on lateness
    // the first run is another one later on.
    let product = install(Version::V2_15_0);
    let every_day_but_one = "1 << (extract(isodow FROM now() - interval '2 days')::int - 1)";
    let template = product
        .template("docker")
        .set(
            "autostart_block_days_of_week",
            Value::sql(every_day_but_one),
        )
        .create();
    template
        .workspace("dev")
        .schedule("CRON_TZ=UTC 0 12 * * *")
        .create_stopped(Value::sql("date_trunc('day', now()) - interval '2 days'"));
    let mut root = product.superuser();
    // The refused run is not too late yet, so nothing starts the workspace.
    execute(&mut root, &set("max_start_delay = '4d'"));
    attach(&mut root);
    let rows =
        "SELECT workspace_id, transition, due_at FROM autobuild_preview(now() + interval '3 days')";
    let by_agenda = texts(&mut root, rows);
    assert_eq!(by_agenda.len(), 1);
    assert_eq!(by_agenda, by_scan(&mut root, rows));
    let now = "SELECT workspace_id FROM autobuild_preview()";
    assert_eq!(texts(&mut root, now), by_scan(&mut root, now));
}

#[test]
fn a_tick_by_hand_for_a_time_to_come_leaves_the_agenda_alone() {
    let product = install(Version::NEWEST);
    running(&product, 2, "now() + interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    product.execute("UPDATE workspace_builds SET deadline = now() + interval '30 minutes'");
    let later = value(&mut root, "SELECT now() + interval '40 minutes'").expect("a time");
    assert_eq!(autobuild::tick(&mut root, &later).len(), 2);
    // The deadlines' marks and the builds' are still there.
    assert_eq!(progress(&mut root, "marks >= 4").as_deref(), Some("t"));
    assert_eq!(mode(&mut root), "agenda");
}

#[test]
fn a_tick_by_hand_from_an_older_snapshot_can_not_write_older_entries() {
    let product = install(Version::NEWEST);
    running(&product, 1, "now() + interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    let mut late = product.superuser();
    execute(
        &mut late,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM workspaces",
    );
    // An early entry, which the older snapshot would move to its own deadline.
    execute(
        &mut root,
        "UPDATE autobuild_agenda SET due_at = now() - interval '1 day'",
    );
    execute(
        &mut late,
        "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM workspaces",
    );
    product.execute("UPDATE workspace_builds SET deadline = now() + interval '5 minutes'");
    tick(&mut root);
    execute(
        &mut root,
        "UPDATE autobuild_agenda SET due_at = now() - interval '1 day'",
    );
    assert_eq!(
        sqlstate(&mut late, "SELECT * FROM autobuild_tick()"),
        "40001"
    );
    execute(&mut late, "ROLLBACK");
}

#[test]
fn an_idle_tick_takes_no_transaction_id() {
    let product = install(Version::NEWEST);
    running(&product, 500, "now() + i * interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(texts(&mut root, "SELECT * FROM autobuild_tick()").len(), 0);
    let assigned = value(&mut root, "SELECT pg_current_xact_id_if_assigned()");
    assert_eq!(assigned, None);
}

#[test]
fn a_pass_looks_up_nothing_of_deleted_workspaces() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    for deleted in [true, false] {
        template
            .workspaces(if deleted { 3000 } else { 10 }, Transition::Start)
            .deadline(Value::sql("now() + interval '1 hour'"))
            .set("deleted", deleted)
            .create();
    }
    let mut root = product.superuser();
    execute(&mut root, "ANALYZE; SELECT autobuild_attach()");
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::text
                  FROM pg_stat_xact_user_tables
                 WHERE relname IN ('workspace_builds', 'provisioner_jobs')";
    while mode(&mut root) != "agenda" {
        execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        texts(&mut root, "SELECT autobuild_tick()");
        let rows: i64 = value(&mut root, read)
            .and_then(|n| n.parse().ok())
            .expect("a number");
        assert!(rows < 200, "{rows} rows were read for 10 workspaces");
        execute(&mut root, "COMMIT");
    }
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("10"));
}

#[test]
fn previews_show_what_the_caller_may_see() {
    let product = install(Version::NEWEST);
    running(&product, 5, "now() + i * interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    execute(
        &mut root,
        "CREATE ROLE agenda_viewer LOGIN;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO agenda_viewer;
         REVOKE ALL ON autobuild_agenda, autobuild_marks, autobuild_agenda_state FROM agenda_viewer;
         ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
         CREATE POLICY few ON workspaces TO agenda_viewer
             USING (id IN (SELECT workspace_id FROM workspace_builds
                            WHERE deadline < now() + interval '150 minutes'))",
    );
    let mut viewer = product
        .address()
        .connect(product.database(), "agenda_viewer");
    let all = "SELECT workspace_id FROM autobuild_upcoming('1 year')";
    assert_eq!(texts(&mut viewer, all).len(), 2);
    execute(
        &mut root,
        "REVOKE SELECT ON workspace_builds FROM agenda_viewer",
    );
    assert_eq!(sqlstate(&mut viewer, all), "42501");
}

#[test]
fn a_truncated_table_means_that_the_agenda_is_built_anew() {
    let product = install(Version::NEWEST);
    running(&product, 3, "now() + i * interval '1 hour'");
    let mut root = product.superuser();
    attach(&mut root);
    product.execute("TRUNCATE workspace_builds CASCADE");
    assert_eq!(
        texts(&mut root, "SELECT * FROM autobuild_upcoming('1 year')").len(),
        0
    );
    tick(&mut root);
    build(&mut root);
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("0"));
}
