//! An executor outside the database: a client program that looks at each candidate in a
//! transaction of its own, ten at once, seven reads each, and builds what is due with values that
//! travel to the client and back. Whom it looks at is a [`Shape`].
//!
//! Written from the description of what it does, not from its code; it leaves out what it can, so
//! that the comparison favours it: the product's own program of today makes 51 statements for each
//! build. It is run at two distances: on the server's own socket with every statement kept
//! prepared, which is the best that it could do, and as such programs are found, see
//! [`Distance::Network`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use postgres::types::ToSql;
use postgres::{Client, Row, Statement, Transaction};
use serde_json::json;
use uuid::Uuid;
use workspace_autobuild::instant::Instant;
use workspace_autobuild::schedule::{Bundled, Schedule};
use workspace_autobuild_tests::Server;
use workspace_autobuild_tests::product::OWNER;

use crate::candidates::Shape;
use crate::measure::timed;

/// Candidates that are looked at at once.
const AT_ONCE: usize = 10;

/// The way to the server and back, over a network within one place.
const ROUND_TRIP: Duration = Duration::from_micros(500);

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distance {
    /// On the server's machine, with prepared statements.
    Socket,
    /// On another machine, half a millisecond there and back, with a driver that prepares
    /// each statement anew, so goes there and back twice for it.
    Network,
}

impl Distance {
    /// Waits as long as so many round trips take.
    fn travel(self, round_trips: u32) {
        if self == Distance::Network {
            thread::sleep(ROUND_TRIP * round_trips);
        }
    }
}

/// A statement of the program's.
struct Query {
    text: &'static str,
    /// Prepared once, where no distance is travelled.
    kept: Option<Statement>,
    distance: Distance,
}

impl Query {
    fn new(client: &mut Client, distance: Distance, text: &'static str) -> Query {
        let kept = (distance == Distance::Socket).then(|| {
            client
                .prepare(text)
                .unwrap_or_else(|e| panic!("{text}: {e:?}"))
        });
        Query {
            text,
            kept,
            distance,
        }
    }

    fn rows(
        &self,
        transaction: &mut Transaction<'_>,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, postgres::Error> {
        self.distance.travel(2);
        match &self.kept {
            Some(statement) => transaction.query(statement, arguments),
            None => transaction.query(self.text, arguments),
        }
    }

    fn row(
        &self,
        transaction: &mut Transaction<'_>,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, postgres::Error> {
        let mut rows = self.rows(transaction, arguments)?;
        Ok(rows
            .pop()
            .unwrap_or_else(|| panic!("no row: {}", self.text)))
    }
}

/// What such a tick came to.
pub(crate) struct Run {
    pub took: Duration,
    pub built: u32,
}

/// One tick in a database at a time.
pub(crate) fn tick(
    server: &Server,
    database: &str,
    at: &str,
    shape: Shape,
    distance: Distance,
) -> Run {
    let address = server.address();
    let connect = || address.connect(database, OWNER);
    let mut first = connect();
    let at: i64 = first
        .query_one(
            "SELECT extract(epoch FROM $1::text::timestamptz)::int8",
            &[&at],
        )
        .unwrap_or_else(|e| panic!("a time: {e:?}"))
        .get(0);
    let workers: Vec<Worker> = (0..AT_ONCE)
        .map(|_| Worker::new(connect(), distance))
        .collect();
    let built = AtomicU32::new(0);
    let (took, ()) = timed(|| {
        let candidates = Mutex::new(shape.candidates(&mut first, at).into_iter());
        thread::scope(|scope| {
            for mut worker in workers {
                let (candidates, built) = (&candidates, &built);
                scope.spawn(move || {
                    loop {
                        let next = candidates.lock().map(|mut ids| ids.next());
                        let Ok(Some(id)) = next else { break };
                        if worker.look_at(id, at) {
                            built.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
    });
    Run {
        took,
        built: built.into_inner(),
    }
}

/// A connection with its statements.
struct Worker {
    client: Client,
    distance: Distance,
    reads: [Query; 7],
    writes: Writes,
}

/// The statements that build.
struct Writes {
    import: Query,
    definitions: Query,
    values: Query,
    insert_job: Query,
    insert_build: Query,
    insert_parameters: Query,
}

/// What is read of one candidate: workspace, owner, latest build, job, template,
/// schedule options, active version.
const READS: [&str; 7] = [
    "SELECT id, owner_id, organization_id, template_id, autostart_schedule, deleted, ttl
       FROM workspaces WHERE id = $1",
    "SELECT id, username, email, status::text, rbac_roles FROM users WHERE id = $1",
    "SELECT id, job_id, build_number, transition::text,
            extract(epoch FROM created_at)::int8, extract(epoch FROM deadline)::float8,
            template_version_id, provisioner_state
       FROM workspace_builds WHERE workspace_id = $1 ORDER BY build_number DESC LIMIT 1",
    "SELECT id, completed_at IS NOT NULL, coalesce(error, ''), tags, input
       FROM provisioner_jobs WHERE id = $1",
    "SELECT id, active_version_id, organization_id, allow_user_autostart, name
       FROM templates WHERE id = $1",
    "SELECT allow_user_autostart, allow_user_autostop, default_ttl FROM templates WHERE id = $1",
    "SELECT id, job_id, template_id, name FROM template_versions WHERE id = $1",
];

impl Worker {
    fn new(mut client: Client, distance: Distance) -> Worker {
        let mut prepare = |text| Query::new(&mut client, distance, text);
        let reads = READS.map(&mut prepare);
        let writes = Writes {
            import: prepare(
                "SELECT completed_at IS NOT NULL, coalesce(error, ''), file_id, tags
                   FROM provisioner_jobs WHERE id = $1",
            ),
            definitions: prepare(
                "SELECT name, type, default_value, required, options
                   FROM template_version_parameters WHERE template_version_id = $1",
            ),
            values: prepare(
                "SELECT name, value FROM workspace_build_parameters
                  WHERE workspace_build_id = $1",
            ),
            insert_job: prepare(
                "INSERT INTO provisioner_jobs
                        (id, created_at, updated_at, initiator_id, organization_id, provisioner,
                         storage_method, file_id, type, input, tags, trace_metadata)
                 VALUES ($1, now(), now(), $2, $3, 'terraform', 'file', $4, 'workspace_build',
                         $5, $6, '{}')",
            ),
            insert_build: prepare(
                "INSERT INTO workspace_builds
                        (id, created_at, updated_at, workspace_id, template_version_id,
                         build_number, provisioner_state, initiator_id, transition, job_id,
                         reason)
                 VALUES ($1, now(), now(), $2, $3, $4, $5, $6,
                         ($7::text)::workspace_transition, $8, ($9::text)::build_reason)",
            ),
            insert_parameters: prepare(
                "INSERT INTO workspace_build_parameters (workspace_build_id, name, value)
                 SELECT $1, unnest($2::text[]), unnest($3::text[])",
            ),
        };
        Worker {
            client,
            distance,
            reads,
            writes,
        }
    }

    /// Looks at a candidate, and builds it if it is due.
    fn look_at(&mut self, id: Uuid, at: i64) -> bool {
        let result = self.try_look_at(id, at);
        result.unwrap_or_else(|e| panic!("workspace {id}: {e:?}"))
    }

    fn try_look_at(&mut self, id: Uuid, at: i64) -> Result<bool, postgres::Error> {
        let [workspace, owner, build, job, template, options, version] = &self.reads;
        self.distance.travel(1);
        let mut transaction = self
            .client
            .build_transaction()
            .isolation_level(postgres::IsolationLevel::RepeatableRead)
            .start()?;
        let workspace = workspace.row(&mut transaction, &[&id])?;
        let (owner_id, template_id): (Uuid, Uuid) = (workspace.get(1), workspace.get(3));
        owner.row(&mut transaction, &[&owner_id])?;
        let latest = build.row(&mut transaction, &[&id])?;
        let job = job.row(&mut transaction, &[&latest.get::<_, Uuid>(1)])?;
        let template = template.row(&mut transaction, &[&template_id])?;
        let options = options.row(&mut transaction, &[&template_id])?;
        let active: Uuid = template.get(1);
        let version = version.row(&mut transaction, &[&active])?;

        let successful: bool = job.get(1) && job.get::<_, &str>(2).is_empty();
        let starts = latest.get::<_, &str>(3) == "stop";
        let due_at = match workspace.get::<_, Option<&str>>(4) {
            Some(text) if starts && options.get(0) => next_run(text, latest.get(4)),
            _ if starts => None,
            _ => Some(latest.get::<_, f64>(5) as i64),
        };
        let due = successful && due_at.is_some_and(|due_at| due_at <= at);
        if due {
            let build = NewBuild {
                workspace: id,
                owner: owner_id,
                organization: workspace.get(2),
                version: latest.get(6),
                import: version.get(1),
                latest: latest.get(0),
                number: latest.get::<_, i32>(2) + 1,
                state: latest.get(7),
                starts,
            };
            build.write(&mut transaction, &self.writes)?;
        }
        self.distance.travel(1);
        transaction.commit()?;
        Ok(due)
    }
}

fn next_run(text: &str, created_at: i64) -> Option<i64> {
    let schedule = Schedule::parse(text, &Bundled).ok()?;
    let run = schedule.next(Instant::from_unix_seconds(created_at)?)?;
    Some(run.unix_seconds())
}

struct NewBuild {
    workspace: Uuid,
    owner: Uuid,
    organization: Uuid,
    version: Uuid,
    import: Uuid,
    latest: Uuid,
    number: i32,
    state: Option<Vec<u8>>,
    starts: bool,
}

impl NewBuild {
    fn write(
        &self,
        transaction: &mut Transaction<'_>,
        statements: &Writes,
    ) -> Result<(), postgres::Error> {
        let import = statements.import.row(transaction, &[&self.import])?;
        statements.definitions.rows(transaction, &[&self.version])?;
        let (names, values): (Vec<String>, Vec<String>) = statements
            .values
            .rows(transaction, &[&self.latest])?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .unzip();
        let (job_id, build_id) = (Uuid::new_v4(), Uuid::new_v4());
        let tags: serde_json::Value = import.get(3);
        let input = json!({"workspace_build_id": build_id, "dry_run": false});
        let file: Uuid = import.get(2);
        statements.insert_job.rows(
            transaction,
            &[
                &job_id,
                &self.owner,
                &self.organization,
                &file,
                &input,
                &tags,
            ],
        )?;
        let (transition, reason) = if self.starts {
            ("start", "autostart")
        } else {
            ("stop", "autostop")
        };
        statements.insert_build.rows(
            transaction,
            &[
                &build_id,
                &self.workspace,
                &self.version,
                &self.number,
                &self.state,
                &self.owner,
                &transition,
                &job_id,
                &reason,
            ],
        )?;
        statements
            .insert_parameters
            .rows(transaction, &[&build_id, &names, &values])?;
        Ok(())
    }
}
