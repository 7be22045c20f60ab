//! The verdict: what happens next to a workspace and when, or why nothing does.

use crate::instant::Instant;

use super::autostart;
use super::candidate::{Candidate, Condition};
use super::facts::{BuildTransition, Facts};
use super::rules;
use super::schedules::Schedules;
use super::signs::{ActingRule, Policy, Signs};
use super::skip::Skip;

/// What a rule does to a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A build that starts it.
    Start,
    /// A build that stops it.
    Stop,
    /// A build that deletes it.
    Delete,
    /// The dormancy mark alone, without a build.
    Dormant,
}

impl Transition {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Transition::Start => "start",
            Transition::Stop => "stop",
            Transition::Delete => "delete",
            Transition::Dormant => "dormant",
        }
    }
}

/// The next transition of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The rule that makes it.
    pub rule: ActingRule,
    /// What is done.
    pub transition: Transition,
    /// The product's `build_reason`.
    pub reason: &'static str,
    /// When it falls due. Not to be compared with the tick: some rules act at this
    /// very instant, others only after it.
    pub at: Instant,
    /// Does the rule act only after `at`, not at that very instant?
    pub strict: bool,
    /// Is it due at the tick, by the rule's own comparison?
    pub due: bool,
    /// Is the workspace marked dormant, with the build or alone?
    pub mark_dormant: bool,
}

impl Next {
    /// The first instant at which it is due.
    fn due_from(&self) -> Instant {
        self.at.saturating_add_micros(i64::from(self.strict))
    }
}

/// What happens next, or why nothing does.
pub type Outcome = Result<Next, Skip>;

/// The verdict on a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happens next, or why nothing does.
    pub outcome: Outcome,
    /// The value that `workspaces.next_start_at` is to be filled in with, where it is
    /// NULL and the product would fill it. It must be written together with the
    /// outcome's build, or where no start is due. A start that is blocked, held back by
    /// the cap or waits for a provisioner must leave the column NULL: with a time in the
    /// future there, the start would be lost.
    pub fill_next_start_at: Option<Instant>,
    /// From when on these very facts may come to more than the outcome says, without any
    /// change. With a limit on lateness a run on a blocked day is passed over once it is
    /// too late, and the runs after it count. And of a rule that gives way to another one
    /// at this tick, that would have acted at an earlier one: the earliest of all.
    pub look_again_at: Option<Instant>,
}

/// What happens next to a workspace at a tick (already cut down to the minute).
///
/// Of the rules that are in force and allowed, the first that is due wins; if none is
/// due, the one that will be soonest, ties by rule order. Only the facts as they stand
/// count: what a build would change afterwards is not played forward. If no rule will
/// ever act, the reason is, in this order: a rule that would act but is left out of
/// the setting; else the reason of the rule that the workspace's state is about, which
/// is delete after a delete build, failed after a failed one, autostop while it runs
/// and autostart while it is stopped.
pub fn verdict<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Verdict {
    match decided(facts, signs, policy, tick, schedules) {
        Ok((candidate, outcome)) => Verdict {
            fill_next_start_at: fill_next_start_at(&candidate, &outcome, schedules),
            look_again_at: look_again_at(&candidate, &outcome, schedules),
            outcome,
        },
        Err((_, skip)) => Verdict {
            outcome: Err(skip),
            fill_next_start_at: None,
            look_again_at: None,
        },
    }
}

/// The workspace as it is put before the rules, with what they come to; or the condition
/// that it fails.
pub(super) fn decided<'a, S: Schedules>(
    facts: &'a Facts,
    signs: &'a Signs,
    policy: &'a Policy,
    tick: Instant,
    schedules: &S,
) -> Result<(Candidate<'a>, Outcome), (Condition, Skip)> {
    let candidate = Candidate::new(facts, signs, policy, tick)?;
    let outcome = decide(&candidate, schedules);
    // A rule that comes first and can't build now keeps the mark away, as in the product.
    let is_mark = |next: &Next| next.transition == Transition::Dormant;
    if candidate.in_progress && !outcome.as_ref().is_ok_and(is_mark) {
        return Err((Condition::Complete, candidate.in_progress_skip()));
    }
    Ok((candidate, outcome))
}

/// The outcome for a workspace that passed the conditions.
fn decide<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Outcome {
    let policy = candidate.policy;
    let allowed = first(candidate, schedules, |rule| policy.allows(rule));
    if let Some(next) = allowed.next {
        return Ok(next);
    }
    let left_out = first(candidate, schedules, |rule| !policy.allows(rule));
    Err(match left_out.next {
        Some(next) => Skip::RuleOff {
            rule: next.rule,
            transition: next.transition,
            at: next.at,
        },
        // No rule in force is about a delete build on a schema without deletion; every
        // other state has its rule.
        None => allowed
            .reason
            .or(left_out.reason)
            .unwrap_or(Skip::DeleteBuild {
                build: candidate.build(),
            }),
    })
}

/// See [`Verdict::look_again_at`]. What is not due is the soonest anyway.
fn look_again_at<S: Schedules>(
    candidate: &Candidate<'_>,
    outcome: &Outcome,
    schedules: &S,
) -> Option<Instant> {
    let given_way = outcome.as_ref().is_ok_and(|next| next.due).then(|| {
        ActingRule::ALL
            .into_iter()
            .filter(|&rule| candidate.signs.bring(rule) && candidate.policy.allows(rule))
            .filter_map(|rule| rules::evaluate(rule, candidate, schedules).ok())
            .map(|next| next.at)
            .min()
    });
    autostart::look_again_at(candidate, schedules)
        .into_iter()
        .chain(given_way.flatten())
        .min()
}

/// What some of the rules come to.
struct First {
    /// The first that is due, else the soonest.
    next: Option<Next>,
    /// Why the rule that the workspace's state is about does not act, if it is among
    /// them and was asked.
    reason: Option<Skip>,
}

/// Evaluates those rules in force that `among` admits, in rule order.
fn first<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
    among: impl Fn(ActingRule) -> bool,
) -> First {
    let about = rule_about(candidate);
    let mut soonest: Option<Next> = None;
    let mut reason = None;
    for rule in ActingRule::ALL {
        if !candidate.signs.bring(rule) || !among(rule) {
            continue;
        }
        match rules::evaluate(rule, candidate, schedules) {
            Ok(next) if next.due => {
                return First {
                    next: Some(next),
                    reason: None,
                };
            }
            Ok(next) => {
                if soonest.is_none_or(|soonest| next.due_from() < soonest.due_from()) {
                    soonest = Some(next);
                }
            }
            Err(skip) if rule == about => reason = Some(skip),
            Err(_) => {}
        }
    }
    First {
        next: soonest,
        reason,
    }
}

/// The rule whose reason people want to read when no rule will ever act.
fn rule_about(candidate: &Candidate<'_>) -> ActingRule {
    match candidate.latest.transition {
        BuildTransition::Delete => ActingRule::Delete,
        _ if candidate.failed => ActingRule::Failed,
        BuildTransition::Start => ActingRule::Autostop,
        BuildTransition::Stop => ActingRule::Autostart,
    }
}

/// The value for an empty `next_start_at`. The product writes it for every workspace
/// that it looks at: those with a transition due, and the stopped ones whose schedule
/// counts. Not for dormant ones, where a trigger of the product's empties it again, and
/// not where the operator leaves autostart to someone else.
fn fill_next_start_at<S: Schedules>(
    candidate: &Candidate<'_>,
    outcome: &Outcome,
    schedules: &S,
) -> Option<Instant> {
    let empty = candidate.signs.next_start_at
        && candidate.facts.next_start_at.is_none()
        && candidate.dormant_at().is_none()
        && candidate.policy.allows(ActingRule::Autostart);
    if !empty {
        return None;
    }
    let looked_at = match outcome {
        Ok(next) if next.due => !next.mark_dormant,
        _ => {
            candidate.latest.transition == BuildTransition::Stop
                && !candidate.failed
                && !candidate.in_progress
                && candidate.owner_may_start()
        }
    };
    if !looked_at {
        return None;
    }
    let schedule = schedules.schedule(candidate.schedule()?).ok()?;
    autostart::first_allowed(candidate, &schedule, candidate.tick).ok()
}
