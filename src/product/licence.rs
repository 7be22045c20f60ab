//! Does the product have its licence? Its table `licenses` says until when each is good;
//! which of them brings which options stands in the licence itself, which nobody reads.
//!
//! It is looked at as the executor's role, so that a tick and everybody's previews come to
//! the same. No right to it is required: without one nothing is known.

use crate::columns::{licenses, templates, workspaces};
use crate::server::clock;
use crate::server::error::Error;
use crate::server::identity::{acting_as, role_name};
use crate::server::query::{Arg, exists};
use crate::server::relation::{self, Mode};
use crate::settings::{self, LicensedRules, Settings};

use super::role::{executor_role, missing_rights};
use super::schema::{Product, alter_database, quoted};

/// What the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Licence {
    /// There is a licence that has not expired.
    Good,
    /// There is none.
    None,
    /// It can't be read: why, and what would help.
    Unknown(String),
}

/// The settings as they stand in this session; where `licensed_rules` is `auto`, its rules
/// follow the table.
pub(crate) fn settings() -> Result<Settings, Error> {
    let mut settings = settings::read();
    // Whether the product's tables are there is for others to say.
    if let Ok(product) = Product::find(&settings.product_schema) {
        follow(&product, &mut settings)?;
    }
    Ok(settings)
}

/// Locks the table where it will be read, before the transaction's snapshot is taken: to
/// whoever waited for a rewrite of it with an older one it would be empty.
pub(crate) fn lock() {
    let settings = settings::read();
    if settings.licensed_rules == LicensedRules::Auto
        && let Some(table) = relation::find(&settings.product_schema, c"licenses")
    {
        relation::lock_one(table, Mode::AccessShare);
    }
}

/// Lets the rules follow the table where `licensed_rules` is `auto`; where it can't be
/// read, `auto` is `on`.
pub(crate) fn follow(product: &Product, settings: &mut Settings) -> Result<(), Error> {
    if settings.licensed_rules == LicensedRules::Auto {
        settings.policy.licensed = look(product, settings)? != Licence::None;
    }
    Ok(())
}

/// The tables that [`follow`] and [`problem`] read.
pub(crate) const READ: [&str; 3] = [licenses::TABLE, templates::TABLE, workspaces::TABLE];

/// What is wrong between the setting and the table, and what to do about it.
pub(crate) fn problem(product: &Product, settings: &Settings) -> Result<Option<String>, Error> {
    if settings.licensed_rules == LicensedRules::Off {
        return Ok(None);
    }
    Ok(match (settings.licensed_rules, look(product, settings)?) {
        (LicensedRules::Auto, Licence::Unknown(why)) => Some(format!(
            "workspace_autobuild.licensed_rules is auto, which means on here: {why}"
        )),
        (LicensedRules::On, Licence::None) if sets_an_option(product, settings)? => Some(format!(
            "workspace_autobuild.licensed_rules is on, but no row of {} has an exp in the future, \
             and templates set options that need a licence: these rules act on options set under \
             an earlier licence; set it to auto, which follows the table, or to off",
            product.table(licenses::TABLE)
        )),
        _ => None,
    })
}

/// The statement that mends such a problem: `auto` follows the table, and where the role can't
/// read it, it is granted.
pub(crate) fn mending_statement(product: &Product, settings: &Settings) -> String {
    let set = |value: &str| alter_database("licensed_rules", value);
    let role = executor_role(product, settings).ok().and_then(role_name);
    match (settings.licensed_rules, role) {
        (LicensedRules::Auto, Some(role)) if product.has(licenses::EXP) => format!(
            "GRANT SELECT (exp) ON {} TO {};",
            product.table(licenses::TABLE),
            quoted(&role)
        ),
        (LicensedRules::Auto, _) => set("on"),
        _ => set("auto"),
    }
}

fn look(product: &Product, settings: &Settings) -> Result<Licence, Error> {
    if !product.has(licenses::EXP) {
        return Ok(Licence::Unknown(format!(
            "there is no column exp of {}",
            product.table(licenses::TABLE)
        )));
    }
    // A role that can't be is a problem of its own.
    let role = match executor_role(product, settings) {
        Ok(role) => role,
        Err(error) => return Ok(Licence::Unknown(error.message)),
    };
    let name = role_name(role).unwrap_or_default();
    if !may_read(product, &name)? {
        return Ok(Licence::Unknown(format!(
            "role \"{name}\" has no right to read licenses.exp; GRANT SELECT (exp) ON {} TO {};",
            product.table(licenses::TABLE),
            quoted(&name)
        )));
    }
    let sql = format!(
        "SELECT FROM {} l WHERE {} > $1 LIMIT 1",
        product.table(licenses::TABLE),
        product.read("l", licenses::EXP)
    );
    let good = acting_as(role, || exists(&sql, vec![Arg::Time(Some(clock::now()))]))?;
    Ok(if good { Licence::Good } else { Licence::None })
}

/// Asked by numbers, so that whoever asks needs no right of its own.
fn may_read(product: &Product, role: &str) -> Result<bool, Error> {
    exists(
        "SELECT WHERE pg_catalog.has_schema_privilege($1, $2, 'USAGE')
                  AND pg_catalog.has_column_privilege($1, $3::pg_catalog.oid, $4, 'SELECT')",
        vec![
            Arg::Text(Some(role)),
            Arg::Text(Some(product.name())),
            Arg::BigInt(Some(i64::from(product.licenses.to_u32()))),
            Arg::Text(Some(licenses::EXP.name)),
        ],
    )
}

/// Does a template that is in use set an option that counts only under a licence?
fn sets_an_option(product: &Product, settings: &Settings) -> Result<bool, Error> {
    let role = executor_role(product, settings)?;
    if missing_rights(product, settings, role)?.is_some() {
        return Ok(false);
    }
    let option = |column, set: &str| {
        let value = product.read("t", column);
        format!("coalesce({value} {set}, false)")
    };
    let options = [
        option(templates::ALLOW_USER_AUTOSTART, "= false"),
        option(templates::AUTOSTART_BLOCK_DAYS_OF_WEEK, "<> 0"),
        option(templates::FAILURE_TTL, "> 0"),
        option(templates::TIME_TIL_DORMANT, "> 0"),
        option(templates::TIME_TIL_DORMANT_AUTODELETE, "> 0"),
        option(templates::REQUIRE_ACTIVE_VERSION, "= true"),
    ];
    let sql = format!(
        "SELECT FROM {} t
          WHERE ({})
            AND EXISTS (SELECT FROM {} w WHERE w.template_id = t.id AND NOT w.deleted)
          LIMIT 1",
        product.table(templates::TABLE),
        options.join(" OR "),
        product.table(workspaces::TABLE)
    );
    acting_as(role, || exists(&sql, vec![]))
}
