//! The end of a transaction: a commit waits for a standby as any session's does, and once
//! the postmaster is gone none begins.

use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, Version, await_some, await_until};

use super::support::*;

#[test]
fn a_commit_waits_for_a_synchronous_standby_whatever_statement_timeout_says() {
    let server = ticking()
        .set("workspace_autobuild.statement_timeout", "300ms")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    server.set("synchronous_standby_names", "nobody");
    product.execute("SET synchronous_commit = off");
    overdue(&product, 3);
    let mut client = product.superuser();
    let worker = await_blocked_worker(&mut client, "IPC");
    let waited = format!(
        "SELECT now() - xact_start > interval '1500 ms' AND wait_event = 'SyncRep'
           FROM pg_stat_activity WHERE pid = {worker}"
    );
    await_until("it still waits, long after the timeout", SOON, || {
        let rows = texts(&mut client, &waited);
        let row = rows.into_iter().flatten().next().flatten();
        row.expect("the worker waits on") == "t"
    });
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    // What the standby does not have, no provisioner has seen.
    assert_eq!(value(&mut client, stops).as_deref(), Some("0"));
    server.set("synchronous_standby_names", "");
    await_until("all stop", SOON, || {
        value(&mut client, stops).as_deref() == Some("3")
    });
}

#[test]
fn a_worker_ends_with_its_postmaster_and_not_with_its_tick() {
    let mut server = ticking().set("workspace_autobuild.batch_size", "1").start();
    let product = Product::install(&server, Version::NEWEST);
    product.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_catalog.pg_sleep(0.2); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER INSERT ON workspace_builds FOR EACH STATEMENT
                EXECUTE FUNCTION slow()",
    );
    overdue(&product, 100);
    product.create_extension();
    let mut client = product.superuser();
    let worker = await_some("a worker builds", SOON, || {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                    AND backend_type = 'workspace-autobuild worker' AND query LIKE 'building%'";
        let row = texts(&mut client, sql).into_iter().flatten().next()?;
        row?.parse().ok().and_then(Pid::from_raw)
    });
    server.kill();
    // 20 s of the tick are left.
    await_until("the worker is gone", Duration::from_secs(8), || {
        test_kill_process(worker).is_err()
    });
    server.start();
}
