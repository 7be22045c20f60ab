//! The explanation agrees with the verdict, whatever the facts.

use proptest::prelude::*;

use super::random::{Case, any_case};
use super::*;
use crate::lifecycle::explain::{Step, explain};
use crate::lifecycle::rules::ActingRule;

const COMES_NEXT: &str = " This is the next transition.";

fn steps(case: &Case) -> Vec<Step> {
    explain(&case.facts, &case.signs, &case.policy, tick(), &Weekly)
}

fn today_explained(facts: &Facts) -> Vec<Step> {
    explain(facts, &TODAY, &ALL_RULES, tick(), &Weekly)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_steps_end_where_the_verdict_was_reached(case in any_case()) {
        let steps = steps(&case);
        let Verdict { outcome, reminder, .. } = case.verdict();
        let acting = |step: &&Step| ActingRule::ALL.iter().any(|rule| rule.name() == step.rule);
        let (reminds, due): (Vec<&Step>, Vec<&Step>) = steps
            .iter()
            .filter(acting)
            .filter(|step| step.passed)
            .partition(|step| step.rule == ActingRule::Remind.name());
        prop_assert_eq!(reminds.len(), usize::from(reminder.is_some_and(|next| next.due)));
        let last = steps.last().unwrap();
        prop_assert!(steps.iter().all(|step| !step.observed.is_empty()));
        prop_assert!(steps.iter().filter(|step| !acting(step)).rev().skip(1).all(|step| step.passed));
        match outcome {
            Ok(next) if next.due => {
                prop_assert_eq!(due, vec![last]);
                prop_assert_eq!(last.rule, next.rule.name());
                prop_assert!(last.observed.contains(&next.at.to_string()));
            }
            Ok(next) => {
                prop_assert!(due.is_empty());
                let named: Vec<&Step> =
                    steps.iter().filter(|step| step.observed.ends_with(COMES_NEXT)).collect();
                prop_assert_eq!(named.len(), 1);
                prop_assert_eq!(named[0].rule, next.rule.name());
                prop_assert!(named[0].observed.contains(&next.at.to_string()));
            }
            Err(skip) => {
                prop_assert!(due.is_empty());
                let condition = !acting(&last);
                prop_assert_eq!(condition, !last.passed && steps.iter().all(|step| !acting(&step)));
                let sentence = skip.to_string();
                if condition {
                    prop_assert_eq!(&last.observed, &sentence);
                } else if skip.code() == "rule_off" || case.policy.rules == RuleSet::ALL {
                    let seen = steps.iter().any(|step| step.observed == sentence);
                    prop_assert!(seen || skip.code() == "delete_build" && !case.signs.deletion);
                }
            }
        }
    }
}

#[test]
fn a_rule_that_the_schema_does_not_bring_is_not_shown() {
    let names = |signs: &Signs| -> Vec<&'static str> {
        let steps = explain(&running(), signs, &ALL_RULES, tick(), &Weekly);
        steps.iter().map(|step| step.rule).collect()
    };
    assert_eq!(
        names(&Signs::default()),
        [
            "deleted",
            "prebuild",
            "owner",
            "template",
            "build",
            "job",
            "build_in_progress",
            "build_failed",
            "autostop",
            "autostart"
        ]
    );
    assert_eq!(names(&TODAY)[7..], ActingRule::ALL.map(ActingRule::name));
}

#[test]
fn the_steps_say_what_was_seen() {
    let mut facts = stopped();
    facts.template().blocked_days = 0b10_0001;
    facts.next_start_at = Some(later(30, 0));
    let observed = &today_explained(&facts)[8].observed;
    assert_eq!(
        observed,
        "The workspace is stopped since build 7 (a stop of 2024-01-03T09:00:00Z); the first run \
         of its schedule \"60 0 127 0\" after 2024-01-03T09:00:00Z that is not on a Monday or \
         Saturday is 2024-01-03T10:00:00Z; next_start_at is 2024-01-03T10:30:00Z; the tick is \
         2024-01-03T10:00:00Z. This is the next transition."
    );

    let mut facts = failed(BuildTransition::Start, later(-10, 5));
    facts.template().failure_ttl = Nanos(90 * MINUTE_NS);
    assert_eq!(
        today_explained(&facts)[9].observed,
        "The latest, build 7 (a start of 2024-01-03T09:00:00Z), failed at \
         2024-01-03T09:50:00.000005Z; failure_ttl (90 min) has passed after \
         2024-01-03T11:20:00.000005Z; the tick is 2024-01-03T10:00:00Z. This is the next \
         transition."
    );
}

#[test]
fn a_build_that_was_canceled_is_not_said_to_have_been_made() {
    let mut facts = running();
    facts.job().canceled_at = Some(later(-59, 0));
    for deadline in [None, Some(later(10, 0))] {
        facts.latest().deadline = deadline;
        let observed = &today_explained(&facts)[7].observed;
        assert!(
            observed
                .starts_with("The latest, build 7 (a start of 2024-01-03T09:00:00Z), was canceled")
        );
    }
    facts.owner = Some(OwnerStatus::Suspended);
    let mut stop = stopped();
    stop.job().canceled_at = Some(later(-59, 0));
    for facts in [facts, stop] {
        let steps = today_explained(&facts);
        let observed = &steps.last().unwrap().observed;
        assert!(
            observed.contains("was canceled, but counts as a"),
            "{observed}"
        );
    }
}

#[test]
fn a_long_or_unprintable_schedule_is_shown_short_and_escaped() {
    struct Any;
    impl Schedules for Any {
        type Schedule<'a> = Times;
        fn schedule(&self, _: &str) -> Result<Times, Box<str>> {
            Weekly.schedule(HOURLY)
        }
    }
    for text in ["\u{1b}[2J\0".to_owned(), "\n\"é".repeat(50_000)] {
        let mut facts = stopped();
        facts.schedule = Some(text);
        let steps = explain(&facts, &TODAY, &ALL_RULES, tick(), &Any);
        let observed = &steps.last().unwrap().observed;
        assert!(observed.len() < 1000, "{}", observed.len());
        assert!(!observed.contains(char::is_control), "{observed}");
    }
}
