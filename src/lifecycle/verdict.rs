//! The verdict: what happens next to a workspace and when, or why nothing does.

use crate::instant::Instant;

use super::candidate::{Candidate, Condition};
use super::facts::Facts;
use super::outcome::{Next, Outcome};
use super::policy::Policy;
use super::rules::ActingRule;
use super::schedules::Schedules;
use super::signs::Signs;
use super::skip::Skip;
use super::transition::Transition;

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
    /// The reminder that is made before any transition is; `None` where a transition comes
    /// first, or nobody is reminded.
    pub reminder: Option<Next>,
}

impl Verdict {
    /// What is due at the tick: a transition, else a reminder.
    pub fn due(&self) -> Option<Next> {
        let transition = self.outcome.as_ref().ok().copied();
        let due = |next: &Next| next.due;
        transition.filter(due).or_else(|| self.reminder.filter(due))
    }
}

/// What happens next to a workspace at a tick (already cut down to the minute).
///
/// Of the rules that are in force and allowed, the first that is due wins; if none is
/// due, the one that will be soonest, ties by rule order. A rule that is held counts as what it
/// is after the hold, and lets others act. Only the facts as they stand
/// count: what a build would change afterwards is not played forward. If no rule will
/// ever act, the reason is, in this order: a rule that would act but is left out of
/// the setting; else the reason of the rule that the workspace's state is about, which
/// is delete after a delete build, failed after a failed one, autostop while it runs
/// and autostart while it is stopped.
///
/// ```
/// use workspace_autobuild::instant::Instant;
/// use workspace_autobuild::lifecycle::facts::{BuildTransition, Facts};
/// use workspace_autobuild::lifecycle::policy::Policy;
/// use workspace_autobuild::lifecycle::signs::Signs;
/// use workspace_autobuild::lifecycle::verdict::verdict;
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
/// let built = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
/// let mut stopped = Facts::example(BuildTransition::Stop, built);
/// stopped.schedule = Some("0 9 * * *".to_owned());
///
/// let schedules = ScheduleCache::new(Utc, 100);
/// let verdict = verdict(&stopped, &Signs::ALL, &Policy::EVERYTHING, built, &schedules);
/// let next = verdict.outcome.expect("it has a schedule");
/// assert_eq!(next.rule.name(), "autostart");
/// assert_eq!(next.at.to_string(), "1970-01-01T09:00:00Z");
/// assert!(!next.due); // not at midnight
/// ```
pub fn verdict<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Verdict {
    match decided(facts, signs, policy, tick, schedules) {
        Ok((candidate, outcome)) => Verdict {
            fill_next_start_at: may_act(&candidate)
                .find_map(|rule| rule.fill_next_start_at(&candidate, &outcome, schedules)),
            look_again_at: look_again_at(&candidate, &outcome, schedules),
            reminder: reminder(&candidate, &outcome, schedules),
            outcome,
        },
        Err((_, skip)) => Verdict {
            outcome: Err(skip),
            fill_next_start_at: None,
            look_again_at: None,
            reminder: None,
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
    let outcome = decide(
        &candidate,
        |rule| rule.evaluate(&candidate, schedules),
        schedules,
    );
    // A rule that comes first and can't build now keeps the mark away, as in the product, also
    // where a hold keeps that rule away: or a hold that begins would bring the mark forward.
    if candidate.in_progress {
        let plain = |rule: ActingRule| rule.without_holds(&candidate, schedules);
        let plain = schedules
            .has_holds()
            .then(|| decide(&candidate, plain, schedules));
        if !is_mark(&outcome) || plain.is_some_and(|plain| !is_mark(&plain)) {
            return Err((Condition::Complete, candidate.in_progress_skip()));
        }
    }
    Ok((candidate, outcome))
}

/// Is it the mark alone that comes next, held or not?
fn is_mark(outcome: &Outcome) -> bool {
    match outcome {
        Ok(Next { transition, .. }) | Err(Skip::Held { transition, .. }) => {
            *transition == Transition::Dormant
        }
        Err(_) => false,
    }
}

/// The outcome for a workspace that passed the conditions, whose rules come to what
/// `evaluate` says.
fn decide<S: Schedules>(
    candidate: &Candidate<'_>,
    evaluate: impl Fn(ActingRule) -> Outcome,
    schedules: &S,
) -> Outcome {
    let policy = candidate.policy;
    let allowed = first(candidate, evaluate, |rule| policy.allows(rule));
    match (allowed.next, allowed.held) {
        (Some(next), Some(held)) if is_before(&held, &next) => return Err(held),
        (Some(next), _) => return Ok(next),
        (None, Some(held)) => return Err(held),
        (None, None) => {}
    }
    let evaluate = |rule: ActingRule| rule.without_holds(candidate, schedules);
    let left_out = first(candidate, evaluate, |rule| !policy.allows(rule));
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

/// The rules in force that may act, in rule order, without those that remind.
fn may_act(candidate: &Candidate<'_>) -> impl Iterator<Item = ActingRule> {
    ActingRule::ALL.into_iter().filter(|&rule| {
        candidate.signs.bring(rule) && candidate.policy.allows(rule) && !rule.reminds()
    })
}

/// See [`Verdict::reminder`].
fn reminder<S: Schedules>(
    candidate: &Candidate<'_>,
    outcome: &Outcome,
    schedules: &S,
) -> Option<Next> {
    let reminder = ActingRule::ALL
        .into_iter()
        .filter(|&rule| candidate.signs.bring(rule) && candidate.policy.allows(rule))
        .filter(|rule| rule.reminds())
        .find_map(|rule| rule.evaluate(candidate, schedules).ok())?;
    reminds_first(&reminder, outcome).then_some(reminder)
}

/// Is the reminder made before the transition?
pub(super) fn reminds_first(reminder: &Next, outcome: &Outcome) -> bool {
    let first = |next: &Next| next.due || next.due_from() <= reminder.at;
    !outcome.as_ref().is_ok_and(first)
}

/// Is what is held made before something else?
fn is_before(held: &Skip, next: &Next) -> bool {
    match held {
        Skip::Held {
            at: Some(at), rule, ..
        } => !next.due && (*at, *rule) < (next.due_from(), next.rule),
        _ => false,
    }
}

/// When what is held is made; what is never made comes last.
fn made_at(held: &Skip) -> Instant {
    match held {
        Skip::Held { at: Some(at), .. } => *at,
        _ => Instant::MAX,
    }
}

/// See [`Verdict::look_again_at`]. What is not due is the soonest anyway.
fn look_again_at<S: Schedules>(
    candidate: &Candidate<'_>,
    outcome: &Outcome,
    schedules: &S,
) -> Option<Instant> {
    let given_way = outcome.as_ref().is_ok_and(|next| next.due).then(|| {
        may_act(candidate)
            .filter_map(|rule| rule.evaluate(candidate, schedules).ok())
            .map(|next| next.at)
            .min()
    });
    may_act(candidate)
        .filter_map(|rule| rule.look_again_at(candidate, schedules))
        .chain(given_way.flatten())
        .chain(match outcome {
            // Where no time was found, the end of the hold may show one, or its going on.
            Err(Skip::Held { at, hold, .. }) => at.or(hold.at_least),
            _ => None,
        })
        .min()
}

/// What some of the rules come to.
struct First {
    /// The first that is due, else the soonest.
    next: Option<Next>,
    /// What is held and, of all of that, is made the soonest.
    held: Option<Skip>,
    /// Why the rule that the workspace's state is about does not act, if it is among
    /// them and was asked.
    reason: Option<Skip>,
}

/// Evaluates those rules in force that `among` admits, in rule order.
fn first(
    candidate: &Candidate<'_>,
    evaluate: impl Fn(ActingRule) -> Outcome,
    among: impl Fn(ActingRule) -> bool,
) -> First {
    let mut soonest: Option<Next> = None;
    let mut held: Option<Skip> = None;
    let mut reason = None;
    for rule in ActingRule::ALL {
        if !candidate.signs.bring(rule) || !among(rule) || rule.reminds() {
            continue;
        }
        match evaluate(rule) {
            Ok(next) if next.due => {
                return First {
                    next: Some(next),
                    held: None,
                    reason: None,
                };
            }
            Ok(next) => {
                if soonest.is_none_or(|soonest| next.due_from() < soonest.due_from()) {
                    soonest = Some(next);
                }
            }
            Err(skip @ Skip::Held { .. }) => {
                if held
                    .as_ref()
                    .is_none_or(|held| made_at(&skip) < made_at(held))
                {
                    held = Some(skip);
                }
            }
            Err(skip) if rule.is_about(candidate) => reason = Some(skip),
            Err(_) => {}
        }
    }
    First {
        next: soonest,
        held,
        reason,
    }
}
