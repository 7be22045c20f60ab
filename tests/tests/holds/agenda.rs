//! The agenda knows holds: with it ticks do what a scan does, whatever becomes of holds.

use workspace_autobuild_tests::autobuild::{STOPPED, install};
use workspace_autobuild_tests::product::Value;
use workspace_autobuild_tests::{Operator, Version};

use super::support::*;

fn mode(operator: &Operator<'_>) -> String {
    let rows = operator.rows("SELECT mode FROM autobuild_status");
    rows[0][0].clone().expect("a mode")
}

/// Ticks until the agenda is built.
#[track_caller]
fn build(operator: &Operator<'_>) {
    for _ in 0..20 {
        operator.tick("now");
        if mode(operator) == "agenda" {
            return;
        }
    }
    panic!("the agenda is not built");
}

#[test]
fn a_hold_that_is_made_leaves_the_agenda_as_it_is_and_one_that_is_released_has_it_built_anew() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let operator = product.operator();
    operator.execute("SELECT autobuild_attach()");
    build(&operator);
    let number = hold(&operator, "'all'");
    let running = template
        .workspace("running")
        .create_started(STOPPED, Value::sql("now() - interval '1 hour'"));
    assert_eq!(mode(&operator), "agenda");
    assert!(operator.tick("now").is_empty());
    // Without an end nothing is to be looked at.
    assert_eq!(
        operator.rows("SELECT count(*) FROM autobuild_agenda"),
        [[Some("0".to_owned())]]
    );
    operator.execute(&format!("SELECT autobuild_release({number})"));
    assert_eq!(mode(&operator), "scan");
    let made = operator.tick("now");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].workspace_id, running.id);
    build(&operator);
}

#[test]
fn the_end_of_a_hold_is_in_the_agenda() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let operator = product.operator();
    hold(
        &operator,
        "'all', NULL, now() - interval '1 hour', now() + interval '1 day'",
    );
    let running = template
        .workspace("running")
        .create_started(STOPPED, Value::sql("now() - interval '1 hour'"));
    operator.execute("SELECT autobuild_attach()");
    build(&operator);
    let entries = operator.rows(
        "SELECT a.workspace_id, a.due_at = h.ends_at FROM autobuild_agenda a, autobuild_holds h",
    );
    assert_eq!(
        entries,
        [[Some(running.id.to_string()), Some("t".to_owned())]]
    );
    let upcoming = operator.rows(
        "SELECT u.workspace_id, u.next_transition_at = h.ends_at
           FROM autobuild_upcoming('2 days') u, autobuild_holds h",
    );
    assert_eq!(upcoming, entries);
}

#[test]
fn what_is_held_for_longer_than_is_looked_comes_up_in_the_agenda_all_the_same() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let operator = product.operator();
    hold(
        &operator,
        "'all', NULL, now() - interval '1 hour', now() + interval '23 hours',
         recurrence => 'FREQ=DAILY;COUNT=1000'",
    );
    let running = template
        .workspace("running")
        .create_started(STOPPED, Value::sql("now() - interval '1 hour'"));
    let next = operator.next(&running, "now");
    assert_eq!(next.next_transition_at, None);
    operator.execute("SELECT autobuild_attach()");
    build(&operator);
    let looks = operator.rows(
        "SELECT a.workspace_id, a.due_at BETWEEN now() + interval '1 year' AND now() + interval '1000 days'
           FROM autobuild_agenda a",
    );
    assert_eq!(
        looks,
        [[Some(running.id.to_string()), Some("t".to_owned())]]
    );
}
