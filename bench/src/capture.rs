//! What the agenda's capture triggers cost the product: its hottest writes as pgbench
//! scripts, on a copy with and on one without them, and on one from which they were taken off
//! again, in turn. One client, on the server's own socket, its statements prepared; commits don't
//! wait for the disk, which would hide the difference.

use std::path::Path;

use workspace_autobuild_tests::product::OWNER;

use crate::Config;
use crate::data::statement;
use crate::measure::Samples;
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::attach;

/// What the product writes all day to a workspace: `:n` is its number in `bench.turns`.
const WRITES: [(&str, &str); 4] = [
    (
        "last used",
        "UPDATE workspaces SET last_used_at = now()
          WHERE id = (SELECT workspace_id FROM bench.turns WHERE n = :n)",
    ),
    (
        "deadline bump",
        "UPDATE workspace_builds
            SET deadline = deadline + interval '1 minute', updated_at = now()
          WHERE id = (SELECT build_id FROM bench.turns WHERE n = :n)",
    ),
    (
        "job heartbeat",
        "UPDATE provisioner_jobs SET updated_at = now()
          WHERE id = (SELECT job_id FROM bench.turns WHERE n = :n)",
    ),
    (
        "build insert",
        "WITH j AS (
             INSERT INTO provisioner_jobs
                    (id, created_at, updated_at, initiator_id, organization_id, provisioner,
                     storage_method, file_id, type, input, tags, trace_metadata)
             SELECT gen_random_uuid(), now(), now(), initiator_id, organization_id, provisioner,
                    storage_method, file_id, type, input, tags, '{}'
               FROM provisioner_jobs
              WHERE id = (SELECT job_id FROM bench.turns WHERE n = :n)
             RETURNING id)
         INSERT INTO workspace_builds
                (id, created_at, updated_at, workspace_id, template_version_id, build_number,
                 initiator_id, transition, job_id, reason)
         SELECT gen_random_uuid(), now(), now(), b.workspace_id, b.template_version_id,
                (SELECT max(n.build_number) + 1 FROM workspace_builds n
                  WHERE n.workspace_id = b.workspace_id),
                b.initiator_id, b.transition, j.id, b.reason
           FROM workspace_builds b, j
          WHERE b.id = (SELECT build_id FROM bench.turns WHERE n = :n)",
    ),
];

/// Workspaces that are written to.
const WRITTEN: u32 = 500;
/// Rounds of each kind for each repetition asked for, at least.
const ROUNDS: u32 = 7;
/// Two copies without triggers may differ by so much; else there are more rounds.
const EQUAL: f64 = 0.005;

/// One round of a kind of write on a copy; the seconds that one write takes.
fn write(copy: &Copy<'_>, script: &Path, transactions: u32) -> f64 {
    let server = copy.server();
    let output = server
        .installation()
        .command("pgbench")
        .env("PGHOST", &server.address().socket_dir)
        .env("PGPORT", server.address().port.to_string())
        .env("PGUSER", OWNER)
        .env("PGOPTIONS", "-c synchronous_commit=off")
        .args(["--no-vacuum", "--protocol=prepared", "--transactions"])
        .arg(transactions.to_string())
        .arg("--file")
        .arg(script)
        .arg(copy.name())
        .output()
        .unwrap_or_else(|e| panic!("pgbench: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| {
            line.strip_prefix("tps = ")?
                .split(' ')
                .next()?
                .parse::<f64>()
                .ok()
        })
        .map(f64::recip)
        .filter(|_| output.status.success())
        .unwrap_or_else(|| panic!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// A copy and the workspaces in it that are written to, by number.
fn prepared<'b>(bench: &'b Bench) -> Copy<'b> {
    let copy = bench.copy();
    copy.connect()
        .batch_execute(&format!(
            "CREATE TABLE bench.turns AS
             SELECT row_number() OVER (ORDER BY p.workspace_id)::int AS n, p.workspace_id,
                    b.id AS build_id, b.job_id
               FROM bench.plan p JOIN workspace_builds b ON b.id = p.latest_build_id
              ORDER BY p.workspace_id LIMIT {WRITTEN};
             ALTER TABLE bench.turns ADD PRIMARY KEY (n);
             GRANT USAGE ON SCHEMA bench TO {OWNER};
             GRANT SELECT ON bench.turns TO {OWNER};
             ANALYZE bench.turns"
        ))
        .unwrap_or_else(|e| panic!("turns: {e:?}"));
    copy
}

/// Measures each kind of write on the three copies.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let copies = [prepared(bench), prepared(bench), prepared(bench)];
    let [_, with, taken_off] = &copies;
    attach(&mut with.connect());
    attach(&mut taken_off.connect());
    statement(&mut taken_off.connect(), "SELECT autobuild_detach()");
    for (what, sql) in WRITES {
        let script = bench.server().folder().join("capture.pgbench");
        let text = format!("\\set n random(1, {WRITTEN})\n{sql};\n");
        std::fs::write(&script, text).unwrap_or_else(|e| panic!("{}: {e}", script.display()));
        let Measured { times, ratios } = in_turn(config, &copies, &script);
        let what = format!("capture: {what}");
        for (how, (times, ratios)) in ["without", "with", "taken off again"]
            .into_iter()
            .zip(times.into_iter().zip(&ratios))
        {
            report.add(bench.size, &what, how, "µs", times);
            if how != "without" {
                report.ratio(ratios.median(), "x without");
            }
        }
        let [_, _, control] = &ratios;
        report.note(format!(
            "{what}, {} workspaces: {} pairs, by which two copies without triggers differ by {:.2} %.",
            bench.size,
            control.count(),
            apart(control) * 100.0
        ));
    }
}

/// How far ratios are from 1.
fn apart(ratios: &Samples) -> f64 {
    (ratios.median() - 1.0).abs()
}

/// Of each copy the microseconds that a write takes, and their ratios to those on the first in
/// the same round.
#[derive(Default)]
struct Measured {
    times: [Samples; 3],
    ratios: [Samples; 3],
}

/// Rounds of a kind of write, until the two copies without triggers are equal, or for so long as
/// is allowed.
fn in_turn(config: &Config, copies: &[Copy<'_>; 3], script: &Path) -> Measured {
    let mut measured = Measured::default();
    let least = (ROUNDS * config.repeat).min(config.pairs) as usize;
    // The first round warms up.
    for round in 0..=config.pairs as usize {
        let mut seconds = [f64::NAN; 3];
        // Who goes first changes: the machine is not the same from second to second.
        for place in 0..copies.len() {
            let which = (round + place) % copies.len();
            if let (Some(copy), Some(seconds)) = (copies.get(which), seconds.get_mut(which)) {
                *seconds = write(copy, script, config.calls / 20);
            }
        }
        if round == 0 {
            continue;
        }
        let [first, _, _] = seconds;
        for (of, seconds) in measured.times.iter_mut().zip(seconds) {
            of.push(seconds * 1e6);
        }
        for (of, seconds) in measured.ratios.iter_mut().zip(seconds) {
            of.push(seconds / first);
        }
        let [_, _, control] = &measured.ratios;
        if round >= least && apart(control) < EQUAL {
            break;
        }
    }
    measured
}
