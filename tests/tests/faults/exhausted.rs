//! A server without free locks or worker slots.

use std::thread;
use std::time::Duration;

use workspace_autobuild_tests::server::take_all_locks;

use super::storm::{Storm, options, spells};

/// One of the product's locks for each workspace: a batch needs more than there are.
#[test]
fn locks_run_out() {
    for rounds in spells() {
        let server = options()
            .set("max_locks_per_transaction", "10")
            .set("max_connections", "20")
            .set("max_worker_processes", "8")
            .set("workspace_autobuild.batch_size", "10000")
            .start();
        let mut storm = Storm::on(server);
        storm.due = 3000;
        storm.suffer(
            rounds,
            &[("no free lock", &|storm| {
                let mut hog = storm.superuser();
                take_all_locks(&mut hog);
                thread::sleep(Duration::from_millis(storm.random.u64(500..3000)));
                hog.batch_execute("ROLLBACK").expect("a rollback");
            })],
        );
    }
}

/// Parallel queries take every slot that the worker could have.
#[test]
fn no_worker_slot_is_free() {
    for rounds in spells() {
        let mut storm = Storm::on(options().set("max_worker_processes", "3").start());
        storm.suffer(
            rounds,
            &[("no free worker slot", &|storm| {
                storm.product.execute(
            "CREATE TABLE IF NOT EXISTS wide AS SELECT 1 AS x FROM generate_series(1, 200000)",
        );
                for _ in 0..20 {
                    storm.product.execute(
                        "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0;
                 SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 8;
                 SELECT count(*) FROM wide WHERE x > 0",
                    );
                }
                storm.product.execute("RESET ALL; DROP TABLE wide");
            })],
        );
    }
}
