//! The executor's role is dropped, renamed, locked out: it is said what is missing, it
//! goes on by itself when it is there again, and no other database notices.

use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, Version, await_until};

use super::scene::*;

fn status(client: &mut Client, column: &str) -> Option<String> {
    texts(client, &format!("SELECT {column} FROM autobuild_status"))
        .remove(0)
        .remove(0)
}

#[track_caller]
fn await_waiting(client: &mut Client, with: &str) {
    await_until(&format!("waiting: {with}"), SOON, || {
        status(client, "worker_state").as_deref() == Some("waiting")
            && status(client, "problem").is_some_and(|problem| problem.contains(with))
    });
}

#[track_caller]
fn await_well(client: &mut Client) {
    await_until("ticks are made again", SOON, || {
        status(client, "worker_state").as_deref() == Some("idle")
            && status(client, "problem").is_none()
            && status(client, "lag < interval '3 s'").as_deref() == Some("t")
    });
}

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

#[test]
fn a_role_that_is_gone_or_locked_out_is_waited_for_and_other_databases_go_on() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let neighbour = Product::with_extension(&server, Version::NEWEST);
    let database = product.database();
    let mut client = product.superuser();
    run(
        &mut client,
        "CREATE ROLE autobuild; SELECT autobuild_grant('autobuild')",
    );
    run(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.role = 'autobuild'"),
    );
    let mut client = product.superuser();
    await_until("it ticks as the role", SOON, || {
        status(&mut client, "role").as_deref() == Some("autobuild")
    });
    await_well(&mut client);

    // Renamed: the setting has the old name.
    run(&mut client, "ALTER ROLE autobuild RENAME TO builder");
    await_waiting(
        &mut client,
        "role \"autobuild\" of workspace_autobuild.role does not exist",
    );
    run(&mut client, "ALTER ROLE builder RENAME TO autobuild");
    await_well(&mut client);

    // No login: the worker doesn't log in.
    run(
        &mut client,
        "ALTER ROLE autobuild NOLOGIN CONNECTION LIMIT 0 VALID UNTIL '2020-01-01'",
    );
    await_well(&mut client);
    let before = status(&mut client, "last_tick_at");
    await_until("one more tick", SOON, || {
        status(&mut client, "last_tick_at") != before
    });
    await_well(&mut client);

    // No way into the schema.
    run(
        &mut client,
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM autobuild",
    );
    await_waiting(
        &mut client,
        "GRANT USAGE ON SCHEMA \"public\" TO \"autobuild\"",
    );
    run(&mut client, "GRANT USAGE ON SCHEMA public TO autobuild");
    await_well(&mut client);

    // A superuser is never acted as.
    run(&mut client, "ALTER ROLE autobuild SUPERUSER");
    await_waiting(&mut client, "nothing is built as a superuser");
    run(&mut client, "ALTER ROLE autobuild NOSUPERUSER");
    await_well(&mut client);

    // Dropped.
    run(&mut client, "DROP OWNED BY autobuild; DROP ROLE autobuild");
    await_waiting(&mut client, "CREATE ROLE \"autobuild\"");
    let template = product.template("docker").create();
    overdue(&template, "later");
    // The other database never waited, and nothing failed anywhere.
    let mut beside = neighbour.superuser();
    let other = neighbour.template("docker").create();
    overdue(&other, "now");
    await_until("the neighbour's build", Duration::from_secs(5), || {
        neighbour
            .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("1")
    });
    let waited = "SELECT coalesce(sum(value), 0) FROM autobuild_metrics
                   WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' <> 'done'";
    assert_eq!(texts(&mut beside, waited), [[Some("0".to_owned())]]);

    run(
        &mut client,
        "CREATE ROLE autobuild; SELECT autobuild_grant('autobuild')",
    );
    await_well(&mut client);
    await_until("what fell due meanwhile", SOON, || {
        product
            .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("1")
    });
    assert_eq!(
        status(&mut client, "consecutive_failures").as_deref(),
        Some("0")
    );
    let failed = "SELECT coalesce(sum(value), 0) FROM autobuild_metrics
                   WHERE metric = 'workspace_autobuild_ticks_total'
                     AND labels->>'result' IN ('failed', 'died')";
    assert_eq!(texts(&mut client, failed), [[Some("0".to_owned())]]);
}
