//! Brakes in the worker's ticks.

use postgres::Client;
use workspace_autobuild_tests::product::{execute, value};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, StopMode, Version, await_until};

use super::{KINDS, RULES, many, on};

/// How many attempts of the history have this outcome and code.
fn recorded(client: &mut Client, kind: &str, outcome: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM autobuild_transitions
          WHERE transition = '{kind}' AND outcome = '{outcome}'"
    );
    value(client, &sql)
        .and_then(|count| count.parse().ok())
        .expect("a count")
}

/// Ticks that were made.
fn ticks(client: &mut Client) -> u64 {
    let sql = "SELECT value::bigint FROM autobuild_metrics
                WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
    value(client, sql)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

#[track_caller]
fn await_ticks(client: &mut Client, count: u64) {
    let before = ticks(client);
    await_until("more ticks", SOON, || ticks(client) >= before + count);
}

#[test]
fn a_brake_stays_on_across_a_restart_until_autobuild_resume_with_and_without_the_agenda() {
    for attached in [false, true] {
        let mut server = ticking()
            .set("workspace_autobuild.rules", RULES)
            .set("workspace_autobuild.max_transitions_share", "0.01")
            .start();
        let product = Product::install(&server, Version::NEWEST);
        product.create_extension();
        let mut client = product.superuser();
        if attached {
            execute(&mut client, "SELECT autobuild_attach()");
            let mode = "SELECT mode FROM autobuild_status";
            await_until("the agenda is built", SOON, || {
                value(&mut client, mode).as_deref() == Some("agenda")
            });
        }
        for kind in KINDS {
            many(&product, kind, 13);
        }
        await_until("all brakes are on", SOON, || on(&mut client).len() == 4);
        await_ticks(&mut client, 2);
        for kind in KINDS {
            assert_eq!(recorded(&mut client, kind, "built"), 10, "{kind}");
            assert_eq!(recorded(&mut client, kind, "blocked"), 3, "{kind}");
        }
        let lines = |log: &str| log.matches("the brake on stop is on: more than").count();
        assert_eq!(lines(&server.log()), 1, "the log has it once");
        server.restart(StopMode::Fast);
        product.reconnect();
        let mut client = product.superuser();
        await_ticks(&mut client, 2);
        assert_eq!(on(&mut client).len(), 4);
        let problem = value(&mut client, "SELECT problem FROM autobuild_status");
        for kind in KINDS {
            assert_eq!(recorded(&mut client, kind, "built"), 10, "{kind}");
            let said = format!("the brake on {kind} is on: more than");
            assert!(
                problem.as_deref().unwrap_or_default().contains(&said),
                "{problem:?}"
            );
        }
        execute(&mut client, "SELECT autobuild_resume()");
        for kind in KINDS {
            await_until("the rest is made", SOON, || {
                recorded(&mut client, kind, "built") == 13
            });
        }
        assert_eq!(on(&mut client), Vec::<String>::new());
        let blocked = "SELECT count(*) FROM autobuild_blocked";
        await_until("nobody waits", SOON, || {
            value(&mut client, blocked).as_deref() == Some("0")
        });
        assert_eq!(
            value(&mut client, "SELECT problem FROM autobuild_status"),
            None
        );
    }
}

#[test]
fn with_action_observe_the_worker_records_all_of_it_and_brakes_nothing() {
    let server = ticking()
        .set("workspace_autobuild.max_transitions_share", "0.01")
        .set("workspace_autobuild.action", "observe")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    many(&product, "stop", 13);
    product.create_extension();
    let mut client = product.superuser();
    await_until("all is observed", SOON, || {
        recorded(&mut client, "stop", "observed") == 13
    });
    await_ticks(&mut client, 2);
    assert_eq!(on(&mut client), Vec::<String>::new());
    assert_eq!(recorded(&mut client, "stop", "blocked"), 0);
}
