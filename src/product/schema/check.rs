//! Is all that is required there, with types that serve?

use std::collections::HashMap;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::columns::{COLUMNS, Kind, required_tables};
use crate::server::error::Error;

use super::product::{Columns, Found};

/// A relation as it is found.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub oid: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    /// `pg_class.relkind`.
    pub kind: String,
}

impl Relation {
    pub(super) fn is_table(&self) -> bool {
        self.kind == "r" || self.kind == "p"
    }
}

/// What the catalog says of one attribute.
pub(super) struct Attribute {
    /// What it can hold.
    pub kind: Option<Kind>,
    /// Its type, written for a cast.
    pub type_name: String,
    /// `timestamp` rather than `timestamptz`.
    pub without_zone: bool,
    /// Differs once the column was made anew or altered.
    pub identity: String,
}

impl Attribute {
    /// Can it hold what a column of this kind must? An enum may have become text, or the
    /// reverse: both read as text.
    fn serves(&self, kind: Kind) -> bool {
        self.kind == Some(kind)
            || matches!(
                (kind, self.kind),
                (Kind::Enum, Some(Kind::Text)) | (Kind::Text, Some(Kind::Enum))
            )
    }
}

/// What a type, or the type under a domain, can hold. Only the server's own types and
/// enums count: a type of somebody's making could bring functions along.
pub(super) fn kind_of(base: &str, schema: &str) -> Option<Kind> {
    if base == "enum" {
        return Some(Kind::Enum);
    }
    if schema != "pg_catalog" {
        return None;
    }
    match base {
        "uuid" => Some(Kind::Uuid),
        "_uuid" => Some(Kind::Uuids),
        "bool" => Some(Kind::Bool),
        "int2" | "int4" | "int8" => Some(Kind::Integer),
        "text" | "varchar" | "bpchar" | "name" => Some(Kind::Text),
        "timestamptz" | "timestamp" => Some(Kind::Time),
        "jsonb" => Some(Kind::Json),
        "bytea" => Some(Kind::Bytes),
        _ => None,
    }
}

const HINT_SCHEMA: &str = "Is workspace_autobuild.product_schema the schema of the product's tables, and is this the product's database? After a product upgrade that renames them, upgrade this extension.";

/// Errors: 42P01 a table is missing, 42809 something that is no table stands in its place.
pub(super) fn check_tables(
    schema: &str,
    relations: &HashMap<String, Relation>,
) -> Result<(), Error> {
    let missing: Vec<&str> = required_tables()
        .into_iter()
        .filter(|table| !relations.contains_key(*table))
        .collect();
    if !missing.is_empty() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!(
                "schema \"{schema}\" has no table {} of the product's",
                missing.join(", ")
            ),
        )
        .hint(HINT_SCHEMA));
    }
    // A view or a foreign table would run somebody's query as the reader.
    for table in required_tables() {
        if relations
            .get(table)
            .is_some_and(|relation| !relation.is_table())
        {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{schema}\".\"{table}\" is not a table"),
            )
            .detail("It is a view, a materialized view or a foreign table.")
            .hint(HINT_SCHEMA));
        }
    }
    Ok(())
}

/// The columns that are there and can serve, each by the first of its names that is there.
///
/// Errors: 42703 a column is missing, 42804 a column has a type that can't serve.
pub(super) fn check_columns(
    schema: &str,
    relations: &HashMap<String, Relation>,
    attributes: &HashMap<(String, String), Attribute>,
) -> Result<Columns, Error> {
    let mut columns = Columns::new();
    let mut missing = Vec::new();
    for known in COLUMNS {
        let is_table = relations.get(known.table).is_some_and(Relation::is_table);
        let attribute = |name: &str| {
            attributes
                .get(&(known.table.to_owned(), name.to_owned()))
                .filter(|_| is_table)
        };
        // A name that is there is the column, also where its type can't serve.
        let found = known
            .names()
            .find_map(|name| Some((name, attribute(name)?)));
        match found {
            Some((name, found)) if found.serves(known.kind) => {
                let found = Found {
                    name,
                    type_name: found.type_name.clone(),
                    without_zone: found.without_zone,
                    identity: found.identity.clone(),
                };
                columns.insert(*known, found);
            }
            _ if !known.required => {}
            None => missing.push(known.to_string()),
            Some((name, other)) => {
                return Err(Error::new(
                    PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                    format!(
                        "column \"{name}\" of the product's table \"{schema}\".\"{}\" has type {}, not {}",
                        known.table,
                        other.type_name,
                        known.kind.name()
                    ),
                )
                .hint(HINT_SCHEMA));
            }
        }
    }
    if missing.is_empty() {
        return Ok(columns);
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!(
            "schema \"{schema}\" has no column {} of the product's",
            missing.join(", ")
        ),
    )
    .hint(HINT_SCHEMA))
}
