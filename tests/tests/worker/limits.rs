//! What holds builds back: the cap, and the back-off of a workspace that can't be built.

use workspace_autobuild_tests::product::{Fields, parameter, texts};
use workspace_autobuild_tests::{Product, Version, await_until};

use super::support::*;

#[test]
fn the_status_says_how_many_the_cap_holds_back() {
    let server = hourly()
        .set("workspace_autobuild.max_builds_per_tick", "3")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 7);
    product.create_extension();
    let mut client = product.superuser();
    let held_back = "SELECT value FROM autobuild_metrics
                      WHERE metric = 'workspace_autobuild_last_tick_held_back'";
    for (tick, left) in [(1, 4), (2, 1), (3, 0)] {
        wake(&mut client);
        await_until("one more tick", SOON, || ticks(&mut client, "done") == tick);
        let expected = (left > 0)
            .then(|| format!("max_builds_per_tick holds back {left} transitions that are due"));
        assert_eq!(status(&mut client, "problem"), expected);
        assert_eq!(value(&mut client, held_back), Some(left.to_string()));
    }
    assert_eq!(log_lines(&server, " held_back=4 "), 1);
}

#[test]
fn a_blocked_workspace_backs_off_and_is_tried_at_once_when_its_facts_change() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    let strict = |name: &str| product.template(name).parameter(parameter("team")).create();
    let given = to_start(&strict("parameter"), "given");
    let versions = product
        .template("version")
        .set("require_active_version", true)
        .parameter(parameter("team"))
        .create();
    to_start(&versions, "new version");
    let rescheduled = to_start(&strict("schedule"), "rescheduled");
    let left = to_start(&strict("nothing"), "left alone");
    product.create_extension();
    let mut client = product.superuser();
    let blocked = "SELECT count(*) FROM autobuild_blocked WHERE code = 'parameter_required'
                      AND attempts = 1 AND next_attempt_at > now() + interval '30 s'";
    await_until("four are blocked", SOON, || {
        value(&mut client, "SELECT count(*) FROM autobuild_blocked").as_deref() == Some("4")
    });
    // A minute is long enough for what follows.
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(value(&mut client, blocked).as_deref(), Some("4"));

    let latest = given.latest_build().id;
    product.execute(&format!(
        "INSERT INTO workspace_build_parameters (workspace_build_id, name, value)
         VALUES ('{latest}', 'team', 'blue')"
    ));
    versions.new_version("without").create().activate();
    rescheduled.update("autostart_schedule", "0 0 1 1 0");
    let started = "SELECT string_agg(w.name, ', ' ORDER BY w.name)
                     FROM workspaces w JOIN workspace_builds b ON b.workspace_id = w.id
                    WHERE b.transition = 'start'";
    await_until("two starts", SOON, || {
        product.value(started).as_deref() == Some("given, new version")
    });
    await_until("only one is blocked", SOON, || {
        texts(&mut client, "SELECT workspace_id FROM autobuild_blocked")
            == [[Some(left.id.to_string())]]
    });
    // It waited all the while.
    assert_eq!(
        value(
            &mut client,
            "SELECT count(*) FROM autobuild_transitions WHERE outcome = 'blocked'"
        )
        .as_deref(),
        Some("4")
    );
}
