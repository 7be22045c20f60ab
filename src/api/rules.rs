//! The rows behind the view `autobuild_rules`.

use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::lifecycle::listing::rows;
use crate::product::licence;
use crate::product::schema::Product;
use crate::server::error::OrRaise;

/// Every rule, in order: is it in force here, why, and which setting bears on it.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_list_rules() -> TableIterator<
    'static,
    (
        name!(rule, String),
        name!(in_force, bool),
        name!(because, String),
        name!(setting, Option<String>),
        name!(description, String),
    ),
> {
    let settings = licence::settings().or_raise();
    // Where the product's tables are not there yet no rule is in force, and every row
    // says so.
    let (product, missing) = match Product::find(&settings.product_schema) {
        Ok(product) => (Some(product), None),
        Err(error) => (None, Some(error.message)),
    };
    let has = |part| {
        product
            .as_ref()
            .is_some_and(|product| product.has_part(part))
    };
    TableIterator::new(rows(has, &settings.policy).into_iter().map(move |row| {
        (
            row.rule.to_owned(),
            row.in_force && missing.is_none(),
            missing.clone().unwrap_or(row.because),
            row.setting,
            row.description.to_owned(),
        )
    }))
}
