//! `autobuild_agreement` and its summary: what ours observed beside what the product's
//! executor built, read as the caller.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::columns::workspace_builds;
use crate::decision::agreement::{Compared, Summary};
use crate::instant::{Instant, Micros};
use crate::ledger::agreement;
use crate::product::locks::hold_to_read;
use crate::server::clock::{argument, timestamptz};
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::query::sql_uuid;
use crate::settings::{self, Settings};

/// The transitions of a time that either executor made or would have made.
pub(super) fn compared(
    settings: &Settings,
    since: Instant,
    until: Instant,
) -> Result<Vec<Compared>, Error> {
    let extension = Extension::get()?;
    let product = hold_to_read(&settings.product_schema, |table| {
        table.name == workspace_builds::TABLE
    })?;
    agreement::read(
        &extension,
        &product,
        settings.history_retention,
        since,
        until,
    )
}

fn interval(Micros(micros): Micros) -> Option<Interval> {
    Interval::new(0, 0, micros).ok()
}

/// A row for each transition of `[since, until)` that the product's executor made, or that
/// ours observed.
///
/// Errors: 22023 an infinite time, 42xxx what the product's tables or the caller's rights lack.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_agreement(
    since: TimestampWithTimeZone,
    until: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(build_number, i32),
        name!(transition, String),
        name!(reason, String),
        name!(verdict, String),
        name!(ours_at, Option<TimestampWithTimeZone>),
        name!(product_at, Option<TimestampWithTimeZone>),
        name!(apart, Option<Interval>),
        name!(code, Option<String>),
        name!(detail, Option<String>),
    ),
> {
    let since = argument("since", since).or_raise();
    let until = argument("until", until).or_raise();
    let compared = compared(&settings::read(), since, until).or_raise();
    TableIterator::new(compared.into_iter().map(|one| {
        (
            sql_uuid(one.workspace_id),
            one.build_number,
            one.transition,
            one.reason,
            one.made.name().to_owned(),
            one.made.ours().map(timestamptz),
            one.made.product().map(timestamptz),
            one.made.apart().and_then(interval),
            one.code,
            one.detail,
        )
    }))
}

/// What the rows of `autobuild_agreement` come to, in one.
///
/// Errors: as `autobuild_agreement`.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_agreement_summary(
    since: TimestampWithTimeZone,
    until: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(agreed, i64),
        name!(only_ours, i64),
        name!(only_product, i64),
        name!(median_apart, Option<Interval>),
        name!(sentence, String),
    ),
> {
    let since = argument("since", since).or_raise();
    let until = argument("until", until).or_raise();
    let summary = Summary::of(&compared(&settings::read(), since, until).or_raise());
    let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
    TableIterator::once((
        count(summary.agreed),
        count(summary.only_ours),
        count(summary.only_product),
        summary.median_apart.and_then(interval),
        summary.sentence(),
    ))
}

extension_sql_file!(
    "../../sql/agreement.sql",
    name = "agreement",
    requires = [autobuild_agreement, autobuild_agreement_summary],
);
