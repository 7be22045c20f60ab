//! Filling in `next_start_at` of workspaces for which nothing is due.
//!
//! The product reads an empty column as "due at the next run", so nothing is lost while
//! it is empty, and whoever else is at work goes first: a row that someone holds or has
//! just changed is left for a later tick, and no row is waited for. A row that refuses
//! the value is left out; it keeps no other from its own. Code of the product's that comes
//! to no end is the caller's to narrow down.

use pgrx::pg_sys;
use uuid::Uuid;

use crate::decision::due::Fill;
use crate::product::role::lacks_a_right;
use crate::product::schema::Product;
use crate::product::write;
use crate::server::error::Error;
use crate::server::relation::{self, Mode};
use crate::settings::Settings;

/// Rows that may refuse before the rest is left for the next tick.
const REFUSALS: usize = 20;

/// What came of filling in.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// Those that need it no more.
    pub done: Vec<Uuid>,
    /// Those that refuse.
    pub refused: Vec<Uuid>,
}

/// Fills in what still is as it was decided on, as the product's role, inside the
/// caller's transaction. The caller holds the workspaces' locks. What is neither done nor
/// refused is left for a later tick.
///
/// Errors: a missing right, and what names no row (classes 53 and 57, and 55P03 unless
/// somebody has the whole table).
pub(super) fn fill(
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
    fills: &[Fill],
) -> Result<Filled, Error> {
    let mut filled = Filled::default();
    halve(product, settings, role, fills, &mut filled)?;
    Ok(filled)
}

fn halve(
    product: &Product,
    settings: &Settings,
    role: pg_sys::Oid,
    fills: &[Fill],
    filled: &mut Filled,
) -> Result<(), Error> {
    if fills.is_empty() || filled.refused.len() >= REFUSALS {
        return Ok(());
    }
    let written = write::writing(product, role, || write::free_next_start_at(product, fills));
    match (written, fills) {
        (Ok(_), _) => {
            filled.done.extend(fills.iter().map(|(id, _, _)| *id));
            Ok(())
        }
        // Someone has the whole table: none of the rows is to be had now.
        (Err(error), _)
            if error.sqlstate().is_locked()
                && !relation::try_lock(product.workspaces, Mode::RowExclusive) =>
        {
            Ok(())
        }
        (Err(error), _)
            if error.sqlstate().is_stall() || lacks_a_right(&error, product, settings, role) =>
        {
            Err(error)
        }
        (Err(_), [(id, _, _)]) => {
            filled.refused.push(*id);
            Ok(())
        }
        (Err(_), _) => {
            let (left, right) = fills.split_at(fills.len() / 2);
            halve(product, settings, role, left, filled)?;
            halve(product, settings, role, right, filled)
        }
    }
}
