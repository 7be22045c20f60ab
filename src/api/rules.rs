//! The rows behind the view `autobuild_rules`.

use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::lifecycle::rules::catalogue;
use crate::lifecycle::signs::Signs;
use crate::product::schema::Product;
use crate::settings;

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
    let settings = settings::read();
    // Where the product's tables are not there yet no rule is in force, and every row
    // says so.
    let (signs, missing) = match Product::find(&settings.product_schema) {
        Ok(product) => (product.signs, None),
        Err(error) => (Signs::default(), Some(error.message)),
    };
    TableIterator::new(
        catalogue(&signs, &settings.policy)
            .into_iter()
            .map(move |rule| {
                (
                    rule.rule.to_owned(),
                    rule.in_force && missing.is_none(),
                    missing.clone().unwrap_or(rule.because),
                    rule.setting,
                    rule.description.to_owned(),
                )
            }),
    )
}
