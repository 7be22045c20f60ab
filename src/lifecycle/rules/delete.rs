//! Deletes a dormant workspace once its `deleting_at` has passed.
//!
//! After a delete that failed it waits for a day, where the product does. Only
//! `deleting_at` says when: the template's TTL says whether at all, and `dormant_at`
//! may even be later.

use crate::instant::{HOUR, Instant, Micros};
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::{BuildTransition, Job};
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Sign;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::ActingRule;
use super::rule::{About, Rule};

/// How long a failed delete is left alone.
const RETRY: Micros = Micros(24 * HOUR);

pub(super) struct Delete;

impl Rule for Delete {
    const ABOUT: About = About {
        sign: Some(Sign::Deletion),
        without_licence: Some("It does not act"),
        settings: &[],
        reminds: false,
        description: "Deletes a dormant workspace once its deleting_at has passed.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, _: &S) -> Outcome {
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
        Ok(candidate.next_after(
            at,
            ActingRule::Delete,
            Transition::Delete,
            BuildReason::Autodelete,
        ))
    }

    fn observed<S: Schedules>(_: &Next, candidate: &Candidate<'_>, _: &S) -> String {
        let mut observed = String::from("The workspace is dormant");
        if let Some(since) = candidate.dormant_at() {
            observed.push_str(&format!(" since {since}"));
        }
        if let Some(deleting_at) = candidate.facts.deleting_at {
            observed.push_str(&format!(", to be deleted after {deleting_at}"));
        }
        if let Ok(Some(retry_after)) = retry_after(candidate) {
            observed.push_str(&format!(
                "; the latest, {}, failed and is not tried again until after {retry_after}",
                candidate.build()
            ));
        }
        observed.push_str(&format!("; the tick is {}.", candidate.tick));
        observed
    }

    fn is_about(candidate: &Candidate<'_>) -> bool {
        candidate.latest.transition == BuildTransition::Delete
    }

    fn look_again_at<S: Schedules>(_: &Candidate<'_>, _: &S) -> Option<Instant> {
        None
    }

    fn fill_next_start_at<S: Schedules>(_: &Candidate<'_>, _: &Outcome, _: &S) -> Option<Instant> {
        None
    }
}

/// The instant after which a failed delete may be tried again: a day since the job was
/// completed, or, where it was not, since it was to be canceled. From `next_start_at` on
/// the product asks for a day since both. Without either time nobody can say when.
fn retry_after(candidate: &Candidate<'_>) -> Result<Option<Instant>, Skip> {
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
        Some(ended) => Ok(Some(ended.saturating_add(RETRY))),
        None => Err(candidate.in_progress_skip()),
    }
}
