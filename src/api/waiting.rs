//! `autobuild_waiting`: all builds that are in the queue or run.
//!
//! Read as the executor's role: a reader of the view needs no right on the product's tables,
//! and sees only ids and times.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{extension_sql_file, name, pg_extern, search_path};

use crate::product::locks::hold_to_read;
use crate::product::role::{executor_role, name_missing_right};
use crate::product::waiting::{self, Waiting};
use crate::server::clock::timestamptz;
use crate::server::error::{Error, OrRaise};
use crate::server::identity::acting_as;
use crate::server::query::sql_uuid;
use crate::server::subtransaction::in_subtransaction;
use crate::settings;

/// The builds that are not done. A right that the role lacks is named.
pub(super) fn waiting() -> Result<Vec<Waiting>, Error> {
    let settings = settings::read();
    let product = hold_to_read(&settings.product_schema, |table| {
        waiting::READ.contains(&table.name)
    })?;
    let role = executor_role(&product, &settings)?;
    in_subtransaction(|| acting_as(role, || waiting::read(&product)))
        .map_err(|error| name_missing_right(error, &product, &settings, role))
}

/// The rows of the view autobuild_waiting.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_list_waiting() -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(build_id, pgrx::Uuid),
        name!(job_id, pgrx::Uuid),
        name!(build_number, i32),
        name!(transition, String),
        name!(reason, String),
        name!(state, String),
        name!(since, TimestampWithTimeZone),
        name!(heartbeat_at, Option<TimestampWithTimeZone>),
        name!(worker_id, Option<pgrx::Uuid>),
    ),
> {
    TableIterator::new(waiting().or_raise().into_iter().map(|build| {
        (
            sql_uuid(build.workspace_id),
            sql_uuid(build.build_id),
            sql_uuid(build.job_id),
            build.build_number,
            build.transition,
            build.reason,
            build.state,
            timestamptz(build.since),
            build.heartbeat_at.map(timestamptz),
            build.worker_id.map(sql_uuid),
        )
    }))
}

extension_sql_file!(
    "../../sql/waiting.sql",
    name = "waiting",
    requires = [autobuild_list_waiting],
);
