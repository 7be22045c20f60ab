//! Sessions beside the worker: who holds rows, an old snapshot, all connections, or the
//! clock.

use std::thread;
use std::time::Duration;

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::SUPERUSER;

use super::storm::{Storm, spells};

#[test]
fn sessions_that_are_in_the_way() {
    for rounds in spells() {
        let mut storm = Storm::new();
        let mut old = storm.product.superuser();
        // Held all the time: nothing that dies meanwhile can be cleaned away.
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_snapshot()")
            .expect("a snapshot");
        storm.suffer(
            rounds,
            &[
                ("row locks of an idle transaction", &hold_rows),
                ("clock steps", &step_the_clock),
                ("no free connection", &take_all_connections),
                ("maintenance", &maintain),
            ],
        );
        let seen = texts(&mut old, "SELECT count(*) FROM workspaces");
        assert_eq!(seen, [[Some("0".to_owned())]], "the snapshot is an old one");
    }
}

fn hold_rows(storm: &mut Storm) {
    let mut client = storm.product.connect();
    let tables = [
        "workspaces",
        "workspace_builds",
        "template_versions",
        "provisioner_jobs",
    ];
    let table = tables[storm.random.usize(..tables.len())];
    client
        .batch_execute(&format!(
            "BEGIN; SELECT FROM {table} ORDER BY random() LIMIT 5 FOR UPDATE"
        ))
        .expect("row locks");
    thread::sleep(Duration::from_secs(storm.random.u64(1..4)));
    client.batch_execute("ROLLBACK").expect("a rollback");
}

/// As a tick by hand gives it.
fn step_the_clock(storm: &mut Storm) {
    let mut client = storm.superuser();
    for step in ["1 hour", "-1 year", "10 days", "-100 years", "0"] {
        // 55P03 while the worker builds: then it is the one executor.
        let _ = client.batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             SELECT autobuild_tick(now() + interval '{step}'); COMMIT"
        ));
        let _ = client.batch_execute("ROLLBACK");
    }
}

fn take_all_connections(storm: &mut Storm) {
    let address = storm.server.address().clone();
    let mut taken = Vec::new();
    while let Ok(client) = address.try_connect(storm.product.database(), SUPERUSER) {
        taken.push(client);
    }
    assert!(taken.len() > 5, "{} connections were free", taken.len());
    thread::sleep(Duration::from_millis(storm.random.u64(..2000)));
}

fn maintain(storm: &mut Storm) {
    for statement in [
        "VACUUM FULL workspace_builds",
        "REINDEX TABLE provisioner_jobs",
        "CLUSTER workspaces USING workspaces_pkey",
        "VACUUM (FREEZE, ANALYZE)",
    ] {
        let done = storm.superuser().batch_execute(statement);
        done.unwrap_or_else(|e| panic!("{statement}: {e:?}"));
    }
}
