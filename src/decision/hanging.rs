//! The workspaces at which a tick of the product's own executor never ends.

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::hanging::hangs_the_product;
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::server::error::Error;

use super::schedules::with_schedules;

/// Reads them, in the order of their ids. Few schedules can't be read, and only their
/// workspaces are looked at, with those whose schedule is empty.
pub(crate) fn read(product: &Product, tick: Instant) -> Result<Vec<Uuid>, Error> {
    let mut hanging = Vec::new();
    if !product.signs.next_start_at {
        return Ok(hanging);
    }
    let mut refused = vec![String::new()];
    facts::schedules(product, |text| {
        if with_schedules(|schedules| schedules.get(&text).is_err()) {
            refused.push(text);
        }
    })?;
    // Without their builds, which those need alone that have no next_start_at.
    let mut suspects = Vec::new();
    facts::read(product, Selection::Scheduled(refused), |facts| {
        suspects.extend(facts.next_start_at.is_none().then_some(facts.workspace_id));
        Ok(())
    })?;
    if suspects.is_empty() {
        return Ok(hanging);
    }
    facts::read(product, Selection::These(suspects), |facts| {
        let hangs =
            with_schedules(|schedules| hangs_the_product(&facts, &product.signs, tick, schedules));
        if hangs {
            hanging.push(facts.workspace_id);
        }
        Ok(())
    })?;
    hanging.sort_unstable();
    Ok(hanging)
}
