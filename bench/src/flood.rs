//! Storms of the worker's own, by the server's clock: whether a very large one is made at the rate
//! of a large one, and what memory the worker needs for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::await_until;

use crate::Config;
use crate::measure::Samples;
use crate::process::own_memory;
use crate::renewed::renew;
use crate::report::Report;
use crate::server::Bench;
use crate::tick::{attach, has_row};

/// The worker makes a storm within this time.
const LONG: Duration = Duration::from_secs(3600);
/// So often it is asked how much memory the worker has.
const SAMPLED: Duration = Duration::from_millis(20);

/// Measures them, by scan and with the agenda.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let Some(&large) = config.storms.last() else {
        return;
    };
    if bench.size < 2 * config.flood {
        return;
    }
    for how in ["scan", "agenda"] {
        let mut rates = Vec::new();
        for due in [large, config.flood] {
            let (seconds, megabytes) = storm(bench, due, how);
            let what = format!("storm of {due} by the worker");
            let (mut took, mut memory) = (Samples::default(), Samples::default());
            took.push(seconds * 1e3);
            report.add(bench.size, &what, how, "ms", took);
            rates.push(f64::from(due) / seconds);
            if let [of_large, rate] = rates.as_slice() {
                report.ratio(rate / of_large, &format!("of the rate at {large}"));
            }
            memory.push(megabytes);
            let what = format!("{what}, its private memory at most");
            report.add(bench.size, &what, how, "MB", memory);
        }
    }
}

/// One storm on a copy: seconds by the worker's own record, and megabytes of its private memory.
fn storm(bench: &Bench, due: u32, how: &str) -> (f64, f64) {
    let copy = bench.copy();
    let mut client = copy.connect();
    renew(&mut client, due);
    if how == "agenda" {
        attach(&mut client);
    }
    bench.settle();
    let over = AtomicBool::new(false);
    let kilobytes = thread::scope(|scope| {
        let memory = scope.spawn(|| most_memory(&mut copy.connect(), &over));
        let databases = |names| bench.server().set("workspace_autobuild.databases", names);
        databases(copy.name());
        // An error while the launcher doesn't know of the database yet.
        let woken =
            "SELECT FROM autobuild_status WHERE worker_pid IS NOT NULL OR last_tick_at IS NOT NULL";
        await_until("a worker ticks", LONG, || {
            let _ = client.batch_execute("SELECT autobuild_wake()");
            has_row(&mut client, woken)
        });
        let done = format!(
            "SELECT FROM autobuild_ticks WHERE source = 'worker' HAVING sum(built) >= {due}"
        );
        await_until("the storm is over", LONG, || has_row(&mut client, &done));
        databases("");
        over.store(true, Ordering::Relaxed);
        memory.join().expect("the samples of memory")
    });
    let row = client
        .query_one(
            "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8, sum(built),
                    string_agg(DISTINCT mode, ' and ')
               FROM autobuild_ticks WHERE source = 'worker' AND built > 0",
            &[],
        )
        .unwrap_or_else(|e| panic!("the worker's ticks: {e:?}"));
    let built: i64 = row.get(1);
    let mode: &str = row.get(2);
    assert_eq!((built, mode), (i64::from(due), how), "by the worker");
    (row.get(0), kilobytes as f64 / 1024.0)
}

/// The most private memory that a worker in the session's database has, in kilobytes.
fn most_memory(client: &mut Client, over: &AtomicBool) -> u64 {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        let pids = client
            .query(
                "SELECT pid FROM pg_stat_activity
                  WHERE datname = current_database()
                    AND backend_type = 'workspace-autobuild worker'",
                &[],
            )
            .unwrap_or_else(|e| panic!("the worker's process: {e:?}"));
        for row in pids {
            most = own_memory(row.get(0)).unwrap_or(0).max(most);
        }
        thread::sleep(SAMPLED);
    }
    most
}
