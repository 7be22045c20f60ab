//! The product's own queries, with and without a storm beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use uuid::Uuid;

use crate::Config;
use crate::data::tick_of;
use crate::measure::Samples;
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::tick;

/// What the product asks and does all day.
const QUERIES: [&str; 4] = [
    // Latest build.
    "SELECT b.id, b.transition::text, b.deadline::text, j.job_status::text
        FROM workspace_builds b JOIN provisioner_jobs j ON j.id = b.job_id
       WHERE b.workspace_id = $1 ORDER BY b.build_number DESC LIMIT 1",
    // An owner's workspaces.
    "SELECT w.id, w.name, l.transition::text
        FROM workspaces w
        JOIN LATERAL (SELECT b.transition FROM workspace_builds b
                       WHERE b.workspace_id = w.id
                       ORDER BY b.build_number DESC LIMIT 1) l ON true
       WHERE NOT w.deleted
         AND w.owner_id = (SELECT o.owner_id FROM workspaces o WHERE o.id = $1)",
    // Last used.
    "UPDATE workspaces SET last_used_at = now() WHERE id = $1",
    // A build's parameters.
    "SELECT p.name, p.value
        FROM workspace_build_parameters p
       WHERE p.workspace_build_id = (SELECT b.id FROM workspace_builds b
                                      WHERE b.workspace_id = $1
                                      ORDER BY b.build_number DESC LIMIT 1)",
];

/// Measures them on workspaces that are not due, alone and while the largest storms run
/// one after the other.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let Some((due, slots)) = config
        .storms
        .iter()
        .rev()
        .map(|due| (*due, bench.slots_of(*due)))
        .find(|(_, slots)| !slots.is_empty())
    else {
        return;
    };
    let copy = bench.copy();
    let ids = idle_workspaces(&mut copy.connect());
    let alone = {
        let over = AtomicBool::new(false);
        let seconds = Duration::from_secs(config.seconds);
        thread::scope(|scope| {
            let queries = scope.spawn(|| ask(&mut copy.product(), &QUERIES, &ids, &over));
            thread::sleep(seconds);
            over.store(true, Ordering::Relaxed);
            queries.join().expect("the product's queries")
        })
    };
    let with_storm = {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let queries = scope.spawn(|| ask(&mut copy.product(), &QUERIES, &ids, &over));
            let mut client = copy.connect();
            for slot in &slots {
                let (_, built) = tick(&mut client, &tick_of(*slot));
                // The first finds what fell due before it as well.
                assert!(built >= due, "built in slot {slot}: {built}");
            }
            over.store(true, Ordering::Relaxed);
            queries.join().expect("the product's queries")
        })
    };
    for (quantile, name) in [(0.5, "p50"), (0.99, "p99")] {
        let what = format!("the product's queries, {name}");
        let of = |samples: &Samples| {
            let mut one = Samples::default();
            one.add(Duration::from_secs_f64(samples.quantile(quantile)));
            one.scaled(1e6)
        };
        report.add(bench.size, &what, "alone", "µs", of(&alone));
        report.add(
            bench.size,
            &what,
            &format!("beside storms of {due}"),
            "µs",
            of(&with_storm),
        );
        report.ratio(
            with_storm.quantile(quantile) / alone.quantile(quantile),
            "x alone",
        );
    }
}

/// How long writes of the product's take while something else is done: uses, deadlines
/// and heartbeats in turn, a transaction each, on one workspace after the other.
pub(crate) fn beside<R>(copy: &Copy<'_>, work: impl FnOnce() -> R) -> (Samples, R) {
    const WRITES: [&str; 3] = [
        "UPDATE workspaces SET last_used_at = now() WHERE id = $1",
        "UPDATE workspace_builds SET deadline = deadline + interval '1 minute'
          WHERE workspace_id = $1 AND build_number = 5",
        "UPDATE provisioner_jobs SET updated_at = now()
          WHERE id = (SELECT job_id FROM workspace_builds
                       WHERE workspace_id = $1 AND build_number = 5)",
    ];
    let ids = idle_workspaces(&mut copy.connect());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writes = scope.spawn(|| ask(&mut copy.product(), &WRITES, &ids, &over));
        let result = work();
        over.store(true, Ordering::Relaxed);
        (writes.join().expect("the product's writes"), result)
    })
}

fn idle_workspaces(client: &mut Client) -> Vec<Uuid> {
    client
        .query(
            "SELECT workspace_id FROM bench.plan
              WHERE slot = (SELECT max(slot) FROM bench.plan)
              ORDER BY workspace_id LIMIT 5000",
            &[],
        )
        .unwrap_or_else(|e| panic!("idle workspaces: {e:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Asks in a loop until it is over.
fn ask(client: &mut Client, queries: &[&str], ids: &[Uuid], over: &AtomicBool) -> Samples {
    let queries: Vec<_> = queries
        .iter()
        .map(|sql| {
            client
                .prepare(sql)
                .unwrap_or_else(|e| panic!("{sql}: {e:?}"))
        })
        .collect();
    let mut samples = Samples::default();
    for id in ids.iter().cycle() {
        for query in &queries {
            let start = Instant::now();
            client
                .query(query, &[id])
                .unwrap_or_else(|e| panic!("a query of the product's: {e:?}"));
            samples.add(start.elapsed());
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    samples
}
