//! What the rule autostart comes to for all workspaces of one schedule at once.
//!
//! A schedule starts a workspace when it has a run that counts later than the latest build
//! and not later than the tick. Which run that is, is for the rule to say, workspace by
//! workspace; whether there is one follows from the last of them alone. So few instants,
//! worked out once for each schedule, tell the workspaces apart of which no build could come.

use crate::instant::{Instant, Micros};

use super::candidate::{EVERY_DAY, blocked_days};
use super::policy::{MissedStarts, Policy};
use super::rules::ActingRule;
use super::schedules::{Runs, Schedules};
use super::signs::Signs;

/// What a latest build must be earlier than, for the rule autostart to start the workspace
/// at the tick, where it has this schedule and its template blocks these weekdays (as
/// stored). `None`: the rule starts no workspace of these.
///
/// Not each of the others is started: where the rule asks more of a run on a blocked day
/// than that a later one counts, it says so itself.
pub fn start_bound<S: Schedules>(
    schedule: &str,
    blocked: i32,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Option<Instant> {
    if !policy.allows(ActingRule::Autostart) {
        return None;
    }
    let blocked = blocked_days(blocked, signs, policy);
    if blocked == EVERY_DAY {
        return None;
    }
    let bound = schedules.schedule(schedule).ok()?.bound(tick, blocked)?;
    // Where lateness is limited, runs count that are later than the limit before the tick,
    // from the workspace's place in the spread on. A run that is made up for at the end of a hold,
    // or whose place is put off to it, is late from there on, whenever it was.
    let limit = policy.max_start_delay;
    let puts_off = policy.missed_starts == MissedStarts::MakeUp || policy.spread_starts > Micros(0);
    let made_up = schedules.has_holds() && puts_off;
    let by = tick
        .saturating_sub(limit)
        .saturating_sub(policy.widest_spread());
    let is_late = limit > Micros(0) && !made_up && bound <= by;
    (!is_late).then_some(bound)
}
