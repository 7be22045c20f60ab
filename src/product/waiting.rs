//! The builds that are not done: in the queue for a provisioner, or running.

use uuid::Uuid;

use crate::columns::{provisioner_jobs, workspace_builds};
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::query::{Access, Row, for_each_row};

use super::schema::Product;
use super::select::select;

/// A build that is not done.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
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
pub(crate) const STATES: [&str; 3] = ["pending", "running", "canceling"];

/// The tables that are read.
pub(crate) const READ: [&str; 2] = [provisioner_jobs::TABLE, workspace_builds::TABLE];

select! {
    /// A build and its job.
    struct WaitingRow(product) {
        workspace_id: uuid = product.read("b", workspace_builds::WORKSPACE_ID),
        build_id: uuid = product.read("b", workspace_builds::ID),
        job_id: uuid = product.read("j", provisioner_jobs::ID),
        build_number: bigint = product.read("b", workspace_builds::BUILD_NUMBER),
        transition: text = product.read("b", workspace_builds::TRANSITION),
        reason: text = product.read("b", workspace_builds::REASON),
        state: text = format!(
            "CASE WHEN {} IS NOT NULL THEN 'canceling'
                  WHEN {} IS NOT NULL THEN 'running' ELSE 'pending' END",
            product.read("j", provisioner_jobs::CANCELED_AT),
            product.read("j", provisioner_jobs::STARTED_AT),
        ),
        since: time = format!(
            "COALESCE({}, {}, {}) AS since",
            product.read("j", provisioner_jobs::CANCELED_AT),
            product.read("j", provisioner_jobs::STARTED_AT),
            product.read("j", provisioner_jobs::CREATED_AT),
        ),
        heartbeat_at: time = product.read("j", provisioner_jobs::UPDATED_AT),
        worker_id: uuid = product.read("j", provisioner_jobs::WORKER_ID),
    }
}

/// Every build that is not done, those that wait longest first.
pub(crate) fn read(product: &Product) -> Result<Vec<Waiting>, Error> {
    // Where the product has this column it has an index on it: few jobs are read of many.
    let open = if product.has(provisioner_jobs::JOB_STATUS) {
        "j.job_status IN ('pending', 'running', 'canceling')"
    } else {
        "j.completed_at IS NULL"
    };
    let sql = format!(
        "SELECT {columns}
           FROM {jobs} j
           JOIN {builds} b ON b.job_id = j.id
          WHERE {open}
          ORDER BY since, {build_id}",
        columns = WaitingRow::list(product),
        build_id = product.read("b", workspace_builds::ID),
        jobs = product.table(provisioner_jobs::TABLE),
        builds = product.table(workspace_builds::TABLE),
    );
    let mut waiting = Vec::new();
    for_each_row(&sql, Access::Read, Vec::new(), |row| {
        let row = WaitingRow::read(row)?;
        let build_number = Row::required(row.build_number, "workspace_builds.build_number")?;
        waiting.push(Waiting {
            workspace_id: Row::required(row.workspace_id, "workspace_builds.workspace_id")?,
            build_id: Row::required(row.build_id, "workspace_builds.id")?,
            job_id: Row::required(row.job_id, "provisioner_jobs.id")?,
            build_number: i32::try_from(build_number).unwrap_or(i32::MAX),
            transition: row.transition.unwrap_or_default(),
            reason: row.reason.unwrap_or_default(),
            state: row.state.unwrap_or_default(),
            since: Row::required(row.since, "provisioner_jobs.created_at")?,
            heartbeat_at: row.heartbeat_at,
            worker_id: row.worker_id,
        });
        Ok(())
    })?;
    Ok(waiting)
}
