//! Which schedules that can't be read are told of.

use proptest::prelude::*;

use super::random::any_case;
use super::*;
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::unreadable::unreadable_schedule;

/// A workspace with a schedule that nobody can read.
fn nonsense(transition: BuildTransition) -> Facts {
    let mut facts = workspace(transition);
    facts.schedule = Some("nonsense".to_owned());
    facts
}

fn is_told_of(facts: &Facts) -> bool {
    unreadable_schedule(facts, &TODAY, &ALL_RULES, &Weekly).is_some()
}

#[test]
fn it_does_not_matter_what_the_latest_build_did() {
    for transition in [
        BuildTransition::Start,
        BuildTransition::Stop,
        BuildTransition::Delete,
    ] {
        let facts = nonsense(transition);
        assert!(is_told_of(&facts), "{transition:?}");
        let mut building = facts.clone();
        building.job().completed_at = None;
        assert!(is_told_of(&building), "{transition:?} under way");
        let mut failed = facts.clone();
        failed.job().failed = true;
        assert!(is_told_of(&failed), "{transition:?} failed");
        assert!(is_told_of(&Facts {
            latest: None,
            ..facts
        }));
    }
}

#[test]
fn what_else_keeps_a_workspace_from_being_started_hides_its_schedule() {
    let told = nonsense(BuildTransition::Start);
    let varied = |vary: fn(&mut Facts)| {
        let mut facts = told.clone();
        vary(&mut facts);
        is_told_of(&facts)
    };
    assert!(varied(|_| ()));
    assert!(!varied(|facts| facts.deleted = true));
    assert!(!varied(|facts| facts.owner_id = PREBUILDS_OWNER));
    assert!(!varied(|facts| facts.owner = None));
    assert!(!varied(|facts| facts.owner = Some(OwnerStatus::Suspended)));
    assert!(!varied(|facts| facts.owner = Some(OwnerStatus::Dormant)));
    assert!(!varied(|facts| facts.template = None));
    assert!(!varied(
        |facts| facts.template().allow_user_autostart = false
    ));
    assert!(!varied(|facts| facts.dormant_at = Some(tick())));
    assert!(!varied(|facts| facts.schedule = None));
    assert!(!varied(|facts| facts.schedule = Some(String::new())));
    assert!(!varied(|facts| facts.schedule = Some(HOURLY.to_owned())));
    assert!(!varied(|facts| facts.schedule = Some("never".to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    /// Were the latest build a stop that succeeded, and no other rule about, the verdict
    /// would be that the schedule is invalid.
    #[test]
    fn it_is_told_of_just_where_the_verdict_on_the_stopped_workspace_is_schedule_invalid(
        case in any_case(),
    ) {
        let told = unreadable_schedule(&case.facts, &case.signs, &case.policy, &Weekly);
        let mut then = case.clone();
        then.facts.latest = workspace(BuildTransition::Stop).latest;
        if let Some(template) = &mut then.facts.template {
            template.time_til_dormant = Nanos(0);
        }
        let expected = match then.verdict().outcome {
            Err(Skip::ScheduleInvalid { error }) if case.policy.allows(ActingRule::Autostart) => {
                Some(error)
            }
            _ => None,
        };
        prop_assert_eq!(told, expected);
    }
}
