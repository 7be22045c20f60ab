//! `autobuild_forecast`: what ticks will do, counted in buckets, read as the caller.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::decision::holds;
use crate::forecast::{By, Group, LONGEST, Rules, Window, Workspace, forecast, groups};
use crate::instant::{Instant, Micros};
use crate::product::facts::{self, Selection};
use crate::product::locks::hold_for_preview;
use crate::product::schema::Product;
use crate::product::{licence, terms};
use crate::server::clock::{argument, interval_micros, timestamptz, transaction_start};
use crate::server::error::{Error, OrRaise, check_for_interrupts};
use crate::server::query::sql_uuid;
use crate::server::zones::ServerZones;
use crate::settings::Settings;

/// The most rows of a forecast.
const MOST_ROWS: u64 = 1_000_000;

fn refused(message: String) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// A bucket's length, with a day of 24 hours.
fn length(bucket: &Interval) -> Result<Micros, Error> {
    if bucket.months() != 0 {
        return Err(
            refused("\"bucket\" must not have months or years".to_owned()).hint(
                "They differ in length. Give days or hours, such as '7 days', and sum up by \
                 date_trunc('month', bucket_start).",
            ),
        );
    }
    let micros = interval_micros(bucket);
    if micros <= 0 {
        return Err(refused("\"bucket\" must be longer than nothing".to_owned())
            .hint("Give an interval such as '1 hour'."));
    }
    Ok(Micros(i64::try_from(micros).unwrap_or(i64::MAX)))
}

fn grouping(by: &str) -> Result<By, Error> {
    let found = By::ALL.into_iter().find(|known| known.name() == by);
    found.ok_or_else(|| {
        let names = By::ALL.map(By::name).join(", ");
        refused(format!("\"by\" must not be {by:?}")).hint(format!("Give one of {names}."))
    })
}

/// Errors: 22023 it ends before it begins, or is too long.
fn window(since: Instant, until: Instant, bucket: Micros) -> Result<Window, Error> {
    if until < since {
        return Err(
            refused(format!("\"until\" ({until}) is before \"since\" ({since})"))
                .hint("Give the earlier time first."),
        );
    }
    let begin = transaction_start().min(since);
    if until > begin.saturating_add(LONGEST) {
        return Err(refused(format!(
            "\"until\" ({until}) is too far ahead: a forecast looks at most 3653 days beyond \
             now, and beyond \"since\""
        ))
        .hint("Give an earlier time."));
    }
    Ok(Window {
        begin,
        since,
        until,
        bucket,
    })
}

/// Errors: 22023 there would be too many rows.
fn check_rows(window: &Window, groups: usize) -> Result<(), Error> {
    let buckets = window.buckets();
    let rows = u128::from(buckets) * groups as u128;
    if rows <= u128::from(MOST_ROWS) {
        return Ok(());
    }
    Err(refused(format!(
        "this forecast would have {rows} rows ({buckets} buckets of {groups}), more than \
         {MOST_ROWS}"
    ))
    .hint("Give longer buckets, a shorter time, or group by less."))
}

/// All workspaces, as they are and as they may be stopped.
fn workspaces(product: &Product) -> Result<Vec<Workspace>, Error> {
    let terms = terms::read(product)?;
    let mut workspaces = Vec::new();
    facts::read(product, Selection::Every, |facts| {
        let terms = terms.of(&facts);
        workspaces.push(Workspace { facts, terms });
        Ok(())
    })?;
    Ok(workspaces)
}

fn played(
    product: &Product,
    settings: &Settings,
    window: Window,
    by: By,
) -> Result<Vec<Group>, Error> {
    // Before anything is read.
    check_rows(&window, 1)?;
    let workspaces = workspaces(product)?;
    check_rows(&window, groups(&workspaces, by))?;
    let holds = holds::read(window.begin.truncate_to_minute())?;
    holds.with_schedules(|schedules| {
        let rules = Rules {
            signs: &product.signs,
            policy: &settings.policy,
            schedules,
            holds: schedules.holds,
            zones: &ServerZones,
        };
        forecast(workspaces, by, window, rules, || {
            check_for_interrupts();
            Ok(())
        })
    })
}

/// What ticks will do from since to until, in buckets.
///
/// Errors: 22023 a bucket that is not positive or has months, an infinite time, an unknown
/// `by`, an `until` before `since` or too far ahead, too many rows; 42xxx what the product's
/// tables or the caller's rights lack.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_forecast(
    since: TimestampWithTimeZone,
    until: TimestampWithTimeZone,
    bucket: default!(Interval, "'1 hour'"),
    by: default!(&str, "'all'"),
) -> TableIterator<
    'static,
    (
        name!(bucket_start, TimestampWithTimeZone),
        name!(group_id, Option<pgrx::Uuid>),
        name!(starts, i32),
        name!(stops, i32),
        name!(deletes, i32),
        name!(dormant, i32),
        name!(running_most, i32),
    ),
> {
    let since = argument("since", since).or_raise();
    let until = argument("until", until).or_raise();
    let bucket = length(&bucket).or_raise();
    let by = grouping(by).or_raise();
    let window = window(since, until, bucket).or_raise();
    let settings = licence::settings().or_raise();
    let product = hold_for_preview(&settings.product_schema).or_raise();
    let groups = played(&product, &settings, window, by).or_raise();
    let places = window.starts().enumerate();
    TableIterator::new(places.flat_map(move |(place, start)| {
        let counted = groups.iter().filter_map(|group| {
            let counted = group.buckets.get(place)?;
            Some((
                timestamptz(start),
                group.id.map(sql_uuid),
                counted.starts,
                counted.stops,
                counted.deletes,
                counted.dormant,
                counted.running_most,
            ))
        });
        counted.collect::<Vec<_>>()
    }))
}

extension_sql_file!(
    "../../sql/forecast.sql",
    name = "forecast",
    requires = [autobuild_forecast],
);
