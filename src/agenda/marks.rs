//! The marks that capture triggers left: which workspaces have to be looked at again.

use std::collections::HashSet;

use uuid::Uuid;

use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, run, uuids};
use crate::server::transaction::in_recovery;

/// Marks that are taken at once at the most.
pub const AT_ONCE: i64 = 20_000;

/// So many marks cost more than to build the agenda anew.
const TOO_MANY: i64 = 200_000;
/// Below this size the table can't hold so many.
const SMALL: i64 = 8 << 20;

/// Are there more marks than are worth taking? They pile up while nobody ticks: in a
/// pause, with `action` off, while triggers of some tables are missing. A standby has
/// none, and may not look.
pub fn too_many(extension: &Extension) -> Result<bool, Error> {
    if in_recovery() {
        return Ok(false);
    }
    let table = extension.table("autobuild_marks");
    let mut too_many = false;
    extension.as_owner(|| {
        run(
            &format!(
                "SELECT CASE WHEN pg_catalog.pg_relation_size($1::pg_catalog.regclass) > $2
                     THEN (SELECT pg_catalog.count(*) > $3
                             FROM (SELECT FROM {table} LIMIT $3 + 1) m) END"
            ),
            Access::Read,
            vec![
                Arg::Text(Some(&table)),
                Arg::BigInt(Some(SMALL)),
                Arg::BigInt(Some(TOO_MANY)),
            ],
            |row| {
                too_many = row.bool(0)?;
                Ok(())
            },
        )
    })?;
    Ok(too_many)
}

/// Marks, by what they name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marks {
    workspaces: HashSet<Uuid>,
    jobs: HashSet<Uuid>,
    templates: HashSet<Uuid>,
    users: HashSet<Uuid>,
    /// A table was truncated: nothing is known any more.
    pub anything: bool,
    /// How many marks these were.
    pub count: u64,
}

impl Marks {
    /// Takes marks away, up to [`AT_ONCE`]. Only those of committed
    /// transactions are seen, so none is lost: the others are taken by a later tick.
    pub fn take(extension: &Extension) -> Result<Marks, Error> {
        let table = extension.table("autobuild_marks");
        Marks::collect(
            extension,
            &format!(
                "DELETE FROM {table} WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM {table} LIMIT $1))
                 RETURNING kind::pg_catalog.text, id"
            ),
            Access::Write,
            vec![Arg::BigInt(Some(AT_ONCE))],
        )
    }

    /// Looks at all marks and leaves them.
    pub fn look(extension: &Extension) -> Result<Marks, Error> {
        Marks::collect(
            extension,
            &format!(
                "SELECT DISTINCT kind::pg_catalog.text, id FROM {}",
                extension.table("autobuild_marks")
            ),
            Access::Read,
            vec![],
        )
    }

    fn collect(
        extension: &Extension,
        sql: &str,
        access: Access,
        args: Vec<Arg<'_>>,
    ) -> Result<Marks, Error> {
        let mut marks = Marks::default();
        marks.count = extension.as_owner(|| {
            run(sql, access, args, |row: &Row<'_>| {
                let id = row.uuid(1)?;
                match (row.text(0)?.as_deref(), id) {
                    (Some("w"), Some(id)) => drop(marks.workspaces.insert(id)),
                    (Some("j"), Some(id)) => drop(marks.jobs.insert(id)),
                    (Some("t"), Some(id)) => drop(marks.templates.insert(id)),
                    (Some("u"), Some(id)) => drop(marks.users.insert(id)),
                    _ => marks.anything = true,
                }
                Ok(())
            })
        })?;
        Ok(marks)
    }

    /// The workspaces that these marks are about; read as whoever acts.
    pub fn workspaces(self, product: &Product) -> Result<HashSet<Uuid>, Error> {
        let mut ids = self.workspaces;
        for (named, sql) in [
            (
                self.jobs,
                format!(
                    "SELECT b.workspace_id FROM {} b WHERE b.job_id = ANY ($1)",
                    product.table("workspace_builds")
                ),
            ),
            (
                self.templates,
                format!(
                    "SELECT w.id FROM {} w WHERE w.template_id = ANY ($1) AND NOT w.deleted",
                    product.table("workspaces")
                ),
            ),
            (
                self.users,
                format!(
                    "SELECT w.id FROM {} w WHERE w.owner_id = ANY ($1) AND NOT w.deleted",
                    product.table("workspaces")
                ),
            ),
        ] {
            if !named.is_empty() {
                run(&sql, Access::Read, vec![uuids(named)], |row| {
                    ids.extend(row.uuid(0)?);
                    Ok(())
                })?;
            }
        }
        Ok(ids)
    }
}
