//! What a hold makes of what a rule comes to.

use crate::instant::Instant;

use super::candidate::Candidate;
use super::outcome::{Next, Outcome};
use super::schedules::{Held, Schedules};
use super::skip::Skip;
use super::transition::Transition;

/// How many holds between which there is no tick are followed.
const MOST_JOINED: usize = 60;

/// What a rule comes to, unless it is held at the tick at which that would be made: then it
/// is made at the end of the hold.
pub(super) fn unless_held<S: Schedules>(
    next: Next,
    candidate: &Candidate<'_>,
    schedules: &S,
) -> Outcome {
    let transitions = transitions(&next);
    let held_at = |at: Instant| schedules.held(candidate.facts, &transitions, at);
    let made = if next.due {
        candidate.tick
    } else {
        next.due_from().ceil_to_minute()
    };
    match held_at(made) {
        None => Ok(next),
        Some(hold) => Err(held(&next, free_from(hold.until, held_at), hold)),
    }
}

/// The end of a hold, or of one later that has begun before the first tick after it.
fn free_from(until: Option<Instant>, held_at: impl Fn(Instant) -> Option<Held>) -> Option<Instant> {
    let mut at = until?;
    for _ in 0..MOST_JOINED {
        match held_at(at.ceil_to_minute()) {
            None => return Some(at),
            Some(hold) => at = hold.until?,
        }
    }
    None
}

/// What is said of a transition that a hold puts off.
pub(super) fn held(next: &Next, at: Option<Instant>, hold: Held) -> Skip {
    Skip::Held {
        rule: next.rule,
        transition: next.transition,
        reason: next.reason,
        hold,
        at,
    }
}

/// The transitions of which any hold holds this. A stop that marks the workspace dormant is
/// held by a hold of either.
fn transitions(next: &Next) -> Vec<Transition> {
    let mut transitions = vec![next.transition];
    if next.mark_dormant && next.transition != Transition::Dormant {
        transitions.push(Transition::Dormant);
    }
    transitions
}
