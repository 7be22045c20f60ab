//! Is there a worker, and may it do what it is to do?

use std::rc::Rc;

use crate::api::control::names_this_database;
use crate::api::status::problem::{preload_advice, preload_statement};
use crate::ledger::{attempts, pauses};
use crate::product::copies::not_subscribed;
use crate::product::role::{
    executor_role, lacks_rights_to_tell, mending_statements, missing_rights,
};
use crate::product::schema::{Product, alter_database};
use crate::server::error::Error;
use crate::server::extension::{Extension, database};
use crate::server::identity::{role_by_name, role_name};
use crate::server::query::{Arg, fetch_all};
use crate::settings::{self, Action, Settings};
use crate::worker::region;

use super::item::Item;

type Found = Result<Rc<Product>, Error>;

/// Does a worker make ticks here, also after a restart?
pub(super) fn preload(extension: &Extension, settings: &Settings) -> Result<Item, Error> {
    const ITEM: &str = "preload";
    if region::preloaded().is_none() {
        return Ok(Item::lacking(
            ITEM,
            format!("the library is not preloaded: {}", preload_advice()),
            preload_statement(),
        ));
    }
    let no_ticks = |why: &str, statement: String| {
        Item::lacking(
            ITEM,
            format!("the library is preloaded, but no ticks are made here: {why}"),
            statement,
        )
    };
    Ok(if !names_this_database() {
        no_ticks(
            "this database is not named in workspace_autobuild.databases",
            format!(
                "ALTER SYSTEM SET workspace_autobuild.databases = '{}'; SELECT pg_reload_conf();",
                settings::databases_with(&database()).replace('\'', "''")
            ),
        )
    } else if settings.action == Action::Off {
        no_ticks(
            "workspace_autobuild.action is off",
            alter_database("action", "observe"),
        )
    } else if extension.as_owner(|| pauses::find(extension))?.is_some() {
        no_ticks("they are paused", "SELECT autobuild_resume();".to_owned())
    } else {
        Item::fine(
            ITEM,
            format!(
                "the library is preloaded; workspace_autobuild.action is {}",
                settings.action.name()
            ),
        )
    })
}

/// Can the executor's role be, and does it have its rights?
pub(super) fn role(found: &Found, settings: &Settings) -> Result<[Item; 2], Error> {
    let (role_item, rights_item) = ("role", "rights");
    let rights_unknown = |why: &str| Item::unknown(rights_item, why.to_owned());
    let product = match found {
        Ok(product) => product,
        Err(_) => {
            let why = "the product's tables were not found";
            return Ok([Item::unknown(role_item, why), rights_unknown(why)]);
        }
    };
    let role = match executor_role(product, settings) {
        Ok(role) => role,
        Err(error) => {
            // What is named and not there is to be made; else one of its own is.
            let named = settings.role.as_deref();
            let new = named.filter(|name| role_by_name(name).is_none());
            let statements = mending_statements(new.unwrap_or("autobuild"));
            return Ok([
                Item::lacking(role_item, error.message, statements),
                rights_unknown("there is no role that could have them"),
            ]);
        }
    };
    let name = role_name(role).unwrap_or_default();
    let missing = match missing_rights(product, settings, role)? {
        Some(error) => Some(error.message),
        None => lacks_rights_to_tell(product, settings, role)?,
    };
    Ok([
        Item::fine(
            role_item,
            format!("ticks act as role \"{name}\", which is no superuser"),
        ),
        match missing {
            None => Item::fine(
                rights_item,
                format!("role \"{name}\" has every right that it needs"),
            ),
            Some(missing) => Item::lacking(
                rights_item,
                missing,
                format!("SELECT autobuild_grant('{}');", name.replace('\'', "''")),
            ),
        },
    ])
}

/// Are the product's tables there, filled by nobody else, and known to this catalog?
pub(super) fn schema(extension: &Extension, found: &Found) -> Result<Item, Error> {
    const ITEM: &str = "schema";
    if let Err(error) = extension.must_be_current() {
        return Ok(Item::lacking(ITEM, error.message, error.hint));
    }
    Ok(match found {
        Err(error) => {
            let elsewhere = schemas_with_the_tables()?;
            let statement = match elsewhere.as_slice() {
                [schema] => Some(alter_database("product_schema", schema)),
                _ => None,
            };
            let mut detail = error.message.clone();
            if let Some(hint) = error.hint.as_ref().filter(|_| statement.is_none()) {
                detail = format!("{detail}: {hint}");
            }
            Item::lacking(ITEM, detail, statement)
        }
        Ok(product) => match not_subscribed(product) {
            Err(error) => {
                let hint = error.hint.unwrap_or_default();
                Item::lacking(ITEM, format!("{}: {hint}", error.message), None)
            }
            Ok(()) => Item::fine(
                ITEM,
                format!(
                    "the product's tables are in schema {}, with all columns that are needed",
                    product.name()
                ),
            ),
        },
    })
}

/// The schemas that look like the product's.
fn schemas_with_the_tables() -> Result<Vec<String>, Error> {
    fetch_all(
        "SELECT n.nspname::pg_catalog.text
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p')
          GROUP BY 1 HAVING pg_catalog.count(*) = 3
          ORDER BY 1",
        vec![Arg::Texts(
            ["workspaces", "workspace_builds", "provisioner_jobs"]
                .map(|table| Some(table.to_owned()))
                .to_vec(),
        )],
        |row| Ok(row.text(0)?.unwrap_or_default()),
    )
}

/// Is anything due that can't be built?
pub(super) fn blocked(extension: &Extension) -> Result<Item, Error> {
    let why = extension.as_owner(|| attempts::why_stuck(extension))?;
    let all: i64 = why.iter().map(|(_, workspaces)| workspaces).sum();
    if all == 0 {
        return Ok(Item::fine(
            "blocked",
            "nothing that is due is blocked or failed",
        ));
    }
    let why: Vec<String> = why
        .into_iter()
        .map(|(code, workspaces)| format!("{code}: {workspaces}"))
        .collect();
    Ok(Item::lacking(
        "blocked",
        format!(
            "workspaces that are due and can't be built, by reason: {}",
            why.join(", ")
        ),
        "SELECT * FROM autobuild_blocked;".to_owned(),
    ))
}
