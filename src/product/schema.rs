//! The product's schema as it is found: tables, columns, their types, the signs.
//!
//! Looked up in the catalog when it is first needed and again after anything in the
//! catalog changed, so a product upgrade takes effect at the next tick. What is
//! required and missing is an error that names it; what is optional and missing, or of
//! a type that can't serve, is simply not there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::lifecycle::needs::Part;
use crate::lifecycle::signs::Signs;
use crate::server::catalog;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, run};
use crate::server::transaction::with_latest_catalog;

use super::catalogue::{self, COLUMNS, Kind};

/// The product's schema.
#[derive(Clone, Debug)]
pub struct Product {
    /// The schema's name, quoted for SQL.
    schema: String,
    /// The schema's name.
    name: String,
    /// The signs of the rules in force.
    pub signs: Signs,
    /// The owner of `workspaces`.
    pub owner: pg_sys::Oid,
    /// The table `workspaces`, to be locked.
    pub workspaces: pg_sys::Oid,
    /// Every table that is read or written here, in a fixed order.
    pub tables: Vec<Table>,
    /// What foreign keys of the tables that are written point to.
    pub referenced: Vec<pg_sys::Oid>,
    /// The table `licenses`, if it is there.
    pub licenses: pg_sys::Oid,
    /// The unique constraints or indexes on (workspace_id, build_number): whoever
    /// violates one built second.
    pub build_number_keys: Vec<String>,
    /// Differs once a column that is read here was made anew or altered, which may
    /// rewrite its values without a trigger's knowing.
    pub shape: String,
    columns: HashMap<(&'static str, &'static str), Found>,
    /// The values of the enum `build_reason`.
    reasons: Vec<String>,
}

/// A table of the product's, to be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Do builds write it?
    pub written: bool,
}

/// A relation as it is found.
#[derive(Clone, Debug)]
struct Relation {
    oid: pg_sys::Oid,
    owner: pg_sys::Oid,
    /// `pg_class.relkind`.
    kind: String,
}

impl Relation {
    fn is_table(&self) -> bool {
        self.kind == "r" || self.kind == "p"
    }
}

/// A column as it is found.
#[derive(Clone, Debug)]
struct Found {
    /// The column's type, written for a cast.
    type_name: String,
    /// `timestamp` rather than `timestamptz`.
    without_zone: bool,
}

impl Product {
    /// Finds the product's tables in a schema.
    ///
    /// Errors: 3F000 no such schema, 42P01 a table is missing, 42809 something that is
    /// no table stands in its place, 42703 a column is missing, 42804 a column has a
    /// type that can't serve.
    pub fn find(schema: &str) -> Result<Rc<Product>, Error> {
        thread_local! {
            static FOUND: RefCell<Option<(String, u64, Rc<Product>)>> = const { RefCell::new(None) };
        }
        let generation = catalog::generation();
        let known = FOUND.with_borrow(|found| {
            found
                .as_ref()
                .filter(|(name, at, _)| name == schema && *at == generation)
                .map(|(_, _, product)| Rc::clone(product))
        });
        if let Some(product) = known {
            return Ok(product);
        }
        let product = Rc::new(with_latest_catalog(|| look_up(schema))?);
        FOUND.set(Some((schema.to_owned(), generation, Rc::clone(&product))));
        Ok(product)
    }

    /// The schema's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `search_path` under which the product's tables are written: what the product's
    /// own triggers name without a schema is found as in the product's sessions. Our own
    /// statements name every table with its schema; `pg_catalog` comes first unsaid.
    pub fn search_path(&self) -> String {
        format!("{}, pg_temp", self.schema)
    }

    /// A table, with its schema, for SQL.
    pub fn table(&self, table: &str) -> String {
        format!("{}.{table}", self.schema)
    }

    /// Is the column there, with a type that serves?
    pub fn has(&self, table: &'static str, column: &'static str) -> bool {
        self.columns.contains_key(&(table, column))
    }

    /// Is this part of the schema there?
    pub fn has_part(&self, part: Part) -> bool {
        has_part(&self.columns, &self.reasons, part)
    }

    /// The type of a column, for a cast; `text` where the column is not there.
    pub fn type_of(&self, table: &'static str, column: &'static str) -> &str {
        self.columns
            .get(&(table, column))
            .map_or("pg_catalog.text", |found| found.type_name.as_str())
    }

    /// An expression that reads a column as one plain type for its kind (`uuid`,
    /// `boolean`, `bigint`, `text`, `timestamptz`; JSON and enums as `text`), or a NULL
    /// of that type where the column is not there.
    pub fn read(&self, alias: &str, table: &'static str, column: &'static str) -> String {
        let kind = COLUMNS
            .iter()
            .find(|known| known.table == table && known.name == column)
            .map_or(Kind::Text, |known| known.kind);
        let plain = match kind {
            Kind::Uuid => "uuid",
            Kind::Bool => "bool",
            Kind::Integer => "int8",
            Kind::Time => "timestamptz",
            Kind::Bytes => "bytea",
            Kind::Text | Kind::Json | Kind::Enum => "text",
        };
        match self.columns.get(&(table, column)) {
            None => format!("NULL::pg_catalog.{plain}"),
            Some(found) if found.without_zone => {
                format!("({alias}.{column} AT TIME ZONE 'UTC')")
            }
            Some(_) => format!("{alias}.{column}::pg_catalog.{plain}"),
        }
    }

    /// An expression that turns an instant into what a time column holds.
    pub fn time_value(&self, value: &str, table: &'static str, column: &'static str) -> String {
        match self.columns.get(&(table, column)) {
            Some(found) if found.without_zone => format!("({value} AT TIME ZONE 'UTC')"),
            _ => value.to_owned(),
        }
    }
}

/// A name quoted for SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What the catalog says of one attribute.
struct Attribute {
    kind: Option<Kind>,
    found: Found,
    /// Differs once the column was made anew or altered.
    identity: String,
}

const ATTRIBUTES: &str = "
    SELECT c.relname::pg_catalog.text,
           c.relkind::pg_catalog.text,
           a.attname::pg_catalog.text,
           pg_catalog.format_type(a.atttypid, NULL),
           CASE WHEN b.typtype = 'e' THEN 'enum' ELSE b.typname::pg_catalog.text END,
           bn.nspname::pg_catalog.text,
           c.relowner,
           tn.nspname::pg_catalog.text,
           t.typname::pg_catalog.text,
           pg_catalog.concat_ws('.', c.oid, a.attnum, a.xmin),
           c.oid
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
      JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
      JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace
     WHERE n.nspname = $1 AND c.relname = ANY ($2)
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// What foreign keys of some tables point to.
const REFERENCED: &str = "
    SELECT DISTINCT k.confrelid
      FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = ANY ($1::pg_catalog.oid[])
     ORDER BY k.confrelid";

const BUILD_REASONS: &str = "
    SELECT e.enumlabel::pg_catalog.text
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'reason'
      JOIN pg_catalog.pg_enum e ON e.enumtypid = a.atttypid
     WHERE n.nspname = $1 AND c.relname = 'workspace_builds'";

/// Unique indexes of `workspace_builds` on just the workspace and the build number.
const BUILD_NUMBER_KEYS: &str = "
    SELECT x.relname::pg_catalog.text
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'workspace_builds'
      JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 2
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE n.nspname = $1
       AND (SELECT pg_catalog.count(*)
              FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::pg_catalog.int2[])
               AND a.attname IN ('workspace_id', 'build_number')) = 2";

fn look_up(schema: &str) -> Result<Product, Error> {
    let mut relations: HashMap<String, Relation> = HashMap::new();
    let mut attributes: HashMap<(String, String), Attribute> = HashMap::new();
    let tables = catalogue::all_tables()
        .into_iter()
        .map(|table| Some(table.to_owned()))
        .collect();
    run(
        ATTRIBUTES,
        Access::Read,
        vec![Arg::Text(Some(schema)), Arg::Texts(tables)],
        |row| {
            let table = Row::required(row.text(0)?, "a relation's name")?;
            let relation = Relation {
                oid: Row::required(row.oid(10)?, "a relation's oid")?,
                owner: Row::required(row.oid(6)?, "a relation's owner")?,
                kind: row.text(1)?.unwrap_or_default(),
            };
            let column = Row::required(row.text(2)?, "a column's name")?;
            let base = row.text(4)?.unwrap_or_default();
            let base_schema = row.text(5)?.unwrap_or_default();
            relations.insert(table.clone(), relation);
            attributes.insert(
                (table, column),
                Attribute {
                    kind: kind_of(&base, &base_schema),
                    found: Found {
                        type_name: format!(
                            "{}.{}",
                            quoted(&row.text(7)?.unwrap_or_default()),
                            quoted(&row.text(8)?.unwrap_or_default())
                        ),
                        without_zone: base == "timestamp",
                    },
                    identity: row.text(9)?.unwrap_or_default(),
                },
            );
            Ok(())
        },
    )?;
    if relations.is_empty() && !schema_exists(schema)? {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            format!("the product's schema \"{schema}\" does not exist"),
        )
        .hint("Set workspace_autobuild.product_schema to the schema of the product's tables."));
    }
    check_tables(schema, &relations)?;
    let columns = check_columns(schema, &relations, &attributes)?;
    let mut shape: Vec<_> = columns
        .keys()
        .filter_map(|(table, column)| {
            let key = ((*table).to_owned(), (*column).to_owned());
            let identity = attributes.get(&key)?.identity.clone();
            Some((key, identity))
        })
        .collect();
    shape.sort_unstable();
    let mut reasons = Vec::new();
    run(
        BUILD_REASONS,
        Access::Read,
        vec![Arg::Text(Some(schema))],
        |row| {
            reasons.extend(row.text(0)?);
            Ok(())
        },
    )?;
    let mut build_number_keys = Vec::new();
    run(
        BUILD_NUMBER_KEYS,
        Access::Read,
        vec![Arg::Text(Some(schema))],
        |row| {
            build_number_keys.extend(row.text(0)?);
            Ok(())
        },
    )?;
    let tables: Vec<Table> = catalogue::all_tables()
        .into_iter()
        .filter_map(|name| {
            let relation = relations.get(name).filter(|found| found.is_table())?;
            let written = COLUMNS.iter().any(|column| {
                column.table == name
                    && column.usage.writes()
                    && columns.contains_key(&(column.table, column.name))
            });
            Some(Table {
                name,
                oid: relation.oid,
                written,
            })
        })
        .collect();
    let written = tables.iter().filter(|table| table.written);
    let mut referenced = Vec::new();
    run(
        REFERENCED,
        Access::Read,
        vec![Arg::Texts(
            written
                .map(|table| Some(table.oid.to_u32().to_string()))
                .collect(),
        )],
        |row| {
            referenced.extend(row.oid(0)?);
            Ok(())
        },
    )?;
    let licenses = relations
        .get("licenses")
        .map_or(pg_sys::InvalidOid, |relation| relation.oid);
    let (workspaces, owner) = relations
        .get("workspaces")
        .map_or((pg_sys::InvalidOid, pg_sys::InvalidOid), |relation| {
            (relation.oid, relation.owner)
        });
    Ok(Product {
        schema: quoted(schema),
        name: schema.to_owned(),
        signs: Signs::found(|part| has_part(&columns, &reasons, part)),
        owner,
        workspaces,
        tables,
        referenced,
        licenses,
        build_number_keys,
        columns,
        reasons,
        shape: format!("{shape:?}"),
    })
}

/// What a type, or the type under a domain, can hold. Only the server's own types and
/// enums count: a type of somebody's making could bring functions along.
fn kind_of(base: &str, schema: &str) -> Option<Kind> {
    if base == "enum" {
        return Some(Kind::Enum);
    }
    if schema != "pg_catalog" {
        return None;
    }
    match base {
        "uuid" => Some(Kind::Uuid),
        "bool" => Some(Kind::Bool),
        "int2" | "int4" | "int8" => Some(Kind::Integer),
        "text" | "varchar" | "bpchar" | "name" => Some(Kind::Text),
        "timestamptz" | "timestamp" => Some(Kind::Time),
        "jsonb" => Some(Kind::Json),
        "bytea" => Some(Kind::Bytes),
        _ => None,
    }
}

fn schema_exists(schema: &str) -> Result<bool, Error> {
    let found = run(
        "SELECT true FROM pg_catalog.pg_namespace WHERE nspname = $1",
        Access::Read,
        vec![Arg::Text(Some(schema))],
        |_| Ok(()),
    )?;
    Ok(found > 0)
}

const HINT_SCHEMA: &str = "Is workspace_autobuild.product_schema the schema of the product's tables, and is this the product's database? After a product upgrade that renames them, upgrade this extension.";

fn check_tables(schema: &str, relations: &HashMap<String, Relation>) -> Result<(), Error> {
    let missing: Vec<&str> = catalogue::required_tables()
        .into_iter()
        .filter(|table| !relations.contains_key(*table))
        .collect();
    if !missing.is_empty() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!(
                "schema \"{schema}\" has no table {} of the product's",
                list(&missing)
            ),
        )
        .hint(HINT_SCHEMA));
    }
    // A view or a foreign table would run somebody's query as the reader.
    for table in catalogue::required_tables() {
        if relations
            .get(table)
            .is_some_and(|relation| !relation.is_table())
        {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{schema}\".\"{table}\" is not a table"),
            )
            .detail("A view, a materialized view or a foreign table stands in its place.")
            .hint(HINT_SCHEMA));
        }
    }
    Ok(())
}

fn check_columns(
    schema: &str,
    relations: &HashMap<String, Relation>,
    attributes: &HashMap<(String, String), Attribute>,
) -> Result<HashMap<(&'static str, &'static str), Found>, Error> {
    let mut columns = HashMap::new();
    let mut missing = Vec::new();
    for known in COLUMNS {
        let is_table = relations.get(known.table).is_some_and(Relation::is_table);
        let found = attributes
            .get(&(known.table.to_owned(), known.name.to_owned()))
            .filter(|_| is_table);
        match found {
            None if known.required => missing.push(format!("{}.{}", known.table, known.name)),
            None => {}
            Some(attribute) if attribute.kind == Some(known.kind) => {
                columns.insert((known.table, known.name), attribute.found.clone());
            }
            // An enum may have become text, or the reverse: both read as text.
            Some(attribute)
                if matches!(
                    (known.kind, attribute.kind),
                    (Kind::Enum, Some(Kind::Text)) | (Kind::Text, Some(Kind::Enum))
                ) =>
            {
                columns.insert((known.table, known.name), attribute.found.clone());
            }
            Some(attribute) if known.required => {
                return Err(Error::new(
                    PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                    format!(
                        "column \"{}\" of the product's table \"{schema}\".\"{}\" has type {}, not {}",
                        known.name,
                        known.table,
                        attribute.found.type_name,
                        known.kind.name()
                    ),
                )
                .hint(HINT_SCHEMA));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Ok(columns);
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!(
            "schema \"{schema}\" has no column {} of the product's",
            list(&missing)
        ),
    )
    .hint(HINT_SCHEMA))
}

fn list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.join(", ")
}

fn has_part(
    columns: &HashMap<(&'static str, &'static str), Found>,
    reasons: &[String],
    part: Part,
) -> bool {
    match part {
        Part::Column(table, column) => columns.contains_key(&(table, column)),
        Part::Reason(value) => reasons.iter().any(|label| label == value.name()),
    }
}
