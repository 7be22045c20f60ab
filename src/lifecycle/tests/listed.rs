//! The lists that people read: skip codes, and the catalogue of rules.

use std::collections::BTreeSet;

use super::*;
use crate::lifecycle::listing::{Row, rows};
use crate::lifecycle::needs::Part;
use crate::lifecycle::rules::{ActingRule, SETTING_DEFAULT, SETTING_DESCRIPTION};
use crate::lifecycle::signs::Sign;
use crate::lifecycle::skip::Skip;

#[test]
fn skip_codes_are_snake_case_different_and_explained_in_a_sentence() {
    let codes: BTreeSet<&str> = Skip::CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes.len(), Skip::CODES.len());
    for (code, meaning) in Skip::CODES {
        let snake = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(code.chars().all(snake), "{code}");
        assert!(
            meaning.ends_with('.') && meaning.starts_with(char::is_uppercase),
            "{meaning}"
        );
    }
}

#[test]
fn every_rule_is_listed_on_every_schema_in_order() {
    let beside = [
        "prebuild",
        "advisory_lock",
        "suspended_owner",
        "active_owner",
        "blocked_days",
        "next_start_at",
        "delete_retry",
        "provisioner",
        "automatic_updates",
        "require_active_version",
        "workspace_tags",
        "dynamic",
        "preset",
        "task_row",
        "task_pause",
    ];
    for there in [false, true] {
        let rules = rows(|_| there, &ALL_RULES);
        let names: Vec<&str> = rules.iter().map(|rule| rule.rule).collect();
        let acting = ActingRule::ALL.map(ActingRule::name);
        assert_eq!(names, [&acting[..], &beside[..]].concat());
        for rule in rules {
            assert!(rule.because.ends_with('.') && rule.description.ends_with('.'));
        }
    }
    assert_eq!(Signs::found(|_| true), TODAY);
    assert_eq!(Signs::found(|_| false), Signs::default());
}

/// The sign that a row of the list stands for.
fn sign_of(row: &Row) -> Option<Sign> {
    let acting = ActingRule::ALL
        .into_iter()
        .find(|rule| rule.name() == row.rule);
    let mut listed = Sign::ALL.iter().copied();
    match acting {
        Some(rule) => rule.about().sign,
        None => listed.find(|sign| sign.listed().is_some_and(|listed| listed.name == row.rule)),
    }
}

#[test]
fn a_rule_without_one_of_its_needs_is_not_in_force_and_names_what_is_lacking() {
    for lacking in Sign::ALL.iter().flat_map(|sign| sign.needs()) {
        let parts = lacking.parts();
        let has = |part: Part| !parts.contains(&part);
        let needs_it = |sign: Sign| sign.needs().iter().any(|need| !need.is_met(has));
        let signs = Signs::found(has);
        for sign in Sign::ALL {
            assert_eq!(signs.has(*sign), !needs_it(*sign), "{sign:?} {lacking}");
        }
        for row in rows(has, &ALL_RULES) {
            let sign = sign_of(&row);
            let lacks = sign.is_some_and(needs_it);
            let because = &row.because;
            assert_eq!(row.in_force, !lacks, "{lacking} {}", row.rule);
            assert_eq!(because.starts_with("The schema lacks"), lacks, "{because}");
            if lacks {
                assert!(because.contains(&lacking.to_string()), "{because}");
            }
        }
        // One of the parts is enough.
        for part in &parts {
            let has = |other: Part| other == *part || !parts.contains(&other);
            assert!(lacking.is_met(has), "{part}");
            let signs = Signs::found(has);
            for sign in Sign::ALL
                .iter()
                .filter(|sign| sign.needs().contains(lacking))
            {
                assert!(signs.has(*sign), "{sign:?} {part}");
            }
        }
    }
}

#[test]
fn every_sign_needs_something_and_is_listed_or_brings_a_rule_or_is_known_to_do_neither() {
    let unlisted = [Sign::DormancyReason, Sign::EmptyOwnerTag];
    for sign in Sign::ALL {
        assert!(!sign.needs().is_empty(), "{sign:?}");
        let brings = ActingRule::ALL
            .iter()
            .any(|rule| rule.about().sign == Some(*sign));
        let shown = brings || sign.listed().is_some();
        assert_eq!(shown, !unlisted.contains(sign), "{sign:?}");
    }
    let lacks = |text: &str| Signs::found(|part| part.to_string() != text);
    assert!(!lacks("dormancy").dormancy_reason && lacks("dormancy").dormancy);
    assert!(!lacks("provisioner_daemons.api_version").empty_owner_tag);
}

#[test]
fn what_a_schema_has_and_lacks_is_said_in_a_sentence() {
    let because = |name: &str, has: fn(Part) -> bool| {
        let rules = rows(has, &ALL_RULES);
        rules
            .into_iter()
            .find(|rule| rule.rule == name)
            .unwrap()
            .because
    };
    assert_eq!(
        because("failed", |_| true),
        "The schema has the column templates.failure_ttl, and the value failedstop of the enum \
         build_reason."
    );
    assert_eq!(
        because("dormancy", |_| false),
        "The schema lacks the columns workspaces.dormant_at (at first workspaces.locked_at) and \
         templates.time_til_dormant (at first templates.inactivity_ttl), and the value dormancy \
         (at first autolock) of the enum build_reason."
    );
}

#[test]
fn the_setting_names_rules_in_any_order_and_says_which_there_are() {
    let named = RuleSet::from_names(" delete,autostop ,, failed").unwrap();
    assert_eq!(named.to_string(), "autostop, failed, delete");
    assert_eq!(RuleSet::from_names(""), Ok(RuleSet::default()));
    assert_eq!(
        RuleSet::from_names("autostop, nap").unwrap_err(),
        format!("\"nap\" is not a rule; the rules are {}", RuleSet::ALL)
    );
    for rule in ActingRule::ALL {
        assert_eq!(
            RuleSet::from_names(rule.name()).unwrap().to_string(),
            rule.name()
        );
        assert!(!RuleSet::ALL.without(rule).contains(rule));
    }
}

#[test]
fn what_destroys_workspaces_acts_only_when_it_is_named() {
    let by_default = SETTING_DEFAULT.to_str().unwrap();
    assert_eq!(by_default, "autostop, autostart, failed, dormancy, remind");
    assert_eq!(
        RuleSet::from_names(by_default).unwrap().to_string(),
        by_default
    );
    assert_eq!(
        SETTING_DESCRIPTION.to_str().unwrap(),
        format!("The rules that may act, of {}.", RuleSet::ALL)
    );
}

fn listed(name: &str, policy: &Policy) -> Row {
    let rules = rows(|_| true, policy);
    rules.into_iter().find(|rule| rule.rule == name).unwrap()
}

#[test]
fn each_setting_is_shown_with_the_rules_that_it_governs() {
    let policy = Policy {
        missed_starts: MissedStarts::Drop,
        spread_starts: Micros(0),
        rules: RuleSet::ALL.without(ActingRule::Delete),
        licensed: false,
        failed_stop_retry: false,
        notify_owners: false,
        max_start_delay: Micros(0),
    };
    let setting = |name| listed(name, &policy).setting;
    assert_eq!(
        setting("failed").as_deref(),
        Some(
            "workspace_autobuild.rules (on), workspace_autobuild.licensed_rules (off), \
             workspace_autobuild.failed_stop_retry (off)"
        )
    );
    assert_eq!(
        setting("delete").as_deref(),
        Some("workspace_autobuild.rules (off), workspace_autobuild.licensed_rules (off)")
    );
    assert_eq!(
        setting("remind").as_deref(),
        Some("workspace_autobuild.rules (on), workspace_autobuild.notify_owners (off)")
    );
    assert_eq!(setting("prebuild"), None);
    for (name, says) in [
        ("delete", "workspace_autobuild.rules leaves it out"),
        ("dormancy", "licensed_rules is off"),
        (
            "remind",
            "It does not act: workspace_autobuild.notify_owners is off.",
        ),
        ("blocked_days", "licensed_rules is off"),
        ("require_active_version", "licensed_rules is off"),
    ] {
        let because = listed(name, &policy).because;
        assert!(because.contains(says), "{because}");
        assert!(!listed(name, &ALL_RULES).because.contains(says));
    }
}

#[test]
fn a_skips_sentence_says_what_was_seen() {
    let mut facts = running();
    facts.owner = None;
    let skip = today(&facts).outcome.unwrap_err();
    assert_eq!(
        skip.to_string(),
        "The workspace's owner, 00000000-0000-0000-0000-000000000002, has no row in users."
    );
    let mut facts = running();
    facts.job().completed_at = None;
    facts.job().canceled_at = Some(later(-1, 0));
    let skip = today(&facts).outcome.unwrap_err();
    assert_eq!(
        skip.to_string(),
        "The latest, build 7 (a start of 2024-01-03T09:00:00Z), is not complete; its cancellation \
         was requested at 2024-01-03T09:59:00Z."
    );
    let mut facts = stopped();
    facts.template().blocked_days = 0b100;
    let signs = Signs {
        next_start_at: false,
        ..TODAY
    };
    let skip = verdict(&facts, &signs, &ALL_RULES, tick(), &Weekly).outcome;
    assert_eq!(
        skip.unwrap_err().to_string(),
        "The first run after the latest build, 2024-01-03T10:00:00Z, is on a Wednesday in the \
         schedule's zone, which the template blocks; this version of the product considers no \
         later run."
    );
}
