//! Which workspaces an executor outside the database looks at: every one that could ever be due,
//! as the product's executor of 2023 does, or those that its one query finds due, as today's does.

use postgres::Client;
use uuid::Uuid;

/// Of which time the executor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A transaction for each workspace that runs past its deadline or is stopped and has a
    /// schedule, due or not.
    Of2023,
    /// One query that asks for what is due by any of the five rules; a transaction for each
    /// workspace that it gives.
    Today,
}

impl Shape {
    /// Those that the product's tables here have the columns for.
    pub(crate) fn possible(client: &mut Client) -> Vec<Shape> {
        let columns = "SELECT count(*) = 2 FROM pg_attribute
                        WHERE (attrelid, attname) IN (('workspaces'::regclass, 'next_start_at'),
                                                      ('provisioner_jobs'::regclass, 'job_status'))";
        let newer: bool = client
            .query_one(columns, &[])
            .unwrap_or_else(|e| panic!("{columns}: {e:?}"))
            .get(0);
        if newer {
            vec![Shape::Of2023, Shape::Today]
        } else {
            vec![Shape::Of2023]
        }
    }

    /// As the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Of2023 => "2023's shape",
            Shape::Today => "today's shape",
        }
    }

    /// Whom it looks at in a tick at `at`, in seconds since 1970.
    pub(crate) fn candidates(self, client: &mut Client, at: i64) -> Vec<Uuid> {
        let sql = match self {
            Shape::Of2023 => OF_2023,
            Shape::Today => TODAY,
        };
        client
            .query(sql, &[&(at as f64)])
            .unwrap_or_else(|e| panic!("candidates: {e:?}"))
            .iter()
            .map(|row| row.get(0))
            .collect()
    }
}

/// Workspaces that run past their deadline, and stopped ones with a schedule.
const OF_2023: &str = "
    SELECT w.id
      FROM workspaces w
      JOIN LATERAL (SELECT b.transition, b.deadline FROM workspace_builds b
                     WHERE b.workspace_id = w.id
                     ORDER BY b.build_number DESC LIMIT 1) b ON true
     WHERE NOT w.deleted
       AND (b.transition = 'start' AND b.deadline <> '0001-01-01 00:00:00+00'
            AND b.deadline <= to_timestamp($1)
            OR b.transition = 'stop' AND w.autostart_schedule <> '')";

/// Autostop, autostart, dormancy, deletion and failed builds, by what our page on the rules says
/// of them. A deadline counts at the tick itself, as ours does, so that both find the same.
const TODAY: &str = "
    WITH tick AS (SELECT to_timestamp($1) AS at)
    SELECT w.id
      FROM tick
     CROSS JOIN workspaces w
      JOIN LATERAL (SELECT b.transition, b.deadline, b.job_id FROM workspace_builds b
                     WHERE b.workspace_id = w.id
                     ORDER BY b.build_number DESC LIMIT 1) b ON true
      JOIN provisioner_jobs j ON j.id = b.job_id
      JOIN templates t ON t.id = w.template_id
      JOIN users u ON u.id = w.owner_id
     WHERE NOT w.deleted
       -- Whose workspaces are pre-built ones.
       AND w.owner_id <> 'c42fdf75-3097-471c-8c33-fb52454d81c0'
       AND (   b.transition = 'start' AND j.job_status <> 'failed' AND w.dormant_at IS NULL
               AND (u.status = 'suspended'
                    OR b.deadline <> '0001-01-01 00:00:00+00' AND b.deadline <= tick.at)
            OR b.transition = 'stop' AND j.job_status <> 'failed' AND w.dormant_at IS NULL
               AND u.status = 'active' AND w.autostart_schedule IS NOT NULL
               AND (w.next_start_at IS NULL OR w.next_start_at <= tick.at)
            OR w.dormant_at IS NULL AND t.time_til_dormant > 0
               AND w.last_used_at < tick.at - t.time_til_dormant / 1000 * interval '1 us'
            OR w.deleting_at < tick.at AND w.dormant_at IS NOT NULL
               AND t.time_til_dormant_autodelete > 0
               AND (b.transition <> 'delete' OR j.job_status <> 'failed'
                    OR coalesce(j.canceled_at, j.completed_at) < tick.at - interval '24 hours')
            OR t.failure_ttl > 0 AND b.transition IN ('start', 'stop')
               AND j.job_status = 'failed'
               AND j.completed_at < tick.at - t.failure_ttl / 1000 * interval '1 us')";
