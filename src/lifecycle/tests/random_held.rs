//! Random facts under random holds, against the same plain statement.

use proptest::prelude::*;

use super::holding::{Holding, PlainHold};
use super::random::{Case, any_case, as_move, instants, moves};
use super::*;
use crate::instant::SECOND;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::transition::Transition;

/// Any case, and holds around the tick.
pub(super) fn held_case() -> BoxedStrategy<Case> {
    let transition = (0..Transition::ALL.len()).prop_map(|place| Transition::ALL[place]);
    let transitions = prop_oneof![
        1 => Just(Transition::ALL.to_vec()),
        2 => proptest::collection::vec(transition, 1..3),
    ];
    let length = prop_oneof![3 => 1..200i64, 1 => 1..3000i64];
    let micros = prop_oneof![2 => Just(0i64), 1 => 1..MINUTE];
    let hold = (
        instants(),
        proptest::option::weighted(0.9, length),
        micros,
        transitions,
    );
    let hold = hold.prop_map(|(from, length, micros, transitions)| PlainHold {
        from,
        to: length.map(|minutes| from.saturating_add_micros(minutes * MINUTE + micros)),
        transitions,
    });
    let missed = prop_oneof![Just(MissedStarts::Drop), Just(MissedStarts::MakeUp)];
    let holds = proptest::collection::vec(hold.boxed(), 0..4);
    let held = (any_case(), holds, missed).prop_map(|(case, holds, missed_starts)| Case {
        holds: Holding(holds),
        policy: Policy {
            missed_starts,
            // What the spread makes of holds is said further below.
            spread_starts: Micros(0),
            ..case.policy
        },
        ..case
    });
    held.boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn under_holds_what_is_due_is_what_the_plain_statement_says(case in held_case()) {
        let due = case.verdict().outcome.ok().filter(|next| next.due);
        prop_assert_eq!(due.as_ref().map(as_move), moves(&case, tick()));
    }

    #[test]
    fn under_holds_what_comes_next_is_made_by_the_first_tick_after_its_time(
        mut case in held_case(), between in 0..1000i64,
    ) {
        case.policy.max_start_delay = Micros(0);
        let verdict = case.verdict();
        let (at, strict) = match &verdict.outcome {
            Ok(next) if next.due => return Ok(()),
            Ok(next) => (Some(next.at), next.strict),
            Err(Skip::Held { at, hold, .. }) => {
                prop_assert_eq!(verdict.look_again_at, at.or(hold.until));
                (*at, false)
            }
            Err(_) => (None, false),
        };
        let ticks = |at: Instant| (at.micros() - tick().micros() + MINUTE - 1).div_euclid(MINUTE);
        let made = at.map(|at| ticks(at.saturating_add_micros(i64::from(strict))));
        let far = 20 * 1440;
        let before = made.unwrap_or(far).min(far) - 1;
        for minutes in [0, 1, between * before / 1000, before] {
            if (0..=before).contains(&minutes) {
                prop_assert_eq!(moves(&case, later(minutes, 0)), None, "after {} min", minutes);
            }
        }
        // Until then another rule may come first, and keep a mark away from a build under way.
        let job = case.facts.latest.as_ref().and_then(|latest| latest.job);
        let in_progress = job.is_some_and(|job| job.completed_at.is_none());
        if let Some(made) = made.filter(|made| *made < far && !in_progress) {
            let then = moves(&case, later(made, 0)).map(|(transition, _, _)| transition);
            let said = match &verdict.outcome {
                Ok(next) => next.transition,
                Err(Skip::Held { transition, .. }) => *transition,
                Err(_) => unreachable!("it has a time"),
            };
            // Another one may fall due within the same minute.
            prop_assert!(then.is_some(), "{:?} at {:?}", said, at);
        }
    }

    #[test]
    fn under_holds_a_start_that_is_spread_is_made_at_the_time_that_is_said_and_in_no_hold(
        case in held_case(), seconds in 61..3600i64, id in 0..60u128,
    ) {
        let mut case = case;
        case.facts.workspace_id = Uuid::from_u128(id);
        case.policy.rules = [ActingRule::Autostart].into_iter().collect();
        case.policy.max_start_delay = Micros(0);
        let at_once = case.verdict().outcome;
        case.policy.spread_starts = Micros(seconds * SECOND);
        let starts = |at| {
            let outcome = verdict(&case.facts, &case.signs, &case.policy, at, &case.holds).outcome;
            outcome.is_ok_and(|next| next.due)
        };
        let said = |outcome: &Outcome| match outcome {
            Ok(next) => Some(next.at),
            Err(Skip::Held { at, .. }) => *at,
            Err(_) => None,
        };
        let outcome = case.verdict().outcome;
        let Some(at) = said(&outcome) else {
            return Ok(());
        };
        if let Some(at_once) = said(&at_once) {
            prop_assert!(at >= at_once, "{at} before {at_once}");
        }
        let first = at.max(tick()).saturating_add_micros(MINUTE - 1).truncate_to_minute();
        let far = later(20 * 1440, 0);
        if first < far {
            prop_assert!(starts(first), "at {at}");
            prop_assert!(!case.holds.holds(&[Transition::Start], first));
        }
        let mut before = tick();
        while before < first.min(far) {
            prop_assert!(!starts(before), "{before} before {at}");
            before = before.saturating_add_micros(MINUTE * 7);
        }
    }
}
