//! Stops a workspace whose start or stop failed, once the template's `failure_ttl` has
//! passed since. It asks neither for the owner nor for dormancy.
//!
//! A failed stop that fails again would be tried for ever; the operator can have it
//! left alone.

use crate::instant::Instant;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::BuildTransition;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Sign;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::Transition;

use super::ActingRule;
use super::rule::{About, Rule, Setting};

pub(super) struct Failed;

impl Rule for Failed {
    const ABOUT: About = About {
        sign: Some(Sign::FailedStop),
        without_licence: Some("It does not act"),
        settings: &[Setting {
            name: "failed_stop_retry",
            is_on: |policy| policy.failed_stop_retry,
        }],
        reminds: false,
        description: "Stops a workspace once failure_ttl has passed since its start or stop \
                      failed. Without this rule a failed build keeps a workspace from every \
                      transition.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, _: &S) -> Outcome {
        let build = candidate.build();
        if !candidate.failed {
            return Err(Skip::NotFailed { build });
        }
        match candidate.latest.transition {
            BuildTransition::Start => {}
            BuildTransition::Stop if candidate.policy.failed_stop_retry => {}
            BuildTransition::Stop => return Err(Skip::FailedStopNotRetried { build }),
            BuildTransition::Delete => return Err(Skip::DeleteBuild { build }),
        }
        let ttl = candidate.ttl(
            candidate.template.failure_ttl,
            "failure_ttl",
            Skip::NoFailureTtl { build },
        )?;
        let completed_at = candidate
            .job
            .completed_at
            .ok_or_else(|| candidate.in_progress_skip())?;
        Ok(candidate.next_after(
            Candidate::after(completed_at, ttl),
            ActingRule::Failed,
            Transition::Stop,
            candidate.stop_reason(),
        ))
    }

    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, _: &S) -> String {
        format!(
            "The latest, {}, failed at {}; failure_ttl ({}) has passed after {}; the tick is {}.",
            candidate.build(),
            candidate.job.completed_at.unwrap_or(next.at),
            candidate.template.failure_ttl,
            next.at,
            candidate.tick
        )
    }

    fn is_about(candidate: &Candidate<'_>) -> bool {
        candidate.failed && candidate.latest.transition != BuildTransition::Delete
    }

    fn look_again_at<S: Schedules>(_: &Candidate<'_>, _: &S) -> Option<Instant> {
        None
    }

    fn fill_next_start_at<S: Schedules>(_: &Candidate<'_>, _: &Outcome, _: &S) -> Option<Instant> {
        None
    }
}
