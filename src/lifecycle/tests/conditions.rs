//! Who is put before the rules, which rule wins, and what is said if none acts.

use super::*;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::explain::explain;
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::transition::Transition;

/// A workspace for which every version has something to do.
fn due_for_a_stop() -> Facts {
    let mut facts = running();
    facts.latest().deadline = Some(later(-1, 0));
    facts
}

fn with_rules(facts: &Facts, rules: &[ActingRule]) -> Verdict {
    let policy = Policy {
        rules: rules.iter().copied().collect(),
        ..ALL_RULES
    };
    verdict(facts, &TODAY, &policy, tick(), &Weekly)
}

#[test]
fn each_condition_has_its_own_code_on_every_schema() {
    type Spoil = fn(&mut Facts);
    let spoilt: [(&str, Spoil); 7] = [
        ("deleted", |facts| facts.deleted = true),
        ("prebuild", |facts| facts.owner_id = PREBUILDS_OWNER),
        ("no_owner", |facts| facts.owner = None),
        ("no_template", |facts| facts.template = None),
        ("no_build", |facts| facts.latest = None),
        ("no_job", |facts| facts.latest().job = None),
        ("build_in_progress", |facts| {
            facts.job().completed_at = None;
        }),
    ];
    for signs in [Signs::default(), TODAY] {
        for (code, spoil) in spoilt {
            let mut facts = due_for_a_stop();
            assert!(
                verdict(&facts, &signs, &ALL_RULES, tick(), &Weekly)
                    .outcome
                    .is_ok()
            );
            spoil(&mut facts);
            let spoilt = verdict(&facts, &signs, &ALL_RULES, tick(), &Weekly);
            assert_eq!(spoilt.outcome.unwrap_err().code(), code);
            assert_eq!(spoilt.fill_next_start_at, None);
        }
    }
}

#[test]
fn an_incomplete_job_keeps_every_build_away_even_one_that_is_being_canceled_or_has_an_error() {
    let mut unused = running();
    unused.template().time_til_dormant = Nanos(1);
    let mut broken = failed(BuildTransition::Start, later(-10, 0));
    broken.template().failure_ttl = Nanos(1);
    for mut facts in [
        due_for_a_stop(),
        stopped(),
        broken,
        unused,
        dormant(later(-1, 0)),
    ] {
        assert!(next(&facts).due);
        facts.job().completed_at = None;
        assert_eq!(skipped(&facts), "build_in_progress");
        facts.job().canceled_at = Some(later(-1, 0));
        assert_eq!(skipped(&facts), "build_in_progress");
    }
}

#[test]
fn a_mark_without_a_build_waits_for_no_job() {
    for transition in [BuildTransition::Stop, BuildTransition::Delete] {
        let mut facts = workspace(transition);
        facts.template().time_til_dormant = Nanos(1);
        for (canceled_at, failed) in [(None, false), (Some(later(-1, 0)), false), (None, true)] {
            *facts.job() = Job {
                completed_at: None,
                canceled_at,
                failed,
            };
            assert_eq!(next(&facts).transition, Transition::Dormant);
            assert!(next(&facts).due);
            let steps = explain(&facts, &TODAY, &ALL_RULES, tick(), &Weekly);
            assert!(steps.last().is_some_and(|step| step.passed), "{steps:?}");
        }
        // What first made the mark asked for a complete job before anything else.
        let old = Signs {
            failed_stop: false,
            ..TODAY
        };
        facts.job().failed = false;
        let old = verdict(&facts, &old, &ALL_RULES, tick(), &Weekly);
        assert_eq!(old.outcome.unwrap_err().code(), "build_in_progress");
    }
    // A running workspace is stopped with the mark: a build.
    let mut facts = running();
    facts.template().time_til_dormant = Nanos(1);
    facts.job().completed_at = None;
    assert_eq!(skipped(&facts), "build_in_progress");
}

#[test]
fn a_start_that_can_not_be_built_yet_keeps_the_mark_away() {
    let mut facts = stopped();
    facts.job().completed_at = None;
    facts.template().time_til_dormant = Nanos(1);
    assert_eq!(skipped(&facts), "build_in_progress", "its run is reached");
    let late = Policy {
        max_start_delay: Micros(MINUTE),
        ..ALL_RULES
    };
    let later_on = later(30, 0);
    let verdict = verdict(&facts, &TODAY, &late, later_on, &Weekly);
    assert_eq!(verdict.outcome.unwrap_err().code(), "build_in_progress");
    facts.latest().created_at = tick();
    assert!(next(&facts).mark_dormant, "the mark comes before the run");
    assert_eq!(today(&facts).fill_next_start_at, None);
}

#[test]
fn a_job_with_an_error_has_failed_complete_or_not_where_the_product_says_so() {
    let mut facts = failed(BuildTransition::Start, later(-10, 0));
    facts.job().completed_at = None;
    facts.latest().deadline = Some(later(-1, 0));
    facts.last_used_at = later(-60, 0);
    facts.template().time_til_dormant = Nanos(1);
    // The stop goes with the mark: no build is under way.
    assert_eq!(next(&facts).rule, ActingRule::Dormancy);
    assert_eq!(next(&facts).transition, Transition::Stop);
    let signs = Signs {
        job_status: false,
        ..TODAY
    };
    let before = verdict(&facts, &signs, &ALL_RULES, tick(), &Weekly);
    assert_eq!(before.outcome.unwrap_err().code(), "build_in_progress");
    // The rule for failed builds counts from the time of completion, and there is none.
    facts.template().time_til_dormant = Nanos(0);
    facts.template().failure_ttl = Nanos(1);
    assert_eq!(skipped(&facts), "build_in_progress");
}

#[test]
fn a_failed_build_blocks_everything_only_where_no_rule_stops_it() {
    let mut facts = failed(BuildTransition::Start, later(-10, 0));
    facts.latest().deadline = Some(later(-1, 0));
    facts.template().failure_ttl = Nanos(1);
    let old = verdict(&facts, &Signs::default(), &ALL_RULES, tick(), &Weekly);
    assert_eq!(old.outcome.unwrap_err().code(), "build_failed");
    assert_eq!(next(&facts).rule, ActingRule::Failed);
}

#[test]
fn a_job_canceled_without_an_error_counts_as_successful() {
    for mut facts in [due_for_a_stop(), stopped()] {
        facts.job().canceled_at = Some(later(-59, 0));
        for signs in [Signs::default(), TODAY] {
            let next = verdict(&facts, &signs, &ALL_RULES, tick(), &Weekly).outcome;
            assert!(next.unwrap().due);
        }
    }
}

#[test]
fn dormancy_keeps_a_workspace_from_deadlines_and_schedules_where_it_exists() {
    for mut facts in [due_for_a_stop(), stopped()] {
        facts.dormant_at = Some(later(-1, 0));
        assert_eq!(skipped(&facts), "dormant");
        let old = verdict(&facts, &Signs::default(), &ALL_RULES, tick(), &Weekly);
        assert!(old.outcome.unwrap().due);
    }
}

#[test]
fn of_several_due_rules_the_first_wins() {
    let mut facts = due_for_a_stop();
    facts.latest().deadline = Some(tick());
    facts.last_used_at = Instant::NO_TIME;
    facts.template().time_til_dormant = Nanos(1);
    assert_eq!(next(&facts).rule, ActingRule::Autostop);
    // A due rule wins over an earlier one in rule order that is not due, too.
    facts.latest().deadline = Some(later(1, 0));
    assert_eq!(next(&facts).rule, ActingRule::Dormancy);
}

#[test]
fn if_none_is_due_the_soonest_comes_next_and_rule_order_breaks_ties() {
    let mut facts = running();
    facts.latest().deadline = Some(later(5, 0));
    facts.last_used_at = tick();
    for (ttl, rule) in [
        (4 * MINUTE_NS, ActingRule::Dormancy),
        (5 * MINUTE_NS, ActingRule::Autostop),
        (6 * MINUTE_NS, ActingRule::Autostop),
    ] {
        facts.template().time_til_dormant = Nanos(ttl);
        assert_eq!((next(&facts).rule, next(&facts).due), (rule, false));
    }
}

#[test]
fn if_no_rule_will_act_the_reason_is_that_of_the_workspaces_state() {
    let mut deleted = workspace(BuildTransition::Delete);
    assert_eq!(skipped(&running()), "no_deadline");
    assert_eq!(skipped(&workspace(BuildTransition::Stop)), "no_schedule");
    assert_eq!(skipped(&deleted), "delete_build");
    deleted.job().failed = true;
    assert_eq!(skipped(&deleted), "delete_build");
    for transition in [BuildTransition::Start, BuildTransition::Stop] {
        let facts = failed(transition, later(-10, 0));
        assert_eq!(skipped(&facts), "no_failure_ttl");
    }
    let old = verdict(
        &workspace(BuildTransition::Delete),
        &Signs::default(),
        &ALL_RULES,
        tick(),
        &Weekly,
    );
    assert_eq!(old.outcome.unwrap_err().code(), "delete_build");
}

#[test]
fn schedules_that_cannot_start_anything_say_why() {
    let mut facts = stopped();
    for (schedule, code) in [
        (None, "no_schedule"),
        (Some(""), "no_schedule"),
        (Some(" "), "schedule_invalid"),
        (Some("nonsense"), "schedule_invalid"),
        (Some("never"), "schedule_never_runs"),
    ] {
        facts.schedule = schedule.map(str::to_owned);
        assert_eq!(skipped(&facts), code);
    }
    facts.schedule = Some("nonsense".to_owned());
    let skip = today(&facts).outcome.unwrap_err();
    assert!(skip.to_string().contains("field 1 is not a number"));
}

#[test]
fn a_workspaces_state_is_what_one_rule_is_about() {
    for transition in [
        BuildTransition::Start,
        BuildTransition::Stop,
        BuildTransition::Delete,
    ] {
        for facts in [workspace(transition), failed(transition, later(-1, 0))] {
            let candidate = Candidate::new(&facts, &TODAY, &ALL_RULES, tick())
                .ok()
                .unwrap();
            let about = ActingRule::ALL
                .into_iter()
                .filter(|rule| rule.is_about(&candidate));
            assert_eq!(about.count(), 1, "{facts:?}");
        }
    }
}

#[test]
fn a_rule_left_out_does_not_act_and_the_reason_says_so() {
    let mut facts = due_for_a_stop();
    facts.template().time_til_dormant = Nanos(1);
    facts.last_used_at = later(-1, 0);
    let stop = with_rules(&facts, &[ActingRule::Dormancy]).outcome.unwrap();
    assert_eq!(stop.reason.name(), "dormancy", "the next rule takes over");

    let none = with_rules(&facts, &[ActingRule::Delete]).outcome;
    let skip = none.unwrap_err();
    assert_eq!(skip.code(), "rule_off");
    assert!(skip.to_string().contains("rule autostop"), "{skip}");

    let dormant = dormant(later(-1, 0));
    let default = [
        ActingRule::Autostop,
        ActingRule::Autostart,
        ActingRule::Failed,
        ActingRule::Dormancy,
    ];
    let skip = with_rules(&dormant, &default).outcome.unwrap_err();
    assert_eq!(skip.code(), "rule_off", "deletion is the operator's to add");

    // A rule that would not act is not to blame.
    let skip = with_rules(&running(), &[]).outcome.unwrap_err();
    assert_eq!(skip.code(), "no_deadline");
}

#[test]
fn next_start_at_is_filled_in_with_the_first_allowed_run_after_the_tick() {
    let mut facts = stopped();
    assert_eq!(today(&facts).fill_next_start_at, Some(later(60, 0)));
    facts.template().blocked_days = 0b100;
    let thursday = at("2024-01-04T00:00:00Z");
    assert_eq!(today(&facts).fill_next_start_at, Some(thursday));
    facts.template().blocked_days = 127;
    assert_eq!(today(&facts).fill_next_start_at, None, "never");
}

#[test]
fn next_start_at_is_filled_in_where_the_product_looks_at_the_workspace() {
    let fill = |facts: &Facts| today(facts).fill_next_start_at.is_some();
    let mut facts = running();
    facts.schedule = Some(HOURLY.to_owned());
    facts.latest().deadline = Some(later(1, 0));
    assert!(!fill(&facts), "running, nothing due");
    facts.latest().deadline = Some(tick());
    assert!(fill(&facts), "with the stop's build");
    facts.latest().deadline = None;
    facts.template().time_til_dormant = Nanos(1);
    assert!(
        next(&facts).mark_dormant && !fill(&facts),
        "a trigger empties it"
    );

    let mut facts = stopped();
    facts.template().allow_user_autostart = false;
    assert!(fill(&facts), "kept even when nothing follows");
    facts.owner = Some(OwnerStatus::Suspended);
    assert!(!fill(&facts));
    assert!(!fill(&dormant(later(-1, 0))));
    assert!(!fill(&failed(BuildTransition::Stop, later(-10, 0))));
}

#[test]
fn next_start_at_is_left_alone_where_it_is_set_or_unknown_or_not_ours() {
    let mut facts = stopped();
    let old = Signs {
        next_start_at: false,
        ..TODAY
    };
    let old = verdict(&facts, &old, &ALL_RULES, tick(), &Weekly);
    assert_eq!(old.fill_next_start_at, None);
    let not_ours = with_rules(&facts, &[ActingRule::Autostop]);
    assert_eq!(not_ours.fill_next_start_at, None);
    for schedule in [None, Some(""), Some("never"), Some("nonsense")] {
        let mut facts = facts.clone();
        facts.schedule = schedule.map(str::to_owned);
        assert_eq!(today(&facts).fill_next_start_at, None);
    }
    facts.next_start_at = Some(later(-90, 0));
    assert_eq!(today(&facts).fill_next_start_at, None);
}

#[test]
fn a_build_goes_with_the_mark_only_where_the_workspace_runs() {
    let mut facts = failed(BuildTransition::Start, later(-10, 0));
    facts.template().time_til_dormant = Nanos(1);
    assert_eq!(next(&facts).transition, Transition::Stop);
    assert_eq!(next(&facts).rule, ActingRule::Dormancy);
}
