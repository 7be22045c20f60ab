//! One row for one of the product's tables, as SQL for whatever version.
//!
//! A test names only the columns that it is about. Columns that must not be NULL and
//! have no default get a plain value of their type; columns that the version does
//! not have are an error where a test names them, and left out where a builder does.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use uuid::Uuid;

use super::facts::{Column, Facts};

/// When everything was made, unless a test says otherwise.
pub const LONG_AGO: &str = "2024-01-01 00:00:00+00";

/// A column's value, as SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    /// NULL.
    pub const NULL: Value = Value(String::new());

    /// An SQL expression, for example `now() - interval '1 hour'`.
    pub fn sql(expression: impl Into<String>) -> Value {
        Value(format!("({})", expression.into()))
    }

    /// The SQL text.
    pub fn as_sql(&self) -> &str {
        if self.0.is_empty() { "NULL" } else { &self.0 }
    }
}

/// A text in any type's input syntax: `'2024-01-01 09:00+00'` for a time.
impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value(quote_literal(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::from(text.as_str())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::from(text.as_str())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::from(i64::from(number))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        // Quoted, the least number needs no care about the sign.
        Value(format!("'{number}'"))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value(truth.to_string())
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Value {
        Value(format!("'{id}'"))
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Value {
        Value::from(json.to_string())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Value(format!("'\\x{hex}'"))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::NULL, T::into)
    }
}

/// A text as an SQL literal (`standard_conforming_strings` is on everywhere).
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as an SQL identifier.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A row to be inserted.
#[derive(Clone, Debug)]
pub struct Row {
    table: &'static str,
    values: BTreeMap<String, Value>,
    /// Left out where the version does not have the column.
    optional: BTreeMap<String, Value>,
}

impl Row {
    /// A row of `table` that has only fillers yet.
    pub fn new(table: &'static str) -> Row {
        Row {
            table,
            values: BTreeMap::new(),
            optional: BTreeMap::new(),
        }
    }

    /// Gives a column its value; the column must exist.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) -> &mut Row {
        self.values.insert(column.to_owned(), value.into());
        self
    }

    /// Gives a column its value where the version has the column.
    pub fn set_if_there(&mut self, column: &str, value: impl Into<Value>) -> &mut Row {
        self.optional.insert(column.to_owned(), value.into());
        self
    }

    /// The columns that the INSERT names, with their values.
    #[track_caller]
    pub fn columns(&self, facts: &Facts) -> Vec<(String, Value)> {
        let table = self.table;
        assert!(
            facts.has_table(table),
            "the product has no table {table} at {}",
            facts.version
        );
        for column in self.values.keys() {
            assert!(
                facts.has_column(table, column),
                "{table} has no column {column} at {}",
                facts.version
            );
        }
        facts
            .columns_of(table)
            .filter_map(|column| {
                let given = self
                    .values
                    .get(&column.name)
                    .or_else(|| self.optional.get(&column.name));
                let value = given.cloned().or_else(|| filler(column, facts))?;
                Some((column.name.clone(), value))
            })
            .collect()
    }

    /// `INSERT INTO ... SELECT ... FROM source`; without a source, one row.
    #[track_caller]
    pub fn insert(&self, facts: &Facts, source: &str) -> String {
        let (names, values): (Vec<String>, Vec<String>) = self
            .columns(facts)
            .into_iter()
            .map(|(name, value)| (quote_ident(&name), value.as_sql().to_owned()))
            .unzip();
        let (table, names, values) = (quote_ident(self.table), names.join(", "), values.join(", "));
        if source.is_empty() {
            format!("INSERT INTO {table} ({names}) VALUES ({values})")
        } else {
            format!("INSERT INTO {table} ({names}) SELECT {values} FROM {source}")
        }
    }
}

/// A plain value for a column that needs one and has no default.
fn filler(column: &Column, facts: &Facts) -> Option<Value> {
    if column.nullable() || column.generated() || !column.default.is_empty() {
        return None;
    }
    let kind = column.kind.as_str();
    let value = match kind {
        "uuid" => Value::from(Uuid::new_v4()),
        "boolean" => Value::from(false),
        "smallint" | "integer" | "bigint" => Value::from(0),
        "jsonb" | "bytea" => Value::from(if kind == "jsonb" { "{}" } else { "" }),
        _ if kind.starts_with("timestamp") => Value::from(LONG_AGO),
        _ if kind.ends_with("[]") => Value::from("{}"),
        _ => match facts.enums.iter().find(|e| e.name == kind) {
            Some(e) => Value::from(e.values.split(' ').next().unwrap_or_default()),
            None => Value::from(""),
        },
    };
    Some(value)
}

/// What all builders of rows have in common.
pub trait Fields: Sized {
    /// The row that is being built.
    fn row(&mut self) -> &mut Row;

    /// Gives any column of the row its value, also one that the builder would fill.
    fn set(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.row().set(column, value);
        self
    }

    /// As [`Fields::set`], where the version has the column.
    fn set_if_there(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.row().set_if_there(column, value);
        self
    }
}
