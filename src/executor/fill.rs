//! Filling in `next_start_at` of workspaces for which nothing is due.
//!
//! The product reads an empty column as "due at the next run", so nothing is lost while
//! it is empty, and whoever else is at work goes first: a row that someone holds or has
//! just changed is left for a later tick, and no row is waited for. A row that refuses
//! the value is left out; it keeps no other from its own.

use pgrx::pg_sys;

use crate::product::schema::Product;
use crate::product::write;
use crate::server::error::Error;

use super::batch::{lacks_a_right, writing};
use super::decide::Fill;

/// Rows that may refuse before the rest is left for the next tick.
const REFUSALS: usize = 20;

/// Fills in what still is as it was decided on, as the product's role, inside the
/// caller's transaction. The caller holds the workspaces' locks.
///
/// Errors: what no single row causes (a missing right, classes 53 and 57).
pub fn fill(product: &Product, role: pg_sys::Oid, fills: &[Fill]) -> Result<(), Error> {
    let mut refusals = 0;
    halve(product, role, fills, &mut refusals)
}

fn halve(
    product: &Product,
    role: pg_sys::Oid,
    fills: &[Fill],
    refusals: &mut usize,
) -> Result<(), Error> {
    if fills.is_empty() || *refusals >= REFUSALS {
        return Ok(());
    }
    let filled = writing(product, role, || write::free_next_start_at(product, fills));
    match filled {
        Ok(_) => Ok(()),
        Err(error) if ["53", "57"].iter().any(|state| error.is(state)) => Err(error),
        Err(error) if lacks_a_right(&error, product, role) => Err(error),
        // Someone has the whole table: none of the rows is to be had now.
        Err(error) if error.is("55P03") => {
            *refusals = REFUSALS;
            Ok(())
        }
        Err(_) if fills.len() == 1 => {
            *refusals += 1;
            Ok(())
        }
        Err(_) => {
            let (left, right) = fills.split_at(fills.len() / 2);
            halve(product, role, left, refusals)?;
            halve(product, role, right, refusals)
        }
    }
}
