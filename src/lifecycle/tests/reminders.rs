//! When an owner is reminded of a deadline, to the microsecond, and when not.

use proptest::prelude::*;

use super::random::{Case, any_case};
use super::*;
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::reminder::{NoReminder, Reminder, reminder};
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::skip::Skip;

/// A running workspace with that deadline, whose owner is reminded half an hour before.
fn until(deadline: Instant) -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(deadline);
    facts.template().time_til_autostop_notify = Nanos(30 * MINUTE_NS);
    facts
}

fn reminded(facts: &Facts) -> Result<Reminder, NoReminder> {
    reminder(facts, &TODAY, &ALL_RULES, tick(), &Weekly)
}

fn due(facts: &Facts) -> bool {
    reminded(facts).is_ok_and(|reminder| reminder.due)
}

fn none(facts: &Facts) -> NoReminder {
    reminded(facts).expect_err("a reminder")
}

fn without(facts: &Facts, change: impl FnOnce(&mut Signs)) -> Result<Reminder, NoReminder> {
    let mut signs = TODAY;
    change(&mut signs);
    reminder(facts, &signs, &ALL_RULES, tick(), &Weekly)
}

#[test]
fn an_owner_is_reminded_of_a_deadline_from_a_while_before_it_on() {
    for (minutes, expected) in [(60, false), (31, false), (30, true), (15, true), (1, true)] {
        let facts = until(later(minutes, 0));
        let made = Reminder {
            deadline: later(minutes, 0),
            at: later(minutes - 30, 0),
            due: expected,
        };
        assert_eq!(reminded(&facts), Ok(made));
        assert!(!next(&facts).due, "the stop is not due with it");
    }
}

#[test]
fn a_reminder_is_due_to_the_microsecond_and_never_at_the_deadline() {
    for (minutes, micros, expected) in [
        (30, -1, true),
        (30, 0, true),
        (30, 1, false),
        (0, 1, true),
        (0, 0, false),
        (0, -1, false),
        (-30, 0, false),
    ] {
        let facts = until(later(minutes, micros));
        assert_eq!(due(&facts), expected, "{minutes} min {micros} us");
    }
    // At the deadline there is the stop; where that is left out there is nothing.
    let facts = until(tick());
    assert_eq!(none(&facts), NoReminder::TransitionDue);
    let policy = Policy {
        rules: RuleSet::ALL.without(ActingRule::Autostop),
        ..ALL_RULES
    };
    assert_eq!(
        reminder(&facts, &TODAY, &policy, tick(), &Weekly),
        Err(NoReminder::Reached { deadline: tick() })
    );
}

#[test]
fn the_time_before_a_deadline_counts_in_whole_milliseconds() {
    let half_an_hour = 30 * MINUTE_NS;
    for (nanos, micros, expected) in [
        (999_999, 0, true),
        (999_999, 1, false),
        (1_000_000, 1000, true),
        (1_000_000, 1001, false),
        (-1, 0, false),
        (-1, -1000, true),
        (-1, -999, false),
    ] {
        let mut facts = until(later(30, micros));
        facts.template().time_til_autostop_notify = Nanos(half_an_hour + nanos);
        assert_eq!(due(&facts), expected, "{nanos} ns, {micros} us");
    }
}

#[test]
fn a_template_without_a_time_before_the_deadline_reminds_nobody() {
    for nanos in [0, -1, i64::MIN] {
        let mut facts = until(later(15, 0));
        facts.template().time_til_autostop_notify = Nanos(nanos);
        assert_eq!(none(&facts), NoReminder::NoTime);
    }
}

#[test]
fn a_time_longer_than_the_workspace_lives_reminds_at_once() {
    let mut facts = until(later(8 * 60, 0));
    facts.template().time_til_autostop_notify = Nanos(100 * 60 * MINUTE_NS);
    assert!(due(&facts));
    facts.template().time_til_autostop_notify = Nanos(i64::MAX);
    assert!(due(&facts));
}

#[test]
fn an_owner_is_reminded_once_of_each_deadline() {
    let deadline = later(15, 0);
    let mut facts = until(deadline);
    facts.latest().notified_deadline = Some(deadline);
    assert_eq!(none(&facts), NoReminder::Told { deadline });
    // Moved to and fro, it is the one of which the owner knows.
    for micros in [-1, 1] {
        facts.latest().deadline = Some(later(15, micros));
        assert!(due(&facts), "another deadline");
    }
    facts.latest().deadline = Some(deadline);
    assert!(!due(&facts));
    // Extended, it is reminded of later.
    facts.latest().deadline = Some(later(2 * 60, 0));
    assert_eq!(reminded(&facts).map(|made| made.at), Ok(later(90, 0)));
}

#[test]
fn only_of_a_workspace_that_was_started_anybody_is_reminded() {
    for (transition, code) in [
        (BuildTransition::Stop, "not_running"),
        (BuildTransition::Delete, "not_running"),
    ] {
        let mut facts = until(later(15, 0));
        facts.latest().transition = transition;
        match none(&facts) {
            NoReminder::Skip(skip) => assert_eq!(skip.code(), code),
            other => panic!("{other:?}"),
        }
    }
    let mut facts = until(later(15, 0));
    facts.latest().deadline = None;
    assert!(matches!(
        none(&facts),
        NoReminder::Skip(Skip::NoDeadline { .. })
    ));
}

#[test]
fn only_after_a_start_that_succeeded_anybody_is_reminded() {
    let mut facts = until(later(15, 0));
    facts.job().canceled_at = Some(later(-59, 0));
    assert!(matches!(none(&facts), NoReminder::Canceled { .. }));
    facts.job().completed_at = None;
    assert!(matches!(
        none(&facts),
        NoReminder::Skip(Skip::BuildInProgress { .. })
    ));
    let mut facts = until(later(15, 0));
    facts.job().failed = true;
    assert!(matches!(
        none(&facts),
        NoReminder::Skip(Skip::BuildFailed { .. })
    ));
}

#[test]
fn a_suspended_owner_is_not_reminded_but_one_who_was_long_away() {
    for status in [
        OwnerStatus::Active,
        OwnerStatus::Dormant,
        OwnerStatus::Other,
    ] {
        let mut facts = until(later(15, 0));
        facts.owner = Some(status);
        assert!(due(&facts), "{status:?}");
    }
    let mut facts = until(later(15, 0));
    facts.owner = Some(OwnerStatus::Suspended);
    assert_eq!(none(&facts), NoReminder::TransitionDue);
    let before = without(&facts, |signs| signs.suspended_owner = false);
    assert_eq!(before, Err(NoReminder::OwnerSuspended));
}

#[test]
fn a_workspace_that_is_dormant_deleted_or_prebuilt_has_no_reminder() {
    let mut facts = until(later(15, 0));
    facts.dormant_at = Some(later(-60, 0));
    assert!(matches!(
        none(&facts),
        NoReminder::Skip(Skip::Dormant { .. })
    ));
    let mut facts = until(later(15, 0));
    facts.deleted = true;
    assert_eq!(none(&facts), NoReminder::Skip(Skip::Deleted));
    let mut facts = until(later(15, 0));
    facts.owner_id = PREBUILDS_OWNER;
    assert_eq!(none(&facts), NoReminder::Skip(Skip::Prebuild));
}

#[test]
fn a_transition_that_is_due_goes_before_a_reminder() {
    let mut facts = until(later(15, 0));
    facts.template().time_til_dormant = Nanos(MINUTE_NS);
    facts.last_used_at = later(-60, 0);
    assert!(next(&facts).due);
    assert_eq!(none(&facts), NoReminder::TransitionDue);
    // One that is still to come does not.
    facts.last_used_at = tick();
    assert!(!next(&facts).due && due(&facts));
}

#[test]
fn neither_use_nor_licence_matters_to_a_reminder() {
    let mut facts = until(later(15, 0));
    for last_used_at in [later(0, -1), later(-60 * 24 * 365, 0)] {
        facts.last_used_at = last_used_at;
        assert!(due(&facts));
    }
    let policy = Policy {
        licensed: false,
        ..ALL_RULES
    };
    let made = reminder(&facts, &TODAY, &policy, tick(), &Weekly);
    assert!(made.is_ok_and(|made| made.due));
}

#[test]
fn without_its_columns_nobody_is_reminded() {
    let facts = until(later(15, 0));
    let older = without(&facts, |signs| signs.reminder = false);
    assert_eq!(older, Err(NoReminder::NotInForce));
    for column in [
        "templates.time_til_autostop_notify",
        "workspace_builds.notified_autostop_deadline",
    ] {
        assert!(!Signs::found(|part| part.to_string() != column).reminder);
    }
}

#[test]
fn a_sentence_says_why_nobody_is_reminded() {
    let deadline = later(15, 0);
    let mut facts = until(deadline);
    facts.latest().notified_deadline = Some(deadline);
    assert_eq!(
        none(&facts).to_string(),
        "The owner was reminded of the deadline, 2024-01-03T10:15:00Z."
    );
    facts.job().canceled_at = Some(later(-59, 0));
    assert_eq!(
        none(&facts).to_string(),
        "The latest, build 7 (a start of 2024-01-03T09:00:00Z), was canceled: nobody is reminded."
    );
}

/// The same once more, in the order in which the product asks.
fn is_reminded(case: &Case) -> bool {
    let (facts, t) = (&case.facts, tick());
    let (Some(owner), Some(template), Some(latest)) = (facts.owner, &facts.template, &facts.latest)
    else {
        return false;
    };
    let (Some(job), Some(deadline)) = (latest.job, latest.deadline) else {
        return false;
    };
    let Nanos(before) = template.time_til_autostop_notify;
    let left = deadline.nanos_since(t);
    let succeeded = job.completed_at.is_some() && job.canceled_at.is_none() && !job.failed;
    let dormant = case.signs.dormancy && facts.dormant_at.is_some();
    case.signs.reminder
        && !facts.deleted
        && facts.owner_id != PREBUILDS_OWNER
        && succeeded
        && latest.transition == BuildTransition::Start
        && !dormant
        && owner != OwnerStatus::Suspended
        && left > 0
        && before > 0
        && left <= i128::from(before / 1_000_000 * 1_000_000)
        && latest.notified_deadline != Some(deadline)
        && !case.verdict().outcome.is_ok_and(|next| next.due)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn who_is_reminded_is_whom_the_plain_statement_says(case in any_case()) {
        let made = reminder(&case.facts, &case.signs, &case.policy, tick(), &Weekly);
        let due = made.is_ok_and(|made| made.due);
        prop_assert_eq!(due, is_reminded(&case));
    }
}
