//! Who holds the product's tables: processes, relations and modes, as `pg_locks` shows them.

use crate::columns::all_tables;
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, for_each_row};
use crate::settings::Settings;

/// This database's locks, in place of a table.
pub(crate) const IN_THIS_DATABASE: &str =
    "(SELECT l.* FROM pg_catalog.pg_locks l, pg_catalog.pg_database d
   WHERE d.oid = l.database AND d.datname = pg_catalog.current_database())";

/// Who holds the product's tables, or the lock of the one executor, in a mode in which
/// nobody else can write them. `except` is our own worker.
pub(crate) fn of_tables(settings: &Settings, except: i32) -> Result<Vec<String>, Error> {
    read(
        settings,
        &format!("l.pid IS DISTINCT FROM {except} AND l.mode = ANY ({FOR_ONE})"),
        vec![],
    )
}

/// Who was at the product's tables before the tick began, and may hold rows of theirs: to
/// be asked by the worker, who may see since when a transaction is.
pub(crate) fn of_rows(settings: &Settings, begun: Instant) -> Result<Vec<String>, Error> {
    read(
        settings,
        &format!(
            "l.mode = ANY ({FOR_ONE} || '{{RowShareLock,RowExclusiveLock}}'::pg_catalog._text)
             AND (l.pid IS NULL OR l.pid IN (SELECT a.pid FROM pg_catalog.pg_stat_activity a
                                              WHERE a.xact_start < $3))"
        ),
        vec![Arg::Time(Some(begun))],
    )
}

/// The modes that conflict with writing.
const FOR_ONE: &str =
    "'{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog._text";

fn read(settings: &Settings, condition: &str, more: Vec<Arg<'_>>) -> Result<Vec<String>, Error> {
    let tables = all_tables().into_iter().map(|table| Some(table.to_owned()));
    let mut args = vec![
        Arg::Text(Some(&settings.product_schema)),
        Arg::Texts(tables.collect()),
    ];
    args.extend(more);
    let mut holders = Vec::new();
    for_each_row(
        &format!(
            "SELECT l.pid, c.relname::pg_catalog.text, l.mode, l.granted
               FROM {IN_THIS_DATABASE} l
               JOIN pg_catalog.pg_class c ON c.oid = l.relation
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE l.locktype = 'relation' AND {condition}
                AND (n.nspname = $1 AND c.relname = ANY ($2)
                     OR c.relname = 'autobuild_executor_lock')
              ORDER BY l.granted DESC, l.pid, c.relname, l.mode LIMIT 3"
        ),
        Access::Read,
        args,
        |row| {
            let by = process(row.int(0)?);
            let does = if row.bool(3)? { "holds" } else { "waits for" };
            let relation = row.text(1)?.unwrap_or_default();
            let mode = row.text(2)?.unwrap_or_default();
            holders.push(format!("{by} {does} {mode} on {relation}"));
            Ok(())
        },
    )?;
    Ok(holders)
}

/// A process in words.
pub(crate) fn process(pid: Option<i32>) -> String {
    pid.map_or_else(
        || "a prepared transaction".to_owned(),
        |pid| format!("process {pid}"),
    )
}
