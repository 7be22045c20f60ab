//! Previews: single workspaces by a prepared statement, and the list of what is coming.

use std::time::Instant;

use postgres::Client;
use uuid::Uuid;

use crate::Config;
use crate::data::{IDLE, tick_of};
use crate::measure::{Samples, timed};
use crate::report::Report;
use crate::server::Bench;

/// Calls for different workspaces.
const CALLS: i64 = 2_000;

/// Measures them.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let mut client = bench.read();
    let first_slot = bench.slots_of(config.few).first().copied().unwrap_or(1);
    for (what, at, condition) in [
        (
            "one preview, not due",
            format!("timestamptz '{IDLE}'"),
            "true".to_owned(),
        ),
        (
            "one preview, due",
            tick_of(first_slot),
            format!("slot = {first_slot}"),
        ),
    ] {
        let ids: Vec<Uuid> = client
            .query(
                &format!(
                    "SELECT workspace_id FROM bench.plan WHERE {condition}
                      ORDER BY workspace_id LIMIT {CALLS}"
                ),
                &[],
            )
            .unwrap_or_else(|e| panic!("workspaces: {e:?}"))
            .iter()
            .map(|row| row.get(0))
            .collect();
        let call = client
            .prepare(&format!(
                "SELECT due FROM autobuild_next_transition($1, {at})"
            ))
            .unwrap_or_else(|e| panic!("autobuild_next_transition: {e:?}"));
        let mut samples = Samples::default();
        for round in 0..=config.repeat {
            for id in &ids {
                let start = Instant::now();
                client
                    .query_one(&call, &[id])
                    .unwrap_or_else(|e| panic!("autobuild_next_transition({id}): {e:?}"));
                if round > 0 {
                    samples.add(start.elapsed());
                }
            }
        }
        report.add(bench.size, what, "scan", "µs", samples.scaled(1e6));
    }
    let trivial = client
        .prepare("SELECT $1::uuid IS NULL")
        .unwrap_or_else(|e| panic!("a trivial query: {e:?}"));
    let mut samples = Samples::default();
    for _ in 0..CALLS {
        let (took, _) = timed(|| client.query_one(&trivial, &[&Uuid::nil()]));
        samples.add(took);
    }
    report.add(
        bench.size,
        "a query of nothing",
        "round trip",
        "µs",
        samples.scaled(1e6),
    );
    upcoming(config, bench, &mut client, "scan", report);
}

/// What is coming within the hour: of all workspaces, and the first fifty of all and of some.
pub(crate) fn upcoming(
    config: &Config,
    bench: &Bench,
    client: &mut Client,
    how: &str,
    report: &mut Report,
) {
    let one = |of: &str| format!(", max_rows => 50, {of}_id => (SELECT {of}_id FROM one)");
    for (what, arguments) in [
        ("upcoming within the hour", String::new()),
        ("the first 50 of these", ", max_rows => 50".to_owned()),
        ("the first 50 of a template", one("template")),
        ("those of an owner", one("owner")),
        ("those of a workspace", one("workspace")),
    ] {
        let sql = format!(
            "WITH one AS MATERIALIZED (
                  SELECT id AS workspace_id, template_id, owner_id FROM workspaces
                   WHERE NOT deleted ORDER BY id LIMIT 1)
             SELECT count(*)
               FROM autobuild_upcoming('1 hour', timestamptz '{IDLE}'{arguments})"
        );
        let mut samples = Samples::default();
        for _ in 0..=config.repeat {
            let (took, result) = timed(|| client.query_one(&sql, &[]));
            result.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            samples.add(took);
        }
        report.add(bench.size, what, how, "ms", samples.scaled(1e3));
    }
}
