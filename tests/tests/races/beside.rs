//! Beside the product's own executor: one build for each transition, no error in either,
//! and a workspace whose lock is held is left to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use workspace_autobuild_tests::autobuild::{HOURLY, STOP, on_each_version, on_versions};
use workspace_autobuild_tests::product::{Fields, HOUR, Value};
use workspace_autobuild_tests::product_executor::{Round, lock_key};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    NOTHING, Product, ProductExecutor, SOON, Transition, Version, await_until, invariants,
};

/// The product takes the lock on these.
const LOCKING: [Version; 4] = [
    Version::V2_20_0,
    Version::V2_25_0,
    Version::V2_30_0,
    Version::V2_34_3,
];
/// So many workspaces of each kind.
const EACH: u32 = 40;

/// Workspaces that are due now, by the clock: stops, starts, and unused ones that run
/// and that don't; half of them with an empty `next_start_at`.
fn crowd(product: &Product) {
    let used = Value::sql("now()");
    let past = Value::sql("now() - interval '2 hours'");
    let docker = product.template("docker").create();
    docker
        .workspaces(EACH, Transition::Start)
        .schedule(HOURLY)
        .set("last_used_at", used.clone())
        .deadline(past.clone())
        .create();
    docker
        .workspaces(EACH, Transition::Stop)
        .schedule(HOURLY)
        .set("last_used_at", used)
        .set(
            "next_start_at",
            Value::sql("CASE WHEN i % 2 = 0 THEN now() - interval '1 hour' END"),
        )
        .created_at(past.clone())
        .create();
    let unused = product
        .template("unused")
        .set("time_til_dormant", HOUR)
        .create();
    for transition in [Transition::Start, Transition::Stop] {
        unused
            .workspaces(EACH, transition)
            .set("last_used_at", past.clone())
            .create();
    }
    product.execute("ANALYZE workspaces, workspace_builds, provisioner_jobs");
}

/// So many builds and marks there are once all of a crowd have moved.
fn all_moved(product: &Product) -> bool {
    let moved = product.rows(
        "SELECT (SELECT count(*) FROM workspace_builds WHERE build_number = 2),
                (SELECT count(*) FROM workspaces WHERE dormant_at IS NOT NULL)",
    );
    let count = |n: u32| Some((EACH * n).to_string());
    moved == [[count(3), count(2)]]
}

/// Each moved once: a second build for nobody, none in between that does not fit.
fn check_moves(product: &Product) {
    assert!(all_moved(product), "some did not move");
    let twice = "SELECT * FROM workspace_builds WHERE build_number > 2";
    assert_eq!(product.rows(twice), Vec::<Vec<Option<String>>>::new());
    assert_eq!(invariants::of_builds(product), Vec::<String>::new());
}

/// So many executors of the product's, connected and ready.
fn executors(product: &Product, count: usize) -> Vec<ProductExecutor> {
    (0..count).map(|_| ProductExecutor::of(product)).collect()
}

/// Runs executors until `done`; each comes back with what it met.
fn running(
    executors: Vec<ProductExecutor>,
    done: &Arc<AtomicBool>,
) -> Vec<thread::JoinHandle<Round>> {
    executors
        .into_iter()
        .map(|mut executor| {
            let done = Arc::clone(done);
            thread::spawn(move || {
                let mut all = Round::default();
                while !done.load(Ordering::Relaxed) {
                    all.add(executor.round(SystemTime::now()));
                }
                all
            })
        })
        .collect()
}

#[test]
fn side_by_side_by_hand_each_workspace_moves_once() {
    on_versions(&LOCKING, |product, operator| {
        crowd(product);
        let done = Arc::new(AtomicBool::new(false));
        let others = running(executors(product, 3), &done);
        operator.set("batch_size", "7");
        operator.set("max_builds_per_tick", "20");
        let mut ours = 0;
        let begun = Instant::now();
        while !all_moved(product) {
            assert!(begun.elapsed() < SOON, "some do not move");
            // Under the caller's snapshot a mark can meet the other's: 40001, as promised.
            match operator.try_tick("now") {
                Ok(rows) => {
                    for row in &rows {
                        assert!(
                            row.outcome == "built" || row.outcome == "conflict",
                            "{row:?}"
                        );
                    }
                    ours += rows.iter().filter(|row| row.outcome == "built").count();
                }
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned());
                    assert_eq!(code.as_deref(), Some("40001"), "{error:?}");
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        let mut theirs = Round::default();
        for other in others {
            theirs.add(other.join().expect("an executor"));
        }
        // By hand the locks end with the commit: whoever took a snapshot just before it
        // and the lock just after meets a build or a row that is newer, seldom enough.
        let seldom = |error: &String| error.contains("E40001") || error.contains("E23505");
        assert!(theirs.errors.iter().all(seldom), "{:?}", theirs.errors);
        assert!(
            theirs.errors.len() <= EACH as usize / 10,
            "{:?}",
            theirs.errors
        );
        check_moves(product);
        assert_eq!(ours + theirs.moved.len(), EACH as usize * 4);
    });
}

#[test]
fn side_by_side_with_the_worker_each_workspace_moves_once() {
    let server = ticking().set("workspace_autobuild.batch_size", "7").start();
    for version in [Version::V2_20_0, Version::V2_34_3] {
        let product = Product::with_extension(&server, version);
        let mut operator = product.superuser();
        // Built in the pause, so that both begin together.
        operator
            .execute("SELECT autobuild_pause('the crowd gathers')", &[])
            .expect("a pause");
        crowd(&product);
        let ready = executors(&product, 2);
        let done = Arc::new(AtomicBool::new(false));
        operator
            .execute("SELECT autobuild_resume()", &[])
            .expect("no pause");
        await_until("the worker's first tick", SOON, || {
            let begun = "SELECT FROM autobuild_ticks";
            all_moved(&product) || !operator.query(begun, &[]).expect("ticks").is_empty()
        });
        let others = running(ready, &done);
        await_until("all have moved", Duration::from_secs(60), || {
            all_moved(&product)
        });
        done.store(true, Ordering::Relaxed);
        for other in others {
            let errors = other.join().expect("an executor").errors;
            assert_eq!(errors, Vec::<String>::new(), "{version}");
        }
        check_moves(&product);
        let failed = "SELECT FROM autobuild_transitions WHERE outcome NOT IN ('built', 'conflict')";
        assert!(operator.query(failed, &[]).expect("history").is_empty());
        let failed = "SELECT FROM autobuild_ticks WHERE sqlstate IS NOT NULL";
        assert!(operator.query(failed, &[]).expect("history").is_empty());
    }
}

#[test]
fn a_workspace_whose_lock_is_held_gives_no_row_in_this_tick() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let [held, free] = ["held", "free"].map(|name| {
            let workspace = template.workspace(name).create();
            workspace
                .build(Transition::Start)
                .deadline("2024-02-01 12:00:00+00")
                .create();
            workspace
        });
        let mut other = product.connect();
        let mut lock = other.transaction().expect("a transaction");
        lock.execute("SELECT pg_advisory_xact_lock($1)", &[&lock_key(held.id)])
            .expect("a lock");
        let tick = "2024-02-01 12:00:00+00";
        let rows = operator.tick(tick);
        let built: Vec<_> = rows
            .iter()
            .map(|row| (row.workspace_id, row.outcome.as_str()))
            .collect();
        assert_eq!(built, [(free.id, "built")]);
        assert_eq!(held.builds().len(), 1);
        // Silently: no row of history either. A preview looks at no lock.
        let history = format!(
            "SELECT FROM autobuild_transitions WHERE workspace_id = '{}'",
            held.id
        );
        assert_eq!(operator.rows(&history).len(), 0);
        assert_eq!(operator.preview(tick).len(), 1);
        lock.rollback().expect("the end of the lock");
        assert_eq!(operator.outcome(&held, tick), STOP);
    });
}

#[test]
fn a_tick_holds_the_products_locks_until_it_is_committed() {
    on_versions(&LOCKING, |product, operator| {
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .schedule(HOURLY)
            .create_stopped(Value::sql("now() - interval '2 hours'"));
        // Only to be filled in: that takes the lock too.
        let later = template
            .workspace("later")
            .schedule("CRON_TZ=UTC 0 0 * * *")
            .create_stopped(Value::sql("now()"));
        let mut executor = ProductExecutor::of(product);
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        assert_eq!(operator.rows("SELECT * FROM autobuild_tick()").len(), 1);
        let round = executor.round(SystemTime::now());
        assert_eq!((round.moved, round.missed), (vec![], vec![workspace.id]));
        for id in [workspace.id, later.id] {
            let key = lock_key(id);
            let taken = product.value(&format!("SELECT pg_try_advisory_xact_lock({key})"));
            assert_eq!(taken.as_deref(), Some("f"));
        }
        operator.execute("COMMIT");
        let round = executor.round(SystemTime::now());
        assert_eq!(
            (round.moved, round.missed, round.errors),
            (vec![], vec![], vec![])
        );
        assert_eq!(workspace.builds().len(), 2);
    });
}

#[test]
fn a_build_of_the_others_since_the_snapshot_is_a_conflict() {
    on_versions(&LOCKING, |product, operator| {
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create_overdue();
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT 1 FROM workspaces");
        let round = ProductExecutor::of(product).round(SystemTime::now());
        assert_eq!((round.moved, round.errors), (vec![workspace.id], vec![]));
        let outcome = operator.rows("SELECT outcome FROM autobuild_tick()");
        assert_eq!(outcome, [[Some("conflict".to_owned())]]);
        operator.execute("COMMIT");
        assert_eq!(workspace.builds().len(), 2);
        assert_eq!(operator.outcome(&workspace, "now"), NOTHING);
    });
}

#[test]
fn a_second_tick_by_hand_does_not_wait_for_the_first() {
    on_versions(&[Version::OLDEST, Version::NEWEST], |product, operator| {
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create_overdue();
        let other = product.operator();
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        assert_eq!(operator.rows("SELECT * FROM autobuild_tick()").len(), 1);
        let error = other.try_tick("now").expect_err("another executor");
        assert_eq!(error.code().map(|code| code.code()), Some("55P03"));
        operator.execute("COMMIT");
        assert_eq!(other.tick("now"), []);
        assert_eq!(workspace.builds().len(), 2);
    });
}
