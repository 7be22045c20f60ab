//! Stops a running workspace at its deadline, and at once if its owner is suspended.
//!
//! A stop is never early: it is due when the tick has reached the deadline. Only the
//! deadline on the build counts; the workspace's TTL was asked when it was written.

use crate::instant::Instant;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::{BuildTransition, OwnerStatus};
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::Transition;

use super::ActingRule;
use super::rule::{About, Rule};

pub(super) struct Autostop;

impl Rule for Autostop {
    const ABOUT: About = About {
        sign: None,
        without_licence: None,
        settings: &[],
        reminds: false,
        description: "Stops a running workspace at the deadline of its latest build.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, _: &S) -> Outcome {
        if candidate.latest.transition != BuildTransition::Start {
            return Err(Skip::NotRunning {
                build: candidate.build(),
            });
        }
        if let Some(skip) = candidate.failed_or_dormant() {
            return Err(skip);
        }
        let at = if owner_is_suspended(candidate) {
            candidate.tick
        } else {
            candidate.latest.deadline.ok_or(Skip::NoDeadline {
                build: candidate.build(),
                canceled: candidate.was_canceled(),
            })?
        };
        Ok(candidate.next_at(
            at,
            ActingRule::Autostop,
            Transition::Stop,
            candidate.stop_reason(),
        ))
    }

    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, _: &S) -> String {
        let runs = candidate.since_build("The workspace runs");
        let tick = candidate.tick;
        if owner_is_suspended(candidate) {
            let transition = next.transition.name();
            format!(
                "{runs} and its owner is suspended: {transition} at once, at the tick ({tick})."
            )
        } else {
            format!("{runs}, whose deadline is {}; the tick is {tick}.", next.at)
        }
    }

    fn is_about(candidate: &Candidate<'_>) -> bool {
        candidate.latest.transition == BuildTransition::Start && !candidate.failed
    }

    fn look_again_at<S: Schedules>(_: &Candidate<'_>, _: &S) -> Option<Instant> {
        None
    }

    fn fill_next_start_at<S: Schedules>(_: &Candidate<'_>, _: &Outcome, _: &S) -> Option<Instant> {
        None
    }
}

/// Is the stop due whatever the deadline, because of the owner?
fn owner_is_suspended(candidate: &Candidate<'_>) -> bool {
    candidate.signs.suspended_owner && candidate.owner == OwnerStatus::Suspended
}
