//! `autobuild_ready`: what to mend before the product's own executor is switched off.
//!
//! Each row asks what says the same elsewhere (`autobuild_status`, `autobuild_unreadable`,
//! `autobuild_blocked`, `autobuild_agreement`) and, where it can, gives the statement that mends
//! it. Everybody may ask: workspaces are named by their ids alone. The product's tables are read
//! as ticks read them, and waited for by nobody; only what the two executors agree on is read as
//! the caller.

mod item;
mod product;
mod server;

use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::product::licence;
use crate::product::locks::are_free;
use crate::product::schema::Product;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::worker::configured::workers_settings;

use item::Item;

/// What depends on the product's tables.
const OF_THE_PRODUCT: [&str; 4] = ["rules", "licence", "zones", "schedules"];

fn items() -> Result<Vec<Item>, Error> {
    let extension = Extension::get()?;
    let mut settings = workers_settings(&extension)?;
    let mut items = vec![server::preload(&extension, &settings)?];
    let found = Product::find(&settings.product_schema);
    items.extend(server::role(&found, &settings)?);
    items.push(server::schema(&extension, &found)?);
    match &found {
        Ok(product) if are_free(product, &licence::READ) => {
            licence::follow(product, &mut settings)?;
            items.extend(product::items(product, &settings)?);
        }
        Ok(_) => items.extend(OF_THE_PRODUCT.map(|item| {
            Item::unknown(item, "a session has locked the product's tables: ask again")
        })),
        Err(_) => items.extend(
            OF_THE_PRODUCT.map(|item| Item::unknown(item, "the product's tables were not found")),
        ),
    }
    items.push(server::blocked(&extension)?);
    items.push(match &found {
        Ok(product) => product::agreement(product, &settings)?,
        Err(_) => Item::unknown("agreement", "the product's tables were not found"),
    });
    Ok(items)
}

/// A row for each thing that is to be right before the product's own executor is switched off.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_ready() -> TableIterator<
    'static,
    (
        name!(item, String),
        name!(ok, Option<bool>),
        name!(detail, String),
        name!(statement, Option<String>),
    ),
> {
    let items = items().or_raise();
    TableIterator::new(
        items
            .into_iter()
            .map(|item| (item.item.to_owned(), item.ok, item.detail, item.statement)),
    )
}

extension_sql_file!(
    "../../../sql/ready.sql",
    name = "ready",
    requires = [autobuild_ready],
);
