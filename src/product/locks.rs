//! Locks on the product's tables, taken before anything of theirs is read.
//!
//! A table that ALTER TABLE rewrites, or that is made anew under its name, reads as empty
//! under a snapshot that is older ([`crate::server::relation`]). So the worker locks every
//! table that its transaction reads or writes, in the mode that it needs to the end, and
//! takes its snapshot then. Who calls by hand or asks for a preview has a snapshot already,
//! and is told by 40001 where it is too old.
//!
//! The product's migrations come first: once one table is locked, none is waited for until
//! a migration would look for a deadlock; all are let go instead, and it begins again.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::columns::audit_logs;
use crate::server::error::Error;
use crate::server::guc::{deadlock_timeout, give_way, lock_timeout, with_settings};
use crate::server::query::{Arg, exists};
use crate::server::relation::{self, Mode};
use crate::server::subtransaction::in_subtransaction;
use crate::settings::Settings;

use super::messages::{audits, tells};
use super::schema::{Product, Table};

/// What a transaction does with the product's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It reads them.
    Read,
    /// It reads them and writes builds.
    Write,
}

/// Tables that keep changing are looked up so often before it is given up.
const LOOKS: usize = 10;

/// Finds the product's tables and locks them for the rest of the transaction, which gives
/// way from then on. Waits no longer than `lock_timeout` altogether.
///
/// Errors: those of [`Product::find`], 55P03 a table could not be locked, 40001 the tables
/// were made anew again and again.
pub(crate) fn hold(schema: &str, purpose: Purpose) -> Result<Rc<Product>, Error> {
    held(schema, purpose).map(|(product, _)| product)
}

/// As [`hold`], under a snapshot that the caller brought along.
///
/// Errors: also 40001, where a table was rewritten, emptied or made anew since that snapshot.
pub(crate) fn hold_under_snapshot(schema: &str, purpose: Purpose) -> Result<Rc<Product>, Error> {
    let (product, locked) = held(schema, purpose)?;
    check_snapshot(&locked)?;
    Ok(product)
}

/// For previews: finds the product's tables and locks them as the statements that follow
/// would, waiting as the session's own settings say.
///
/// Errors: as [`hold_under_snapshot`].
pub(crate) fn hold_for_preview(schema: &str) -> Result<Rc<Product>, Error> {
    hold_to_read(schema, |table| !table.for_proofs && !table.for_messages)
}

/// Locks what proofs are made from besides, under the caller's snapshot, in a transaction
/// that holds the product's other tables. Waits no longer than `lock_timeout` for each.
///
/// Errors: as [`hold_under_snapshot`].
pub(crate) fn hold_sources(product: &Product) -> Result<(), Error> {
    hold_besides(product, |table| table.for_proofs)
}

/// As [`hold_sources`], what messages are made from.
pub(crate) fn hold_messages(product: &Product) -> Result<(), Error> {
    hold_besides(product, |table| table.for_messages)
}

/// Locks what owners are told by, and the audit log, where something is told: in a transaction
/// that holds the product's other tables, so that whoever has one of these keeps nothing from
/// being built.
///
/// Errors: as [`hold_under_snapshot`].
pub(crate) fn hold_to_tell(product: &Product, settings: &Settings) -> Result<(), Error> {
    let tables: Vec<&Table> = product
        .tables
        .iter()
        .filter(|table| table.for_messages)
        .filter(|table| match table.name == audit_logs::TABLE {
            true => audits(product, settings),
            false => tells(product, settings),
        })
        .collect();
    let mut locked = Vec::new();
    for (table, mode) in modes(product, &tables, Purpose::Write) {
        locked.extend(relation::lock(table, mode));
    }
    if Product::find(product.name())?.tables != product.tables {
        return Err(restless());
    }
    check_snapshot(&locked)
}

fn hold_besides(product: &Product, which: impl Fn(&Table) -> bool) -> Result<(), Error> {
    let tables = product.tables.iter().filter(|table| which(table));
    let locked: Vec<pg_sys::Oid> = tables
        .flat_map(|table| relation::lock(table.oid, Mode::AccessShare))
        .collect();
    check_snapshot(&locked)
}

/// As [`hold_for_preview`], for what reads some tables only.
pub(crate) fn hold_to_read(
    schema: &str,
    reads: impl Fn(&Table) -> bool,
) -> Result<Rc<Product>, Error> {
    for _ in 0..LOOKS {
        let product = Product::find(schema)?;
        let locked: Vec<pg_sys::Oid> = product
            .tables
            .iter()
            .filter(|table| reads(table))
            .flat_map(|table| relation::lock(table.oid, Mode::AccessShare))
            .collect();
        if Product::find(schema)?.tables == product.tables {
            check_snapshot(&locked)?;
            return Ok(product);
        }
    }
    Err(restless())
}

/// As [`hold`] to read, with what proofs are made from, for what can wait: nothing is waited
/// for. `None` where somebody has one of the tables.
pub(crate) fn hold_if_free(schema: &str) -> Result<Option<Rc<Product>>, Error> {
    let product = Product::find(schema)?;
    let mut tables = product.tables.iter().filter(|table| !table.for_messages);
    if !tables.all(|table| relation::try_lock(table.oid, Mode::AccessShare)) {
        return Ok(None);
    }
    let same = Product::find(schema)?.tables == product.tables;
    Ok(same.then_some(product))
}

/// Can these tables be read without waiting for anybody? Then they are locked. What says how
/// things are has to answer while a migration is at them.
pub(crate) fn are_free(product: &Product, tables: &[&str]) -> bool {
    product
        .tables
        .iter()
        .filter(|table| tables.contains(&table.name))
        .all(|table| relation::try_lock(table.oid, Mode::AccessShare))
}

fn held(schema: &str, purpose: Purpose) -> Result<(Rc<Product>, Vec<pg_sys::Oid>), Error> {
    let patience = u64::try_from(lock_timeout()).unwrap_or(0);
    let others = deadlock_timeout();
    let begun = Instant::now();
    let mut looks = 0;
    loop {
        let product = Product::find(schema)?;
        let wanted = wanted(&product, purpose);
        let waiting_for = Cell::new(None);
        // In a subtransaction, so that all are let go at once.
        let taken = in_subtransaction(|| {
            give_way(others);
            let mut locked = Vec::new();
            for &(table, mode) in &wanted {
                waiting_for.set(Some((table, mode)));
                locked.extend(relation::lock(table, mode));
            }
            waiting_for.set(None);
            if Product::find(schema)?.tables != product.tables {
                return Err(restless());
            }
            Ok(locked)
        });
        let error = match taken {
            Ok(locked) => return Ok((product, locked)),
            Err(error) => error,
        };
        match waiting_for.get() {
            Some((table, mode)) if error.sqlstate().is_locked_or_deadlock() => {
                let left = match patience {
                    0 => 0,
                    _ => patience.saturating_sub(elapsed(begun)),
                };
                if patience > 0 && left == 0 {
                    return Err(unavailable(&product, table, patience).detail(error.message));
                }
                let waited = in_subtransaction(|| {
                    with_settings(&[("lock_timeout", &left.to_string())], || {
                        relation::wait_for(table, mode);
                    });
                    Ok(())
                });
                match waited {
                    Err(error) if error.sqlstate().is_locked() => {
                        return Err(unavailable(&product, table, patience).detail(error.message));
                    }
                    waited => waited?,
                }
            }
            None if error.sqlstate().is_serialization_failure() && looks < LOOKS => looks += 1,
            _ => return Err(error),
        }
    }
}

/// The tables and their modes, in the order of locking. What else is told to owners, or proved,
/// is locked by whoever does that.
fn wanted(product: &Product, purpose: Purpose) -> Vec<(pg_sys::Oid, Mode)> {
    let used: Vec<&Table> = product
        .tables
        .iter()
        .filter(|table| !table.for_proofs && !table.for_messages)
        .collect();
    modes(product, &used, purpose)
}

/// The modes in which tables are locked, and what their foreign keys point to. A mode is never
/// raised later.
fn modes(product: &Product, used: &[&Table], purpose: Purpose) -> Vec<(pg_sys::Oid, Mode)> {
    let writes = |oid| purpose == Purpose::Write && used.iter().any(|t| t.oid == oid && t.written);
    let referenced: Vec<pg_sys::Oid> = product
        .referenced
        .iter()
        .filter(|(from, _)| writes(*from))
        .map(|(_, to)| *to)
        .collect();
    let mode = |oid| match () {
        () if writes(oid) => Mode::RowExclusive,
        () if referenced.contains(&oid) => Mode::RowShare,
        () => Mode::AccessShare,
    };
    let mut wanted: Vec<(pg_sys::Oid, Mode)> = used
        .iter()
        .map(|table| (table.oid, mode(table.oid)))
        .collect();
    for &oid in &referenced {
        if wanted.iter().all(|(known, _)| *known != oid) {
            wanted.push((oid, Mode::RowShare));
        }
    }
    wanted
}

/// Does anybody wait for a lock of one of the product's tables, or of this table?
pub(crate) fn is_waited_for(product: &Product, besides: pg_sys::Oid) -> Result<bool, Error> {
    let tables = product.tables.iter().map(|table| table.oid);
    exists(
        "SELECT FROM pg_catalog.pg_locks l
          WHERE NOT l.granted AND l.locktype = 'relation'
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                               WHERE d.datname = pg_catalog.current_database())
            AND l.relation = ANY ($1::pg_catalog.oid[])",
        vec![Arg::Texts(
            tables
                .chain([besides])
                .map(|oid| Some(oid.to_u32().to_string()))
                .collect(),
        )],
    )
}

fn check_snapshot(locked: &[pg_sys::Oid]) -> Result<(), Error> {
    if relation::moved_since_snapshot(locked)? {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "one of the product's tables was rewritten, truncated or recreated after this \
            transaction's snapshot, and would appear empty",
        )
        .hint("Try again in a new transaction."));
    }
    Ok(())
}

fn restless() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        "the product's tables are being recreated",
    )
    .hint("Try again when the product's migration is over.")
}

fn unavailable(product: &Product, table: pg_sys::Oid, patience: u64) -> Error {
    let name = product
        .tables
        .iter()
        .find(|known| known.oid == table)
        .map_or_else(
            || format!("with oid {}", table.to_u32()),
            |known| product.table(known.name),
        );
    Error::new(
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
        format!("the product's table {name} could not be locked within {patience} ms"),
    )
    .hint("A session holds or waits for a lock on it that blocks readers: see pg_locks.")
}

fn elapsed(since: Instant) -> u64 {
    u64::try_from(Duration::as_millis(&since.elapsed())).unwrap_or(u64::MAX)
}
