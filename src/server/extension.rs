//! The extension as it is installed in this database: its owner, who owns our tables,
//! and its schema, with which every statement of ours names them.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::Error;
use super::query::{Access, Row, run};

/// The installed extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Its owner, who owns its tables.
    pub owner: pg_sys::Oid,
    /// Its schema, quoted for SQL.
    pub schema: String,
    /// Its version.
    pub version: String,
}

/// Looks the extension up; `None` if it isn't installed in this database.
pub fn find() -> Result<Option<Extension>, Error> {
    let mut found = None;
    run(
        "SELECT e.oid, e.extowner, pg_catalog.quote_ident(n.nspname), e.extversion \
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n \
         ON n.oid OPERATOR(pg_catalog.=) e.extnamespace \
         WHERE e.extname OPERATOR(pg_catalog.=) 'workspace-autobuild'",
        Access::Read,
        Vec::new(),
        |row| {
            found = Some(Extension {
                oid: Row::required(row.oid(0)?, "the extension's oid")?,
                owner: Row::required(row.oid(1)?, "the extension's owner")?,
                schema: Row::required(row.text(2)?, "the extension's schema")?,
                version: Row::required(row.text(3)?, "the extension's version")?,
            });
            Ok(())
        },
    )?;
    Ok(found)
}

/// Looks the extension up; an error if it isn't installed in this database.
pub fn get() -> Result<Extension, Error> {
    find()?.ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the extension \"workspace-autobuild\" is not installed in this database",
        )
        .hint("Run CREATE EXTENSION \"workspace-autobuild\".")
    })
}

/// The name of the database that this session is connected to.
pub fn database() -> String {
    // SAFETY: a catalog look-up inside a transaction; the name is palloc'd, or NULL if
    // the database is gone, which it can't be while we are connected.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        if name.is_null() {
            return String::new();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}
