//! The worker tells owners: what it queues, counts, observes, and says it could not queue.

use workspace_autobuild_tests::product::{Notice, texts};
use workspace_autobuild_tests::{Product, SOON, Server, Version, await_until};

use super::support::*;

/// A product of which one owner is to be reminded.
fn reminding(server: &Server) -> Product {
    let product = Product::install(server, Version::V2026_06);
    product.add_reminded("now() - interval '1 hour'", "now() + interval '1 hour'");
    product.create_extension();
    product
}

fn telling() -> workspace_autobuild_tests::server::Options {
    ticking().set("workspace_autobuild.notify_owners", "on")
}

fn counted(client: &mut postgres::Client, result: &str) -> String {
    let sql = format!(
        "SELECT value::text FROM autobuild_metrics
          WHERE metric = 'workspace_autobuild_messages_total' AND labels->>'result' = '{result}'"
    );
    value(client, &sql).unwrap_or_default()
}

#[test]
fn the_worker_reminds_an_owner_once_and_counts_the_messages() {
    let server = telling()
        .set(
            "workspace_autobuild.access_url",
            "https://coder.example.com",
        )
        .start();
    let product = reminding(&server);
    let mut client = product.superuser();
    await_until("the reminder", SOON, || {
        product.count_queued(Notice::Reminder) == 2
    });
    await_until("it is counted", SOON, || {
        counted(&mut client, "queued") == "2"
    });
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(product.count_queued(Notice::Reminder), 2);
    assert_eq!(counted(&mut client, "failed"), "0");
    assert_eq!(status(&mut client, "problem"), None);
    let history = "SELECT string_agg(transition || ' ' || outcome, ',') FROM autobuild_transitions";
    assert_eq!(value(&mut client, history).as_deref(), Some("remind built"));
    let metric = "SELECT value::text FROM autobuild_metrics
         WHERE metric = 'workspace_autobuild_transitions_total'
           AND labels = '{\"transition\": \"remind\", \"outcome\": \"built\"}'";
    assert_eq!(value(&mut client, metric).as_deref(), Some("1"));
}

#[test]
fn a_message_that_can_not_be_queued_is_a_problem_until_one_tick_has_none() {
    let server = telling().start();
    let product = reminding(&server);
    let mut client = product.superuser();
    await_until("the reminder fails", SOON, || {
        let failed = "SELECT count(*) FROM autobuild_blocked WHERE transition = 'remind'";
        value(&mut client, failed).as_deref() == Some("1")
    });
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("access_url is not set"), "{problem}");
    assert_eq!(product.count_queued(Notice::Reminder), 0);
    // Put off by a minute, which a test's ticks don't wait for.
    server.set(
        "workspace_autobuild.access_url",
        "https://coder.example.com",
    );
    texts(&mut client, "DELETE FROM autobuild_attempts");
    await_until("the reminder", SOON, || {
        product.count_queued(Notice::Reminder) == 2
    });
    await_until("no problem", SOON, || {
        status(&mut client, "problem").is_none()
    });
}

#[test]
fn a_reminder_is_observed_once_for_each_deadline() {
    let server = telling()
        .set("workspace_autobuild.action", "observe")
        .start();
    let product = reminding(&server);
    let mut client = product.superuser();
    let observed = "SELECT count(*) FROM autobuild_transitions
                     WHERE transition = 'remind' AND outcome = 'observed' AND build_number = 1";
    await_until("it is observed", SOON, || {
        value(&mut client, observed).as_deref() == Some("1")
    });
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(value(&mut client, observed).as_deref(), Some("1"));
    product.execute("UPDATE workspace_builds SET deadline = deadline + interval '10 minutes'");
    await_until("and the next deadline", SOON, || {
        value(&mut client, observed).as_deref() == Some("2")
    });
    let marked =
        "SELECT count(*) FROM workspace_builds WHERE notified_autostop_deadline = deadline";
    assert_eq!(product.value(marked).as_deref(), Some("0"));
    assert_eq!(product.count_queued(Notice::Reminder), 0);
}
