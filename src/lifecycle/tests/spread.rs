//! Starts that are spread over a window.

use super::holding::{Holding, all_held};
use super::*;
use crate::instant::SECOND;
use crate::lifecycle::explain::explain;

/// Starts of one minute are spread over so many.
fn over(minutes: i64) -> Policy {
    Policy {
        spread_starts: Micros(minutes * MINUTE),
        ..ALL_RULES
    }
}

/// Stopped an hour ago, with a run at the tick and one each hour after it; its place in any
/// window of more than seven minutes is the eighth.
fn at_seven() -> Facts {
    let mut facts = stopped();
    facts.workspace_id = Uuid::from_u128(7 + 60 * 60 * 1000);
    facts
}

fn judged(facts: &Facts, policy: &Policy, minutes: i64) -> Verdict {
    verdict(facts, &TODAY, policy, later(minutes, 0), &Weekly)
}

#[test]
fn a_workspace_is_started_at_its_own_place_after_the_run_and_never_early() {
    for minutes in [-30, 0, 6, 7, 8, 40] {
        let next = judged(&at_seven(), &over(10), minutes).outcome.unwrap();
        assert_eq!(next.at, later(7, 0), "said from the first");
        assert_eq!(next.due, minutes >= 7, "{minutes}");
    }
    // The next day, and with another schedule.
    let mut facts = at_seven();
    facts.latest().created_at = later(24 * 60 - 30, 0);
    facts.schedule = Some("60 15 127 0".to_owned());
    let next = judged(&facts, &over(10), 24 * 60).outcome.unwrap();
    assert_eq!(next.at, later(24 * 60 - 45 + 60 + 7, 0));
}

#[test]
fn each_minute_of_the_window_has_as_many_and_none_is_outside_of_it() {
    let places = |window: Micros| {
        let policy = Policy {
            spread_starts: window,
            ..ALL_RULES
        };
        let mut count = std::collections::BTreeMap::new();
        for id in 0..6000 {
            let Micros(place) = policy.spread_of(Uuid::from_u128(id));
            *count.entry(place).or_insert(0) += 1;
        }
        count.into_iter().collect::<Vec<_>>()
    };
    let minutes = |n: i64| (0..n).map(move |minute| minute * MINUTE);
    let even = |n: i64| {
        minutes(n)
            .map(|place| (place, 6000 / n))
            .collect::<Vec<_>>()
    };
    assert_eq!(places(Micros(60 * MINUTE)), even(60));
    assert_eq!(places(Micros(15 * MINUTE)), even(15));
    // A tick comes each minute: what is no more than one has one place.
    assert_eq!(places(Micros(0)), even(1));
    assert_eq!(places(Micros(MINUTE)), even(1));
    assert_eq!(places(Micros(MINUTE + SECOND)), even(2));
}

#[test]
fn a_build_between_the_run_and_the_place_takes_the_start_away() {
    let mut facts = at_seven();
    facts.latest().created_at = later(3, 0);
    assert_eq!(
        judged(&facts, &over(10), 7).outcome.unwrap().at,
        later(67, 0)
    );
    facts.latest().created_at = later(0, -1);
    assert!(judged(&facts, &over(10), 7).outcome.unwrap().due);
}

#[test]
fn a_limit_on_lateness_counts_from_the_place() {
    let policy = Policy {
        max_start_delay: Micros(5 * MINUTE),
        ..over(10)
    };
    let due = |minutes| judged(&at_seven(), &policy, minutes).outcome.unwrap().due;
    assert!(!due(6));
    assert!(due(7));
    assert!(due(11));
    assert!(!due(12));
}

#[test]
fn next_start_at_is_the_run_itself_and_waited_for_at_the_place_after_it() {
    let mut facts = at_seven();
    for (next_start_at, due) in [(later(0, 0), true), (later(1, 0), false)] {
        facts.next_start_at = Some(next_start_at);
        let next = judged(&facts, &over(10), 7).outcome.unwrap();
        assert_eq!(next.at, next_start_at.saturating_add_micros(7 * MINUTE));
        assert_eq!(next.due, due);
    }
    facts.next_start_at = None;
    let filled = |minutes| judged(&facts, &over(10), minutes).fill_next_start_at;
    assert_eq!(filled(-1), Some(later(0, 0)), "the run that comes");
    assert_eq!(filled(0), None, "the next one would lose this start");
    assert_eq!(filled(6), None);
    assert_eq!(filled(7), Some(later(60, 0)), "with the build");
}

#[test]
fn starts_that_a_hold_puts_off_are_spread_from_its_end() {
    let end = later(30, 0);
    for (from, missed_starts) in [
        // The run is in the hold.
        (-10, MissedStarts::MakeUp),
        // Only the place is.
        (5, MissedStarts::MakeUp),
        (5, MissedStarts::Drop),
    ] {
        let policy = Policy {
            missed_starts,
            ..over(10)
        };
        let holding = Holding(vec![all_held(later(from, 0), Some(end))]);
        for minutes in [0, 7, 29, 30, 36] {
            let verdict = verdict(&at_seven(), &TODAY, &policy, later(minutes, 0), &holding);
            let at = match &verdict.outcome {
                Ok(next) => (!next.due).then_some(next.at),
                Err(Skip::Held { at, .. }) => *at,
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(at, Some(later(37, 0)), "hold from {from}, at {minutes}");
        }
        let made = verdict(&at_seven(), &TODAY, &policy, later(37, 0), &holding);
        assert!(made.outcome.unwrap().due, "hold from {from}");
    }
}

#[test]
fn next_start_at_stays_empty_while_a_start_waits_for_the_end_of_a_hold() {
    let mut facts = stopped();
    facts.next_start_at = None;
    let policy = Policy {
        missed_starts: MissedStarts::MakeUp,
        ..ALL_RULES
    };
    let holding = Holding(vec![all_held(later(-10, 0), Some(later(30, 0)))]);
    let fill =
        |minutes| verdict(&facts, &TODAY, &policy, later(minutes, 0), &holding).fill_next_start_at;
    assert_eq!(fill(-1), Some(later(0, 0)));
    assert_eq!(fill(0), None);
    assert_eq!(fill(29), None);
    assert_eq!(fill(30), Some(later(60, 0)), "with the build");
}

/// A hold that begins between the run and the workspace's place after it.
fn from_five_to_thirty() -> Holding {
    Holding(vec![all_held(later(5, 0), Some(later(30, 0)))])
}

#[test]
fn a_start_whose_place_is_in_a_hold_is_not_lost_by_filling_in_the_next_run() {
    for missed_starts in [MissedStarts::MakeUp, MissedStarts::Drop] {
        let mut facts = at_seven();
        facts.next_start_at = None;
        let policy = Policy {
            missed_starts,
            ..over(10)
        };
        let fill = |minutes| {
            let holding = from_five_to_thirty();
            verdict(&facts, &TODAY, &policy, later(minutes, 0), &holding).fill_next_start_at
        };
        assert_eq!(fill(-1), Some(later(0, 0)), "the run that comes");
        for minutes in [0, 4, 5, 7, 29, 30, 36] {
            assert_eq!(fill(minutes), None, "{minutes}");
        }
        assert_eq!(fill(37), Some(later(60, 0)), "with the build");
    }
}

#[test]
fn a_limit_on_lateness_counts_from_the_end_of_the_hold_that_puts_the_place_off() {
    for missed_starts in [MissedStarts::MakeUp, MissedStarts::Drop] {
        let policy = Policy {
            missed_starts,
            max_start_delay: Micros(5 * MINUTE),
            ..over(10)
        };
        let at = |minutes| {
            let holding = from_five_to_thirty();
            let made = verdict(&at_seven(), &TODAY, &policy, later(minutes, 0), &holding);
            made.outcome.map(|next| (next.at, next.due))
        };
        for minutes in [0, 4, 5, 7, 12, 13, 29, 30, 36] {
            assert_eq!(at(minutes), Ok((later(37, 0), false)), "{minutes}");
        }
        for minutes in [37, 41] {
            assert_eq!(at(minutes), Ok((later(37, 0), true)), "{minutes}");
        }
        assert_eq!(at(42), Ok((later(67, 0), false)));
    }
}

#[test]
fn so_it_does_where_later_runs_are_in_that_hold() {
    let policy = Policy {
        max_start_delay: Micros(5 * MINUTE),
        ..over(10)
    };
    // Runs at 0, 60, 120; the hold ends at 130.
    let holding = Holding(vec![all_held(later(5, 0), Some(later(130, 0)))]);
    let at = |minutes| {
        let made = verdict(&at_seven(), &TODAY, &policy, later(minutes, 0), &holding);
        made.outcome.map(|next| (next.at, next.due))
    };
    for minutes in [0, 12, 59, 60, 90, 129, 136] {
        assert_eq!(at(minutes), Ok((later(137, 0), false)), "{minutes}");
    }
    assert_eq!(at(141), Ok((later(137, 0), true)));
    assert_eq!(at(142), Ok((later(187, 0), false)));
}

#[test]
fn explain_says_that_it_was_spread() {
    let steps = explain(&at_seven(), &TODAY, &over(10), tick(), &Weekly);
    let step = steps.iter().find(|step| step.rule == "autostart").unwrap();
    assert!(!step.passed);
    let said = "; starts are spread, and this one is made 7 min later, at 2024-01-03T10:07:00Z";
    assert!(step.observed.contains(said), "{}", step.observed);
}
