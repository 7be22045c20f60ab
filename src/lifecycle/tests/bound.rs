//! A schedule's bound says of each workspace that has it what the rule autostart says.

use proptest::prelude::*;

use super::holding::{Holding, all_held};
use super::random::{Case, any_case};
use super::random_held::held_case;
use super::*;
use crate::lifecycle::bound::start_bound;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::skip::Skip;
use crate::schedule::{Bundled, ScheduleCache};

/// May the workspace be started, as far as its schedule's bound knows?
fn is_before<S: Schedules>(case: &Case, schedules: &S) -> Option<bool> {
    let facts = &case.facts;
    let text = facts.schedule.as_deref().filter(|text| !text.is_empty())?;
    let (template, latest) = (facts.template.as_ref()?, facts.latest.as_ref()?);
    let days = template.blocked_days;
    let bound = start_bound(text, days, &case.signs, &case.policy, tick(), schedules);
    Some(bound.is_some_and(|bound| latest.created_at < bound))
}

/// Is a workspace that its schedule's bound leaves out started under holds all the same?
fn left_out_and_started(case: &Case) -> bool {
    let starts = |next: &Next| next.due && next.rule == ActingRule::Autostart;
    is_before(case, &case.holds) == Some(false) && case.verdict().outcome.as_ref().is_ok_and(starts)
}

/// Neither the decision nor what is filled in depends on a workspace that is not before its
/// bound; and one that is before it is started, unless the rule gives another reason.
fn agrees<S: Schedules>(case: &Case, schedules: &S) -> Result<(), TestCaseError> {
    let Some(is_before) = is_before(case, schedules) else {
        return Ok(());
    };
    let Case {
        facts,
        signs,
        policy,
        ..
    } = case;
    let starts = |next: &Next| next.due && next.rule == ActingRule::Autostart;
    let outcome = verdict(facts, signs, policy, tick(), schedules).outcome;
    prop_assert!(is_before || !outcome.as_ref().is_ok_and(starts));
    if !policy.allows(ActingRule::Autostart) {
        return Ok(());
    }
    let Ok(candidate) = Candidate::new(facts, signs, policy, tick()) else {
        return Ok(());
    };
    match ActingRule::Autostart.evaluate(&candidate, schedules) {
        // A build under way is not given up for being late.
        _ if candidate.in_progress && policy.max_start_delay > Micros(0) => {}
        Ok(next) => {
            let waits = signs.next_start_at && facts.next_start_at.is_some_and(|at| at > tick());
            // Where starts are spread it may be too early for this one.
            if policy.spread_starts == Micros(0) {
                prop_assert_eq!(next.due, is_before && !waits);
            }
        }
        Err(
            Skip::AllDaysBlocked | Skip::ScheduleNeverRuns { .. } | Skip::ScheduleInvalid { .. },
        ) => prop_assert!(!is_before),
        // Only the first run counts, or those of seven days; or it is not about the schedule.
        Err(_) => {}
    }
    Ok(())
}

/// Schedules as people write them, in zones whose clocks are moved.
fn texts() -> impl Strategy<Value = String> {
    const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"];
    const DAYS: [&str; 6] = ["*", "1-5", "MON", "0,6", "3", ","];
    (
        prop::sample::select(&ZONES[..]),
        prop_oneof![
            Just("0".to_owned()),
            (0..60).prop_map(|n: i32| n.to_string())
        ],
        prop_oneof![
            Just("*".to_owned()),
            (0..24).prop_map(|n: i32| n.to_string())
        ],
        prop::sample::select(&DAYS[..]),
    )
        .prop_map(|(zone, minute, hour, days)| format!("CRON_TZ={zone} {minute} {hour} * * {days}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_workspace_is_started_that_its_schedules_bound_leaves_out(case in any_case()) {
        agrees(&case, &Weekly)?;
    }

    #[test]
    fn no_workspace_is_started_that_its_schedules_bound_leaves_out_under_holds(
        case in held_case()
    ) {
        prop_assert!(!left_out_and_started(&case));
    }

    #[test]
    fn no_workspace_is_started_that_its_schedules_bound_leaves_out_in_real_zones(
        mut case in any_case(), text in texts()
    ) {
        case.facts.schedule = Some(text);
        agrees(&case, &ScheduleCache::new(Bundled, 8))?;
    }

    #[test]
    fn without_blocked_days_a_stopped_workspace_is_started_just_when_it_is_before_the_bound(
        text in texts(), built in 0..20_000i64, micros in -1..=1i64,
    ) {
        let mut facts = stopped();
        facts.schedule = Some(text);
        facts.latest().created_at = later(-built, micros);
        let case = Case { facts, signs: TODAY, policy: ALL_RULES, holds: Holding::default() };
        let schedules = ScheduleCache::new(Bundled, 8);
        let outcome = verdict(&case.facts, &TODAY, &ALL_RULES, tick(), &schedules).outcome;
        let due = outcome.is_ok_and(|next| next.due);
        prop_assert_eq!(Some(due), is_before(&case, &schedules));
    }
}

#[test]
fn a_run_at_the_tick_starts_what_was_built_before_it() {
    let bound = |text| start_bound(text, 0, &TODAY, &ALL_RULES, tick(), &Weekly);
    assert_eq!(bound(HOURLY), Some(tick()));
    assert_eq!(bound("never"), None);
    assert_eq!(bound("nonsense"), None);
}

#[test]
fn a_run_that_is_too_late_starts_nothing() {
    let half_an_hour_ago = "1440 570 127 0";
    let bound = |minutes| {
        let policy = Policy {
            max_start_delay: Micros(minutes * MINUTE),
            ..ALL_RULES
        };
        start_bound(half_an_hour_ago, 0, &TODAY, &policy, tick(), &Weekly)
    };
    assert_eq!(bound(0), Some(later(-30, 0)));
    assert_eq!(bound(31), Some(later(-30, 0)));
    assert_eq!(bound(30), None);
}

#[test]
fn a_rule_that_may_not_act_starts_nothing() {
    let policy = Policy {
        rules: RuleSet::ALL.without(ActingRule::Autostart),
        ..ALL_RULES
    };
    assert_eq!(
        start_bound(HOURLY, 0, &TODAY, &policy, tick(), &Weekly),
        None
    );
}

#[test]
fn a_run_that_a_hold_made_late_may_start_what_was_built_before_it() {
    let half_an_hour_ago = "1440 570 127 0";
    let bound = |missed_starts| {
        let policy = Policy {
            max_start_delay: Micros(10 * MINUTE),
            missed_starts,
            ..ALL_RULES
        };
        let holding = Holding(vec![all_held(later(-40, 0), Some(later(-5, 0)))]);
        start_bound(half_an_hour_ago, 0, &TODAY, &policy, tick(), &holding)
    };
    assert_eq!(bound(MissedStarts::MakeUp), Some(later(-30, 0)));
    assert_eq!(bound(MissedStarts::Drop), None);
}
