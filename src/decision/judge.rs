//! The verdict on workspaces with the server's zones, and reading what is due.

use crate::instant::Instant;
use crate::lifecycle::bound::start_bound;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::product::starts::{Starts, Wanted};
use crate::schedule::ScheduleCache;
use crate::server::error::Error;
use crate::server::zones::ServerZones;

use super::due::Decided;

/// Compiled schedules that a process keeps. Tens of thousands of workspaces share far
/// fewer texts.
const SCHEDULES: usize = 10_000;

thread_local! {
    static CACHE: ScheduleCache<ServerZones> =
        ScheduleCache::new(ServerZones, SCHEDULES);
}

/// Runs something with this process's compiled schedules.
pub(crate) fn with_schedules<R>(work: impl FnOnce(&ScheduleCache<ServerZones>) -> R) -> R {
    CACHE.with(work)
}

/// The verdict on one workspace's facts.
pub(crate) fn judge(product: &Product, policy: &Policy, facts: &Facts, tick: Instant) -> Verdict {
    with_schedules(|schedules| verdict(facts, &product.signs, policy, tick, schedules))
}

/// Looks at all workspaces, each schedule worked out once, and decides: what is due at the
/// tick. A workspace that no rule acts on then is read only if its schedule can't tell.
pub(crate) fn scan(
    product: &Product,
    policy: &Policy,
    wanted: Wanted,
    tick: Instant,
) -> Result<Decided, Error> {
    let starts = with_schedules(|schedules| {
        Starts::read(product, tick, wanted, |schedule, blocked| {
            start_bound(schedule, blocked, &product.signs, policy, tick, schedules)
        })
    })?;
    let selection = Selection::DueAt(*policy, tick, wanted, starts);
    read_due(product, policy, selection, tick)
}

/// Reads and decides: what is due at the tick.
pub(crate) fn read_due(
    product: &Product,
    policy: &Policy,
    selection: Selection,
    tick: Instant,
) -> Result<Decided, Error> {
    let mut decided = Decided::default();
    facts::read(product, selection, |facts| {
        let verdict = judge(product, policy, &facts, tick);
        decided.add(facts, verdict, tick);
        Ok(())
    })?;
    decided.sort();
    Ok(decided)
}
