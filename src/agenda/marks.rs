//! The marks that capture triggers left: which workspaces have to be looked at again.

use std::collections::HashSet;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::columns::{workspace_builds, workspaces};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, fetch_one, for_each_row, uuids};
use crate::server::transaction::in_recovery;

/// Marks that are taken at once at the most, and workspaces that those of templates and
/// users may stand for together.
pub(crate) const PIECE: i64 = 10_000;

/// So many marks cost more than to build the agenda anew.
pub(crate) const TOO_MANY: i64 = 200_000;
/// Below this size the table neither holds so many, nor are dead ones worth a thought.
const SMALL: i64 = 2 << 20;
/// Pages of the table beyond which the capture triggers add nothing: fewer than 400,000
/// marks.
pub(crate) const MOST_PAGES: u32 = 2_500;

/// What the table's size comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burden {
    /// Nothing that taking marks doesn't put right.
    Bearable,
    /// All its marks were taken, and what is left of them can't be vacuumed away: somebody
    /// still has an older snapshot. Each tick would read it.
    Dead,
    /// Marks that are not worth taking any more, or that are not even complete.
    TooMany,
}

/// Looks at the table. Marks that others have not committed are not seen. A standby has
/// none, and may not look.
pub(crate) fn burden(extension: &Extension) -> Result<Burden, Error> {
    if in_recovery() {
        return Ok(Burden::Bearable);
    }
    let table = extension.table("autobuild_marks");
    let count = extension
        .as_owner(|| {
            fetch_one(
                &format!(
                    "SELECT CASE WHEN pg_catalog.pg_relation_size($1::pg_catalog.regclass) > $2
                     THEN (SELECT pg_catalog.count(*)
                             FROM (SELECT FROM {table} LIMIT $3 + 1) m) END"
                ),
                vec![
                    Arg::Text(Some(&table)),
                    Arg::BigInt(Some(SMALL)),
                    Arg::BigInt(Some(TOO_MANY)),
                ],
                |row| row.bigint(0),
            )
        })?
        .flatten();
    Ok(match count {
        None => Burden::Bearable,
        Some(_) if are_full(extension)? => Burden::TooMany,
        Some(0) => Burden::Dead,
        Some(count) if count > TOO_MANY => Burden::TooMany,
        Some(_) => Burden::Bearable,
    })
}

/// Has the table come to the size beyond which nothing is added? Then changes may be
/// without a mark, and stay so until the table is emptied by TRUNCATE: a vacuum doesn't
/// shorten it, and whoever added nothing holds a lock of the table's until his change is
/// committed. To be asked after the state was read, whose lock keeps TRUNCATE away.
pub(crate) fn are_full(extension: &Extension) -> Result<bool, Error> {
    let full = extension
        .as_owner(|| {
            fetch_one(
                "SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass) >= $2",
                vec![
                    Arg::Text(Some(&extension.table("autobuild_marks"))),
                    Arg::BigInt(Some(i64::from(MOST_PAGES) * i64::from(pg_sys::BLCKSZ))),
                ],
                |row| row.bool(0),
            )
        })?
        .unwrap_or_default();
    Ok(full)
}

/// Were the marks, once they were looked at, those of this snapshot? Not if the table was
/// emptied by TRUNCATE since.
pub(crate) fn are_of_this_snapshot(extension: &Extension) -> Result<bool, Error> {
    let same = extension
        .as_owner(|| {
            fetch_one(
                "SELECT c.relfilenode = pg_catalog.pg_relation_filenode(c.oid)
               FROM pg_catalog.pg_class c WHERE c.oid = $1::pg_catalog.regclass",
                vec![Arg::Text(Some(&extension.table("autobuild_marks")))],
                |row| row.bool(0),
            )
        })?
        .unwrap_or_default();
    Ok(same)
}

/// Empties the table, all of whose marks were taken.
pub(crate) fn empty(extension: &Extension) -> Result<(), Error> {
    let table = extension.table("autobuild_marks");
    let truncate = format!("TRUNCATE {table}");
    extension.as_owner(|| execute(&truncate, vec![]))?;
    Ok(())
}

/// Marks, by what they name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    workspaces: HashSet<Uuid>,
    jobs: HashSet<Uuid>,
    templates: HashSet<Uuid>,
    users: HashSet<Uuid>,
    /// A table was truncated: nothing is known any more.
    anything: bool,
    /// How many marks these were.
    pub count: u64,
}

impl Marks {
    /// Takes marks away, up to a [`PIECE`]. Only those of committed
    /// transactions are seen, so none is lost: the others are taken by a later tick.
    pub(crate) fn take(extension: &Extension) -> Result<Marks, Error> {
        let table = extension.table("autobuild_marks");
        Marks::collect(
            extension,
            &format!(
                "DELETE FROM {table} WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM {table} LIMIT $1))
                 RETURNING kind::pg_catalog.text, id"
            ),
            Access::Write,
            vec![Arg::BigInt(Some(PIECE))],
        )
    }

    /// Looks at all marks and leaves them.
    pub(crate) fn look(extension: &Extension) -> Result<Marks, Error> {
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
            for_each_row(sql, access, args, |row: &Row<'_>| {
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

    /// The workspaces that these marks are about, read as whoever acts. `None` if that is
    /// not known, or if those of templates and users are more than a [`PIECE`]: then all
    /// are to be looked at.
    pub(crate) fn workspaces(self, product: &Product) -> Result<Option<HashSet<Uuid>>, Error> {
        if self.anything {
            return Ok(None);
        }
        let mut ids = self.workspaces;
        let builds = product.table(workspace_builds::TABLE);
        let workspaces = product.table(workspaces::TABLE);
        let of_jobs = format!("SELECT b.workspace_id FROM {builds} b WHERE b.job_id = ANY ($1)");
        if !self.jobs.is_empty() {
            for_each_row(&of_jobs, Access::Read, vec![uuids(self.jobs)], |row| {
                ids.extend(row.uuid(0)?);
                Ok(())
            })?;
        }
        let mut left = PIECE;
        for (named, column) in [
            (self.templates, workspaces::TEMPLATE_ID.name),
            (self.users, workspaces::OWNER_ID.name),
        ] {
            if named.is_empty() {
                continue;
            }
            let found = for_each_row(
                &format!(
                    "SELECT w.id FROM {workspaces} w
                      WHERE w.{column} = ANY ($1) AND NOT w.deleted LIMIT $2"
                ),
                Access::Read,
                vec![uuids(named), Arg::BigInt(Some(left + 1))],
                |row| {
                    ids.extend(row.uuid(0)?);
                    Ok(())
                },
            )?;
            left -= i64::try_from(found).unwrap_or(i64::MAX);
            if left < 0 {
                return Ok(None);
            }
        }
        Ok(Some(ids))
    }
}
