//! Starts a stopped workspace at the first run of its schedule after the latest build.
//!
//! Runs on weekdays that the template blocks don't count. A search over them always
//! ends: at the first run that is refused a week or more after it began. A schedule
//! without a run is a reason not to start, never a start at once.
//!
//! Runs in a hold don't count either, or they count at its end, as `missed_starts` has it. So
//! at its end nothing is started that was missed in it, or all of it.
//!
//! With `spread_starts` a start is made some minutes after the run, or the end of the hold, by
//! which it counts: the same for a workspace each time. Which run that is, and whether it
//! counts, does not depend on it.

use crate::instant::{HOUR, Instant, MINUTE, Micros};
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::held::{held, unless_held};
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::policy::MissedStarts;
use crate::lifecycle::schedules::{Held, Runs, Schedules};
use crate::lifecycle::skip::{Skip, day_name};

use super::ActingRule;
use super::rule::{About, Rule, Setting};
use super::runs::{
    MOST_HELD, counts_from, first_allowed, hold_at, next_run, next_start_at, search_from,
    spread_from, start_from, too_late,
};

pub(super) struct Autostart;

impl Rule for Autostart {
    const ABOUT: About = About {
        sign: None,
        without_licence: Some("The template's options do not count"),
        settings: &[
            Setting {
                name: "max_start_delay",
                is_on: |policy| policy.max_start_delay > Micros(0),
            },
            Setting {
                name: "missed_starts",
                is_on: |policy| policy.missed_starts == MissedStarts::MakeUp,
            },
            Setting {
                name: "spread_starts",
                is_on: |policy| policy.spread_starts > Micros(0),
            },
        ],
        reminds: false,
        description: "Starts a stopped workspace at the first run of its schedule after the \
                      latest build, where the template allows autostart.",
    };

    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Outcome {
        let run = next_run(candidate, schedules)?;
        Ok(start_from(candidate, run))
    }

    fn unless_held<S: Schedules>(next: Next, candidate: &Candidate<'_>, schedules: &S) -> Outcome {
        match candidate.policy.missed_starts {
            MissedStarts::Drop => unless_missed(&next, candidate, schedules),
            MissedStarts::MakeUp => made_up(next, candidate, schedules),
        }
    }

    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, schedules: &S) -> String {
        let run = next_run(candidate, schedules).unwrap_or(next.at);
        let mut observed = format!(
            "{}; the first run of its schedule {} after {}",
            candidate.since_build("The workspace is stopped"),
            quote(candidate.schedule().unwrap_or_default()),
            if run > search_from(candidate) {
                search_from(candidate)
            } else {
                candidate.latest.created_at
            },
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
        let counts = next.at.saturating_sub(candidate.spread());
        if counts > run.max(next_start_at(candidate).unwrap_or(run)) {
            observed.push_str(&match candidate.policy.missed_starts {
                MissedStarts::Drop => {
                    format!("; it was in a hold, and the first that was not is {counts}")
                }
                MissedStarts::MakeUp => {
                    format!("; it was in a hold, and is made up for from {counts} on")
                }
            });
        }
        if candidate.spread() > Micros(0) {
            let minutes = candidate.spread().0 / MINUTE;
            observed.push_str(&format!(
                "; starts are spread, and this one is made {minutes} min later, at {}",
                next.at
            ));
        }
        observed.push_str(&format!("; the tick is {}.", candidate.tick));
        observed
    }

    fn is_about(candidate: &Candidate<'_>) -> bool {
        candidate.latest.transition == BuildTransition::Stop && !candidate.failed
    }

    /// When the limit on lateness may let a workspace start of which [`next_run`] says now
    /// that no run starts it: when the refused run that it saw is too late to count.
    fn look_again_at<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Option<Instant> {
        let limit = candidate.policy.max_start_delay;
        if limit <= Micros(0) || candidate.in_progress {
            return None;
        }
        match next_run(candidate, schedules) {
            Err(Skip::RunBlocked { run, .. }) => {
                let counts = run.saturating_add(candidate.spread());
                Some(counts.saturating_add(limit))
            }
            // A run that starts it is later than all those that were refused.
            Err(Skip::NoAllowedRun { last, .. }) => Some(last),
            _ => None,
        }
    }

    /// The product fills it in for every workspace that it looks at: those with a
    /// transition due, and the stopped ones whose schedule counts. Not for dormant ones,
    /// where a trigger of the product's empties it again.
    fn fill_next_start_at<S: Schedules>(
        candidate: &Candidate<'_>,
        outcome: &Outcome,
        schedules: &S,
    ) -> Option<Instant> {
        let empty = candidate.signs.next_start_at
            && candidate.facts.next_start_at.is_none()
            && candidate.dormant_at().is_none();
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
        let fill = first_allowed(candidate, &schedule, candidate.tick).ok()?;
        let made_with = outcome.as_ref().is_ok_and(|next| next.due);
        (made_with || !waits_for_its_start(candidate, schedules, fill)).then_some(fill)
    }
}

/// Is a run reached that counts, and by which it is started only later? This value of
/// `next_start_at`, which is later than that run, would lose that start.
fn waits_for_its_start<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
    fill: Instant,
) -> bool {
    if !next_run(candidate, schedules).is_ok_and(|run| run <= candidate.tick) {
        return false;
    }
    let next = match ActingRule::Autostart.evaluate(candidate, schedules) {
        Ok(next) => next,
        Err(skip) => return matches!(skip, Skip::Held { .. }),
    };
    let facts = Facts {
        next_start_at: Some(fill),
        ..candidate.facts.clone()
    };
    let filled = Candidate {
        facts: &facts,
        ..*candidate
    };
    let then = ActingRule::Autostart.evaluate(&filled, schedules);
    !then.is_ok_and(|then| then.at == next.at)
}

/// The start by the first run that is in no hold. It is said to be held as long as the hold of
/// the first run that is in one goes on.
fn unless_missed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, schedules: &S) -> Outcome {
    let text = candidate.schedule().ok_or(Skip::NoSchedule)?;
    let schedule = schedules
        .schedule(text)
        .map_err(|error| Skip::ScheduleInvalid { error })?;
    let mut after = counts_from(candidate, &schedule, schedules);
    let mut said: Option<Held> = None;
    for looked in 0..2 * MOST_HELD {
        if looked == MOST_HELD {
            if said.is_some() {
                break;
            }
            // All these holds have ended, and many more may have: on with the last run before
            // the tick, beyond which they have not.
            let last = schedule.bound(candidate.tick, candidate.blocked_days());
            after = last.map_or(after, |last| after.max(last.saturating_add_micros(-1)));
        }
        let run = match (first_allowed(candidate, &schedule, after), said.clone()) {
            (Ok(run), _) => run,
            (Err(_), Some(hold)) => return Err(held(next, None, hold)),
            (Err(skip), None) => return Err(skip),
        };
        let Some(hold) = hold_at(candidate, schedules, run) else {
            let spread = spread_from(candidate, schedules, run);
            let outcome = unless_held(spread, candidate, schedules);
            return match (outcome, said) {
                (Ok(next), Some(hold)) => Err(held(&next, Some(next.at), hold)),
                (Err(Skip::Held { at, .. }), Some(hold)) => Err(held(next, at, hold)),
                (outcome, _) => outcome,
            };
        };
        let until = hold.until;
        let goes_on = until.is_none_or(|until| until > candidate.tick);
        if goes_on {
            said.get_or_insert(hold);
        }
        let Some(until) = until else {
            break;
        };
        // A run at the very end of the hold counts.
        after = until.saturating_add_micros(-1);
    }
    match said.or_else(|| hold_at(candidate, schedules, next.at)) {
        Some(hold) => Err(held(next, None, hold)),
        None => Err(Skip::ScheduleNeverRuns { after }),
    }
}

/// The start by the first run, which counts at the end of the hold that it is in.
fn made_up<S: Schedules>(next: Next, candidate: &Candidate<'_>, schedules: &S) -> Outcome {
    let run = next_run(candidate, schedules).unwrap_or(next.at);
    let missed = missed_in(candidate, schedules);
    let counts = match missed.or_else(|| hold_at(candidate, schedules, run)) {
        None => run,
        Some(hold) => match hold.until {
            Some(until) if until <= candidate.tick => until,
            until => {
                let made = until.map(|until| spread_from(candidate, schedules, until));
                let at = made.map(|made| match unless_held(made, candidate, schedules) {
                    Err(Skip::Held { at, .. }) => at,
                    _ => Some(made.at),
                });
                return Err(held(&next, at.flatten(), hold));
            }
        },
    };
    let next = spread_from(candidate, schedules, counts);
    unless_held(next, candidate, schedules)
}

/// The hold that a run was in which, but for the hold, would be too late to count.
fn missed_in<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Option<Held> {
    let (created_at, from) = (candidate.latest.created_at, too_late(candidate));
    if search_from(candidate) != from || from == created_at {
        return None;
    }
    let until = hold_at(candidate, schedules, from)?.until;
    let schedule = schedules.schedule(candidate.schedule()?).ok()?;
    // If any run was in that hold, the last one was.
    for window in [HOUR, 24 * HOUR, 8 * 24 * HOUR] {
        let begin = created_at.max(from.saturating_add_micros(-window));
        let runs =
            std::iter::successors(schedule.next_after(begin), |run| schedule.after_run(*run));
        let allowed = |run: &Instant| {
            let day = schedule.weekday(*run).num_days_from_monday();
            candidate.blocked_days() & (1 << day) == 0
        };
        let last = runs.take_while(|run| *run <= from).filter(allowed).last();
        if let Some(last) = last {
            let hold = hold_at(candidate, schedules, last)?;
            return Some(hold).filter(|hold| hold.until == until);
        }
    }
    None
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
