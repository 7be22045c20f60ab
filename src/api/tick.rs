//! `autobuild_tick`, `autobuild_run`, `autobuild_preview` and `autobuild_grant`.

use pgrx::PgSqlErrorCode;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::decision::attempt::Attempt;
use crate::executor::tick;
use crate::product::licence;
use crate::product::role::grants;
use crate::product::schema::Product;
use crate::server::clock::{argument, timestamptz};
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::identity::role_by_name;
use crate::server::query::{execute, sql_uuid};
use crate::settings;
use crate::worker::configured::workers_settings;

/// One tick in the caller's transaction; a row for each transition, in the order of work.
///
/// Errors: 25000 not in REPEATABLE READ, 25006 on a standby, 55P03 another executor is at
/// work, 55000 the role would be a superuser, 42xxx what the product's tables or the role
/// lack, 22023 an infinite time.
#[pg_extern(volatile, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_tick(
    at: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(transition, String),
        name!(reason, String),
        name!(due_at, TimestampWithTimeZone),
        name!(outcome, String),
        name!(code, Option<String>),
        name!(build_id, Option<pgrx::Uuid>),
        name!(job_id, Option<pgrx::Uuid>),
        name!(build_number, Option<i32>),
        name!(sqlstate, Option<String>),
        name!(message, Option<String>),
    ),
> {
    let at = argument("at", at).or_raise();
    let attempts = tick::manual(at, &licence::settings().or_raise()).or_raise();
    TableIterator::new(attempts.into_iter().map(row))
}

/// A tick that honours `action`, a pause and back-off as the worker does, for a timer; rows as
/// `autobuild_tick`.
///
/// Errors: as `autobuild_tick`.
#[pg_extern(volatile, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_run(
    at: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(transition, String),
        name!(reason, String),
        name!(due_at, TimestampWithTimeZone),
        name!(outcome, String),
        name!(code, Option<String>),
        name!(build_id, Option<pgrx::Uuid>),
        name!(job_id, Option<pgrx::Uuid>),
        name!(build_number, Option<i32>),
        name!(sqlstate, Option<String>),
        name!(message, Option<String>),
    ),
> {
    let at = argument("at", at).or_raise();
    let attempts = tick::run(at, &licence::settings().or_raise()).or_raise();
    TableIterator::new(attempts.into_iter().map(row))
}

/// The rows that `autobuild_tick` would give, read as the caller; nothing is written.
///
/// Errors: 42xxx what the product's tables or the caller lack, 22023 an infinite time.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_preview(
    at: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(transition, String),
        name!(reason, String),
        name!(due_at, TimestampWithTimeZone),
        name!(outcome, String),
        name!(code, Option<String>),
        name!(build_id, Option<pgrx::Uuid>),
        name!(job_id, Option<pgrx::Uuid>),
        name!(build_number, Option<i32>),
        name!(sqlstate, Option<String>),
        name!(message, Option<String>),
    ),
> {
    let at = argument("at", at).or_raise();
    let attempts = tick::preview(at, &licence::settings().or_raise()).or_raise();
    TableIterator::new(attempts.into_iter().map(row))
}

/// A row of `autobuild_tick`.
type Row = (
    pgrx::Uuid,
    String,
    String,
    TimestampWithTimeZone,
    String,
    Option<String>,
    Option<pgrx::Uuid>,
    Option<pgrx::Uuid>,
    Option<i32>,
    Option<String>,
    Option<String>,
);

fn row(attempt: Attempt) -> Row {
    (
        sql_uuid(attempt.workspace_id),
        attempt.transition.name().to_owned(),
        attempt.reason.name().to_owned(),
        timestamptz(attempt.due_at),
        attempt.outcome.name().to_owned(),
        attempt.code.map(|code| code.code().to_owned()),
        attempt.build_id.map(sql_uuid),
        attempt.job_id.map(sql_uuid),
        attempt.build_number,
        attempt.sqlstate.map(|state| state.to_string()),
        attempt.message,
    )
}

/// Grants a role exactly what the executor needs on the product's tables as they are,
/// and returns the statements that did so. The caller must be able to grant it.
///
/// Errors: 42704 no such role, 42xxx what the product's tables lack.
#[pg_extern(volatile, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_grant(role: &str) -> pgrx::iter::SetOfIterator<'static, String> {
    // To GRANT, the empty name would be a syntax error and "public" everybody.
    if role_by_name(role).is_none() {
        Error::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("role \"{role}\" does not exist"),
        )
        .hint("CREATE ROLE it first; it needs no password and no right to log in.")
        .raise();
    }
    let product = Product::find(&settings::read().product_schema).or_raise();
    // What the worker has switched on, whatever this session has.
    let workers = Extension::get().and_then(|extension| workers_settings(&extension));
    let statements = grants(&product, &workers.or_raise(), role);
    for statement in &statements {
        execute(statement, vec![]).or_raise();
    }
    pgrx::iter::SetOfIterator::new(statements)
}
