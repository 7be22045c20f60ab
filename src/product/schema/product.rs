//! What is asked of the product's schema once it was found.

use std::cell::OnceCell;
use std::collections::HashMap;

use pgrx::pg_sys;

use crate::columns::{Column, Kind};
use crate::lifecycle::needs::Part;
use crate::lifecycle::signs::Signs;
use crate::server::extension::database;

/// The product's schema.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// The schema's name, quoted for SQL.
    pub(super) schema: String,
    /// The schema's name.
    pub(super) name: String,
    /// The signs of the rules in force.
    pub signs: Signs,
    /// The owner of `workspaces`.
    pub owner: pg_sys::Oid,
    /// The table `workspaces`, to be locked.
    pub workspaces: pg_sys::Oid,
    /// Every table that is read or written here, in a fixed order.
    pub tables: Vec<Table>,
    /// The foreign keys of the tables that are written: of which table, to which.
    pub referenced: Vec<(pg_sys::Oid, pg_sys::Oid)>,
    /// The table `licenses`, if it is there.
    pub licenses: pg_sys::Oid,
    /// Has any of the tables row security, which may show each session other rows?
    pub row_security: bool,
    /// The unique constraints or indexes on (workspace_id, build_number): whoever
    /// violates one built second.
    pub build_number_keys: Vec<String>,
    /// Differs once a column that is read here was made anew or altered, which may
    /// rewrite its values without a trigger's knowing.
    pub shape: String,
    /// The statement that reads facts, without its condition, once it was asked for: previews
    /// of single workspaces ask often.
    pub(in crate::product) facts: OnceCell<String>,
    pub(super) columns: Columns,
    /// The values of the enum `build_reason`.
    pub(super) reasons: Vec<String>,
    /// Those of `notification_method`: on which ways a message can go.
    pub message_methods: Vec<String>,
}

/// A table of the product's, to be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Is it written?
    pub written: bool,
    /// Is it read for proofs about templates' sources, and for nothing else?
    pub for_proofs: bool,
    /// Is it used to tell owners, or the audit log, and for nothing else?
    pub for_messages: bool,
}

/// The columns that are there.
pub(super) type Columns = HashMap<Column, Found>;

/// A column as it is found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The name that it has here.
    pub name: &'static str,
    /// The column's type, written for a cast.
    pub type_name: String,
    /// `timestamp` rather than `timestamptz`.
    pub without_zone: bool,
    /// Differs once the column was made anew or altered.
    pub identity: String,
}

impl Product {
    /// The schema's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The `search_path` under which the product's tables are written: what the product's
    /// own triggers name without a schema is found as in the product's sessions. Our own
    /// statements name every table with its schema; `pg_catalog` comes first unsaid.
    pub(crate) fn search_path(&self) -> String {
        format!("{}, pg_temp", self.schema)
    }

    /// A table, with its schema, for SQL.
    pub(crate) fn table(&self, table: &str) -> String {
        format!("{}.{table}", self.schema)
    }

    /// Is the column there, with a type that serves?
    pub(crate) fn has(&self, column: Column) -> bool {
        self.columns.contains_key(&column)
    }

    /// Is this part of the schema there?
    pub(crate) fn has_part(&self, part: Part) -> bool {
        has_part(&self.columns, &self.reasons, part)
    }

    /// The name that the column has here: today's, or its first.
    pub(crate) fn name_of(&self, column: Column) -> &'static str {
        self.columns
            .get(&column)
            .map_or(column.name, |found| found.name)
    }

    /// The type of a column, for a cast; `text` where the column is not there.
    pub(crate) fn type_of(&self, column: Column) -> &str {
        self.columns
            .get(&column)
            .map_or("pg_catalog.text", |found| found.type_name.as_str())
    }

    /// An expression that reads a column as one plain type for its kind (`uuid`,
    /// `boolean`, `bigint`, `text`, `timestamptz`; JSON and enums as `text`), or a NULL
    /// of that type where the column is not there.
    pub(crate) fn read(&self, alias: &str, column: Column) -> String {
        let plain = match column.kind {
            Kind::Uuid => "uuid",
            Kind::Uuids => "_uuid",
            Kind::Bool => "bool",
            Kind::Integer => "int8",
            Kind::Time => "timestamptz",
            Kind::Bytes => "bytea",
            Kind::Text | Kind::Json | Kind::Enum => "text",
        };
        match self.columns.get(&column) {
            None => format!("NULL::pg_catalog.{plain}"),
            Some(found) if found.without_zone => {
                format!("({alias}.{} AT TIME ZONE 'UTC')", found.name)
            }
            Some(found) => format!("{alias}.{}::pg_catalog.{plain}", found.name),
        }
    }

    /// An expression that turns an instant into what a time column holds.
    pub(crate) fn time_value(&self, value: &str, column: Column) -> String {
        match self.columns.get(&column) {
            Some(found) if found.without_zone => format!("({value} AT TIME ZONE 'UTC')"),
            _ => value.to_owned(),
        }
    }
}

pub(super) fn has_part(columns: &Columns, reasons: &[String], part: Part) -> bool {
    match part {
        Part::Column(column) => columns.contains_key(&column),
        Part::Reason(value) => reasons.iter().any(|label| label == value.name()),
    }
}

/// A name quoted for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement that sets one of the extension's settings for this database.
pub(crate) fn alter_database(setting: &str, value: &str) -> String {
    format!(
        "ALTER DATABASE {} SET workspace_autobuild.{setting} = '{}';",
        quoted(&database()),
        value.replace('\'', "''")
    )
}
