//! The lists that people read: skip codes, and the catalogue of rules.

use std::collections::BTreeSet;

use super::*;
use crate::lifecycle::rules::{Rule, catalogue};
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
    let expected = [
        "autostop",
        "autostart",
        "failed",
        "dormancy",
        "delete",
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
    for signs in [Signs::default(), TODAY] {
        let rules = catalogue(&signs, &ALL_RULES);
        let names: Vec<&str> = rules.iter().map(|rule| rule.rule).collect();
        assert_eq!(names, expected);
        for rule in rules {
            assert!(rule.because.ends_with('.') && rule.description.ends_with('.'));
        }
    }
}

#[test]
fn each_sign_brings_its_rules_and_no_others() {
    type Set = fn(&mut Signs);
    let signs: [(Set, &[&str]); 16] = [
        (|s| s.failed_stop = true, &["failed"]),
        (|s| s.dormancy = true, &["dormancy"]),
        (|s| s.deletion = true, &["delete"]),
        (|s| s.job_status = true, &["delete_retry"]),
        (|s| s.automatic_updates = true, &["automatic_updates"]),
        (
            |s| s.require_active_version = true,
            &["require_active_version"],
        ),
        (|s| s.blocked_days = true, &["blocked_days"]),
        (|s| s.active_owner = true, &["active_owner"]),
        (|s| s.empty_owner_tag = true, &[]),
        (|s| s.workspace_tags = true, &["workspace_tags"]),
        (|s| s.suspended_owner = true, &["suspended_owner"]),
        (|s| s.next_start_at = true, &["next_start_at"]),
        (|s| s.dynamic = true, &["dynamic"]),
        (|s| s.provisioner = true, &["provisioner", "preset"]),
        (|s| s.task_row = true, &["task_row"]),
        (|s| s.task_pause = true, &["task_pause"]),
    ];
    let always = ["autostop", "autostart", "prebuild", "advisory_lock"];
    for (set, brings) in signs {
        let mut signs = Signs::default();
        set(&mut signs);
        let in_force: BTreeSet<&str> = catalogue(&signs, &ALL_RULES)
            .into_iter()
            .filter(|rule| rule.in_force)
            .map(|rule| rule.rule)
            .collect();
        let expected = always.iter().chain(brings).copied().collect();
        assert_eq!(in_force, expected);
    }
    assert!(
        catalogue(&TODAY, &ALL_RULES)
            .iter()
            .all(|rule| rule.in_force)
    );
}

fn listed(name: &str, policy: &Policy) -> Rule {
    let rules = catalogue(&TODAY, policy);
    rules.into_iter().find(|rule| rule.rule == name).unwrap()
}

#[test]
fn each_setting_is_shown_with_the_rules_that_it_governs() {
    let policy = Policy {
        rules: [true, true, true, true, false],
        licensed: false,
        failed_stop_retry: false,
        max_start_delay: 0,
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
    assert_eq!(setting("prebuild"), None);
    for (name, says) in [
        ("delete", "workspace_autobuild.rules leaves it out"),
        ("dormancy", "licensed_rules is off"),
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
        "The latest, build 7 (a start of 2024-01-03T09:00:00Z), is not complete; it was asked at \
         2024-01-03T09:59:00Z to be canceled."
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
         schedule's zone, which the template blocks; in this version of the product no later run \
         counts."
    );
}
