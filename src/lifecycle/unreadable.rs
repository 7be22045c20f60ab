//! Schedules that can't be read, of workspaces that they would else start.

use crate::instant::Instant;

use super::candidate::Candidate;
use super::facts::{BuildTransition, Facts};
use super::policy::Policy;
use super::rules::ActingRule;
use super::schedules::Schedules;
use super::signs::Signs;
use super::skip::Skip;

/// Why the workspace's schedule can't be read, if that alone keeps it from being started
/// once it is stopped. Whether it runs by now, or is being built, does not matter: the
/// schedule would be missed later.
pub fn unreadable_schedule<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    schedules: &S,
) -> Option<Box<str>> {
    if !policy.allows(ActingRule::Autostart) {
        return None;
    }
    // No text is readable at one time and not at another.
    let tick = Instant::NO_TIME;
    let stopped = Facts {
        latest: Facts::example(BuildTransition::Stop, tick).latest,
        ..facts.clone()
    };
    let candidate = Candidate::new(&stopped, signs, policy, tick).ok()?;
    match ActingRule::Autostart.evaluate(&candidate, schedules) {
        Err(Skip::ScheduleInvalid { error }) => Some(error),
        _ => None,
    }
}
