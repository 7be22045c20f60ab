//! A stand-in for the provisioner and the product's job server: it takes the pending
//! build jobs that some provisioner's tags fit, completes them, and writes what the
//! product writes at completion (deadline, next start, deleted).
//!
//! It does no build. It plays the unlicensed product, so no maximal deadlines; times
//! are the database's clock, or the one that a test gives.

use postgres::Client;
use uuid::Uuid;

use crate::product::{OWNER, Product, Value, Version, extension_schema, quote_literal, texts};
use crate::server::Address;

/// The database's own clock.
const CLOCK: &str = "clock_timestamp()";

/// A build job that the provisioner completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The build's workspace.
    pub workspace: Uuid,
    /// The workspace's name.
    pub name: String,
    /// What the build did.
    pub transition: String,
    /// The deadline that the build got, as text; `None` for none.
    pub deadline: Option<String>,
}

/// The stand-in provisioner of one product database.
pub struct Provisioner {
    client: Client,
    version: Version,
    clock: String,
}

impl Provisioner {
    /// A provisioner with its own session, as the owner of the product's tables.
    #[track_caller]
    pub fn of(product: &Product) -> Provisioner {
        Provisioner {
            client: product.connect(),
            version: product.version(),
            clock: CLOCK.to_owned(),
        }
    }

    /// A provisioner for a database of the product at `version`, in schema `public`.
    #[track_caller]
    pub fn connect(address: &Address, database: &str, version: Version) -> Provisioner {
        Provisioner {
            client: address.connect(database, OWNER),
            version,
            clock: CLOCK.to_owned(),
        }
    }

    /// Has the server ended the session?
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// From now on this is the time at which jobs are started and completed.
    pub fn at(&mut self, time: impl Into<Value>) -> &mut Provisioner {
        let time: Value = time.into();
        self.clock = format!("{}::timestamptz", time.as_sql());
        self
    }

    /// Takes the pending build jobs, oldest first, and returns how many it took. A
    /// job whose tags fit no provisioner stays pending.
    #[track_caller]
    pub fn pick_up(&mut self) -> u64 {
        let (contains, organization) = (
            if self.version < Version::V2_20_0 {
                "d.tags @> j.tags"
            } else {
                "provisioner_tagset_contains(d.tags, j.tags)"
            },
            if self.version < Version::V2_10_0 {
                "true"
            } else {
                "d.organization_id = j.organization_id"
            },
        );
        let sql = format!(
            "WITH taken AS MATERIALIZED (
                SELECT j.id, d.id AS daemon
                  FROM provisioner_jobs j
                 CROSS JOIN LATERAL (SELECT d.id FROM provisioner_daemons d
                     WHERE {organization} AND {contains} LIMIT 1) d
                 WHERE j.type = 'workspace_build' AND j.started_at IS NULL
                   AND j.canceled_at IS NULL AND j.completed_at IS NULL
                 ORDER BY j.created_at, j.id
                   FOR UPDATE OF j SKIP LOCKED)
             UPDATE provisioner_jobs j
                SET started_at = {clock}, updated_at = {clock}, worker_id = taken.daemon
               FROM taken WHERE j.id = taken.id",
            clock = self.clock
        );
        self.client
            .execute(&sql, &[])
            .unwrap_or_else(|e| panic!("picking up jobs: {e:?}"))
    }

    /// Completes the running build jobs with success, and returns them.
    #[track_caller]
    pub fn complete(&mut self) -> Vec<Completed> {
        let sql = self.completion();
        texts(&mut self.client, &sql)
            .into_iter()
            .map(|row| {
                let [workspace, name, transition, deadline] = row.as_slice() else {
                    panic!("four columns, not {row:?}");
                };
                let text = |column: &Option<String>| column.clone().unwrap_or_default();
                Completed {
                    workspace: text(workspace).parse().expect("a uuid"),
                    name: text(name),
                    transition: text(transition),
                    deadline: deadline.clone(),
                }
            })
            .collect()
    }

    /// Completes the running build jobs with an error.
    #[track_caller]
    pub fn fail(&mut self, error: &str) -> u64 {
        let sql = format!(
            "UPDATE provisioner_jobs
                SET completed_at = {clock}, updated_at = {clock}, error = {}
              WHERE type = 'workspace_build' AND started_at IS NOT NULL AND completed_at IS NULL",
            quote_literal(error),
            clock = self.clock
        );
        self.client
            .execute(&sql, &[])
            .unwrap_or_else(|e| panic!("failing jobs: {e:?}"))
    }

    /// Takes what is pending and completes it.
    #[track_caller]
    pub fn work(&mut self) -> Vec<Completed> {
        self.pick_up();
        self.complete()
    }

    /// One statement for all running jobs: complete them, give started workspaces
    /// their deadline, mark deleted ones, note the next start.
    fn completion(&mut self) -> String {
        let since = |version: Version, then: &'static str, before: &'static str| {
            if self.version >= version {
                then
            } else {
                before
            }
        };
        let blocked_days = since(Version::V2_5_0, "t.autostart_block_days_of_week::int", "0");
        // When the very next run comes before the TTL is over, the TTL counts from it
        // (since v2.11).
        let ttl_from = since(
            Version::V2_15_0,
            "CASE WHEN run.next = run.allowed AND run.next < c.at + life.ttl THEN run.next
                  ELSE c.at END",
            "c.at",
        );
        let next_start_at = since(
            Version::V2_20_0,
            "next_start_at = coalesce(done.next_start, w.next_start_at),",
            "",
        );
        let clock = self.clock.clone();
        let runs = self.runs();
        format!(
            "WITH c AS (
                UPDATE provisioner_jobs SET completed_at = {clock}, updated_at = {clock}
                 WHERE type = 'workspace_build' AND started_at IS NOT NULL
                   AND completed_at IS NULL
                RETURNING id, completed_at AS at),
             done AS MATERIALIZED (
                SELECT b.id, b.workspace_id, b.transition, w.name, c.at,
                       run.allowed AS next_start,
                       CASE WHEN b.transition = 'start' AND life.ttl > interval '0'
                            THEN {ttl_from} + life.ttl ELSE b.deadline END AS deadline
                  FROM c
                  JOIN workspace_builds b ON b.job_id = c.id
                  JOIN workspaces w ON w.id = b.workspace_id
                  JOIN templates t ON t.id = w.template_id
                 CROSS JOIN LATERAL (SELECT interval '1 microsecond'
                     * (CASE WHEN t.allow_user_autostop THEN coalesce(w.ttl, 0)
                             ELSE t.default_ttl END / 1000.0) AS ttl) life
                 CROSS JOIN LATERAL (SELECT {blocked_days} AS days) blocked
                 CROSS JOIN LATERAL ({runs}) run),
             built AS (
                UPDATE workspace_builds b SET updated_at = done.at, deadline = done.deadline
                  FROM done WHERE b.id = done.id),
             moved AS (
                UPDATE workspaces w
                   SET {next_start_at}
                       updated_at = done.at, deleted = w.deleted OR done.transition = 'delete'
                  FROM done WHERE w.id = done.workspace_id)
             SELECT workspace_id, name, transition,
                    nullif(deadline, '0001-01-01 00:00:00+00')
               FROM done ORDER BY name"
        )
    }

    /// The next run after completion, and the next one on a day that the template
    /// allows. Only the extension can read a schedule inside the database: without
    /// it, no run is known.
    fn runs(&mut self) -> String {
        match extension_schema(&mut self.client) {
            None => "SELECT NULL::timestamptz AS next, NULL::timestamptz AS allowed".to_owned(),
            // The runs of a week contain one on each of the schedule's days.
            Some(schema) => format!(
                "SELECT min(r.at) AS next,
                        min(r.at) FILTER (WHERE 0 = 1 & (blocked.days >>
                            extract(isodow FROM r.at AT TIME ZONE s.timezone)::int - 1)) AS allowed
                   FROM {schema}.autobuild_schedule_check(w.autostart_schedule) s
                  CROSS JOIN LATERAL {schema}.autobuild_schedule_next(
                      CASE WHEN s.valid THEN w.autostart_schedule END, c.at,
                      CASE WHEN blocked.days = 0 THEN 1 ELSE 7 * 24 * 60 + 1 END) r(at)
                  WHERE s.valid"
            ),
        }
    }
}
