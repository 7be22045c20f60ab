//! The verdict on workspaces with the server's zones and holds, and reading what is due.

use crate::instant::Instant;
use crate::lifecycle::bound::start_bound;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::product::starts::{Starts, Wanted};
use crate::server::error::Error;

use super::due::Decided;
use super::holds::{self, KeptHolds};

/// The verdict on one workspace's facts.
pub(crate) fn judge(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    facts: &Facts,
    tick: Instant,
) -> Verdict {
    holds.with_schedules(|schedules| verdict(facts, &product.signs, policy, tick, schedules))
}

/// Looks at all workspaces, each schedule worked out once, and decides: what is due at the
/// tick. A workspace that no rule acts on then is read only if its schedule can't tell.
pub(crate) fn scan(
    product: &Product,
    policy: &Policy,
    wanted: Wanted,
    tick: Instant,
) -> Result<Decided, Error> {
    let holds = holds::read(tick)?;
    let starts = holds.with_schedules(|schedules| {
        Starts::read(product, tick, wanted, |schedule, blocked| {
            start_bound(schedule, blocked, &product.signs, policy, tick, schedules)
        })
    })?;
    let selection = Selection::DueAt(*policy, tick, wanted, starts);
    decide(product, policy, &holds, selection, tick)
}

/// Reads and decides: what is due at the tick.
pub(crate) fn read_due(
    product: &Product,
    policy: &Policy,
    selection: Selection,
    tick: Instant,
) -> Result<Decided, Error> {
    decide(product, policy, &holds::read(tick)?, selection, tick)
}

fn decide(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    selection: Selection,
    tick: Instant,
) -> Result<Decided, Error> {
    let mut decided = Decided::default();
    facts::read(product, selection, |facts| {
        let verdict = judge(product, policy, holds, &facts, tick);
        decided.add(facts, verdict, tick);
        Ok(())
    })?;
    decided.sort();
    Ok(decided)
}
