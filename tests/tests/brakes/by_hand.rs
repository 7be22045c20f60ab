//! What brakes let be made, by hand and by a timer.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{Attempt, Operator, install, records, with_outcome};
use workspace_autobuild_tests::product::{execute, texts, value};
use workspace_autobuild_tests::{Product, Version};

use super::{BRAKED, KINDS, ended, idle, many, on};

const NOW: &str = "now";

/// With every rule, and this share for all kinds.
fn operator<'p>(product: &'p Product, share: &str) -> Operator<'p> {
    let operator = product.operator();
    operator.all_rules();
    operator.set("max_transitions_share", share);
    operator
}

/// A tick by hand; the preview must have said the same.
#[track_caller]
fn foretold(operator: &Operator<'_>) -> Vec<Attempt> {
    operator.dry_tick(NOW);
    operator.tick(NOW)
}

#[test]
fn as_many_of_a_kind_as_the_share_are_made_and_the_rest_waits_until_autobuild_resume() {
    for kind in KINDS {
        let product = install(Version::NEWEST);
        many(&product, kind, 40);
        idle(&product, 260);
        let operator = operator(&product, "0.05");
        let in_order: Vec<Attempt> = {
            operator.set("max_transitions_share", "0");
            operator.set("max_deletes_share", "0");
            operator.dry_tick(NOW)
        };
        assert_eq!(ended(&in_order, kind, "built"), 40);
        operator.set("max_transitions_share", "0.05");
        let mut left = 40;
        for made in [15, 15, 10] {
            let attempts = foretold(&operator);
            assert_eq!(attempts.len(), left, "{kind}");
            assert_eq!(ended(&attempts, kind, "built"), made, "{kind}");
            left -= made;
            assert_eq!(ended(&attempts, kind, BRAKED), left, "{kind}");
            // The longest overdue first.
            let first = in_order.iter().skip(40 - left - made).take(made);
            let first: Vec<_> = first.map(|attempt| attempt.workspace_id).collect();
            assert_eq!(with_outcome(&attempts, "built"), first, "{kind}");
            let waiting: Vec<&str> = if left > 0 { vec![kind] } else { Vec::new() };
            assert_eq!(on(&mut operator.session()), waiting, "{kind}");
            // It stays on.
            let again = foretold(&operator);
            assert_eq!(ended(&again, kind, BRAKED), left, "{kind}");
            assert_eq!(again.len(), left, "{kind}");
            operator.execute("SELECT autobuild_resume()");
            assert_eq!(on(&mut operator.session()), Vec::<String>::new());
        }
    }
}

#[test]
fn a_brake_on_one_kind_keeps_no_other_back() {
    for braked in KINDS {
        let product = install(Version::NEWEST);
        for kind in KINDS {
            many(&product, kind, if kind == braked { 12 } else { 9 });
        }
        let operator = operator(&product, "0.01");
        let attempts = foretold(&operator);
        for kind in KINDS {
            let made = if kind == braked { 10 } else { 9 };
            assert_eq!(ended(&attempts, kind, "built"), made, "{braked}: {kind}");
        }
        assert_eq!(on(&mut operator.session()), [braked]);
    }
}

#[test]
fn what_was_made_within_the_hour_counts_however_many_ticks_it_took() {
    let product = install(Version::NEWEST);
    let operator = operator(&product, "0.01");
    let made = |due: u32| {
        many(&product, "stop", due);
        let attempts = foretold(&operator);
        (
            ended(&attempts, "stop", "built"),
            ended(&attempts, "stop", BRAKED),
        )
    };
    assert_eq!(made(4), (4, 0));
    assert_eq!(made(6), (6, 0), "ten are never too many");
    operator
        .execute("UPDATE autobuild_transitions SET decided_at = decided_at - interval '1 hour'");
    assert_eq!(made(7), (7, 0), "an hour later");
    assert_eq!(made(4), (3, 1));
    // What history says of times to come counts for nothing, as when the clock was set back.
    operator.execute(
        "SELECT autobuild_resume();
         UPDATE autobuild_transitions SET decided_at = decided_at + interval '1 day'",
    );
    assert_eq!(made(8), (9, 0));
    assert_eq!(on(&mut operator.session()), Vec::<String>::new());
}

#[test]
fn a_release_in_times_to_come_as_before_the_clock_was_set_back_begins_no_count_anew() {
    let product = install(Version::NEWEST);
    let operator = operator(&product, "0.01");
    many(&product, "stop", 10);
    assert_eq!(ended(&foretold(&operator), "stop", "built"), 10);
    operator.execute(
        "INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces, released_at)
         VALUES ('stop', now() + interval '1 year', 10, 10, now() + interval '1 year 1 min')",
    );
    many(&product, "stop", 3);
    let attempts = foretold(&operator);
    assert_eq!(ended(&attempts, "stop", "built"), 0);
    assert_eq!(ended(&attempts, "stop", BRAKED), 3);
    assert_eq!(on(&mut operator.session()), ["stop"]);
}

#[test]
fn only_deletions_have_a_brake_by_default_and_none_where_both_shares_are_zero() {
    let product = install(Version::NEWEST);
    for kind in KINDS {
        many(&product, kind, 30);
    }
    let operator = product.operator();
    operator.all_rules();
    let attempts = operator.dry_tick(NOW);
    for kind in KINDS {
        let made = if kind == "delete" { 10 } else { 30 };
        assert_eq!(ended(&attempts, kind, "built"), made, "{kind}");
    }
    // 30 of 120 are a quarter.
    for (transitions, deletes, made) in [
        ("0", "0", 30),
        ("0", "0.2", 24),
        ("0.2", "0", 24),
        ("0.15", "0.2", 18),
        ("1", "0.1", 12),
    ] {
        operator.set("max_transitions_share", transitions);
        operator.set("max_deletes_share", deletes);
        let attempts = operator.dry_tick(NOW);
        assert_eq!(
            ended(&attempts, "delete", "built"),
            made,
            "{transitions}, {deletes}"
        );
    }
}

#[test]
fn in_small_batches_and_under_the_cap_it_is_the_same() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 30);
    let operator = operator(&product, "0.5");
    operator.set("batch_size", "4");
    assert_eq!(ended(&foretold(&operator), "stop", "built"), 15);
    operator.execute("SELECT autobuild_resume()");
    operator.set("max_builds_per_tick", "6");
    let made = [6, 6, 3].map(|_| {
        let attempts = operator.tick(NOW);
        (
            ended(&attempts, "stop", "built"),
            ended(&attempts, "stop", BRAKED),
        )
    });
    // None waits for the brake: fifteen were left.
    assert_eq!(made, [(6, 0), (6, 0), (3, 0)]);
    assert_eq!(on(&mut operator.session()), Vec::<String>::new());
}

#[test]
fn with_the_agenda_it_is_the_same() {
    let product = install(Version::NEWEST);
    let operator = operator(&product, "0.01");
    operator.execute("SELECT autobuild_attach()");
    operator.tick(NOW);
    operator.tick(NOW);
    many(&product, "stop", 13);
    let attempts = foretold(&operator);
    assert_eq!(ended(&attempts, "stop", "built"), 10);
    assert_eq!(ended(&attempts, "stop", BRAKED), 3);
    assert_eq!(ended(&foretold(&operator), "stop", BRAKED), 3);
    operator.execute("SELECT autobuild_resume()");
    assert_eq!(ended(&foretold(&operator), "stop", "built"), 3);
    let modes = operator.rows("SELECT DISTINCT mode FROM autobuild_ticks");
    assert_eq!(modes, [[Some("agenda".to_owned())]]);
}

#[test]
fn a_timers_tick_brakes_and_is_braked_and_with_observe_nothing_is() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 14);
    let mut timer = product.superuser();
    execute(
        &mut timer,
        "SET workspace_autobuild.max_transitions_share = 0.01;
         SET workspace_autobuild.action = observe;
         SET default_transaction_isolation = 'repeatable read'",
    );
    let mut run = || -> Vec<Attempt> { records(&mut timer, "SELECT * FROM autobuild_run()") };
    // What is only observed is too much for nobody.
    assert_eq!(ended(&run(), "stop", "observed"), 14);
    assert_eq!(run(), []);
    let mut superuser = product.superuser();
    assert_eq!(on(&mut superuser), Vec::<String>::new());
    execute(&mut timer, "SET workspace_autobuild.action = build");
    let mut run = || -> Vec<Attempt> { records(&mut timer, "SELECT * FROM autobuild_run()") };
    let attempts = run();
    assert_eq!(ended(&attempts, "stop", "built"), 10);
    assert_eq!(ended(&attempts, "stop", BRAKED), 4);
    assert_eq!(run(), [], "it is known that they wait");
    // A standing brake holds, whatever the setting is by now.
    execute(
        &mut timer,
        "SET workspace_autobuild.max_transitions_share = 0",
    );
    let mut run = || -> Vec<Attempt> { records(&mut timer, "SELECT * FROM autobuild_run()") };
    assert_eq!(run(), []);
    execute(&mut superuser, "SELECT autobuild_resume()");
    assert_eq!(ended(&run(), "stop", "built"), 4);
}

#[test]
fn a_brake_that_another_session_put_on_counts_under_an_older_snapshot() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 11);
    many(&product, "start", 3);
    let mut early = product.superuser();
    execute(
        &mut early,
        "SET workspace_autobuild.max_transitions_share = 0.01;
         BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    );
    let operator = operator(&product, "0.01");
    operator.execute("INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces) VALUES ('stop', now(), 10, 11)");
    let attempts: Vec<Attempt> = records(&mut early, "SELECT * FROM autobuild_tick()");
    execute(&mut early, "COMMIT");
    assert_eq!(ended(&attempts, "stop", BRAKED), 11);
    assert_eq!(ended(&attempts, "start", "built"), 3);
}

#[test]
fn who_waits_for_a_brake_is_told_so_by_the_previews_and_is_recorded_once() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 12);
    let operator = operator(&product, "0.01");
    let attempts = operator.tick(NOW);
    operator.tick(NOW);
    let waits = with_outcome(&attempts, "blocked");
    assert_eq!(waits.len(), 2);
    // Whoever reads the workspaces sees it, and needs no right on our tables.
    for workspace in &waits {
        let mut owner = product.session();
        let next: Vec<Json> = records(
            &mut owner,
            &format!(
                "SELECT transition, due, skip_reason, detail LIKE '%autobuild_resume()%' AS detail
                   FROM autobuild_next_transition('{workspace}')"
            ),
        );
        assert_eq!(
            next,
            [json!({"transition": "stop", "due": true, "skip_reason": "braked", "detail": true})]
        );
        let step: Vec<Json> = records(
            &mut owner,
            &format!(
                "SELECT rule, passed, observed LIKE 'braked: the brake on stop is on: %' AS why
                   FROM autobuild_explain('{workspace}') ORDER BY step DESC LIMIT 1"
            ),
        );
        assert_eq!(
            step,
            [json!({"rule": "buildable", "passed": false, "why": true})]
        );
        let upcoming = texts(
            &mut owner,
            &format!(
                "SELECT due FROM autobuild_upcoming('1 day', workspace_id => '{workspace}')
                  WHERE transition = 'stop'"
            ),
        );
        assert_eq!(upcoming, [[Some("t".to_owned())]]);
    }
    let mut superuser = product.superuser();
    for (table, count) in [
        ("autobuild_transitions WHERE code = 'braked'", "2"),
        ("autobuild_blocked WHERE code = 'braked'", "2"),
        (
            "autobuild_ticks WHERE message LIKE 'the brake on stop is on: %'",
            "1",
        ),
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(
            value(&mut superuser, &sql).as_deref(),
            Some(count),
            "{table}"
        );
    }
    operator.execute("SELECT autobuild_resume()");
    operator.tick(NOW);
    let left = "SELECT count(*) FROM autobuild_blocked";
    assert_eq!(value(&mut superuser, left).as_deref(), Some("0"));
}

#[test]
fn who_can_not_be_built_is_blocked_for_that_and_counts_for_nothing() {
    let product = install(Version::NEWEST);
    let broken = product
        .template("broken")
        .version(|version| version.import_failed("no"))
        .create();
    broken
        .workspaces(20, workspace_autobuild_tests::Transition::Start)
        .deadline(workspace_autobuild_tests::product::Value::sql(
            "now() - interval '1 day'",
        ))
        .create();
    many(&product, "stop", 10);
    let operator = operator(&product, "0.01");
    let attempts = foretold(&operator);
    assert_eq!(ended(&attempts, "stop", "built"), 10);
    assert_eq!(ended(&attempts, "stop", "blocked import_job_failed"), 20);
    assert_eq!(on(&mut operator.session()), Vec::<String>::new());
}
