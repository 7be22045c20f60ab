//! The verdict, step by step, for `autobuild_explain`.
//!
//! The steps are the conditions, then the rules in force, in order. They end at the
//! first condition that fails or the first rule that is due, which is the deciding one;
//! they call the same code as [`super::verdict`] and can't disagree with it.

use crate::instant::Instant;

use super::candidate::{Candidate, Condition};
use super::facts::Facts;
use super::outcome::Outcome;
use super::policy::Policy;
use super::rules::ActingRule;
use super::schedules::Schedules;
use super::signs::Signs;
use super::skip::Skip;
use super::verdict::{decided, reminds_first};

/// One step of the explanation of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule or the condition, by its name in `autobuild_rules` where it has one.
    pub rule: &'static str,
    /// A condition: does the workspace pass it? A rule: is it due at the tick?
    pub passed: bool,
    /// What was observed.
    pub observed: String,
}

/// The conditions and the rules in force, in order, down to the deciding one. If no rule
/// is due, all are there, and the one that comes first says so.
///
/// ```
/// use workspace_autobuild::instant::Instant;
/// use workspace_autobuild::lifecycle::explain::explain;
/// use workspace_autobuild::lifecycle::facts::{BuildTransition, Facts};
/// use workspace_autobuild::lifecycle::policy::Policy;
/// use workspace_autobuild::lifecycle::signs::Signs;
/// # use workspace_autobuild::schedule::{ScheduleCache, Span, Zone, ZoneSource};
/// # struct Utc;
/// # impl Zone for Utc {
/// #     fn span_at(&self, _: i64) -> Span { Span { offset: 0, until: None } }
/// #     fn since(&self, _: i64) -> Option<i64> { None }
/// # }
/// # impl ZoneSource for Utc {
/// #     type Zone = Utc;
/// #     fn zone(&self, name: &str) -> Option<Utc> { (name == "UTC").then_some(Utc) }
/// # }
///
/// let tick = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
/// let mut left = Facts::example(BuildTransition::Stop, tick);
/// left.owner = None;
///
/// let schedules = ScheduleCache::new(Utc, 100);
/// let steps = explain(&left, &Signs::ALL, &Policy::EVERYTHING, tick, &schedules);
/// let last = steps.last().expect("a step");
/// assert_eq!((last.rule, last.passed), ("owner", false)); // no rule was asked
/// ```
pub fn explain<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Vec<Step> {
    let decided = decided(facts, signs, policy, tick, schedules);
    let stopped_at = decided.as_ref().err();
    let mut steps: Vec<Step> = Condition::ALL
        .into_iter()
        .filter(|condition| condition.in_force(signs))
        .take_while(|condition| stopped_at.is_none_or(|(at, _)| condition < at))
        .map(|condition| Step {
            rule: condition.name(),
            passed: true,
            observed: passes(condition, facts, signs),
        })
        .collect();
    match decided {
        Err((condition, skip)) => steps.push(Step {
            rule: condition.name(),
            passed: false,
            observed: skip.to_string(),
        }),
        Ok((candidate, outcome)) => rule_steps(&candidate, &outcome, schedules, &mut steps),
    }
    steps
}

fn rule_steps<S: Schedules>(
    candidate: &Candidate<'_>,
    decided: &Outcome,
    schedules: &S,
    steps: &mut Vec<Step>,
) {
    let (reminding, moving): (Vec<ActingRule>, Vec<ActingRule>) = ActingRule::ALL
        .into_iter()
        .filter(|&rule| candidate.signs.bring(rule))
        .partition(|rule| rule.reminds());
    // Where a transition is due nobody is reminded.
    for rule in moving.into_iter().chain(reminding) {
        if let Some(hindrance) = candidate.policy.hindrance(rule) {
            let mut observed = format!("It does not act: {hindrance}.");
            if let Err(skip @ Skip::RuleOff { rule: left_out, .. }) = decided
                && *left_out == rule
            {
                observed = skip.to_string();
            }
            steps.push(Step {
                rule: rule.name(),
                passed: false,
                observed,
            });
            continue;
        }
        match rule.evaluate(candidate, schedules) {
            Ok(next) => {
                let mut observed = rule.observed(&next, candidate, schedules);
                if !next.due && decided.as_ref() == Ok(&next) {
                    observed.push_str(" This is the next transition.");
                }
                let passed_over = rule.reminds() && !reminds_first(&next, decided);
                if passed_over {
                    observed.push_str(" A transition comes before it.");
                }
                let passed = next.due && !passed_over;
                steps.push(Step {
                    rule: rule.name(),
                    passed,
                    observed,
                });
                if passed {
                    return;
                }
            }
            Err(skip @ Skip::Held { .. }) => {
                let without_holds = rule.without_holds(candidate, schedules);
                let observed = without_holds.map_or_else(
                    |skip| skip.to_string(),
                    |next| rule.observed(&next, candidate, schedules),
                );
                steps.push(Step {
                    rule: rule.name(),
                    passed: false,
                    observed,
                });
                let mut observed = skip.to_string();
                if decided.as_ref() == Err(&skip) {
                    observed.push_str(" This is the next transition.");
                }
                steps.push(Step {
                    rule: HOLD,
                    passed: false,
                    observed,
                });
            }
            Err(skip) => steps.push(Step {
                rule: rule.name(),
                passed: false,
                observed: skip.to_string(),
            }),
        }
    }
}

/// The step after a rule that is held.
const HOLD: &str = "hold";

/// What was seen where a condition holds.
fn passes(condition: Condition, facts: &Facts, signs: &Signs) -> String {
    let latest = facts.latest.as_ref();
    match condition {
        Condition::Deleted => "The workspace is not deleted.".to_owned(),
        Condition::Prebuild => format!(
            "Its owner, {}, is not the owner of pre-built workspaces.",
            facts.owner_id
        ),
        Condition::Owner => format!(
            "Its owner exists (status: {}).",
            facts.owner.map_or("none", |status| status.name())
        ),
        Condition::Template => "Its template exists.".to_owned(),
        Condition::Build => latest.map_or_else(String::new, |latest| {
            format!(
                "Its latest build is number {}, a {} of {}.",
                latest.build_number,
                latest.transition.name(),
                latest.created_at
            )
        }),
        Condition::Job => "The build's job exists.".to_owned(),
        Condition::Complete => {
            let job = latest.and_then(|latest| latest.job);
            let how = match job {
                Some(job) if job.failed => "failed",
                Some(job) if job.canceled_at.is_some() => "was canceled",
                _ => "succeeded",
            };
            match job.and_then(|job| job.completed_at) {
                Some(at) => format!("The build's job is complete since {at}: it {how}."),
                None if how == "failed" && signs.job_status => {
                    "The build's job failed, though it is not complete.".to_owned()
                }
                None => "The build's job is not complete, and a dormancy mark alone does not \
                         wait for it."
                    .to_owned(),
            }
        }
        Condition::Succeeded => "The build's job has no error.".to_owned(),
    }
}
