//! How a brake is told, and who may release it.

use postgres::fallible_iterator::FallibleIterator;
use serde_json::Value as Json;
use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{install, refusal, tick};
use workspace_autobuild_tests::product::{execute, texts, value};

use super::{many, on};

/// The metric of each kind.
const METRIC: &str =
    "SELECT string_agg(labels->>'transition' || ' ' || value, ', ' ORDER BY labels->>'transition')
                        FROM autobuild_metrics WHERE metric = 'workspace_autobuild_braked'";

#[test]
fn a_brake_is_told_in_problem_by_a_metric_and_a_notification_with_the_key_brake() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 12);
    let mut listener = product.superuser();
    execute(&mut listener, "LISTEN workspace_autobuild");
    let mut superuser = product.superuser();
    let none = Some("delete 0, dormant 0, start 0, stop 0");
    assert_eq!(value(&mut superuser, METRIC).as_deref(), none);
    execute(
        &mut superuser,
        "SET workspace_autobuild.max_transitions_share = 0.01;
         SET workspace_autobuild.notify_transitions = on",
    );
    // Told once, when it is put on.
    tick(&mut superuser, "now");
    tick(&mut superuser, "now");
    let said: Vec<Json> = listener
        .notifications()
        .timeout_iter(std::time::Duration::from_secs(1))
        .map(|said| Ok(serde_json::from_str(said.payload()).expect("JSON")))
        .collect()
        .expect("notifications");
    let brakes: Vec<&Json> = said
        .iter()
        .filter(|said| said.get("brake").is_some())
        .collect();
    assert_eq!((said.len(), brakes.len()), (11, 1), "{said:?}");
    assert_eq!(brakes[0]["brake"], "stop");
    assert_eq!(brakes[0]["allowed"], 10);
    assert_eq!(brakes[0]["workspaces"], 12);
    assert_eq!(
        value(&mut superuser, METRIC).as_deref(),
        Some("delete 0, dormant 0, start 0, stop 1")
    );
    let problem = "SELECT problem FROM autobuild_status";
    let said = value(&mut superuser, problem).unwrap_or_default();
    assert!(
        said.contains("the brake on stop is on: more than") && said.contains(" (since 20"),
        "{said}"
    );
    execute(&mut superuser, "SELECT autobuild_resume()");
    assert_eq!(value(&mut superuser, METRIC).as_deref(), none);
    let said = value(&mut superuser, problem).unwrap_or_default();
    assert!(!said.contains("brake"), "{said}");
}

#[test]
fn whoever_may_call_autobuild_resume_releases_it_and_nobody_else() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 12);
    let mut superuser = product.superuser();
    execute(
        &mut superuser,
        "SET workspace_autobuild.max_transitions_share = 0.01;
         CREATE ROLE releases LOGIN; CREATE ROLE looks_on LOGIN;
         GRANT EXECUTE ON FUNCTION autobuild_resume TO releases",
    );
    tick(&mut superuser, "now");
    let mut stranger = product.address().connect(product.database(), "looks_on");
    assert_eq!(on(&mut stranger), ["stop"], "a dump reads it");
    for sql in [
        "SELECT autobuild_resume()",
        "UPDATE autobuild_brakes SET released_at = now()",
        "DELETE FROM autobuild_brakes",
        "INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces)
         VALUES ('start', now(), 0, 0)",
    ] {
        assert_eq!(refusal(&mut stranger, sql).sqlstate, "42501", "{sql}");
    }
    let mut releases = product.address().connect(product.database(), "releases");
    execute(&mut releases, "SELECT autobuild_resume()");
    // Who did it, and when, is kept.
    let kept = "SELECT transition, released_by, released_at > braked_at FROM autobuild_brakes";
    let row = ["stop", "releases", "t"].map(|text| Some(text.to_owned()));
    assert_eq!(texts(&mut superuser, kept), [row]);
}

#[test]
fn a_brake_that_was_released_is_forgotten_with_the_history() {
    let product = install(Version::NEWEST);
    many(&product, "stop", 12);
    let mut superuser = product.superuser();
    execute(
        &mut superuser,
        "SET workspace_autobuild.max_transitions_share = 0.01;
         INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces)
         VALUES ('start', now() - interval '40 days', 1, 1);
         INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces, released_at)
         VALUES ('dormant', now() - interval '40 days', 1, 1, now() - interval '40 days')",
    );
    tick(&mut superuser, "now");
    execute(
        &mut superuser,
        "UPDATE autobuild_transitions SET decided_at = decided_at - interval '40 days'",
    );
    tick(&mut superuser, "now");
    let kept = texts(
        &mut superuser,
        "SELECT transition FROM autobuild_brakes ORDER BY 1",
    );
    let kept: Vec<String> = kept.into_iter().flatten().flatten().collect();
    assert_eq!(kept, ["start", "stop"]);
}
