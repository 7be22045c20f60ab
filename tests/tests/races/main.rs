//! Races with the product: its writers, and another executor of its own kind, at every
//! isolation level and against the same workspaces, while ticks run. Both sides only ever
//! lose in the ways that they must: a build number that the other one took, a snapshot
//! that is too old.

#![allow(clippy::indexing_slicing)]

mod beside;
mod overtaken;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use uuid::Uuid;
use workspace_autobuild_tests::product::{Fields, MINUTE, OWNER, Value, parameter, texts};
use workspace_autobuild_tests::server::{Address, ticking};
use workspace_autobuild_tests::{Product, Transition, Version, await_until, invariants};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];
const WORKSPACES: u32 = 60;

fn seconds() -> u64 {
    std::env::var("RACES_SECONDS").map_or(8, |text| text.parse().expect("seconds"))
}

/// What came of a writer's transactions: `done`, or a SQLSTATE.
type Outcomes = BTreeMap<String, u32>;

/// A build of the next number, if the latest one's job is complete, as the product makes
/// one: job, build, parameter.
fn build(workspace: Uuid, transition: &str, reason: &str) -> String {
    format!(
        "WITH latest AS (
             SELECT b.*, j.file_id, j.tags, j.organization_id FROM workspace_builds b
               JOIN provisioner_jobs j ON j.id = b.job_id
              WHERE b.workspace_id = '{workspace}' ORDER BY build_number DESC LIMIT 1),
         able AS (SELECT l.*, gen_random_uuid() AS new_build, gen_random_uuid() AS new_job
               FROM latest l WHERE l.transition <> '{transition}' AND EXISTS (
                    SELECT FROM provisioner_jobs j WHERE j.id = l.job_id AND completed_at IS NOT NULL)),
         job AS (INSERT INTO provisioner_jobs (id, created_at, updated_at, initiator_id,
                    organization_id, provisioner, storage_method, file_id, type, input, tags)
              SELECT new_job, now(), now(), initiator_id, organization_id, 'terraform', 'file',
                     file_id, 'workspace_build',
                     jsonb_build_object('workspace_build_id', new_build), tags FROM able
              RETURNING id),
         build AS (INSERT INTO workspace_builds (id, created_at, updated_at, workspace_id,
                    template_version_id, build_number, transition, initiator_id, job_id, reason)
              SELECT new_build, now(), now(), workspace_id, template_version_id, build_number + 1,
                     '{transition}', initiator_id, new_job, '{reason}' FROM able, job
              RETURNING id)
         INSERT INTO workspace_build_parameters (workspace_build_id, name, value)
              SELECT id, 'region', 'eu' FROM build"
    )
}

/// One transaction of a product's writer.
fn write(random: &mut fastrand::Rng, workspaces: &[Uuid], template: Uuid) -> String {
    let mut pick = || workspaces[random.usize(..workspaces.len())];
    let (one, other) = (pick(), pick());
    let minutes = random.i32(-5..5);
    match random.u32(..9) {
        0 => build(one, "start", "initiator"),
        1 => build(one, "stop", "initiator"),
        // Two of them in one transaction, in any order: what deadlocks are made of.
        2 => format!("{}; {}", build(one, "start", "initiator"), build(other, "stop", "initiator")),
        3 => format!(
            "UPDATE workspace_builds SET deadline = now() + interval '{minutes} minutes', updated_at = now()
              WHERE workspace_id = '{one}' AND build_number =
                    (SELECT max(build_number) FROM workspace_builds WHERE workspace_id = '{one}')"
        ),
        4 => format!("UPDATE workspaces SET autostart_schedule = '*/{} * * * *' WHERE id = '{one}'", minutes + 6),
        5 => format!(
            "UPDATE workspaces SET last_used_at = now() WHERE id = '{one}';
             UPDATE workspaces SET last_used_at = now() WHERE id = '{other}'"
        ),
        6 => format!("UPDATE templates SET updated_at = now(), description = 'x' WHERE id = '{template}'"),
        7 => format!("SELECT FROM workspaces WHERE id IN ('{one}', '{other}') FOR UPDATE; SELECT pg_sleep(0.02)"),
        // The product's own executor: its lock first, then what it finds due.
        _ => format!(
            "DO $do$ BEGIN
                IF pg_try_advisory_xact_lock(lock_key('{one}')) THEN
                    {};
                END IF;
             END $do$",
            build(one, "stop", "autostop")
        ),
    }
}

/// The provisioner's part: jobs are complete at once, and who was started is to be stopped
/// at once.
const COMPLETE: &str = "
    WITH c AS (
        UPDATE provisioner_jobs SET started_at = now(), completed_at = now()
         WHERE id IN (SELECT id FROM provisioner_jobs
                       WHERE completed_at IS NULL AND type = 'workspace_build'
                         FOR UPDATE SKIP LOCKED)
        RETURNING id)
    UPDATE workspace_builds b SET deadline = now() - interval '1 minute'
      FROM c WHERE b.job_id = c.id AND b.transition = 'start'";

/// A function for the tests: the key of the product's lock on a workspace.
const LOCK_KEY: &str = "
CREATE FUNCTION lock_key(id uuid) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hash numeric := 14695981039346656037;
    byte int;
    low bigint;
BEGIN
    FOREACH byte IN ARRAY (SELECT array_agg(get_byte(t, i)) FROM
        (SELECT convert_to('lifecycle-executor:' || id, 'UTF8') AS t) q,
        generate_series(0, 54) AS i)
    LOOP
        hash := mod(hash * 1099511628211, 18446744073709551616);
        low := mod(hash, 256)::bigint;
        hash := hash - low + (low # byte);
    END LOOP;
    RETURN CASE WHEN hash >= 9223372036854775808 THEN hash - 18446744073709551616 ELSE hash END;
END $$";

fn race(
    address: &Address,
    database: &str,
    level: &str,
    seed: u64,
    workspaces: &[Uuid],
    template: Uuid,
    over: &AtomicBool,
) -> Outcomes {
    let mut client = address.connect(database, OWNER);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcomes = Outcomes::new();
    while !over.load(Ordering::Relaxed) {
        let sql = write(&mut random, workspaces, template);
        let result = client.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; {sql}; COMMIT"));
        let outcome = match &result {
            Ok(()) => "done".to_owned(),
            Err(error) => {
                let code = error.code().map_or("closed", |code| code.code()).to_owned();
                client.batch_execute("ROLLBACK").expect("a rollback");
                code
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
        thread::sleep(Duration::from_millis(random.u64(..4)));
    }
    outcomes
}

#[test]
fn product_writers_and_ticks_lose_only_to_each_other() {
    let seed: u64 = std::env::var("RACES_SEED")
        .map_or_else(|_| fastrand::u64(..), |s| s.parse().expect("a seed"));
    println!("RACES_SEED={seed}");
    let server = ticking()
        .set("workspace_autobuild.batch_size", "20")
        .start();
    for version in [Version::V2_10_0, Version::NEWEST] {
        let product = Product::with_extension(&server, version);
        product
            .superuser()
            .batch_execute(LOCK_KEY)
            .expect("a function");
        texts(&mut product.superuser(), "SELECT autobuild_attach()");
        let template = product
            .template("docker")
            .parameter(parameter("region").default("eu"))
            .create();
        let ids = template
            .workspaces(WORKSPACES, Transition::Stop)
            .schedule("* * * * *")
            .set("ttl", MINUTE)
            .created_at(Value::sql("now() - interval '1 hour'"))
            .parameter("region", "eu")
            .create();
        let key = format!("SELECT lock_key('{}')", Uuid::from_u128(1));
        assert_eq!(
            texts(&mut product.session(), &key),
            [[Some("-8688044229374812842".to_owned())]]
        );
        let over = AtomicBool::new(false);
        let (address, database) = (product.address().clone(), product.database());
        let (mut outcomes, by_hand) = thread::scope(|scope| {
            let end = End(&over);
            let writers: Vec<_> = (0..6)
                .map(|n: usize| {
                    let (over, ids, address) = (&over, &ids, &address);
                    let level = LEVELS[n % LEVELS.len()];
                    let template = template.id;
                    scope.spawn(move || {
                        race(
                            address,
                            database,
                            level,
                            seed + n as u64,
                            ids,
                            template,
                            over,
                        )
                    })
                })
                .collect();
            let mut provisioner = address.connect(database, OWNER);
            let mut operator = product.superuser();
            let mut by_hand = Outcomes::new();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(seconds()) {
                // Where it meets a writer it is tried again.
                if provisioner.batch_execute(COMPLETE).is_err() {
                    let _ = provisioner.batch_execute("ROLLBACK");
                }
                *by_hand.entry(tick(&mut operator)).or_default() += 1;
                // Everybody's next minute comes soon.
                let _ = provisioner.batch_execute(
                    "UPDATE workspace_builds SET created_at = created_at - interval '1 minute'
                      WHERE random() < 0.2",
                );
            }
            drop(end);
            let outcomes: Vec<Outcomes> = writers
                .into_iter()
                .map(|w| w.join().expect("a writer"))
                .collect();
            (outcomes, by_hand)
        });
        println!("{version}: by hand {by_hand:?}");
        for (n, outcomes) in outcomes.drain(..).enumerate() {
            println!(
                "{version}: a writer at {}: {outcomes:?}",
                LEVELS[n % LEVELS.len()]
            );
            for sqlstate in outcomes.keys() {
                // 23505: the build number is taken. 40001: the snapshot is too old. 40P01:
                // with another writer, see below.
                let allowed: &[&str] = match n % LEVELS.len() {
                    0 => &["done", "23505", "40P01"],
                    _ => &["done", "23505", "40001", "40P01"],
                };
                assert!(
                    allowed.contains(&sqlstate.as_str()),
                    "a writer at {} met {sqlstate}",
                    LEVELS[n % LEVELS.len()]
                );
            }
        }
        for sqlstate in by_hand.keys() {
            assert!(
                ["done", "40001", "40P01", "55P03"].contains(&sqlstate.as_str()),
                "by hand: {sqlstate}"
            );
        }
        assert_eq!(invariants::of_builds(&product), Vec::<String>::new());
        let lost = lost_to_us(&server.log());
        assert_eq!(
            lost,
            Vec::<String>::new(),
            "a writer is the victim of a deadlock with a tick"
        );
        let mut client = product.superuser();
        let tried = texts(
            &mut client,
            "SELECT outcome, sqlstate, count(*) FROM autobuild_transitions GROUP BY 1, 2 ORDER BY 1",
        );
        println!("{version}: {tried:?}");
        let built = texts(
            &mut client,
            "SELECT count(*) > 20 FROM autobuild_transitions WHERE outcome = 'built'",
        );
        assert_eq!(built, [[Some("t".to_owned())]], "there was a race");
        client
            .batch_execute("DROP EXTENSION \"workspace-autobuild\"")
            .expect("it is there");
    }
}

/// The deadlocks in a server's log whose victim was a writer and in which a tick took part.
/// A deadlock shows the statement of each process in it.
fn lost_to_us(log: &str) -> Vec<String> {
    let mut lost = Vec::new();
    let mut lines = log.lines();
    while let Some(line) = lines.next() {
        if line.contains("deadlock detected") && line.contains(&format!("{OWNER}@")) {
            let report: Vec<&str> = lines
                .by_ref()
                .take_while(|line| !line.contains("STATEMENT:"))
                .collect();
            let report = report.join("\n");
            if report.contains("autobuild_tick") || report.contains(": building ") {
                lost.push(report);
            }
        }
    }
    lost
}

/// Ends the race when it goes, also while a test fails: the writers are waited for.
struct End<'o>(&'o AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn tick(client: &mut Client) -> String {
    let result = client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick(); COMMIT");
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => {
            client.batch_execute("ROLLBACK").expect("a rollback");
            error.code().map_or("closed", |code| code.code()).to_owned()
        }
    }
}

#[test]
fn a_writer_in_another_order_is_never_the_victim_of_a_deadlock() {
    let server = ticking().set("deadlock_timeout", "300ms").start();
    let product = Product::install(&server, Version::NEWEST);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create();
    let mut ids = template
        .workspaces(10, Transition::Start)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create();
    ids.sort();
    let (first, last) = (ids[0], ids[9]);
    let mut writer = product.connect();
    writer
        .batch_execute(&format!("BEGIN; {}", build(last, "stop", "initiator")))
        .expect("a build");
    product.create_extension();
    let mut client = product.superuser();
    await_until(
        "the worker waits for the writer",
        Duration::from_secs(20),
        || {
            let sql = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                    AND backend_type = 'workspace-autobuild worker'";
            !texts(&mut client, sql).is_empty()
        },
    );
    // The worker has looked for a deadlock and found none; the next to look is the writer.
    thread::sleep(Duration::from_millis(400));
    writer
        .batch_execute(&format!("{}; COMMIT", build(first, "stop", "initiator")))
        .expect("the writer wins");
    await_until("the others are built", Duration::from_secs(30), || {
        product
            .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("10")
    });
    assert!(!server.log().contains("deadlock detected"));
    invariants::check_quiet(&product);
}
