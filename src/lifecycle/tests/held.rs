//! What holds make of verdicts.

use super::holding::{Holding, PlainHold, all_held};
use super::*;
use crate::instant::HOUR;
use crate::lifecycle::explain::explain;
use crate::lifecycle::policy::MissedStarts;
use crate::lifecycle::transition::Transition;

fn judged(facts: &Facts, policy: &Policy, tick: Instant, holds: &[PlainHold]) -> Verdict {
    verdict(facts, &TODAY, policy, tick, &Holding(holds.to_vec()))
}

/// Of a hold from one minute to another, from the tick on: what comes of the workspace.
fn under(facts: &Facts, from: i64, to: Option<i64>) -> Verdict {
    let hold = all_held(later(from, 0), to.map(|to| later(to, 0)));
    judged(facts, &ALL_RULES, tick(), &[hold])
}

/// What is held, up to when, and when it is made.
fn held(verdict: &Verdict) -> (Transition, Option<Instant>, Option<Instant>) {
    match &verdict.outcome {
        Err(Skip::Held {
            transition,
            hold,
            at,
            ..
        }) => (*transition, hold.until, *at),
        other => panic!("{other:?}"),
    }
}

fn overdue() -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(later(-5, 0));
    facts
}

/// Stopped an hour and a half before the tick, with a run at each full hour.
fn hourly() -> Facts {
    let mut facts = stopped();
    facts.schedule = Some(HOURLY.to_owned());
    facts.latest().created_at = later(-90, 0);
    facts.next_start_at = None;
    facts
}

/// The first run at or after so many minutes from the tick.
fn run_after(minutes: i64) -> Instant {
    let at = later(minutes, 0).micros();
    Instant::from_micros((at + HOUR - 1).div_euclid(HOUR) * HOUR).unwrap()
}

#[test]
fn a_stop_that_is_held_is_made_at_the_end_of_the_hold() {
    let verdict = under(&overdue(), -10, Some(30));
    let end = Some(later(30, 0));
    assert_eq!(held(&verdict), (Transition::Stop, end, end));
    assert_eq!(verdict.look_again_at, end);
    let after = judged(
        &overdue(),
        &ALL_RULES,
        later(30, 0),
        &[all_held(later(-10, 0), end)],
    );
    assert!(after.outcome.unwrap().due);
}

#[test]
fn what_falls_due_in_a_hold_to_come_is_held_already_now() {
    let mut facts = running();
    facts.latest().deadline = Some(later(20, 0));
    let end = Some(later(60, 0));
    assert_eq!(
        held(&under(&facts, 20, Some(60))),
        (Transition::Stop, end, end)
    );
    // A hold that begins after it, or ends by then, has no say.
    for (from, to) in [(21, 60), (10, 20)] {
        let next = under(&facts, from, Some(to)).outcome.unwrap();
        assert_eq!(next.at, later(20, 0));
    }
    // A deadline within a minute is met by the tick after it.
    facts.latest().deadline = Some(later(19, 1));
    assert_eq!(
        held(&under(&facts, 20, Some(60))),
        (Transition::Stop, end, end)
    );
}

#[test]
fn without_an_end_nothing_is_said_of_when() {
    let verdict = under(&overdue(), -10, None);
    assert_eq!(held(&verdict), (Transition::Stop, None, None));
    assert_eq!(verdict.look_again_at, None);
}

#[test]
fn a_rule_that_is_held_lets_others_act() {
    // Its start is due; and nobody used it for long.
    let mut facts = hourly();
    facts.last_used_at = later(-600, 0);
    facts.template.as_mut().unwrap().time_til_dormant = Nanos(60 * MINUTE_NS);
    let starts = PlainHold {
        transitions: vec![Transition::Start],
        ..all_held(later(-10, 0), None)
    };
    let next = judged(&facts, &ALL_RULES, tick(), &[starts])
        .outcome
        .unwrap();
    assert_eq!((next.transition, next.due), (Transition::Dormant, true));
}

#[test]
fn the_stop_of_dormancy_is_held_by_a_hold_of_either() {
    let mut facts = running();
    facts.latest().deadline = None;
    facts.last_used_at = later(-600, 0);
    facts.template.as_mut().unwrap().time_til_dormant = Nanos(60 * MINUTE_NS);
    for transition in Transition::ALL {
        let hold = PlainHold {
            transitions: vec![transition],
            ..all_held(later(-10, 0), None)
        };
        let outcome = judged(&facts, &ALL_RULES, tick(), &[hold]).outcome;
        let is_held = matches!(transition, Transition::Stop | Transition::Dormant);
        assert_eq!(outcome.is_err(), is_held, "{transition:?}");
    }
}

#[test]
fn runs_in_a_hold_are_dropped_and_the_first_after_it_starts_the_workspace() {
    let facts = hourly();
    let end = later(95, 0);
    let hold = [all_held(later(-80, 0), Some(end))];
    let verdict = judged(&facts, &ALL_RULES, tick(), &hold);
    let first = run_after(95);
    assert_eq!(held(&verdict), (Transition::Start, Some(end), Some(first)));
    assert_eq!(verdict.look_again_at, Some(first));
    // No burst at its end.
    let next = judged(&facts, &ALL_RULES, end, &hold).outcome.unwrap();
    assert_eq!((next.at, next.due), (first, false));
    assert!(
        judged(&facts, &ALL_RULES, first, &hold)
            .outcome
            .unwrap()
            .due
    );
}

#[test]
fn a_run_at_the_very_end_of_a_hold_counts() {
    let end = run_after(1);
    let hold = [all_held(later(-80, 0), Some(end))];
    let next = judged(&hourly(), &ALL_RULES, end, &hold).outcome.unwrap();
    assert_eq!((next.at, next.due), (end, true));
}

#[test]
fn a_run_before_a_hold_that_was_not_met_is_made_at_its_end() {
    let run = run_after(-60);
    let hold = [all_held(
        run.saturating_add_micros(MINUTE),
        Some(later(95, 0)),
    )];
    let mut facts = hourly();
    facts.latest().created_at = run.saturating_add_micros(-MINUTE);
    let verdict = judged(&facts, &ALL_RULES, tick(), &hold);
    assert_eq!(held(&verdict).2, Some(later(95, 0)));
    assert!(
        judged(&facts, &ALL_RULES, later(95, 0), &hold)
            .outcome
            .unwrap()
            .due
    );
}

#[test]
fn missed_starts_are_made_up_for_at_the_end_and_their_lateness_counts_from_there() {
    let facts = hourly();
    let end = later(95, 0);
    let hold = [all_held(later(-80, 0), Some(end))];
    let policy = |minutes: i64| Policy {
        missed_starts: MissedStarts::MakeUp,
        max_start_delay: Micros(minutes * MINUTE),
        ..ALL_RULES
    };
    for delay in [0, 10] {
        let verdict = judged(&facts, &policy(delay), tick(), &hold);
        assert_eq!(
            held(&verdict),
            (Transition::Start, Some(end), Some(end)),
            "{delay}"
        );
        let at = |minutes: i64| {
            let tick = end.saturating_add_micros(minutes * MINUTE);
            judged(&facts, &policy(delay), tick, &hold).outcome.unwrap()
        };
        assert_eq!((at(0).at, at(0).due), (end, true), "{delay}");
        assert!(at(9).due, "{delay}");
    }
    // Ten minutes after the end it is too late, and the next run is the one that counts.
    let late = end.saturating_add_micros(10 * MINUTE);
    let next = judged(&facts, &policy(10), late, &hold).outcome.unwrap();
    assert_eq!((next.at, next.due), (run_after(105), false));
}

#[test]
fn a_later_next_start_at_is_waited_for_and_may_be_held_itself() {
    let mut facts = hourly();
    facts.next_start_at = Some(later(200, 0));
    let holds = [
        all_held(later(-80, 0), Some(later(95, 0))),
        all_held(later(190, 0), Some(later(250, 0))),
    ];
    let verdict = judged(&facts, &ALL_RULES, tick(), &holds);
    assert_eq!(held(&verdict).2, Some(later(250, 0)));
}

#[test]
fn where_every_run_is_held_no_time_is_said_and_the_end_of_a_hold_is_looked_at() {
    let verdict = under(&hourly(), -80, None);
    assert_eq!(held(&verdict), (Transition::Start, None, None));
    let many: Vec<PlainHold> = (-2..120)
        .map(|hour| {
            all_held(
                run_after(hour * 60),
                Some(run_after(hour * 60).saturating_add_micros(MINUTE)),
            )
        })
        .collect();
    let verdict = judged(&hourly(), &ALL_RULES, tick(), &many);
    let end = Some(later(1, 0));
    assert_eq!(held(&verdict), (Transition::Start, end, None));
    assert_eq!(verdict.look_again_at, end);
}

#[test]
fn what_fills_next_start_at_knows_no_holds_as_the_product_does_not() {
    let facts = hourly();
    let fill = today(&facts).fill_next_start_at;
    assert!(fill.is_some());
    let mut unmet = facts.clone();
    unmet.latest().created_at = tick();
    assert_eq!(under(&unmet, -80, Some(95)).fill_next_start_at, fill);
}

#[test]
fn explain_says_what_the_rule_saw_and_then_what_holds_it() {
    let facts = overdue();
    let holding = Holding(vec![all_held(later(-10, 0), Some(later(30, 0)))]);
    let steps = explain(&facts, &TODAY, &ALL_RULES, tick(), &holding);
    let step = |name| steps.iter().position(|step| step.rule == name).unwrap();
    let (rule, hold) = (step("autostop"), step("hold"));
    assert_eq!(hold, rule + 1);
    assert!(!steps[rule].passed && !steps[hold].passed);
    assert!(
        steps[rule].observed.contains("whose deadline is"),
        "{}",
        steps[rule].observed
    );
    let end = later(30, 0);
    assert_eq!(
        steps[hold].observed,
        format!(
            "The stop is held by hold 0 (\"test\") until {end}; it is made at {end}. This is the \
             next transition."
        )
    );
    let forever = under(&facts, -10, None).outcome.unwrap_err();
    assert_eq!(forever.code(), "held");
    assert_eq!(
        forever.to_string(),
        "The stop is held by hold 0 (\"test\") until that is released."
    );
}

#[test]
fn a_rule_that_is_left_out_is_told_of_as_if_nothing_were_held() {
    let policy = Policy {
        rules: RuleSet::default(),
        ..ALL_RULES
    };
    let hold = [all_held(later(-10, 0), None)];
    let outcome = judged(&overdue(), &policy, tick(), &hold).outcome;
    assert_eq!(outcome.unwrap_err().code(), "rule_off");
}

/// Half an hour before the deadline, of which the owner is reminded.
fn reminded() -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(later(30, 0));
    facts.template().time_til_autostop_notify = Nanos(30 * MINUTE_NS);
    facts
}

#[test]
fn nobody_is_reminded_of_a_deadline_at_which_the_stop_is_held() {
    let reminds = |from, to| under(&reminded(), from, Some(to)).reminder.is_some();
    assert!(!reminds(30, 31));
    assert!(!reminds(-10, 60));
    // Not held at the deadline: the owner is reminded, whatever is held before or after.
    assert!(reminds(-10, 30));
    assert!(reminds(31, 60));
    let starts = PlainHold {
        transitions: vec![Transition::Start],
        ..all_held(later(-10, 0), None)
    };
    let verdict = judged(&reminded(), &ALL_RULES, tick(), &[starts]);
    assert!(
        verdict
            .due()
            .is_some_and(|due| due.transition == Transition::Remind)
    );
}

#[test]
fn explain_says_of_a_reminder_what_holds_the_stop() {
    let holding = Holding(vec![all_held(later(30, 0), Some(later(60, 0)))]);
    let steps = explain(&reminded(), &TODAY, &ALL_RULES, tick(), &holding);
    let reminder = steps.iter().position(|step| step.rule == "remind").unwrap();
    let (reminder, hold) = (&steps[reminder], &steps[reminder + 1]);
    assert!(!reminder.passed && !hold.passed);
    assert_eq!(hold.rule, "hold");
    assert!(
        hold.observed.starts_with("The stop is held by hold 0"),
        "{}",
        hold.observed
    );
}

#[test]
fn however_many_holds_have_ended_the_next_run_counts() {
    // Each run of the last forty hours was in a hold of its own.
    let next = run_after(0);
    let hour = |hours: i64| next.saturating_add_micros(hours * HOUR);
    let around = |at: Instant| {
        let minutes = |minutes: i64| at.saturating_add_micros(minutes * 60_000_000);
        all_held(minutes(-5), Some(minutes(5)))
    };
    let holds: Vec<PlainHold> = (1..=40).map(|ago| around(hour(-ago))).collect();
    let mut facts = hourly();
    facts.latest().created_at = hour(-41);
    let judged = |minutes: i64| {
        let tick = next.saturating_add_micros(minutes * 60_000_000);
        judged(&facts, &ALL_RULES, tick, &holds).outcome.unwrap()
    };
    assert_eq!((judged(-10).at, judged(-10).due), (next, false));
    // Late ones as well.
    for minutes in [0, 1, 59] {
        let judged = judged(minutes);
        assert_eq!((judged.at, judged.due), (next, true), "{minutes}");
    }
}
