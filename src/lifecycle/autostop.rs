//! Stops a running workspace at its deadline, and at once if its owner is suspended.
//!
//! A stop is never early: it is due when the tick has reached the deadline. Only the
//! deadline on the build counts; the workspace's TTL was asked when it was written.

use super::candidate::Candidate;
use super::facts::{BuildTransition, OwnerStatus};
use super::signs::ActingRule;
use super::skip::Skip;
use super::verdict::{Next, Outcome, Transition};

pub(super) fn evaluate(candidate: &Candidate<'_>) -> Outcome {
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
    Ok(Next {
        rule: ActingRule::Autostop,
        transition: Transition::Stop,
        reason: candidate.stop_reason(),
        at,
        strict: false,
        due: at <= candidate.tick,
        mark_dormant: false,
    })
}

/// Is the stop due whatever the deadline, because of the owner?
pub(super) fn owner_is_suspended(candidate: &Candidate<'_>) -> bool {
    candidate.signs.suspended_owner && candidate.owner == OwnerStatus::Suspended
}
