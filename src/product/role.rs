//! The role as which a tick reads and writes the product's tables, and its rights.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::columns::{COLUMNS, NeededFor, Use};
use crate::server::error::Error;
use crate::server::identity::{is_superuser, role_by_name, role_name};
use crate::server::query::{Arg, exists, fetch_all};
use crate::settings::Settings;

use super::inputs::has_legacy_values;
use super::messages::{audits, tells};
use super::schema::{Product, alter_database, quoted};

/// The executor's role: the setting's, or the owner of the product's `workspaces`.
///
/// Errors: 42704 no such role, 55000 it is a superuser: what a superuser writes would
/// run triggers planted on the product's tables with every right there is.
pub(crate) fn executor_role(product: &Product, settings: &Settings) -> Result<pg_sys::Oid, Error> {
    let role = match &settings.role {
        None => product.owner,
        Some(name) => role_by_name(name).ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("role \"{name}\" of workspace_autobuild.role does not exist"),
            )
            .hint(format!(
                "{} Or set workspace_autobuild.role to another role.",
                mending_statements(name)
            ))
        })?,
    };
    if is_superuser(role) {
        let name = role_name(role).unwrap_or_default();
        let seen = if settings.role.is_some() {
            format!("workspace_autobuild.role is \"{name}\", a superuser")
        } else {
            format!("the owner of the product's tables, \"{name}\", is a superuser")
        };
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("nothing is built as a superuser: {seen}"),
        )
        .hint(format!(
            "Give the executor a role of its own: {}",
            mending_statements("autobuild")
        )));
    }
    Ok(role)
}

/// The statements that give the executor a role.
pub(crate) fn mending_statements(role: &str) -> String {
    // Another database of the server may have made it.
    let create = match role_by_name(role) {
        Some(_) => String::new(),
        None => format!("CREATE ROLE {}; ", quoted(role)),
    };
    format!(
        "{create}SELECT autobuild_grant('{}'); {}",
        role.replace('\'', "''"),
        alter_database("role", role),
    )
}

/// What rights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Reading and building.
    Building,
    /// Telling owners, and the audit log: what lacks them builds all the same.
    Telling,
}

impl For {
    fn of(needed_for: NeededFor) -> For {
        match needed_for {
            NeededFor::Messages | NeededFor::Reminders | NeededFor::Audit => For::Telling,
            _ => For::Building,
        }
    }
}

/// A privilege that the executor needs: what, on which columns of which table.
struct Need {
    of: For,
    privilege: &'static str,
    table: &'static str,
    columns: Vec<&'static str>,
}

/// Every privilege that the executor uses on the product's tables as they are, under these
/// settings; with `required`, those without which it can't work.
fn needs(product: &Product, settings: &Settings, required: bool) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    let mut add = |of, privilege: &'static str, table, column| match needs
        .iter_mut()
        .find(|need| need.of == of && need.privilege == privilege && need.table == table)
    {
        Some(need) => need.columns.push(column),
        None => needs.push(Need {
            of,
            privilege,
            table,
            columns: vec![column],
        }),
    };
    for column in COLUMNS {
        if !product.has(*column) || !is_needed(product, settings, column.needed_for) {
            continue;
        }
        let privileges: &[&'static str] = match column.usage {
            Use::Read | Use::Watch => &["SELECT"],
            Use::Insert | Use::WatchInsert => &["SELECT", "INSERT"],
            Use::Update => &["SELECT", "UPDATE"],
            Use::Write => &["INSERT"],
            Use::Overwrite => &["UPDATE"],
            Use::IfGranted if !required => &["SELECT"],
            Use::IfGranted | Use::Show | Use::Sign => &[],
        };
        for privilege in privileges {
            let of = For::of(column.needed_for);
            add(of, privilege, column.table, product.name_of(*column));
        }
        if let Some(needed_for) = column.updated_for
            && is_needed(product, settings, needed_for)
        {
            let of = For::of(needed_for);
            add(of, "UPDATE", column.table, product.name_of(*column));
        }
    }
    needs
}

/// Is this done at all? Some columns are asked for only where the sign of their rule is there
/// as well, or a setting is on.
fn is_needed(product: &Product, settings: &Settings, needed_for: NeededFor) -> bool {
    match needed_for {
        NeededFor::Always => true,
        NeededFor::Provisioner => product.signs.provisioner,
        NeededFor::Preset => product.signs.preset,
        NeededFor::LegacyValues => has_legacy_values(product),
        NeededFor::Proof => product.signs.dynamic,
        NeededFor::Messages => tells(product, settings),
        NeededFor::Reminders => tells(product, settings) && product.signs.reminder,
        NeededFor::Audit => audits(product, settings),
    }
}

/// The statements that grant a role exactly what the executor needs.
pub(crate) fn grants(product: &Product, settings: &Settings, role: &str) -> Vec<String> {
    let role = quoted(role);
    let mut statements = vec![format!(
        "GRANT USAGE ON SCHEMA {} TO {role}",
        quoted(product.name())
    )];
    statements.extend(needs(product, settings, false).iter().map(|need| {
        format!(
            "GRANT {} ({}) ON {} TO {role}",
            need.privilege,
            need.columns.join(", "),
            product.table(need.table)
        )
    }));
    statements
}

/// The privileges that a role lacks for building, as an error that names them with the
/// statements that grant them; `None` if it has all.
pub(crate) fn missing_rights(
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
) -> Result<Option<Error>, Error> {
    missing_rights_for(For::Building, product, settings, role)
}

/// As [`missing_rights`], for this.
fn missing_rights_for(
    of: For,
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
) -> Result<Option<Error>, Error> {
    let name = role_name(role).unwrap_or_default();
    let mut lacks = Vec::new();
    let mut statements = Vec::new();
    let without_usage = exists(
        "SELECT true WHERE NOT pg_catalog.has_schema_privilege($1, $2, 'USAGE')",
        vec![Arg::Text(Some(&name)), Arg::Text(Some(product.name()))],
    )?;
    if without_usage {
        lacks.push(format!("USAGE on schema {}", quoted(product.name())));
        statements.push(format!(
            "GRANT USAGE ON SCHEMA {} TO {};",
            quoted(product.name()),
            quoted(&name)
        ));
    }
    let needs = needs(product, settings, true).into_iter();
    for need in needs.filter(|need| need.of == of) {
        let columns = fetch_all(
            "SELECT c::pg_catalog.text
               FROM pg_catalog.unnest($4) AS c
              WHERE NOT pg_catalog.has_column_privilege($1, $2, c, $3)",
            vec![
                Arg::Text(Some(&name)),
                Arg::Text(Some(&product.table(need.table))),
                Arg::Text(Some(need.privilege)),
                Arg::Texts(need.columns.iter().map(|c| Some((*c).to_owned())).collect()),
            ],
            |row| row.text(0),
        )?;
        let columns: Vec<String> = columns.into_iter().flatten().collect();
        if !columns.is_empty() {
            let what = format!(
                "{} ({}) ON {}",
                need.privilege,
                columns.join(", "),
                product.table(need.table)
            );
            statements.push(format!("GRANT {what} TO {};", quoted(&name)));
            lacks.push(what);
        }
    }
    if lacks.is_empty() {
        return Ok(None);
    }
    Ok(Some(
        Error::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("role \"{name}\" lacks {}", lacks.join(", ")),
        )
        .hint(format!(
            "{} To grant everything that is needed: SELECT autobuild_grant('{}');",
            statements.join(" "),
            name.replace('\'', "''")
        )),
    ))
}

/// What a role lacks of the rights to tell owners, in words, with the call that grants them;
/// `None` if it has all.
pub(crate) fn lacks_rights_to_tell(
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
) -> Result<Option<String>, Error> {
    let missing = missing_rights_for(For::Telling, product, settings, role)?;
    Ok(missing.map(|error| {
        let name = role_name(role).unwrap_or_default().replace('\'', "''");
        format!(
            "SELECT autobuild_grant('{name}'); grants what is missing: {}",
            error.message
        )
    }))
}

/// Is the error for want of a grant, which no row can help? A permission can also be
/// denied to a single row: by row security, or by what a trigger does.
pub(crate) fn lacks_a_right(
    error: &Error,
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
) -> bool {
    error.sqlstate().lacks_right() && matches!(missing_rights(product, settings, role), Ok(Some(_)))
}

/// Turns "permission denied" into an error that names what is missing and the GRANT.
pub(crate) fn name_missing_right(
    error: Error,
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
) -> Error {
    if !error.sqlstate().lacks_right() {
        return error;
    }
    match missing_rights(product, settings, role) {
        Ok(Some(named)) => named.detail(error.message),
        Ok(None) | Err(_) => error,
    }
}
