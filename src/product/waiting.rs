//! The builds that are not done: in the queue for a provisioner, or running.

use uuid::Uuid;

use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::query::{Access, Row, run};

use super::schema::Product;

/// A build that is not done.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// `workspace_builds.workspace_id`.
    pub workspace_id: Uuid,
    /// `workspace_builds.id`.
    pub build_id: Uuid,
    /// `provisioner_jobs.id`.
    pub job_id: Uuid,
    /// `workspace_builds.build_number`.
    pub build_number: i32,
    /// `workspace_builds.transition`.
    pub transition: String,
    /// `workspace_builds.reason`.
    pub reason: String,
    /// One of [`STATES`].
    pub state: String,
    /// Since when it is in this state.
    pub since: Instant,
    /// `provisioner_jobs.updated_at`: a daemon at work writes it again and again.
    pub heartbeat_at: Option<Instant>,
    /// `provisioner_jobs.worker_id`: the daemon.
    pub worker_id: Option<Uuid>,
}

/// The states, as the product names them.
pub const STATES: [&str; 3] = ["pending", "running", "canceling"];

/// The tables that are read.
pub const READ: [&str; 2] = ["provisioner_jobs", "workspace_builds"];

/// Every build that is not done, those that wait longest first.
pub fn read(product: &Product) -> Result<Vec<Waiting>, Error> {
    let b = |column| product.read("b", "workspace_builds", column);
    let j = |column| product.read("j", "provisioner_jobs", column);
    // Where the product has this column it has an index on it: few jobs are read of many.
    let open = if product.has("provisioner_jobs", "job_status") {
        "j.job_status IN ('pending', 'running', 'canceling')"
    } else {
        "j.completed_at IS NULL"
    };
    let sql = format!(
        "SELECT {workspace_id}, {build_id}, {job_id}, {build_number}, {transition}, {reason},
                CASE WHEN {canceled_at} IS NOT NULL THEN 'canceling'
                     WHEN {started_at} IS NOT NULL THEN 'running' ELSE 'pending' END,
                COALESCE({canceled_at}, {started_at}, {created_at}) AS since,
                {updated_at}, {worker_id}
           FROM {jobs} j
           JOIN {builds} b ON b.job_id = j.id
          WHERE {open}
          ORDER BY since, {build_id}",
        workspace_id = b("workspace_id"),
        build_id = b("id"),
        job_id = j("id"),
        build_number = b("build_number"),
        transition = b("transition"),
        reason = b("reason"),
        canceled_at = j("canceled_at"),
        started_at = j("started_at"),
        created_at = j("created_at"),
        updated_at = j("updated_at"),
        worker_id = j("worker_id"),
        jobs = product.table("provisioner_jobs"),
        builds = product.table("workspace_builds"),
    );
    let mut waiting = Vec::new();
    run(&sql, Access::Read, Vec::new(), |row| {
        let build_number = Row::required(row.bigint(3)?, "workspace_builds.build_number")?;
        waiting.push(Waiting {
            workspace_id: Row::required(row.uuid(0)?, "workspace_builds.workspace_id")?,
            build_id: Row::required(row.uuid(1)?, "workspace_builds.id")?,
            job_id: Row::required(row.uuid(2)?, "provisioner_jobs.id")?,
            build_number: i32::try_from(build_number).unwrap_or(i32::MAX),
            transition: row.text(4)?.unwrap_or_default(),
            reason: row.text(5)?.unwrap_or_default(),
            state: row.text(6)?.unwrap_or_default(),
            since: Row::required(row.time(7)?, "provisioner_jobs.created_at")?,
            heartbeat_at: row.time(8)?,
            worker_id: row.uuid(9)?,
        });
        Ok(())
    })?;
    Ok(waiting)
}
