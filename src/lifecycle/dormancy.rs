//! Marks a workspace dormant that nobody used for longer than the template's
//! `time_til_dormant`, and stops it if its latest build started it.
//!
//! Neither the owner, nor whether the latest build failed, plays a part.

use super::candidate::Candidate;
use super::facts::BuildTransition;
use super::signs::ActingRule;
use super::skip::Skip;
use super::verdict::{Next, Outcome, Transition};

pub(super) fn evaluate(candidate: &Candidate<'_>) -> Outcome {
    if let Some(since) = candidate.dormant_at() {
        return Err(Skip::Dormant { since });
    }
    let ttl = candidate.ttl(
        candidate.template.time_til_dormant,
        "time_til_dormant",
        Skip::NoDormancyTtl,
    )?;
    let (at, due) = candidate.after(candidate.facts.last_used_at, ttl);
    Ok(Next {
        rule: ActingRule::Dormancy,
        transition: match candidate.latest.transition {
            BuildTransition::Start => Transition::Stop,
            BuildTransition::Stop | BuildTransition::Delete => Transition::Dormant,
        },
        reason: if candidate.signs.dormancy_reason {
            "dormancy"
        } else {
            "autolock"
        },
        at,
        strict: true,
        due,
        mark_dormant: true,
    })
}
