//! What the agenda's capture triggers cost the product: its hottest writes on a copy with
//! and on one without them, in turn. Commits don't wait for the disk here, whose time
//! would hide the difference.

use std::time::Instant;

use postgres::{Client, Statement};
use uuid::Uuid;

use crate::Config;
use crate::measure::Samples;
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::attach;

/// What the product writes all day. `$1` is a workspace, `$2` its latest build.
const WRITES: [(&str, &str); 4] = [
    (
        "last used",
        "UPDATE workspaces SET last_used_at = now() WHERE id = $1 AND $2::uuid IS NOT NULL",
    ),
    (
        "deadline bump",
        "UPDATE workspace_builds
            SET deadline = deadline + interval '1 minute', updated_at = now()
          WHERE id = $2 AND $1::uuid IS NOT NULL",
    ),
    (
        "job heartbeat",
        "UPDATE provisioner_jobs SET updated_at = now()
          WHERE id = (SELECT job_id FROM workspace_builds WHERE id = $2)
            AND $1::uuid IS NOT NULL",
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
              WHERE id = (SELECT job_id FROM workspace_builds WHERE id = $2)
             RETURNING id)
         INSERT INTO workspace_builds
                (id, created_at, updated_at, workspace_id, template_version_id, build_number,
                 initiator_id, transition, job_id, reason)
         SELECT gen_random_uuid(), now(), now(), b.workspace_id, b.template_version_id,
                (SELECT max(n.build_number) + 1 FROM workspace_builds n
                  WHERE n.workspace_id = $1),
                b.initiator_id, b.transition, j.id, b.reason
           FROM workspace_builds b, j WHERE b.id = $2",
    ),
];

/// Writes of one kind that are timed together.
const WRITTEN: usize = 500;

/// A copy with its statements.
struct Side<'b> {
    client: Client,
    writes: [Statement; 4],
    // Dropped after its session.
    _copy: Copy<'b>,
}

impl<'b> Side<'b> {
    fn new(copy: Copy<'b>) -> Side<'b> {
        let mut client = copy.product();
        client
            .batch_execute("SET synchronous_commit = off")
            .unwrap_or_else(|e| panic!("synchronous_commit: {e:?}"));
        let writes = WRITES.map(|(what, sql)| {
            client
                .prepare(sql)
                .unwrap_or_else(|e| panic!("{what}: {e:?}"))
        });
        Side {
            client,
            writes,
            _copy: copy,
        }
    }

    fn write(&mut self, kind: usize, ids: &[(Uuid, Uuid)], samples: &mut Samples) {
        for (workspace, build) in ids {
            let start = Instant::now();
            self.client
                .execute(&self.writes[kind], &[workspace, build])
                .unwrap_or_else(|e| panic!("{}: {e:?}", WRITES[kind].0));
            samples.add(start.elapsed());
        }
    }
}

/// Measures each kind of write on both copies in turn.
pub fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let ids: Vec<(Uuid, Uuid)> = bench
        .read()
        .query(
            "SELECT workspace_id, latest_build_id FROM bench.plan
              ORDER BY workspace_id LIMIT $1",
            &[&(WRITTEN as i64)],
        )
        .unwrap_or_else(|e| panic!("workspaces: {e:?}"))
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut without = Side::new(bench.copy());
    let attached = bench.copy();
    attach(&mut attached.connect());
    let mut with = Side::new(attached);
    for (kind, (what, _)) in WRITES.iter().enumerate() {
        let (mut plain, mut captured) = (Samples::default(), Samples::default());
        // The first round warms up.
        for round in 0..=2 * config.repeat {
            let (mut first, mut second) = (Samples::default(), Samples::default());
            without.write(kind, &ids, &mut first);
            with.write(kind, &ids, &mut second);
            if round > 0 {
                plain.append(first);
                captured.append(second);
            }
        }
        let what = format!("capture: {what}");
        report.add(bench.size, &what, "without", "µs", plain.scaled(1e6));
        report.add(bench.size, &what, "with", "µs", captured.scaled(1e6));
        report.ratio(captured.median() / plain.median(), "x without");
    }
}
