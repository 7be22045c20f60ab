//! The facts about the product's tables: which columns, keys, indexes and enums each
//! version has, read from the lists in `data/schema`.
//!
//! The lists are the only source: the DDL ([`super::ddl`]) is made from them, the
//! rows (`super::row`) are filled by them, and a test compares the catalog of a
//! database that was made so with them again.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Version;

/// A row of `enums.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Enum {
    /// Its name.
    #[serde(rename = "enum")]
    pub name: String,
    /// Its values in order, separated by a space; the first may be empty.
    pub values: String,
    first_seen_in: String,
    last_seen_in: String,
}

/// A row of `columns.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// The table that it is in.
    pub table: String,
    /// Its name.
    #[serde(rename = "column")]
    pub name: String,
    /// Its type, as `format_type` writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// `not null`, or empty.
    pub nullability: String,
    /// The default's expression, as the catalog shows it; empty for none.
    pub default: String,
    /// `stored` for a generated column, else empty.
    pub generated: String,
    first_seen_in: String,
    last_seen_in: String,
}

impl Column {
    /// May the column be NULL?
    pub fn nullable(&self) -> bool {
        self.nullability.is_empty()
    }

    /// Is its value computed by the server?
    pub fn generated(&self) -> bool {
        !self.generated.is_empty()
    }
}

/// A row of `constraints.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Constraint {
    /// The table that it is on.
    pub table: String,
    /// Its name.
    #[serde(rename = "constraint")]
    pub name: String,
    /// `primary key`, `unique` or `foreign key`.
    pub kind: String,
    /// Its columns in order, separated by a space.
    pub columns: String,
    /// For a foreign key: the table, its column and what happens on delete.
    pub references: String,
    first_seen_in: String,
    last_seen_in: String,
}

impl Constraint {
    /// For a foreign key: the referenced table, its column, and the rest ("on delete
    /// cascade", or nothing).
    pub fn reference(&self) -> Option<(&str, &str, &str)> {
        let mut words = self.references.splitn(3, ' ');
        Some((words.next()?, words.next()?, words.next().unwrap_or("")))
    }
}

/// A row of `indexes.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The table that it is on.
    pub table: String,
    /// Its name.
    #[serde(rename = "index")]
    pub name: String,
    /// `unique`, or empty.
    pub unique: String,
    /// Its access method.
    pub method: String,
    /// Its keys, as the catalog shows them, separated by a comma and a space.
    pub keys: String,
    /// The predicate of a partial index; empty for none.
    #[serde(rename = "where")]
    pub predicate: String,
    first_seen_in: String,
    last_seen_in: String,
}

/// All that is known of one version's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version that they hold for.
    pub version: Version,
    /// Its enums.
    pub enums: Vec<Enum>,
    /// The columns of its tables; columns of one table stand together.
    pub columns: Vec<Column>,
    /// Primary keys, unique constraints, and those foreign keys whose table we know.
    pub constraints: Vec<Constraint>,
    /// All indexes, also those that belong to a constraint.
    pub indexes: Vec<Index>,
}

impl Facts {
    /// The facts that hold for `version`.
    pub fn of(version: Version) -> Facts {
        let enums = rows(
            include_str!("../../data/schema/enums.csv"),
            version,
            |row: &Enum| (&row.first_seen_in, &row.last_seen_in),
        );
        let columns = rows(
            include_str!("../../data/schema/columns.csv"),
            version,
            |row: &Column| (&row.first_seen_in, &row.last_seen_in),
        );
        let mut constraints = rows(
            include_str!("../../data/schema/constraints.csv"),
            version,
            |row: &Constraint| (&row.first_seen_in, &row.last_seen_in),
        );
        // Some foreign keys lead to tables that nothing here reads (agents, keys).
        constraints.retain(|constraint| match constraint.reference() {
            Some((table, _, _)) => columns.iter().any(|column| column.table == table),
            None => true,
        });
        let indexes = rows(
            include_str!("../../data/schema/indexes.csv"),
            version,
            |row: &Index| (&row.first_seen_in, &row.last_seen_in),
        );
        Facts {
            version,
            enums,
            columns,
            constraints,
            indexes,
        }
    }

    /// The names of the tables, each once.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = self.columns.iter().map(|c| c.table.as_str()).collect();
        tables.dedup();
        tables
    }

    /// The columns of a table; none when this version does not have it.
    pub fn columns_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Column> {
        self.columns.iter().filter(move |c| c.table == table)
    }

    /// Does this version have the table?
    pub fn has_table(&self, table: &str) -> bool {
        self.columns.iter().any(|c| c.table == table)
    }

    /// Does this version's table have the column?
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns_of(table).any(|c| c.name == column)
    }
}

/// The rows of a list that hold at `version`.
fn rows<T: DeserializeOwned>(
    list: &str,
    version: Version,
    seen: impl Fn(&T) -> (&str, &str),
) -> Vec<T> {
    let parse = |name: &str| -> Version {
        name.parse()
            .unwrap_or_else(|e| panic!("in a list of facts: {e}"))
    };
    csv::Reader::from_reader(list.as_bytes())
        .into_deserialize()
        .map(|row| row.unwrap_or_else(|e| panic!("a list of facts can't be read: {e}")))
        .filter(|row: &T| {
            let (first, last) = seen(row);
            (parse(first)..=parse(last)).contains(&version)
        })
        .collect()
}
