//! `autobuild_attach` and `autobuild_detach`: a tick that costs what is due.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::agenda::attach;
use crate::agenda::state::progress;
use crate::product::schema::Product;
use crate::server::clock::timestamptz;
use crate::server::error::OrRaise;
use crate::server::extension::Extension;
use crate::settings;

/// Puts the capture triggers on the product's tables; the agenda is then built in the
/// background. Returns false if they were all there already.
///
/// Errors: 42501 the caller does not own the tables, 55P03 they could not be locked
/// within a minute, 42xxx what the product's tables lack.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_attach() -> bool {
    let product = Product::find(&settings::read().product_schema).or_raise();
    let extension = Extension::current().or_raise();
    attach::attach(&extension, &product).or_raise()
}

/// Takes the capture triggers off and empties the agenda; ticks scan again. Returns false
/// if there was none.
///
/// Errors: as `autobuild_attach`.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_detach() -> bool {
    let product = Product::find(&settings::read().product_schema).or_raise();
    let extension = Extension::get().or_raise();
    attach::detach(&extension, &product).or_raise()
}

/// The row of the view autobuild_agenda_progress: a query that names an unlogged table
/// fails on a standby, so the view can't name them.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_read_agenda() -> TableIterator<
    'static,
    (
        name!(ready, bool),
        name!(passed, i64),
        name!(repaired, i64),
        name!(begun_at, TimestampWithTimeZone),
        name!(audited_at, Option<TimestampWithTimeZone>),
        name!(drift, i64),
        name!(entries, i64),
        name!(marks, i64),
    ),
> {
    let extension = Extension::get().or_raise();
    let found = progress(&extension).or_raise();
    TableIterator::new(found.into_iter().map(|(state, entries, marks)| {
        (
            state.ready,
            state.passed,
            state.repaired,
            timestamptz(state.begun_at),
            state.audited_at.map(timestamptz),
            state.drift,
            entries,
            marks,
        )
    }))
}

extension_sql_file!(
    "../../sql/agenda.sql",
    name = "agenda",
    requires = ["tables", autobuild_read_agenda],
);

extension_sql!(
    r#"
CREATE FUNCTION @extschema@.autobuild_capture() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'autobuild_capture';
REVOKE EXECUTE ON FUNCTION @extschema@.autobuild_capture() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.autobuild_capture() IS
    'The capture trigger: leaves a mark where a change may move a transition to an earlier time.';
"#,
    name = "capture"
);
