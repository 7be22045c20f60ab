//! When an owner is reminded of a deadline, to the microsecond, and when not.

use proptest::prelude::*;

use super::random::{Case, any_case};
use super::*;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::explain::explain;
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};

/// A running workspace with that deadline, whose owner is reminded half an hour before.
fn until(deadline: Instant) -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(deadline);
    facts.template().time_til_autostop_notify = Nanos(30 * MINUTE_NS);
    facts
}

fn reminded(facts: &Facts) -> Option<Next> {
    today(facts).reminder
}

fn due(facts: &Facts) -> bool {
    reminded(facts).is_some_and(|reminder| reminder.due)
}

fn when(facts: &Facts) -> Option<Instant> {
    reminded(facts).map(|reminder| reminder.at)
}

/// Why nobody is reminded, where the rule itself says so.
fn none(facts: &Facts) -> Skip {
    none_under(facts, &TODAY)
}

fn none_under(facts: &Facts, signs: &Signs) -> Skip {
    assert_eq!(
        verdict(facts, signs, &ALL_RULES, tick(), &Weekly).reminder,
        None
    );
    match Candidate::new(facts, signs, &ALL_RULES, tick()) {
        Ok(candidate) => ActingRule::Remind
            .evaluate(&candidate, &Weekly)
            .unwrap_err(),
        Err((_, skip)) => skip,
    }
}

/// None, since a transition comes first.
fn gives_way(facts: &Facts) -> bool {
    reminded(facts).is_none() && next(facts).due
}

#[test]
fn an_owner_is_reminded_of_a_deadline_from_a_while_before_it_on() {
    for (minutes, expected) in [(60, false), (31, false), (30, true), (15, true), (1, true)] {
        let facts = until(later(minutes, 0));
        let made = reminded(&facts).unwrap();
        assert_eq!((made.at, made.due), (later(minutes - 30, 0), expected));
        assert_eq!(
            (made.rule, made.transition, made.reason, made.mark_dormant),
            (
                ActingRule::Remind,
                Transition::Remind,
                BuildReason::Autostop,
                false
            )
        );
        assert!(!next(&facts).due, "the stop is not due with it");
        let due = expected.then_some(made);
        assert_eq!(today(&facts).due(), due, "it is what is due");
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
    assert!(gives_way(&facts));
    let policy = Policy {
        rules: RuleSet::ALL.without(ActingRule::Autostop),
        ..ALL_RULES
    };
    let without_stops = verdict(&facts, &TODAY, &policy, tick(), &Weekly);
    assert_eq!(without_stops.reminder, None);
    assert_eq!(none(&facts), Skip::DeadlineReached { deadline: tick() });
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
        assert_eq!(none(&facts), Skip::NoReminderTime);
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
    assert_eq!(none(&facts), Skip::Reminded { deadline });
    // Moved to and fro, it is the one of which the owner knows.
    for micros in [-1, 1] {
        facts.latest().deadline = Some(later(15, micros));
        assert!(due(&facts), "another deadline");
    }
    facts.latest().deadline = Some(deadline);
    assert!(!due(&facts));
    // Extended, it is reminded of later.
    facts.latest().deadline = Some(later(2 * 60, 0));
    assert_eq!(when(&facts), Some(later(90, 0)));
}

#[test]
fn only_of_a_workspace_that_was_started_anybody_is_reminded() {
    for (transition, code) in [
        (BuildTransition::Stop, "not_running"),
        (BuildTransition::Delete, "not_running"),
    ] {
        let mut facts = until(later(15, 0));
        facts.latest().transition = transition;
        assert_eq!(none(&facts).code(), code);
    }
    let mut facts = until(later(15, 0));
    facts.latest().deadline = None;
    assert!(matches!(none(&facts), Skip::NoDeadline { .. }));
}

#[test]
fn only_after_a_start_that_succeeded_anybody_is_reminded() {
    let mut facts = until(later(15, 0));
    facts.job().canceled_at = Some(later(-59, 0));
    assert!(matches!(none(&facts), Skip::BuildCanceled { .. }));
    facts.job().completed_at = None;
    assert!(matches!(none(&facts), Skip::BuildInProgress { .. }));
    let mut facts = until(later(15, 0));
    facts.job().failed = true;
    assert!(matches!(none(&facts), Skip::BuildFailed { .. }));
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
    assert!(gives_way(&facts));
    let mut before = TODAY;
    before.suspended_owner = false;
    assert_eq!(none_under(&facts, &before), Skip::OwnerSuspended);
}

#[test]
fn a_workspace_that_is_dormant_deleted_or_prebuilt_has_no_reminder() {
    let mut facts = until(later(15, 0));
    facts.dormant_at = Some(later(-60, 0));
    assert!(matches!(none(&facts), Skip::Dormant { .. }));
    let mut facts = until(later(15, 0));
    facts.deleted = true;
    assert_eq!(none(&facts), Skip::Deleted);
    let mut facts = until(later(15, 0));
    facts.owner_id = PREBUILDS_OWNER;
    assert_eq!(none(&facts), Skip::Prebuild);
}

#[test]
fn a_transition_that_is_due_goes_before_a_reminder() {
    let mut facts = until(later(15, 0));
    facts.template().time_til_dormant = Nanos(MINUTE_NS);
    facts.last_used_at = later(-60, 0);
    assert!(gives_way(&facts));
    // One that is still to come does not.
    facts.last_used_at = tick();
    assert!(!next(&facts).due && due(&facts));
}

#[test]
fn who_moves_before_the_reminder_is_not_reminded() {
    // Reminded in half an hour, dormant in 29 or 31 minutes.
    let mut facts = until(later(60, 0));
    facts.template().time_til_dormant = Nanos(60 * MINUTE_NS);
    facts.last_used_at = later(-31, 0);
    assert_eq!((next(&facts).at, reminded(&facts)), (later(29, 0), None));
    facts.last_used_at = later(-29, 0);
    assert_eq!(
        (next(&facts).at, when(&facts)),
        (later(31, 0), Some(later(30, 0)))
    );
}

#[test]
fn a_setting_leaves_reminders_to_the_product() {
    let facts = until(later(15, 0));
    for policy in [
        Policy {
            notify_owners: false,
            ..ALL_RULES
        },
        Policy {
            rules: RuleSet::ALL.without(ActingRule::Remind),
            ..ALL_RULES
        },
    ] {
        let verdict = verdict(&facts, &TODAY, &policy, tick(), &Weekly);
        assert_eq!(verdict.reminder, None);
        assert!(verdict.outcome.is_ok(), "the stop comes all the same");
    }
}

#[test]
fn an_explanation_ends_with_the_reminder_where_no_transition_is_due() {
    let last = |facts: &Facts, policy: &Policy| {
        let steps = explain(facts, &TODAY, policy, tick(), &Weekly);
        let last = steps.into_iter().last().unwrap();
        (last.rule, last.passed, last.observed)
    };
    let facts = until(later(15, 0));
    assert_eq!(
        last(&facts, &ALL_RULES),
        (
            "remind",
            true,
            "The owner is reminded of the deadline, 2024-01-03T10:15:00Z, from \
             2024-01-03T09:45:00Z on; the tick is 2024-01-03T10:00:00Z."
                .to_owned()
        )
    );
    let mut told = facts.clone();
    told.latest().notified_deadline = Some(later(15, 0));
    assert!(!last(&told, &ALL_RULES).1);
    let off = Policy {
        notify_owners: false,
        ..ALL_RULES
    };
    assert_eq!(
        last(&facts, &off).2,
        "It does not act: workspace_autobuild.notify_owners is off."
    );
    let (rule, passed, _) = last(&until(tick()), &ALL_RULES);
    assert_eq!((rule, passed), ("autostop", true));
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
    let made = verdict(&facts, &TODAY, &policy, tick(), &Weekly).reminder;
    assert!(made.is_some_and(|made| made.due));
}

#[test]
fn without_its_columns_nobody_is_reminded() {
    let facts = until(later(15, 0));
    let mut older = TODAY;
    older.reminder = false;
    assert_eq!(
        verdict(&facts, &older, &ALL_RULES, tick(), &Weekly).reminder,
        None
    );
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
        && case.policy.notify_owners
        && case.policy.rules.contains(ActingRule::Remind)
        && !case.verdict().outcome.is_ok_and(|next| next.due)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn who_is_reminded_is_whom_the_plain_statement_says(case in any_case()) {
        let due = case.verdict().reminder.is_some_and(|made| made.due);
        prop_assert_eq!(due, is_reminded(&case));
    }
}
