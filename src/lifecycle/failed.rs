//! Stops a workspace whose start or stop failed, once the template's `failure_ttl` has
//! passed since. It asks neither for the owner nor for dormancy.
//!
//! A failed stop that fails again would be tried for ever; the operator can have it
//! left alone.

use super::candidate::Candidate;
use super::facts::BuildTransition;
use super::signs::ActingRule;
use super::skip::Skip;
use super::verdict::{Next, Outcome, Transition};

pub(super) fn evaluate(candidate: &Candidate<'_>) -> Outcome {
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
    let (at, due) = candidate.after(completed_at, ttl);
    Ok(Next {
        rule: ActingRule::Failed,
        transition: Transition::Stop,
        reason: candidate.stop_reason(),
        at,
        strict: true,
        due,
        mark_dormant: false,
    })
}
