//! The look-up of the product's schema in the catalog.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::columns::{
    COLUMNS, Column, all_tables, is_for_messages, is_for_proofs, licenses, notification_messages,
    workspace_builds, workspaces,
};
use crate::lifecycle::signs::Signs;
use crate::server::catalog;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, exists, fetch_all, for_each_row};
use crate::server::transaction::with_latest_catalog;

use super::check::{Attribute, Relation, check_columns, check_tables, kind_of};
use super::product::{Product, Table, has_part, quoted};

impl Product {
    /// Finds the product's tables in a schema.
    ///
    /// Errors: 3F000 no such schema, 42P01 a table is missing, 42809 something that is
    /// no table stands in its place, 42703 a column is missing, 42804 a column has a
    /// type that can't serve.
    pub(crate) fn find(schema: &str) -> Result<Rc<Product>, Error> {
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
           c.oid,
           c.relrowsecurity
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
    SELECT DISTINCT k.conrelid, k.confrelid
      FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = ANY ($1::pg_catalog.oid[])
     ORDER BY k.confrelid, k.conrelid";

const ENUM_VALUES: &str = "
    SELECT e.enumlabel::pg_catalog.text
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $3
      JOIN pg_catalog.pg_enum e ON e.enumtypid = a.atttypid
     WHERE n.nspname = $1 AND c.relname = $2";

/// Unique indexes of a table on just two columns.
const BUILD_NUMBER_KEYS: &str = "
    SELECT x.relname::pg_catalog.text
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2
      JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 2
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE n.nspname = $1
       AND (SELECT pg_catalog.count(*)
              FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::pg_catalog.int2[])
               AND a.attname = ANY ($3)) = 2";

fn look_up(schema: &str) -> Result<Product, Error> {
    let mut relations: HashMap<String, Relation> = HashMap::new();
    let mut attributes: HashMap<(String, String), Attribute> = HashMap::new();
    let mut row_security = false;
    let tables = all_tables()
        .into_iter()
        .map(|table| Some(table.to_owned()))
        .collect();
    for_each_row(
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
            row_security |= row.bool(11)?;
            let column = Row::required(row.text(2)?, "a column's name")?;
            let base = row.text(4)?.unwrap_or_default();
            let base_schema = row.text(5)?.unwrap_or_default();
            relations.insert(table.clone(), relation);
            attributes.insert(
                (table, column),
                Attribute {
                    kind: kind_of(&base, &base_schema),
                    type_name: format!(
                        "{}.{}",
                        quoted(&row.text(7)?.unwrap_or_default()),
                        quoted(&row.text(8)?.unwrap_or_default())
                    ),
                    without_zone: base == "timestamp",
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
        .iter()
        .filter(|(column, _)| !is_for_messages(column.table))
        .map(|(column, found)| ((column.table, found.name), found.identity.as_str()))
        .collect();
    shape.sort_unstable();
    let reasons = enum_values(schema, workspace_builds::REASON)?;
    let message_methods = enum_values(schema, notification_messages::METHOD)?;
    let build_number_keys = fetch_all(
        BUILD_NUMBER_KEYS,
        vec![
            Arg::Text(Some(schema)),
            Arg::Text(Some(workspace_builds::TABLE)),
            Arg::Texts(
                [
                    workspace_builds::WORKSPACE_ID,
                    workspace_builds::BUILD_NUMBER,
                ]
                .map(|column| Some(column.name.to_owned()))
                .to_vec(),
            ),
        ],
        |row| row.text(0),
    )?
    .into_iter()
    .flatten()
    .collect();
    let tables: Vec<Table> = all_tables()
        .into_iter()
        .filter_map(|name| {
            let relation = relations.get(name).filter(|found| found.is_table())?;
            let written = COLUMNS.iter().any(|column| {
                column.table == name && column.usage.writes() && columns.contains_key(column)
            });
            Some(Table {
                name,
                oid: relation.oid,
                written,
                for_proofs: is_for_proofs(name),
                for_messages: is_for_messages(name),
            })
        })
        .collect();
    let written = tables.iter().filter(|table| table.written);
    let referenced = fetch_all(
        REFERENCED,
        vec![Arg::Texts(
            written
                .map(|table| Some(table.oid.to_u32().to_string()))
                .collect(),
        )],
        |row| Ok(row.oid(0)?.zip(row.oid(1)?)),
    )?
    .into_iter()
    .flatten()
    .collect();
    let licenses = relations
        .get(licenses::TABLE)
        .map_or(pg_sys::InvalidOid, |relation| relation.oid);
    let (workspaces, owner) = relations
        .get(workspaces::TABLE)
        .map_or((pg_sys::InvalidOid, pg_sys::InvalidOid), |relation| {
            (relation.oid, relation.owner)
        });
    Ok(Product {
        facts: OnceCell::new(),
        schema: quoted(schema),
        name: schema.to_owned(),
        signs: Signs::found(|part| has_part(&columns, &reasons, part)),
        owner,
        workspaces,
        tables,
        referenced,
        licenses,
        row_security,
        build_number_keys,
        shape: format!("{shape:?}"),
        columns,
        reasons,
        message_methods,
    })
}

/// The values of a column's enum.
fn enum_values(schema: &str, column: Column) -> Result<Vec<String>, Error> {
    let values = fetch_all(
        ENUM_VALUES,
        vec![
            Arg::Text(Some(schema)),
            Arg::Text(Some(column.table)),
            Arg::Text(Some(column.name)),
        ],
        |row| row.text(0),
    )?;
    Ok(values.into_iter().flatten().collect())
}

fn schema_exists(schema: &str) -> Result<bool, Error> {
    exists(
        "SELECT true FROM pg_catalog.pg_namespace WHERE nspname = $1",
        vec![Arg::Text(Some(schema))],
    )
}
