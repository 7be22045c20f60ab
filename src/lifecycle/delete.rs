//! Deletes a dormant workspace once its `deleting_at` has passed.
//!
//! After a delete that failed it waits for a day, where the product does. Only
//! `deleting_at` says when: the template's TTL says whether at all, and `dormant_at`
//! may even be later.

use crate::instant::{HOUR, Instant};

use super::candidate::Candidate;
use super::facts::{BuildTransition, Job};
use super::signs::ActingRule;
use super::skip::Skip;
use super::verdict::{Next, Outcome, Transition};

/// How long a failed delete is left alone, in microseconds.
const RETRY: i64 = 24 * HOUR;

pub(super) fn evaluate(candidate: &Candidate<'_>) -> Outcome {
    let since = candidate
        .dormant_at()
        .ok_or_else(|| match candidate.latest.transition {
            BuildTransition::Delete => Skip::DeleteBuild {
                build: candidate.build(),
            },
            _ => Skip::NotDormant,
        })?;
    candidate.ttl(
        candidate.template.time_til_dormant_autodelete,
        "time_til_dormant_autodelete",
        Skip::NoAutodeleteTtl { since },
    )?;
    let deleting_at = candidate
        .facts
        .deleting_at
        .ok_or(Skip::NoDeletingAt { since })?;
    let at = match retry_after(candidate)? {
        Some(retry_after) => deleting_at.max(retry_after),
        None => deleting_at,
    };
    Ok(Next {
        rule: ActingRule::Delete,
        transition: Transition::Delete,
        reason: "autodelete",
        at,
        strict: true,
        due: candidate.tick > at,
        mark_dormant: false,
    })
}

/// The instant after which a failed delete may be tried again: a day since the job was
/// completed, or, where it was not, since it was to be canceled. From `next_start_at` on
/// the product asks for a day since both. Without either time nobody can say when.
pub(super) fn retry_after(candidate: &Candidate<'_>) -> Result<Option<Instant>, Skip> {
    let waits = candidate.signs.job_status
        && candidate.failed
        && candidate.latest.transition == BuildTransition::Delete;
    if !waits {
        return Ok(None);
    }
    let Job {
        completed_at,
        canceled_at,
        ..
    } = *candidate.job;
    let ended = if candidate.signs.next_start_at {
        completed_at.max(canceled_at)
    } else {
        completed_at.or(canceled_at)
    };
    match ended {
        Some(ended) => Ok(Some(ended.saturating_add_micros(RETRY))),
        None => Err(candidate.in_progress_skip()),
    }
}
