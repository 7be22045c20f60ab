//! A tick as a whole: one executor, one build for each transition, order and cap, history.

use std::thread;

use postgres::Client;
use serde_json::{Value as Json, json};
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    Attempt, NINE, Refusal, TODAY_AT_NINE, VERSIONS, YESTERDAY, due, install, preview, records,
    refusal, tick, try_tick, whole_builds, with_outcome,
};
use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::server::take_all_locks;
use workspace_autobuild_tests::{Product, SOON, Server, Transition, Version, await_until};

#[test]
fn two_ticks_for_the_same_minute_make_one_build() {
    for version in VERSIONS {
        let product = install(version);
        due(&product.template("docker").create(), 20);
        assert_eq!(product.tick(TODAY_AT_NINE).len(), 20, "{version}");
        assert_eq!(product.tick(TODAY_AT_NINE), [], "{version}");
        whole_builds(&product, "2");
        // Neither does a second one in the same transaction.
        let second = due(&product.template("second").create(), 3);
        let mut superuser = product.superuser();
        superuser
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .expect("BEGIN");
        let sql = format!("SELECT * FROM autobuild_tick('{TODAY_AT_NINE}')");
        let first: Vec<Attempt> = records(&mut superuser, &sql);
        assert_eq!(first.len(), second.len());
        assert_eq!(records::<Attempt>(&mut superuser, &sql), []);
        superuser.batch_execute("COMMIT").expect("COMMIT");
        whole_builds(&product, "2");
    }
}

#[test]
fn a_full_notification_queue_costs_no_build() {
    // Before PostgreSQL 17 the queue has 8 GB, and no setting makes it smaller.
    if Server::shared().installation().major() < 17 {
        return;
    }
    let server = Server::options_without_worker()
        .set("max_notify_queue_pages", "64")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut listener = product.superuser();
    // A listener in a transaction reads nothing, and the queue keeps everything for it.
    listener.batch_execute("LISTEN anything").expect("LISTEN");
    listener.batch_execute("BEGIN; SELECT 1").expect("BEGIN");
    let mut filler = product.superuser();
    let words = "SELECT pg_notify('anything', n || repeat('x', 7000)) FROM generate_series(1, 5) n";
    let full = (0..100)
        .find_map(|_| filler.batch_execute(words).err())
        .expect("64 pages are full");
    assert_eq!(Refusal::of(&full).sqlstate, "54000", "{full:?}");

    due(&product.template("docker").create(), 3);
    let mut superuser = product.superuser();
    superuser
        .batch_execute("SET workspace_autobuild.notify_transitions = on")
        .expect("SET");
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE).len(), 3);
    whole_builds(&product, "2");
}

#[test]
fn a_second_session_is_refused_while_the_first_ticks_and_loses_afterwards() {
    for version in VERSIONS {
        let product = install(version);
        let ids = due(&product.template("docker").create(), 5);
        let (mut first, mut second) = (product.superuser(), product.superuser());
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workspaces";
        first.batch_execute(begin).expect("BEGIN");
        second.batch_execute(begin).expect("BEGIN");
        let sql = format!("SELECT * FROM autobuild_tick('{TODAY_AT_NINE}')");
        assert_eq!(records::<Attempt>(&mut first, &sql).len(), 5);
        second.batch_execute("SAVEPOINT before").expect("SAVEPOINT");
        let refused = refusal(&mut second, &sql);
        assert_eq!(refused.sqlstate, "55P03", "{version}: {refused:?}");
        assert_ne!(refused.hint, "");
        second
            .batch_execute("ROLLBACK TO before")
            .expect("ROLLBACK");
        first.batch_execute("COMMIT").expect("COMMIT");
        // Its snapshot is of before: it still sees what was due.
        let lost: Vec<Attempt> = records(&mut second, &sql);
        assert_eq!(
            with_outcome(&lost, "conflict").len(),
            ids.len(),
            "{version}"
        );
        assert!(lost.iter().all(|attempt| attempt.message.is_some()
            && attempt.build_id.is_none()
            && attempt.sqlstate.is_none()));
        second.batch_execute("COMMIT").expect("COMMIT");
        whole_builds(&product, "2");
        let counts = product_ticks(&mut second);
        assert_eq!(
            counts,
            [
                json!({"due": 5, "built": 5, "conflict": 0, "blocked": 0, "failed": 0}),
                json!({"due": 5, "built": 0, "conflict": 5, "blocked": 0, "failed": 0}),
            ]
        );
    }
}

fn product_ticks(superuser: &mut Client) -> Vec<Json> {
    records(
        superuser,
        "SELECT due, built, conflict, blocked, failed FROM autobuild_ticks ORDER BY tick_id",
    )
}

#[test]
fn sessions_that_tick_at_once_make_one_build_of_each() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 200);
    let results: Vec<Result<Vec<Attempt>, Refusal>> = thread::scope(|scope| {
        let sessions: Vec<_> = (0..4)
            .map(|_| {
                let mut session = product.superuser();
                scope.spawn(move || {
                    try_tick(&mut session, TODAY_AT_NINE).map_err(|e| Refusal::of(&e))
                })
            })
            .collect();
        sessions
            .into_iter()
            .map(|session| session.join().expect("a session"))
            .collect()
    });
    let mut built = 0;
    for result in results {
        match result {
            Ok(attempts) => built += with_outcome(&attempts, "built").len(),
            Err(refused) => {
                assert!(
                    ["55P03", "40001"].contains(&refused.sqlstate.as_str()),
                    "{refused:?}"
                );
            }
        }
    }
    assert_eq!(built, 200);
    whole_builds(&product, "2");
}

#[test]
fn a_tick_in_read_committed_is_refused() {
    let product = install(Version::OLDEST);
    due(&product.template("docker").create(), 1);
    let mut superuser = product.superuser();
    let refused = refusal(&mut superuser, "SELECT * FROM autobuild_tick()");
    assert_eq!(refused.sqlstate, "25000");
    assert!(refused.hint.contains("REPEATABLE READ"), "{refused:?}");
    superuser
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL SERIALIZABLE;
             SELECT * FROM autobuild_tick('{TODAY_AT_NINE}'); COMMIT"
        ))
        .expect("stricter is fine");
    whole_builds(&product, "2");
}

#[test]
fn a_build_that_someone_else_made_since_the_snapshot_is_a_conflict() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        let mine = template
            .workspace("mine")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        let theirs = template
            .workspace("theirs")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        // The product's own server has inserted, and not committed yet.
        product.execute("BEGIN");
        theirs.build(Transition::Start).job_pending().create();
        let mut session = product.superuser();
        let pid: i32 = session
            .query_one("SELECT pg_backend_pid()", &[])
            .expect("a pid")
            .get(0);
        let attempts = thread::scope(|scope| {
            let ticking = scope.spawn(move || tick(&mut session, TODAY_AT_NINE));
            let mut watch = product.superuser();
            await_until("the tick waits for the product's transaction", SOON, || {
                let sql = format!("SELECT cardinality(pg_blocking_pids({pid}))::text");
                texts(&mut watch, &sql) == [[Some("1".to_owned())]]
            });
            product.execute("COMMIT");
            ticking.join().expect("a tick")
        });
        assert_eq!(with_outcome(&attempts, "built"), [mine.id], "{version}");
        assert_eq!(
            with_outcome(&attempts, "conflict"),
            [theirs.id],
            "{version}"
        );
        whole_builds(&product, "2");
        let blocked = texts(&mut product.superuser(), "SELECT * FROM autobuild_blocked");
        assert!(blocked.is_empty(), "a conflict is no trouble: {blocked:?}");
    }
}

/// Fifty workspaces in no order: stops and starts, due at ten different times.
fn disorder(product: &Product) {
    let template = product.template("docker").create();
    let due_at = |step: &str| {
        Value::sql(format!(
            "timestamptz '{TODAY_AT_NINE}' - ((i * 7) % 10) * interval '{step}'"
        ))
    };
    template
        .workspaces(20, Transition::Start)
        .created_at(YESTERDAY)
        .deadline(due_at("7 minutes"))
        .create();
    template
        .workspaces(30, Transition::Stop)
        .schedule(Value::sql("(i * 7) % 10 || ' 8 * * *'"))
        .created_at(YESTERDAY)
        .create();
}

#[test]
fn stops_go_first_then_the_oldest_due_then_by_id() {
    for version in VERSIONS {
        let product = install(version);
        disorder(&product);
        let mut superuser = product.superuser();
        // Small batches change nothing of the order.
        superuser
            .batch_execute("SET workspace_autobuild.batch_size = 7")
            .expect("a setting");
        let attempts = tick(&mut superuser, TODAY_AT_NINE);
        assert_eq!(attempts.len(), 50, "{version}");
        let order: Vec<(bool, &str, Uuid)> = attempts
            .iter()
            .map(|a| (a.transition == "start", a.due_at.as_str(), a.workspace_id))
            .collect();
        assert!(order.is_sorted(), "{version}: {order:?}");
        let recorded: Vec<Attempt> = records(
            &mut superuser,
            "SELECT * FROM autobuild_transitions ORDER BY transition_id",
        );
        assert_eq!(recorded, attempts, "history has the same rows");
        let ticks: Vec<Json> = records(
            &mut superuser,
            "SELECT due, built, source, mode, tick_at = timestamptz '2024-03-05 09:00:00+00' AS at,
                    started_at <= finished_at AND finished_at <= clock_timestamp() AS clock
               FROM autobuild_ticks",
        );
        assert_eq!(
            ticks,
            [
                json!({"due": 50, "built": 50, "source": "manual", "mode": "scan", "at": true, "clock": true})
            ]
        );
    }
}

#[test]
fn the_cap_counts_builds_and_the_rest_waits_for_the_next_tick() {
    let product = install(Version::V2_34_3);
    disorder(&product);
    let broken = product
        .template("broken")
        .version(|v| v.import_failed("no"))
        .create();
    broken
        .workspaces(5, Transition::Start)
        .created_at(YESTERDAY)
        .deadline("2024-03-05 00:00:00+00")
        .create();
    let mut superuser = product.superuser();
    superuser
        .batch_execute(
            "SET workspace_autobuild.max_builds_per_tick = 12;
             SET workspace_autobuild.batch_size = 5",
        )
        .expect("settings");
    let mut built = Vec::new();
    let mut rounds = 0;
    loop {
        let foretold = preview(&mut superuser, TODAY_AT_NINE);
        let attempts = tick(&mut superuser, TODAY_AT_NINE);
        assert_eq!(foretold.len(), attempts.len());
        assert_eq!(
            with_outcome(&attempts, "blocked").len(),
            5,
            "blocked ones don't count"
        );
        let now = with_outcome(&attempts, "built");
        if now.is_empty() {
            break;
        }
        assert_eq!(now, with_outcome(&foretold, "built"));
        assert_eq!(now.len(), 12.min(50 - built.len()));
        built.extend(now);
        rounds += 1;
    }
    assert_eq!((rounds, built.len()), (5, 50));
    let order = product.rows(
        "SELECT transition = 'start' FROM workspace_builds
          WHERE build_number = 2 ORDER BY created_at, transition DESC",
    );
    assert!(order.is_sorted(), "no start before a stop");
}

#[test]
fn where_locks_are_few_a_tick_by_hand_takes_its_share_and_leaves_the_rest_to_the_next() {
    let server = Server::options_without_worker()
        .set("max_locks_per_transaction", "10")
        .set("max_connections", "20")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    due(&product.template("docker").create(), 3000);
    let mut hand = product.superuser();
    let built = |attempts: &[Attempt]| with_outcome(attempts, "built").len();
    hand.batch_execute("SET workspace_autobuild.max_builds_per_tick = 10")
        .expect("a cap");
    assert_eq!(built(&tick(&mut hand, TODAY_AT_NINE)), 10, "a cap ends it");
    hand.batch_execute("RESET workspace_autobuild.max_builds_per_tick")
        .expect("no cap");
    for _ in 0..2 {
        hand.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .expect("BEGIN");
        let sql = format!("SELECT * FROM autobuild_tick('{TODAY_AT_NINE}')");
        let some = built(&records::<Attempt>(&mut hand, &sql));
        assert!((50..1000).contains(&some), "{some} at once");
        // Others have locks all the while.
        let others = "SELECT count(pg_advisory_xact_lock(i)) FROM generate_series(1, 100) i";
        product.execute(others);
        hand.batch_execute("COMMIT").expect("COMMIT");
    }
    // Where others have them all, it says so.
    let mut hog = product.superuser();
    take_all_locks(&mut hog);
    let error = try_tick(&mut hand, TODAY_AT_NINE).expect_err("no lock is left");
    let refused = Refusal::of(&error);
    assert_eq!(refused.sqlstate, "53200", "{refused:?}");
    assert_ne!(refused.hint, "");
}

#[test]
fn history_is_kept_for_as_long_as_the_setting_says() {
    let product = install(Version::V2_10_0);
    let mut superuser = product.superuser();
    superuser
        .batch_execute(
            "INSERT INTO autobuild_ticks (tick_at, started_at, finished_at, source, mode, due,
                                          built, conflict, blocked, failed, observed)
             SELECT t, t, t, 'worker', 'scan', 1, 1, 0, 0, 0, 0
               FROM (VALUES (now() - interval '31 days'), (now() - interval '29 days')) AS v (t);
             INSERT INTO autobuild_transitions (tick_id, decided_at, workspace_id, transition,
                                                reason, due_at, outcome)
             SELECT tick_id, started_at, gen_random_uuid(), 'start', 'autostart', started_at, 'built'
               FROM autobuild_ticks",
        )
        .expect("old history");
    let counts = |superuser: &mut Client| {
        texts(
            superuser,
            "SELECT (SELECT count(*) FROM autobuild_ticks),
                    (SELECT count(*) FROM autobuild_transitions)",
        )
    };
    let row = |n: &str| [[Some(n.to_owned()), Some(n.to_owned())]];
    superuser
        .batch_execute("SET workspace_autobuild.history_retention = 0")
        .expect("for ever");
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE), []);
    assert_eq!(counts(&mut superuser), row("2"));
    superuser
        .batch_execute("RESET workspace_autobuild.history_retention")
        .expect("30 days");
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE), []);
    assert_eq!(counts(&mut superuser), row("1"));
    superuser
        .batch_execute("SET workspace_autobuild.history_retention = '28d'")
        .expect("28 days");
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE), []);
    assert_eq!(counts(&mut superuser), row("0"));
}
