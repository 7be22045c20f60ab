//! Two servers under Patroni: failover, switchover and an etcd that is gone, each in the
//! midst of a storm. `make test-ha` runs this; it needs Patroni and etcd.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::Client;
use rustix::process::{Pid, Signal};
use serde_json::{Value as Json, json};
use workspace_autobuild_tests::product::{texts, value};
use workspace_autobuild_tests::server::SUPERUSER;
use workspace_autobuild_tests::server::patroni::Cluster;
use workspace_autobuild_tests::{Product, SOON, Version, await_some, await_until};

use super::storm::{Log, Storm, rounds, signal};

/// Patroni has acted, and the worker after it, within this time.
const TAKEN_OVER: Duration = Duration::from_secs(180);

impl Log for Cluster {
    fn log(&self) -> String {
        Cluster::log(self)
    }
}

#[test]
#[ignore = "make test-ha"]
fn each_due_transition_is_built_once_whoever_is_the_primary() {
    suffer(false);
}

#[test]
#[ignore = "make test-ha"]
fn nothing_that_was_seen_is_lost_where_the_standby_is_synchronous() {
    suffer(true);
}

/// What befalls the cluster.
struct Fault {
    name: &'static str,
    /// The old primary builds what never reaches the new one, unless it has to wait for its
    /// standby at each commit.
    ahead: bool,
    /// Given the primary.
    act: fn(&mut Storm<Cluster>, usize),
}

const FAULTS: [Fault; 4] = [
    Fault {
        name: "the primary is gone",
        ahead: false,
        act: |storm, primary| storm.server.kill(primary),
    },
    Fault {
        name: "the primary is gone, and the standby lags",
        ahead: true,
        act: kill_ahead,
    },
    Fault {
        name: "switchover",
        ahead: false,
        act: |storm, _| storm.server.switchover(),
    },
    Fault {
        name: "Patroni alone is gone, and there are two primaries",
        ahead: true,
        act: |storm, primary| storm.server.orphan(primary),
    },
];

/// Nothing is sent to the standby any more; the primary works on, if it may, and is gone.
fn kill_ahead(storm: &mut Storm<Cluster>, primary: usize) {
    stop_sending(&mut storm.superuser());
    let mut client = storm.superuser();
    let mut count = || builds(&mut client).map_or(0, |builds| builds.len());
    let before = count();
    let begun = Instant::now();
    while count() == before && begun.elapsed() < Duration::from_secs(3) {}
    storm.server.kill(primary);
}

/// The standby gets nothing more of what this server writes.
#[track_caller]
fn stop_sending(client: &mut Client) {
    let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'";
    let sender = value(client, sql).and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    signal(sender.expect("a walsender"), Signal::STOP);
}

fn suffer(synchronous: bool) {
    let cluster = Cluster::start(&json!({
        "synchronous_mode": synchronous,
        // A standby that has less than this would not be promoted.
        "maximum_lag_on_failover": 1 << 30,
        "postgresql": {"parameters": storm_settings()},
    }));
    let address = cluster.address(cluster.await_primary()).clone();
    let mut storm = Storm::at(cluster, &address);
    storm.due = 600;
    for round in 0..rounds() {
        let mut faults: Vec<&Fault> = FAULTS.iter().collect();
        storm.random.shuffle(&mut faults);
        for fault in faults {
            println!("round {round}: {}", fault.name);
            take_over(&mut storm, fault, synchronous);
        }
    }
    storm.no_panic();
}

/// As for any storm (`storm::options`).
fn storm_settings() -> Json {
    json!({
        "shared_preload_libraries": "workspace-autobuild",
        "max_worker_processes": 16,
        "workspace_autobuild.tick_interval": "1s",
        "workspace_autobuild.batch_size": 15,
        // It is still in its midst when the other node has taken over.
        "workspace_autobuild.max_builds_per_tick": 20,
        "workspace_autobuild.lock_timeout": "500ms",
        "workspace_autobuild.statement_timeout": "20s",
    })
}

/// A storm begins, the other node takes over, everything is built there, and the old primary
/// comes back as its standby.
#[track_caller]
fn take_over(storm: &mut Storm<Cluster>, fault: &Fault, synchronous: bool) {
    let old = storm.server.await_primary();
    let new = 1 - old;
    // What the storm consists of has come over; of what is built, what gets over in time.
    storm.gather();
    await_replayed(storm, new);
    storm.release();
    await_replayed(storm, new);
    let enough: Arc<AtomicBool> = Arc::default();
    let seen = watch(storm, &enough);
    let built = storm.wait_for_the_midst();
    let begun = Instant::now();
    (fault.act)(storm, old);
    await_until("the other node is the primary", TAKEN_OVER, || {
        storm.server.primary() == Some(new)
    });
    let promoted = begun.elapsed();
    let ticked = await_some("a tick of the new primary", TAKEN_OVER, || {
        let address = storm.server.address(new);
        let mut client = address
            .try_connect(storm.product.database(), SUPERUSER)
            .ok()?;
        (ticks(&mut client)? > 0).then(|| begun.elapsed())
    });
    let address = storm.server.address(new).clone();
    storm.product.move_to(&address);
    storm.settle();
    storm.check(&storm.product);
    // When its Patroni is back, the old primary shows a commit that waited for the standby, for
    // the moment before it is rewound: nobody was told that it was done.
    enough.store(true, Ordering::Relaxed);
    let seen = seen.join().expect("the watcher");
    // Now the old one comes back, whatever it still did.
    if storm.server.is_dead(old) {
        storm.server.revive(old);
    }
    storm.server.await_standby(old);
    let after = builds(&mut storm.superuser()).expect("the builds");
    let lost = seen.difference(&after).count();
    println!(
        "{built} of {} were built; a new primary after {:.1} s, its first tick after {:.1} s; \
         {lost} builds that were seen are gone",
        storm.due,
        promoted.as_secs_f32(),
        ticked.as_secs_f32(),
    );
    if synchronous {
        assert_eq!(lost, 0, "builds that were seen are gone");
    } else if fault.ahead {
        assert_ne!(
            lost, 0,
            "the new primary had everything: this tells nothing"
        );
        assert!(storm.server.log_of(old).contains("running pg_rewind"));
    }
    let mut standby = storm.server.client(old, storm.product.database());
    assert_eq!(
        texts(
            &mut standby,
            "SELECT worker_state, problem FROM autobuild_status"
        ),
        [[Some("standby".to_owned()), None]]
    );
    storm.check(&storm.product);
}

/// Without etcd Patroni makes the primary a standby, which ticks no more; when it is back,
/// one of the two becomes the primary and goes on.
#[test]
#[ignore = "make test-ha"]
fn no_tick_is_made_while_nobody_may_be_the_primary() {
    let cluster = Cluster::start(&json!({"postgresql": {"parameters": storm_settings()}}));
    let address = cluster.address(cluster.await_primary()).clone();
    let mut storm = Storm::at(cluster, &address);
    storm.due = 600;
    storm.gather();
    await_replayed(&storm, 1 - storm.server.await_primary());
    storm.release();
    storm.wait_for_the_midst();
    storm.server.signal_etcd(Signal::STOP);
    let database = storm.product.database().to_owned();
    let state = |cluster: &Cluster, node: usize| {
        let mut client = cluster
            .address(node)
            .try_connect(&database, SUPERUSER)
            .ok()?;
        let row = client.query_one("SELECT worker_state FROM autobuild_status", &[]);
        row.ok().map(|row| row.get::<_, String>(0))
    };
    await_until("both nodes are standbys", TAKEN_OVER, || {
        (0..2).all(|node| state(&storm.server, node).as_deref() == Some("standby"))
    });
    storm.server.signal_etcd(Signal::CONT);
    let begun = Instant::now();
    let primary = storm.server.await_primary();
    await_until("the worker of the new primary", TAKEN_OVER, || {
        matches!(
            state(&storm.server, primary).as_deref(),
            Some("idle" | "running")
        )
    });
    println!(
        "etcd is back: ticks again after {:.1} s",
        begun.elapsed().as_secs_f32()
    );
    let address = storm.server.address(primary).clone();
    storm.product.move_to(&address);
    storm.settle();
    storm.server.await_both();
    storm.check(&storm.product);
}

/// In Patroni's failsafe mode the primary stays one as long as the nodes reach each other.
#[test]
#[ignore = "make test-ha"]
fn in_failsafe_mode_ticks_go_on_without_etcd() {
    let cluster = Cluster::start(&json!({
        "failsafe_mode": true,
        "postgresql": {"parameters": storm_settings()},
    }));
    let primary = cluster.await_primary();
    let address = cluster.address(primary).clone();
    let mut storm = Storm::at(cluster, &address);
    storm.gather();
    let server = &storm.server;
    server.signal_etcd(Signal::STOP);
    await_until("Patroni goes on without etcd", TAKEN_OVER, || {
        server.log_of(primary).contains("failsafe mode is enabled")
    });
    storm.release();
    storm.settle();
    let recovery = "SELECT pg_is_in_recovery()";
    assert_eq!(
        value(&mut storm.superuser(), recovery).as_deref(),
        Some("f")
    );
    storm.server.signal_etcd(Signal::CONT);
    storm.server.await_both();
    storm.check(&storm.product);
}

/// A setting of ours as a new session on each node has it.
fn shown(cluster: &Cluster, database: &str, setting: &str) -> [Option<String>; 2] {
    [0, 1].map(|node| {
        let sql = format!("SHOW workspace_autobuild.{setting}");
        value(&mut cluster.client(node, database), &sql)
    })
}

#[track_caller]
fn await_shown(cluster: &Cluster, database: &str, setting: &str, wanted: [&str; 2]) {
    await_until(&format!("{setting} is {wanted:?}"), SOON, || {
        shown(cluster, database, setting) == wanted.map(|value| Some(value.to_owned()))
    });
}

/// What the server rejects of its configuration, on each node.
fn rejected(cluster: &Cluster) -> [usize; 2] {
    [0, 1].map(|node| {
        let sql = "SELECT FROM pg_file_settings WHERE error IS NOT NULL
                      AND name LIKE 'workspace\\_autobuild.%'";
        texts(&mut cluster.client(node, SUPERUSER), sql).len()
    })
}

fn pending_restart(cluster: &Cluster) -> [bool; 2] {
    [0, 1].map(|node| {
        let says = cluster.says(node, "/patroni").expect("Patroni answers");
        says.get("pending_restart") == Some(&Json::Bool(true))
    })
}

/// docs/FAILOVER.md, "Settings": each sentence that was found so.
#[test]
#[ignore = "make test-ha"]
fn what_patroni_does_to_the_settings() {
    let mut cluster = Cluster::start(&json!({"maximum_lag_on_failover": 1 << 30}));
    let first = cluster.await_primary();
    let product = Product::install_at(cluster.address(first), Version::NEWEST, "public");
    product.create_extension();
    let database = product.database();
    let mut state = "not_preloaded".to_owned();
    let mut await_state = |cluster: &Cluster, wanted: &str| {
        let primary = cluster.await_primary();
        await_until(
            &format!("the primary is {wanted}, not {state}"),
            SOON,
            || {
                let mut client = cluster.client(primary, database);
                let sql = "SELECT worker_state FROM autobuild_status";
                state = value(&mut client, sql).unwrap_or_default();
                state == wanted
            },
        );
    };
    await_state(&cluster, "not_preloaded");

    // The library and settings in one go, though the server doesn't know them yet.
    cluster.edit_config(&[
        "shared_preload_libraries=workspace-autobuild",
        "workspace_autobuild.tick_interval=1s",
        "workspace_autobuild.action=off",
    ]);
    await_until("Patroni asks for a restart", SOON, || {
        pending_restart(&cluster) == [true, true]
    });
    cluster.restart();
    assert_eq!(pending_restart(&cluster), [false, false]);
    await_shown(&cluster, database, "action", ["off", "off"]);
    await_state(&cluster, "off");

    // Later changes are taken up without one.
    cluster.edit_config(&["workspace_autobuild.action=observe"]);
    await_shown(&cluster, database, "action", ["observe", "observe"]);
    assert_eq!(pending_restart(&cluster), [false, false]);
    await_state(&cluster, "idle");

    // No database at all, and all of them.
    cluster.edit_config(&["workspace_autobuild.databases=''"]);
    await_state(&cluster, "off");
    cluster.edit_config(&["workspace_autobuild.databases='*'"]);
    await_state(&cluster, "idle");

    // What the server rejects keeps the old value until a restart, and is the default after it.
    cluster.edit_config(&["workspace_autobuild.action=obsreve"]);
    await_until("it is rejected", SOON, || rejected(&cluster) == [1, 1]);
    assert_eq!(
        shown(&cluster, database, "action"),
        ["observe", "observe"].map(|v| Some(v.into()))
    );
    cluster.restart();
    assert_eq!(
        shown(&cluster, database, "action"),
        ["build", "build"].map(|v| Some(v.into()))
    );
    cluster.edit_config(&["workspace_autobuild.action=null"]);
    await_until("it is gone", SOON, || rejected(&cluster) == [0, 0]);
    cluster.edit_config(&["workspace_autobuild.rules=[autostop, autostart]"]);
    await_until("a list is rejected", SOON, || rejected(&cluster) == [1, 1]);
    cluster.edit_config(&["workspace_autobuild.rules=autostop, autostart"]);
    await_shown(&cluster, database, "rules", ["autostop, autostart"; 2]);
    assert_eq!(rejected(&cluster), [0, 0]);

    // ALTER SYSTEM wins, on its own node alone, and does not move with the primary.
    let mut client = cluster.client(first, SUPERUSER);
    texts(
        &mut client,
        "ALTER SYSTEM SET workspace_autobuild.action = observe",
    );
    texts(&mut client, "SELECT pg_reload_conf()");
    let of = |node: usize, here: &'static str, there: &'static str| {
        if node == 0 {
            [here, there]
        } else {
            [there, here]
        }
    };
    await_shown(&cluster, database, "action", of(first, "observe", "build"));
    cluster.switchover();
    cluster.await_both();
    let second = cluster.await_primary();
    assert_ne!(first, second);
    await_shown(&cluster, database, "action", of(first, "observe", "build"));

    // ALTER DATABASE moves with the data.
    let mut client = cluster.client(second, SUPERUSER);
    texts(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.batch_size = 7"),
    );
    await_shown(&cluster, database, "batch_size", ["7", "7"]);

    // What pg_rewind brings back has the configuration of the server that it follows.
    texts(
        &mut client,
        "ALTER SYSTEM SET workspace_autobuild.batch_size = 9",
    );
    stop_sending(&mut client);
    texts(&mut client, "CREATE TABLE only_here ()");
    cluster.kill(second);
    await_until("the first one is the primary again", TAKEN_OVER, || {
        cluster.primary() == Some(first)
    });
    cluster.revive(second);
    cluster.await_standby(second);
    assert!(cluster.log_of(second).contains("running pg_rewind"));
    await_shown(&cluster, database, "action", ["observe", "observe"]);
    let system = |node: usize| {
        let sql = "SELECT pg_read_file('postgresql.auto.conf') LIKE '%batch_size%'";
        value(&mut cluster.client(node, SUPERUSER), sql)
    };
    assert_eq!(system(second).as_deref(), Some("f"));
}

/// Waits until a node has replayed all that the primary has written until now.
#[track_caller]
fn await_replayed(storm: &Storm<Cluster>, node: usize) {
    let lsn = value(&mut storm.superuser(), "SELECT pg_current_wal_insert_lsn()");
    let lsn = lsn.expect("a position");
    let mut follower = storm.server.client(node, SUPERUSER);
    await_until("the standby follows", SOON, || {
        let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'");
        value(&mut follower, &sql).as_deref() == Some("t")
    });
}

/// Looks at the builds, again and again, until the server is gone or it is enough, and
/// returns the last of what it saw.
fn watch(storm: &Storm<Cluster>, enough: &Arc<AtomicBool>) -> JoinHandle<BTreeSet<String>> {
    let mut client = storm.superuser();
    let enough = Arc::clone(enough);
    thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !enough.load(Ordering::Relaxed) {
            let Some(now) = builds(&mut client) else {
                break;
            };
            seen = now;
            // The server has more to do.
            thread::sleep(Duration::from_millis(20));
        }
        seen
    })
}

fn builds(client: &mut Client) -> Option<BTreeSet<String>> {
    let rows = client
        .query("SELECT id::text FROM workspace_builds", &[])
        .ok()?;
    Some(rows.iter().map(|row| row.get(0)).collect())
}

/// Ticks since the server started; none on a standby.
fn ticks(client: &mut Client) -> Option<i64> {
    let sql = "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
                WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
    client.query_one(sql, &[]).ok().map(|row| row.get(0))
}
