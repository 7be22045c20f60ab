//! The verdict on workspaces with the server's zones, and reading what is due.

use crate::instant::{HOUR, Instant, Micros};
use crate::lifecycle::bound::start_bound;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::product::facts::{self, Among, Selection};
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
    let starts = starts(product, policy, wanted, tick)?;
    let selection = Selection::DueAt(*policy, tick, wanted, starts, Among::default());
    read_due(product, policy, selection, tick)
}

/// What the schedules of workspaces come to at a tick: nothing, where none may start any.
fn starts(
    product: &Product,
    policy: &Policy,
    wanted: Wanted,
    tick: Instant,
) -> Result<Starts, Error> {
    if !policy.allows(ActingRule::Autostart) {
        return Ok(Starts::default());
    }
    with_schedules(|schedules| {
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
    among: Among,
    tick: Instant,
    until: Instant,
    mut each: impl FnMut(Facts, Verdict),
) -> Result<(), Error> {
    // Some rules act only after their time.
    let then = until.saturating_add_micros(1);
    let selection = if then <= tick.saturating_add_micros(AHEAD) {
        // A run that is too late by then may not be so before.
        let whenever = Policy {
            max_start_delay: Micros(0),
            ..*policy
        };
        let starts = starts(product, &whenever, Wanted::ByThen, then)?;
        Selection::DueAt(whenever, then, Wanted::ByThen, starts, among)
    } else {
        Selection::Candidates(*policy, among)
    };
    facts::read(product, selection, |facts| {
        let verdict = judge(product, policy, &facts, tick);
        each(facts, verdict);
        Ok(())
    })
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
