//! Workspaces at which a tick of the product's own executor never ends.
//!
//! Where it finds `next_start_at` empty and a schedule set, it looks for the schedule's next
//! allowed run before anything else, and goes on for ever where the schedule can't be read.

use crate::instant::Instant;

use super::facts::{BuildTransition, Facts, Template};
use super::policy::Policy;
use super::schedules::Schedules;
use super::signs::Signs;
use super::verdict::verdict;

/// Does the product's executor look at this workspace, whose schedule can't be read, or will it
/// once the workspace is stopped, and finds no `next_start_at`?
pub fn hangs_the_product<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    tick: Instant,
    schedules: &S,
) -> bool {
    let (true, None, Some(latest)) = (signs.next_start_at, facts.next_start_at, &facts.latest)
    else {
        return false;
    };
    // It looks at whatever may be due by any rule, and asks for the template's options later.
    let readable = Facts {
        schedule: Some("* * * * *".to_owned()),
        template: facts.template.clone().map(|template| Template {
            allow_user_autostart: true,
            blocked_days: 0,
            ..template
        }),
        ..facts.clone()
    };
    let is_looked_at = |facts: &Facts| {
        let verdict = verdict(facts, signs, &Policy::EVERYTHING, tick, schedules);
        verdict.outcome.is_ok_and(|next| next.due)
    };
    let stopped = Facts {
        latest: Facts::example(BuildTransition::Stop, Instant::NO_TIME).latest,
        ..readable.clone()
    };
    is_looked_at(&readable)
        || latest.transition != BuildTransition::Delete && is_looked_at(&stopped)
}
