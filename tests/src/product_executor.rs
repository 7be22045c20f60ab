//! An executor of the product's shape, to run beside the extension's: it takes the same
//! advisory lock for each workspace, reads again under REPEATABLE READ, and builds.
//!
//! It knows the rules autostop, autostart and dormancy of a product that has the lock
//! and `next_start_at` (v2.20.0 and later), for templates that block no day. Schedules
//! are read by the extension's own function: only the two executors' meeting is tested.

use std::collections::HashMap;

use postgres::{Client, IsolationLevel, Statement};
use uuid::Uuid;

use crate::product::Product;

/// What a round came to.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Workspaces that it built or marked.
    pub moved: Vec<Uuid>,
    /// Workspaces whose lock somebody else held.
    pub missed: Vec<Uuid>,
    /// Errors, which the product would log.
    pub errors: Vec<String>,
}

impl Round {
    /// Adds another round's.
    pub fn add(&mut self, other: Round) {
        self.moved.extend(other.moved);
        self.missed.extend(other.missed);
        self.errors.extend(other.errors);
    }
}

/// One connection of the product's executor.
pub struct ProductExecutor {
    client: Client,
    /// Prepared beforehand: the lock's statement is to take its snapshot and the lock
    /// in one message, as close together as the product can have them.
    statements: HashMap<&'static str, Statement>,
}

/// What a workspace is due for (`$1` is the tick). A start's `next_start_at` is asked
/// only of candidates: by the decision it has been filled in.
const DUE: &str = "
    SELECT w.id, b.id AS build_id, b.transition::text AS transition, w.autostart_schedule,
           CASE
             WHEN NOT failed AND w.dormant_at IS NULL AND b.transition = 'start'
                  AND (u.status = 'suspended' OR b.deadline <> '0001-01-01 00:00:00+00'
                       AND b.deadline <= $1) THEN 'autostop'
             WHEN u.status = 'active' AND NOT failed AND w.dormant_at IS NULL
                  AND b.transition = 'stop' AND t.allow_user_autostart
                  AND (SELECT min(run) FROM autobuild_schedule_next(
                           nullif(w.autostart_schedule, ''), b.created_at) run) <= $1
               THEN 'autostart'
             WHEN w.dormant_at IS NULL AND t.time_til_dormant > 0
                  AND $1 - w.last_used_at > t.time_til_dormant / 1000 * interval '1 microsecond'
               THEN 'dormancy'
           END AS rule
      FROM workspaces w
      JOIN users u ON u.id = w.owner_id
      JOIN templates t ON t.id = w.template_id
      JOIN LATERAL (SELECT * FROM workspace_builds WHERE workspace_id = w.id
                     ORDER BY build_number DESC LIMIT 1) b ON true
      JOIN provisioner_jobs j ON j.id = b.job_id
     CROSS JOIN LATERAL (SELECT coalesce(j.error, '') <> '' AS failed) f
     WHERE NOT w.deleted AND w.owner_id <> 'c42fdf75-3097-471c-8c33-fb52454d81c0'
       AND j.completed_at IS NOT NULL";

const LOCK: &str = "SELECT pg_try_advisory_xact_lock($1)";

const FILL: &str = "
    UPDATE workspaces w
       SET next_start_at = (SELECT min(run) FROM autobuild_schedule_next(autostart_schedule, $2) run)
     WHERE w.id = $1 AND next_start_at IS NULL AND autostart_schedule <> ''";

const JOB: &str = "
    INSERT INTO provisioner_jobs (id, created_at, updated_at, initiator_id, organization_id,
           provisioner, storage_method, file_id, type, input, tags, trace_metadata)
    SELECT $3, clock_timestamp(), clock_timestamp(), w.owner_id, j.organization_id, j.provisioner,
           j.storage_method, j.file_id, 'workspace_build',
           jsonb_build_object('workspace_build_id', $2::uuid, 'dry_run', false), j.tags, '{}'
      FROM workspace_builds b JOIN provisioner_jobs j ON j.id = b.job_id
      JOIN workspaces w ON w.id = b.workspace_id
     WHERE b.id = $1";

const BUILD: &str = "
    INSERT INTO workspace_builds (id, created_at, updated_at, workspace_id, template_version_id,
           build_number, provisioner_state, initiator_id, transition, job_id, reason)
    SELECT $2, clock_timestamp(), clock_timestamp(), workspace_id, template_version_id,
           build_number + 1, provisioner_state, initiator_id,
           $4::text::workspace_transition, $3, $5::text::build_reason
      FROM workspace_builds WHERE id = $1";

const MARK: &str = "UPDATE workspaces SET dormant_at = clock_timestamp() WHERE id = $1";

impl ProductExecutor {
    /// An executor with its own session, as the owner of the product's tables.
    #[track_caller]
    pub fn of(product: &Product) -> ProductExecutor {
        let mut client = product.connect();
        let mut statements = HashMap::new();
        let one = format!("{DUE} AND w.id = $2");
        let candidates = format!(
            "{DUE} AND (b.transition <> 'stop' OR w.next_start_at IS NULL OR w.next_start_at <= $1
                   OR t.time_til_dormant > 0)"
        );
        let all: [(&'static str, &str); 7] = [
            ("due", &candidates),
            ("one", &one),
            ("lock", LOCK),
            ("fill", FILL),
            ("job", JOB),
            ("build", BUILD),
            ("mark", MARK),
        ];
        for (name, sql) in all {
            let sql = sql.replace("<= $1", "<= $1::timestamptz");
            let statement = client
                .prepare(&sql)
                .unwrap_or_else(|e| panic!("{name}: {e:?}"));
            statements.insert(name, statement);
        }
        ProductExecutor { client, statements }
    }

    /// One run over all candidates at the tick, in Unix seconds.
    #[track_caller]
    pub fn round(&mut self, tick: std::time::SystemTime) -> Round {
        let candidates = self
            .client
            .query(self.statements.get("due").expect("prepared"), &[&tick])
            .unwrap_or_else(|e| panic!("candidates: {e:?}"));
        let mut round = Round::default();
        for row in candidates {
            let (id, rule): (Uuid, Option<&str>) = (row.get("id"), row.get("rule"));
            if rule.is_none() {
                continue;
            }
            match self.one(id, tick) {
                Ok(Some(true)) => round.moved.push(id),
                Ok(Some(false)) => {}
                Ok(None) => round.missed.push(id),
                Err(error) => round.errors.push(format!("{id}: {error:?}")),
            }
        }
        round
    }

    /// One workspace: `None` where its lock is held, else whether it moved.
    fn one(
        &mut self,
        id: Uuid,
        tick: std::time::SystemTime,
    ) -> Result<Option<bool>, postgres::Error> {
        let statements = &self.statements;
        let mut transaction = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()?;
        let locked: bool = transaction
            .query_one(&statements["lock"], &[&lock_key(id)])?
            .get(0);
        if !locked {
            return Ok(None);
        }
        transaction.execute(&statements["fill"], &[&id, &tick])?;
        let due = transaction.query_opt(&statements["one"], &[&tick, &id])?;
        let rule = due
            .as_ref()
            .and_then(|row| row.get::<_, Option<&str>>("rule"));
        let (Some(row), Some(rule)) = (&due, rule) else {
            transaction.commit()?;
            return Ok(Some(false));
        };
        let (running, latest): (bool, Uuid) = (
            row.get::<_, &str>("transition") == "start",
            row.get("build_id"),
        );
        if running || rule == "autostart" {
            let (build, job) = (Uuid::new_v4(), Uuid::new_v4());
            let transition = if running { "stop" } else { "start" };
            transaction.execute(&statements["job"], &[&latest, &build, &job])?;
            transaction.execute(
                &statements["build"],
                &[&latest, &build, &job, &transition, &rule],
            )?;
        }
        if rule == "dormancy" {
            transaction.execute(&statements["mark"], &[&id])?;
        }
        transaction.commit()?;
        Ok(Some(true))
    }
}

/// The product's key of a workspace's lock: FNV-1 of 64 bits, written down a second time.
pub fn lock_key(workspace: Uuid) -> i64 {
    let text = format!("lifecycle-executor:{workspace}");
    let hash = text
        .as_bytes()
        .iter()
        .fold(14_695_981_039_346_656_037_u64, |hash, byte| {
            hash.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte)
        });
    i64::from_ne_bytes(hash.to_ne_bytes())
}
