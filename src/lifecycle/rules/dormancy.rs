//! Marks a workspace dormant that nobody used for longer than the template's
//! `time_til_dormant`, and stops it if its latest build started it.
//!
//! Neither the owner, nor whether the latest build failed, plays a part.

use crate::instant::Instant;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::BuildTransition;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Sign;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::ActingRule;
use super::rule::{About, Rule};

pub(super) struct Dormancy;

impl Rule for Dormancy {
    const ABOUT: About = About {
        sign: Some(Sign::Dormancy),
        without_licence: Some("It does not act"),
        settings: &[],
        reminds: false,
        description: "Marks a workspace as dormant that was not used for longer than \
        time_til_dormant, and stops it if it runs.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, _: &S) -> Outcome {
        if let Some(since) = candidate.dormant_at() {
            return Err(Skip::Dormant { since });
        }
        let ttl = candidate.ttl(
            candidate.template.time_til_dormant,
            "time_til_dormant",
            Skip::NoDormancyTtl,
        )?;
        let transition = match candidate.latest.transition {
            BuildTransition::Start => Transition::Stop,
            BuildTransition::Stop | BuildTransition::Delete => Transition::Dormant,
        };
        let reason = if candidate.signs.dormancy_reason {
            BuildReason::Dormancy
        } else {
            BuildReason::Autolock
        };
        let at = Candidate::after(candidate.facts.last_used_at, ttl);
        Ok(Next {
            mark_dormant: true,
            ..candidate.next_after(at, ActingRule::Dormancy, transition, reason)
        })
    }

    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, _: &S) -> String {
        format!(
            "The workspace was last used at {}; time_til_dormant ({}) has passed after {}; the \
             tick is {}. The latest, {}, {}.",
            candidate.facts.last_used_at,
            candidate.template.time_til_dormant,
            next.at,
            candidate.tick,
            candidate.build(),
            match next.transition {
                Transition::Stop => "is stopped with it",
                _ => "needs no stop: the workspace is only marked",
            }
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
