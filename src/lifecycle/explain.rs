//! The verdict, step by step, for `autobuild_explain`.
//!
//! The steps are the conditions, then the rules in force, in order. They end at the
//! first condition that fails or the first rule that is due, which is the deciding one;
//! they call the same code as [`super::verdict()`] and can't disagree with it.

use crate::instant::{HOUR, Instant, MINUTE, SECOND};

use super::candidate::{Candidate, Condition};
use super::facts::Facts;
use super::schedules::Schedules;
use super::signs::{ActingRule, Policy, Signs};
use super::skip::{Skip, day_name};
use super::verdict::{Next, Outcome, decided};
use super::{autostart, autostop, delete, rules};

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
    for rule in ActingRule::ALL {
        if !candidate.signs.bring(rule) {
            continue;
        }
        if !candidate.policy.allows(rule) {
            let mut observed = "workspace_autobuild.rules leaves this rule out.".to_owned();
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
        match rules::evaluate(rule, candidate, schedules) {
            Ok(next) => {
                let mut observed = acts(&next, candidate, schedules);
                if !next.due && decided.as_ref() == Ok(&next) {
                    observed.push_str(" This is what comes next.");
                }
                steps.push(Step {
                    rule: rule.name(),
                    passed: next.due,
                    observed,
                });
                if next.due {
                    return;
                }
            }
            Err(skip) => steps.push(Step {
                rule: rule.name(),
                passed: false,
                observed: skip.to_string(),
            }),
        }
    }
}

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
            "Its owner is there (status: {}).",
            facts.owner.map_or("none", |status| status.name())
        ),
        Condition::Template => "Its template is there.".to_owned(),
        Condition::Build => latest.map_or_else(String::new, |latest| {
            format!(
                "Its latest build is number {}, a {} of {}.",
                latest.build_number,
                latest.transition.name(),
                latest.created_at
            )
        }),
        Condition::Job => "The build's job is there.".to_owned(),
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

/// What was seen where a rule acts, now or later.
fn acts<S: Schedules>(next: &Next, candidate: &Candidate<'_>, schedules: &S) -> String {
    let build = candidate.build();
    let at = next.at;
    let tick = candidate.tick;
    match next.rule {
        ActingRule::Autostop if autostop::owner_is_suspended(candidate) => format!(
            "{} and its owner is suspended: {} at once, at the tick ({tick}).",
            since_build("The workspace runs", candidate),
            next.transition.name()
        ),
        ActingRule::Autostop => format!(
            "{}, whose deadline is {at}; the tick is {tick}.",
            since_build("The workspace runs", candidate)
        ),
        ActingRule::Autostart => autostarts(candidate, schedules, at),
        ActingRule::Failed => format!(
            "The latest, {build}, failed at {}; failure_ttl ({}) has passed after {at}; the tick \
             is {tick}.",
            candidate.job.completed_at.unwrap_or(at),
            span(candidate.template.failure_ttl)
        ),
        ActingRule::Dormancy => format!(
            "The workspace was last used at {}; time_til_dormant ({}) has passed after {at}; the \
             tick is {tick}. The latest, {build}, {}.",
            candidate.facts.last_used_at,
            span(candidate.template.time_til_dormant),
            match next.transition {
                super::Transition::Stop => "is stopped with it",
                _ => "needs no stop: the workspace is only marked",
            }
        ),
        ActingRule::Delete => {
            let mut observed = String::from("The workspace is dormant");
            if let Some(since) = candidate.dormant_at() {
                observed.push_str(&format!(" since {since}"));
            }
            if let Some(deleting_at) = candidate.facts.deleting_at {
                observed.push_str(&format!(", to be deleted after {deleting_at}"));
            }
            if let Ok(Some(retry_after)) = delete::retry_after(candidate) {
                observed.push_str(&format!(
                    "; the latest, {build}, failed and is not tried again until after \
                     {retry_after}"
                ));
            }
            observed.push_str(&format!("; the tick is {tick}."));
            observed
        }
    }
}

/// In which state the latest build left the workspace: one that was canceled left it in
/// none that is known.
fn since_build(state: &str, candidate: &Candidate<'_>) -> String {
    let build = candidate.build();
    if candidate.was_canceled() {
        format!(
            "The latest, {build}, was canceled, but counts as a {}",
            build.transition.name()
        )
    } else {
        format!("{state} since {build}")
    }
}

/// What was seen where a schedule starts the workspace.
fn autostarts<S: Schedules>(candidate: &Candidate<'_>, schedules: &S, at: Instant) -> String {
    let run = autostart::next_run(candidate, schedules).unwrap_or(at);
    let mut observed = format!(
        "{}; the first run of its schedule {} after {}",
        since_build("The workspace is stopped", candidate),
        quote(candidate.schedule().unwrap_or_default()),
        autostart::search_from(candidate),
    );
    let blocked = blocked_names(candidate.blocked_days());
    if !blocked.is_empty() {
        observed.push_str(&format!(" that is not on a {}", blocked.join(" or ")));
    }
    observed.push_str(&format!(" is {run}"));
    if candidate.signs.next_start_at {
        match candidate.facts.next_start_at {
            Some(next_start_at) => {
                observed.push_str(&format!("; next_start_at is {next_start_at}"));
            }
            None => observed.push_str("; next_start_at is NULL"),
        }
    }
    observed.push_str(&format!("; the tick is {}.", candidate.tick));
    observed
}

/// The names of the weekdays in a set whose bit 0 is Monday.
fn blocked_names(blocked: i32) -> Vec<&'static str> {
    (0..7u8)
        .filter(|day| blocked & (1 << day) != 0)
        .filter_map(|day| chrono::Weekday::try_from(day).ok())
        .map(day_name)
        .collect()
}

/// A schedule's text for a sentence: what can't be printed escaped, what is long cut.
fn quote(text: &str) -> String {
    const SHOWN: usize = 120;
    if text.chars().count() > SHOWN {
        let start: String = text.chars().take(SHOWN).collect();
        format!("{start:?} and so on")
    } else {
        format!("{text:?}")
    }
}

/// A duration in nanoseconds, in the largest unit that it is a whole number of.
fn span(nanos: i64) -> String {
    const UNITS: [(i64, &str); 4] = [
        (24 * HOUR * 1000, "d"),
        (HOUR * 1000, "h"),
        (MINUTE * 1000, "min"),
        (SECOND * 1000, "s"),
    ];
    UNITS
        .iter()
        .find(|(unit, _)| nanos % unit == 0)
        .map_or_else(
            || format!("{nanos} ns"),
            |(unit, name)| format!("{} {name}", nanos / unit),
        )
}
