//! The product's tables as ticks see them, for what says how things are: read as the
//! executor's role, with the worker's settings, and without waiting for anybody.

use std::rc::Rc;

use crate::product::licence;
use crate::product::locks::are_free;
use crate::product::role::executor_role;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::subtransaction::in_subtransaction;
use crate::settings::Settings;
use crate::worker::configured::workers_settings;

/// The product's tables and the worker's settings, its licence found; `None` where there are
/// no such tables, or a migration is at them.
pub(super) fn found() -> Result<Option<(Rc<Product>, Settings)>, Error> {
    let mut settings = workers_settings(&Extension::get()?)?;
    match Product::find(&settings.product_schema) {
        Ok(product) if are_free(&product, &licence::READ) => {
            licence::follow(&product, &mut settings)?;
            Ok(Some((product, settings)))
        }
        _ => Ok(None),
    }
}

/// What `read` reads of these tables as the executor's role. `None` where it can't now: a
/// migration is at the tables, or the role can't be, or lacks a right, which ticks tell of.
pub(super) fn read<R>(
    product: &Product,
    settings: &Settings,
    tables: &[&str],
    read: impl FnOnce() -> Result<R, Error>,
) -> Result<Option<R>, Error> {
    if !are_free(product, tables) {
        return Ok(None);
    }
    let read = in_subtransaction(|| {
        let role = executor_role(product, settings)?;
        acting_as(role, read)
    });
    match read {
        Ok(read) => Ok(Some(read)),
        // A cancel request is for the whole statement.
        Err(error) if error.sqlstate().is_intervention() => Err(error),
        Err(_) => Ok(None),
    }
}
