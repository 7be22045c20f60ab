//! Reminds an owner that the workspace will be stopped soon.
//!
//! A reminder is no transition, and never keeps one away: where a transition is due there is
//! none. One is made for each deadline, from a while before it on that the template sets, until
//! just before the deadline. The build keeps of which deadline the owner was told: a deadline
//! that moves is told anew, one that moves back to that one is not.
//!
//! Whether anybody uses the workspace doesn't matter, nor the licence, nor a provisioner. Where
//! the stop is held at the deadline nobody is reminded of it, as nothing happens then.

use crate::instant::{Instant, Micros, Nanos};
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::{BuildTransition, OwnerStatus};
use crate::lifecycle::held::unless_held;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Sign;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::ActingRule;
use super::rule::{About, Rule, Setting};

pub(super) struct Remind;

impl Rule for Remind {
    const ABOUT: About = About {
        sign: Some(Sign::Reminder),
        without_licence: None,
        settings: &[Setting {
            name: "notify_owners",
            is_on: |policy| policy.notify_owners,
        }],
        reminds: true,
        description: "Reminds the owner of a running workspace, once for each deadline, from \
                      time_til_autostop_notify before it on. No transition: it shows in \
                      autobuild_upcoming, and in history as remind.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, _: &S) -> Outcome {
        let build = candidate.build();
        if candidate.latest.transition != BuildTransition::Start {
            return Err(Skip::NotRunning { build });
        }
        if let Some(skip) = candidate.failed_or_dormant() {
            return Err(skip);
        }
        if candidate.was_canceled() {
            return Err(Skip::BuildCanceled { build });
        }
        if candidate.owner == OwnerStatus::Suspended {
            return Err(Skip::OwnerSuspended);
        }
        let deadline = candidate.latest.deadline.ok_or(Skip::NoDeadline {
            build,
            canceled: false,
        })?;
        let before = candidate.template.time_til_autostop_notify;
        if before <= Nanos(0) {
            return Err(Skip::NoReminderTime);
        }
        if deadline <= candidate.tick {
            return Err(Skip::DeadlineReached { deadline });
        }
        if candidate.latest.notified_deadline == Some(deadline) {
            return Err(Skip::Reminded { deadline });
        }
        Ok(candidate.next_at(
            deadline.saturating_sub(whole_milliseconds(before)),
            ActingRule::Remind,
            Transition::Remind,
            BuildReason::Autostop,
        ))
    }

    fn unless_held<S: Schedules>(next: Next, candidate: &Candidate<'_>, schedules: &S) -> Outcome {
        let Some(deadline) = candidate.latest.deadline else {
            return Ok(next);
        };
        let stop = candidate.next_at(
            deadline,
            ActingRule::Autostop,
            Transition::Stop,
            candidate.stop_reason(),
        );
        unless_held(stop, candidate, schedules).map(|_| next)
    }

    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, _: &S) -> String {
        let deadline = candidate.latest.deadline.unwrap_or(Instant::NO_TIME);
        format!(
            "The owner is reminded of the deadline, {deadline}, from {} on; the tick is {}.",
            next.at, candidate.tick
        )
    }

    fn is_about(_: &Candidate<'_>) -> bool {
        false
    }

    fn look_again_at<S: Schedules>(_: &Candidate<'_>, _: &S) -> Option<Instant> {
        None
    }

    fn fill_next_start_at<S: Schedules>(_: &Candidate<'_>, _: &Outcome, _: &S) -> Option<Instant> {
        None
    }
}

/// The product looks for workspaces with the template's duration cut so.
fn whole_milliseconds(duration: Nanos) -> Micros {
    Micros(duration.0.div_euclid(1_000_000).saturating_mul(1000))
}
