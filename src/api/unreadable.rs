//! `autobuild_unreadable`: the workspaces that only a schedule that can't be read keeps from
//! being started.
//!
//! The view reads as its caller, as previews do. What `autobuild_status` and
//! `autobuild_metrics` say of them is read as the executor's role.

use pgrx::iter::TableIterator;
use pgrx::{extension_sql_file, name, pg_extern, search_path};

use crate::decision::unreadable::{self, Schedules, Unreadable};
use crate::product::facts;
use crate::product::licence;
use crate::product::locks::hold_for_preview;
use crate::product::schema::Product;
use crate::server::error::{Error, OrRaise};
use crate::server::query::sql_uuid;
use crate::settings::Settings;

use super::seen_by_ticks;

/// Schedules as ticks see them, as far as they can be read.
pub(super) fn seen(product: &Product, settings: &Settings) -> Result<Option<Schedules>, Error> {
    seen_by_ticks::read(product, settings, &facts::READ, || {
        unreadable::read(product, &settings.policy)
    })
}

/// What is wrong with these, for `autobuild_status`: everybody reads it, so it names
/// workspaces by their ids, and no text of theirs.
pub(super) fn problem(unreadable: &[Unreadable]) -> Option<String> {
    const NAMED: usize = 2;
    let named = unreadable.iter().take(NAMED);
    let mut named: Vec<String> = named.map(|one| one.workspace_id.to_string()).collect();
    if unreadable.len() > NAMED {
        named.push("...".to_owned());
    }
    let (workspaces, are) = match unreadable.len() {
        0 => return None,
        1 => ("1 workspace has".to_owned(), "is"),
        more => (format!("{more} workspaces have"), "are"),
    };
    Some(format!(
        "{workspaces} an autostart schedule that can't be read, and {are} not started by it \
        ({}): SELECT * FROM autobuild_unreadable says why",
        named.join(", ")
    ))
}

/// The rows of the view autobuild_unreadable.
///
/// Errors: 42xxx what the product's tables or the caller's rights lack.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_list_unreadable() -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(schedule, String),
        name!(error, String),
    ),
> {
    let settings = licence::settings().or_raise();
    let product = hold_for_preview(&settings.product_schema).or_raise();
    let schedules = unreadable::read(&product, &settings.policy).or_raise();
    TableIterator::new(schedules.unreadable.into_iter().map(|one| {
        (
            sql_uuid(one.workspace_id),
            one.schedule,
            one.error.into_string(),
        )
    }))
}

extension_sql_file!(
    "../../sql/unreadable.sql",
    name = "unreadable",
    requires = [autobuild_list_unreadable],
);
