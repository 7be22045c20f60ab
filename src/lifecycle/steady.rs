//! Which workspaces are moved by their schedule and their deadline alone, for a while: what
//! looks far ahead need not ask every rule at each step.

use crate::instant::Instant;

use super::candidate::{Candidate, EVERY_DAY, blocked_days};
use super::facts::{Facts, OwnerStatus};
use super::policy::Policy;
use super::rules::ActingRule;
use super::schedules::Schedules;
use super::signs::Signs;

/// A workspace that is started by its schedule and stopped at its deadline, and by nothing
/// else, as long as its builds succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady {
    /// The weekdays whose runs don't count; bit 0 is Monday.
    pub blocked_days: i32,
    /// From when on another rule acts too, unless it is held; `None` for never.
    pub until: Option<Instant>,
}

/// Is the workspace steady at a tick?
pub fn steady<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Option<Steady> {
    let candidate = Candidate::new(facts, signs, policy, tick).ok()?;
    let is_theirs =
        |rule: &ActingRule| matches!(rule, ActingRule::Autostart | ActingRule::Autostop);
    let stops_owner = signs.suspended_owner && candidate.owner == OwnerStatus::Suspended;
    let is_steady = !candidate.in_progress
        && candidate.failed_or_dormant().is_none()
        && policy.allows(ActingRule::Autostart)
        && policy.allows(ActingRule::Autostop)
        && !stops_owner
        && candidate.owner_may_start()
        && candidate.autostart_allowed()
        && candidate.schedule().is_some()
        && candidate.blocked_days() != EVERY_DAY;
    if !is_steady {
        return None;
    }
    let others = ActingRule::ALL.into_iter().filter(|rule| {
        signs.bring(*rule) && policy.allows(*rule) && !rule.reminds() && !is_theirs(rule)
    });
    Some(Steady {
        blocked_days: candidate.blocked_days(),
        until: others
            .filter_map(|rule| rule.without_holds(&candidate, schedules).ok())
            .map(|next| next.due_from())
            .min(),
    })
}

/// The weekdays whose runs don't count for a workspace; bit 0 is Monday.
pub fn blocked_days_of(facts: &Facts, signs: &Signs, policy: &Policy) -> i32 {
    let template = facts.template.as_ref();
    template.map_or(0, |template| {
        blocked_days(template.blocked_days, signs, policy)
    })
}
