//! The product's own cases, as far as they are a matter of rules: hourly schedule and
//! durations of a minute unless said otherwise.

use super::*;
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::transition::Transition;

/// What is done at a tick, today: transition and reason.
fn at_tick(facts: &Facts, tick: Instant) -> Option<(Transition, &'static str)> {
    let outcome = verdict(facts, &TODAY, &ALL_RULES, tick, &Weekly).outcome;
    let due = outcome.ok().filter(|next| next.due);
    due.map(|next| (next.transition, next.reason.name()))
}

fn deadline(at: Instant) -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(at);
    facts
}

const AUTOSTOP: Option<(Transition, &str)> = Some((Transition::Stop, "autostop"));

#[test]
fn case_1_a_stopped_workspace_starts_at_its_run() {
    let start = Some((Transition::Start, "autostart"));
    assert_eq!(at_tick(&stopped(), tick()), start);
    assert_eq!(at_tick(&stopped(), later(-1, 0)), None);
}

#[test]
fn case_6_a_suspended_owners_workspace_is_not_started() {
    let mut facts = stopped();
    facts.owner = Some(OwnerStatus::Suspended);
    assert_eq!(at_tick(&facts, tick()), None);
}

#[test]
fn case_7_a_running_workspace_stops_after_its_deadline() {
    assert_eq!(at_tick(&deadline(tick()), later(1, 0)), AUTOSTOP);
}

#[test]
fn case_8_an_extended_deadline_wins() {
    let extended = deadline(later(30, 0));
    assert_eq!(at_tick(&extended, later(1, 0)), None);
    assert_eq!(at_tick(&extended, later(31, 0)), AUTOSTOP);
}

#[test]
fn case_9_a_suspended_owners_running_workspace_is_stopped_even_in_1970() {
    let mut facts = deadline(later(60, 0));
    facts.owner = Some(OwnerStatus::Suspended);
    assert_eq!(at_tick(&facts, at("1970-01-01T00:00:00Z")), AUTOSTOP);
}

#[test]
fn case_10_a_cleared_deadline_stops_nothing() {
    assert_eq!(at_tick(&running(), later(100_000, 0)), None);
}

#[test]
fn case_12_a_template_without_autostart_starts_nothing() {
    let mut facts = stopped();
    facts.template().allow_user_autostart = false;
    assert_eq!(at_tick(&facts, tick()), None);
}

#[test]
fn case_13_the_deadline_that_the_template_set_is_the_one_that_counts() {
    let hour = deadline(later(60, 0));
    assert_eq!(at_tick(&hour, later(45, 0)), None);
    assert_eq!(at_tick(&hour, later(61, 0)), AUTOSTOP);
}

#[test]
fn case_15_without_the_licence_failures_and_disuse_have_no_consequence() {
    let policy = Policy {
        licensed: false,
        ..ALL_RULES
    };
    let mut broken = failed(BuildTransition::Start, later(-60, 0));
    broken.template().failure_ttl = Nanos(MINUTE_NS);
    let mut unused = running();
    unused.template().time_til_dormant = Nanos(MINUTE_NS);
    for facts in [broken, unused] {
        assert!(at_tick(&facts, tick()).is_some());
        let unlicensed = verdict(&facts, &TODAY, &policy, tick(), &Weekly);
        assert!(unlicensed.outcome.is_err());
    }
}

#[test]
fn case_16_a_pre_built_workspace_is_stopped_only_once_it_is_claimed() {
    let mut facts = deadline(tick());
    facts.owner_id = PREBUILDS_OWNER;
    assert_eq!(at_tick(&facts, later(60, 0)), None);
    facts.owner_id = running().owner_id;
    assert_eq!(at_tick(&facts, later(60, 0)), AUTOSTOP);
}

#[test]
fn case_18_a_tasks_workspace_is_paused() {
    let mut facts = deadline(tick());
    facts.has_task = true;
    let pause = Some((Transition::Stop, "task_auto_pause"));
    assert_eq!(at_tick(&facts, tick()), pause);
}

#[test]
fn case_19_the_blocked_day_is_the_local_one() {
    // Wednesday, 20:00 in Chicago is Thursday, 02:00 UTC.
    let mut facts = stopped();
    facts.schedule = Some("1440 1200 127 -360".to_owned());
    facts.latest().created_at = at("2024-01-03T02:00:05Z");
    let tick = at("2024-01-04T02:00:05Z").truncate_to_minute();
    facts.template().blocked_days = 127 & !0b100;
    assert!(at_tick(&facts, tick).is_some());
    facts.template().blocked_days = 0b100;
    assert_eq!(at_tick(&facts, tick), None);
}

#[test]
fn cases_20_to_22_a_failed_build_is_stopped_after_its_ttl_and_not_before() {
    for transition in [BuildTransition::Start, BuildTransition::Stop] {
        let mut facts = failed(transition, tick());
        facts.template().failure_ttl = Nanos(MINUTE_NS);
        assert_eq!(at_tick(&facts, later(2, 0)), AUTOSTOP);
        assert_eq!(at_tick(&facts, later(-2, 0)), None);
    }
}

#[test]
fn cases_23_and_24_an_unused_workspace_is_stopped_and_marked_or_only_marked() {
    for (mut facts, transition) in [
        (running(), Transition::Stop),
        (workspace(BuildTransition::Stop), Transition::Dormant),
    ] {
        facts.template().time_til_dormant = Nanos(MINUTE_NS);
        facts.last_used_at = tick();
        let done = Some((transition, "dormancy"));
        assert_eq!(at_tick(&facts, later(2, 0)), done);
        assert_eq!(at_tick(&facts, later(1, 0)), None);
    }
}

#[test]
fn cases_25_and_26_a_dormant_workspace_is_deleted_but_never_started() {
    let facts = dormant(later(1, 0));
    assert_eq!(at_tick(&facts, tick()), None);
    let delete = Some((Transition::Delete, "autodelete"));
    assert_eq!(at_tick(&facts, later(2, 0)), delete);
}

#[test]
fn case_27_a_failed_delete_is_tried_again_each_day() {
    let mut facts = dormant(later(-60, 0));
    facts.latest().transition = BuildTransition::Delete;
    facts.job().completed_at = Some(tick());
    facts.job().failed = true;
    assert_eq!(at_tick(&facts, later(60, 0)), None);
    let delete = Some((Transition::Delete, "autodelete"));
    assert_eq!(at_tick(&facts, later(25 * 60, 0)), delete);
}

#[test]
fn case_28_nothing_starts_on_a_blocked_weekend() {
    let mut facts = stopped();
    facts.schedule = Some("1440 540 127 0".to_owned());
    facts.template().blocked_days = 0b110_0000;
    facts.latest().created_at = at("2024-01-05T10:00:00Z");
    for weekend in ["2024-01-06T09:00:00Z", "2024-01-07T09:00:00Z"] {
        assert_eq!(at_tick(&facts, at(weekend)), None);
    }
    assert!(at_tick(&facts, at("2024-01-08T09:00:00Z")).is_some());
}

#[test]
fn case_29_an_emptied_next_start_at_is_filled_in() {
    let mut facts = stopped();
    facts.schedule = Some("1440 540 127 0".to_owned());
    let verdict = today(&facts);
    assert_eq!(verdict.fill_next_start_at, Some(at("2024-01-04T09:00:00Z")));
    assert!(verdict.outcome.is_ok_and(|next| !next.due));
}

#[test]
fn case_30_only_mondays_are_allowed() {
    let mut facts = stopped();
    facts.schedule = Some("1440 540 31 0".to_owned());
    facts.template().blocked_days = 127 & !1;
    facts.latest().created_at = at("2024-01-01T10:00:00Z");
    assert_eq!(next(&facts).at, at("2024-01-08T09:00:00Z"));
}
