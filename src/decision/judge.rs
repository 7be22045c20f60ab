//! The verdict on workspaces with the server's zones and holds, and reading what is due.

use crate::instant::{HOUR, Instant, Micros};
use crate::lifecycle::bound::start_bound;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::product::facts::{self, Among, Selection};
use crate::product::schema::Product;
use crate::product::starts::{Starts, Wanted};
use crate::server::error::Error;

use super::due::{Decided, Kept};
use super::holds::{self, KeptHolds};
use super::plan::version_of;

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
pub(crate) fn scan<D: Kept>(
    product: &Product,
    policy: &Policy,
    wanted: Wanted,
    tick: Instant,
) -> Result<Decided<D>, Error> {
    let holds = holds::read(tick)?;
    let starts = starts(product, policy, &holds, wanted, tick)?;
    let selection = Selection::DueAt(*policy, tick, wanted, starts, Among::default());
    decide(product, policy, &holds, selection, tick)
}

/// What the schedules of workspaces come to at a tick: nothing, where none may start any.
fn starts(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    wanted: Wanted,
    tick: Instant,
) -> Result<Starts, Error> {
    if !policy.allows(ActingRule::Autostart) {
        return Ok(Starts::default());
    }
    holds.with_schedules(|schedules| {
        Starts::read(product, tick, wanted, |schedule, blocked| {
            start_bound(schedule, blocked, &product.signs, policy, tick, schedules)
        })
    })
}

/// Schedules are worked out so far ahead; of what comes later every workspace is looked at.
const AHEAD: i64 = 400 * 24 * HOUR;

/// Judges at the tick the workspaces for which something may come up to a time.
pub(crate) fn coming(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    among: Among,
    tick: Instant,
    until: Instant,
    mut each: impl FnMut(Facts, Verdict),
) -> Result<(), Error> {
    // Some rules act only after their time.
    let then = until.saturating_add_micros(1);
    // The few workspaces of an owner cost less than the schedules of all.
    let selection = if !among.are_few() && then <= tick.saturating_add_micros(AHEAD) {
        // A run that is too late by then may not be so before.
        let whenever = Policy {
            max_start_delay: Micros(0),
            ..*policy
        };
        let starts = starts(product, &whenever, holds, Wanted::ByThen, then)?;
        Selection::DueAt(whenever, then, Wanted::ByThen, starts, among)
    } else {
        Selection::Candidates(*policy, among)
    };
    facts::read(product, selection, |facts| {
        let verdict = judge(product, policy, holds, &facts, tick);
        each(facts, verdict);
        Ok(())
    })
}

/// Reads and decides: what is due at the tick.
pub(crate) fn read_due<D: Kept>(
    product: &Product,
    policy: &Policy,
    selection: Selection,
    tick: Instant,
) -> Result<Decided<D>, Error> {
    decide(product, policy, &holds::read(tick)?, selection, tick)
}

fn decide<D: Kept>(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    selection: Selection,
    tick: Instant,
) -> Result<Decided<D>, Error> {
    let mut decided = Decided::default();
    facts::read(product, selection, |facts| {
        let verdict = judge(product, policy, holds, &facts, tick);
        decided.add(facts, verdict, tick, |due| version_of(product, policy, due));
        Ok(())
    })?;
    decided.sort();
    Ok(decided)
}
