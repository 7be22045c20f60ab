//! What the agenda's capture triggers cost the product: its hottest writes on a copy with
//! and on one without them, in turn. Neither the disk nor the way to a client is in it,
//! which would hide the difference: commits don't wait, and the server itself repeats the
//! write, a transaction each.

use std::time::Duration;

use postgres::Client;

use crate::Config;
use crate::measure::{Samples, timed};
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::attach;

/// What the product writes all day to a workspace `r`.
const WRITES: [(&str, &str); 4] = [
    (
        "last used",
        "UPDATE workspaces SET last_used_at = now() WHERE id = r.workspace_id",
    ),
    (
        "deadline bump",
        "UPDATE workspace_builds
            SET deadline = deadline + interval '1 minute', updated_at = now()
          WHERE id = r.latest_build_id",
    ),
    (
        "job heartbeat",
        "UPDATE provisioner_jobs SET updated_at = now()
          WHERE id = (SELECT job_id FROM workspace_builds WHERE id = r.latest_build_id)",
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
              WHERE id = (SELECT job_id FROM workspace_builds WHERE id = r.latest_build_id)
             RETURNING id)
         INSERT INTO workspace_builds
                (id, created_at, updated_at, workspace_id, template_version_id, build_number,
                 initiator_id, transition, job_id, reason)
         SELECT gen_random_uuid(), now(), now(), b.workspace_id, b.template_version_id,
                (SELECT max(n.build_number) + 1 FROM workspace_builds n
                  WHERE n.workspace_id = r.workspace_id),
                b.initiator_id, b.transition, j.id, b.reason
           FROM workspace_builds b, j WHERE b.id = r.latest_build_id",
    ),
];

/// Writes of one kind that are timed together.
const WRITTEN: u32 = 500;
/// Rounds of each kind for each repetition asked for.
const ROUNDS: u32 = 7;

/// A session in a copy.
struct Side<'b> {
    client: Client,
    // Dropped after its session.
    _copy: Copy<'b>,
}

impl<'b> Side<'b> {
    fn new(copy: Copy<'b>) -> Side<'b> {
        let mut client = copy.product();
        client
            .batch_execute("SET synchronous_commit = off")
            .unwrap_or_else(|e| panic!("synchronous_commit: {e:?}"));
        Side {
            client,
            _copy: copy,
        }
    }

    /// One round of a kind of write; the time of one of them.
    fn write(&mut self, sql: &str) -> Duration {
        let (took, result) = timed(|| {
            self.client.batch_execute(&format!(
                "DO $$
                 DECLARE r record;
                 BEGIN
                     FOR r IN SELECT workspace_id, latest_build_id FROM bench.plan
                               ORDER BY workspace_id LIMIT {WRITTEN}
                     LOOP
                         {sql};
                         COMMIT;
                     END LOOP;
                 END $$"
            ))
        });
        result.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        took / WRITTEN
    }
}

/// Measures each kind of write on both copies in turn.
pub fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let mut without = Side::new(bench.copy());
    let attached = bench.copy();
    attach(&mut attached.connect());
    let mut with = Side::new(attached);
    for (what, sql) in WRITES {
        let (mut plain, mut captured) = (Samples::default(), Samples::default());
        // The first round warms up.
        for round in 0..=ROUNDS * config.repeat {
            let (first, second) = (without.write(sql), with.write(sql));
            if round > 0 {
                plain.add(first);
                captured.add(second);
            }
        }
        let what = format!("capture: {what}");
        report.add(bench.size, &what, "without", "µs", plain.scaled(1e6));
        report.add(bench.size, &what, "with", "µs", captured.scaled(1e6));
        report.ratio(captured.median() / plain.median(), "x without");
    }
}
