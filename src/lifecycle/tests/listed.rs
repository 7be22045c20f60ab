//! The lists that people read: skip codes, and the catalogue of rules.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::lifecycle::listing::{Row, rows};
use crate::lifecycle::needs::Part;
use crate::lifecycle::rules::{ActingRule, SETTING_DEFAULT, SETTING_DESCRIPTION};
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
    for there in [false, true] {
        let rules = rows(|_| there, &ALL_RULES);
        let names: Vec<&str> = rules.iter().map(|rule| rule.rule).collect();
        assert_eq!(names, expected);
        for rule in rules {
            assert!(rule.because.ends_with('.') && rule.description.ends_with('.'));
        }
    }
    assert_eq!(Signs::found(|_| true), TODAY);
    assert_eq!(Signs::found(|_| false), Signs::default());
}

/// What the schema may lack, under all its names, and the rules that are then not in force.
const LACKING: &[(&[&str], &[&str])] = &[
    (&["failedstop"], &["failed"]),
    (&["templates.failure_ttl"], &["failed"]),
    (
        &["workspaces.dormant_at", "workspaces.locked_at"],
        &["dormancy", "delete"],
    ),
    (
        &["templates.time_til_dormant", "templates.inactivity_ttl"],
        &["dormancy", "delete"],
    ),
    (&["dormancy", "autolock"], &["dormancy", "delete"]),
    (&["workspaces.deleting_at"], &["delete"]),
    (
        &[
            "templates.time_til_dormant_autodelete",
            "templates.locked_ttl",
        ],
        &["delete"],
    ),
    (&["autodelete"], &["delete"]),
    (&["provisioner_jobs.job_status"], &["delete_retry"]),
    (&["workspaces.automatic_updates"], &["automatic_updates"]),
    (
        &["templates.require_active_version"],
        &["require_active_version"],
    ),
    (
        &["templates.autostart_block_days_of_week"],
        &["blocked_days"],
    ),
    (
        &["provisioner_daemons.last_seen_at"],
        &["active_owner", "provisioner"],
    ),
    (&["provisioner_daemons.organization_id"], &["provisioner"]),
    (&["provisioner_daemons.tags"], &["provisioner"]),
    (&["provisioner_daemons.api_version"], &[]),
    (
        &["template_version_workspace_tags.template_version_id"],
        &["workspace_tags"],
    ),
    (&["users.github_com_user_id"], &["suspended_owner"]),
    (&["workspaces.next_start_at"], &["next_start_at"]),
    (&["templates.use_classic_parameter_flow"], &["dynamic"]),
    (
        &["provisioner_jobs.logs_overflowed"],
        &["provisioner", "preset"],
    ),
    (
        &["workspace_builds.template_version_preset_id"],
        &["preset"],
    ),
    (&["template_version_presets.id"], &["preset"]),
    (
        &["template_version_presets.template_version_id"],
        &["preset"],
    ),
    (&["template_version_preset_parameters.value"], &["preset"]),
    (
        &["task_workspace_apps.workspace_build_number"],
        &["task_row"],
    ),
    (&["task_workspace_apps.task_id"], &["task_row"]),
    (&["tasks.deleted_at"], &["task_row"]),
    (&["tasks.workspace_id"], &["task_row", "task_pause"]),
    (&["templates.disable_module_cache"], &["task_pause"]),
    (&["task_auto_pause"], &["task_pause"]),
];

/// Which rule stands for which sign.
fn in_force(signs: &Signs) -> BTreeMap<&'static str, bool> {
    BTreeMap::from([
        ("failed", signs.failed_stop),
        ("dormancy", signs.dormancy),
        ("delete", signs.deletion),
        ("suspended_owner", signs.suspended_owner),
        ("active_owner", signs.active_owner),
        ("blocked_days", signs.blocked_days),
        ("next_start_at", signs.next_start_at),
        ("delete_retry", signs.job_status),
        ("provisioner", signs.provisioner),
        ("automatic_updates", signs.automatic_updates),
        ("require_active_version", signs.require_active_version),
        ("workspace_tags", signs.workspace_tags),
        ("dynamic", signs.dynamic),
        ("preset", signs.preset),
        ("task_row", signs.task_row),
        ("task_pause", signs.task_pause),
    ])
}

#[test]
fn a_rule_without_one_of_its_needs_is_not_in_force_and_names_what_is_lacking() {
    for (parts, rules) in LACKING {
        let has = |part: Part| !parts.contains(&part.to_string().as_str());
        let signs = in_force(&Signs::found(has));
        for listed in rows(has, &ALL_RULES) {
            let lacks = rules.contains(&listed.rule);
            assert_eq!(listed.in_force, !lacks, "{parts:?} {}", listed.rule);
            if let Some(sign) = signs.get(listed.rule) {
                assert_eq!(*sign, listed.in_force, "{}", listed.rule);
            }
            let because = &listed.because;
            assert_eq!(because.starts_with("The schema lacks"), lacks, "{because}");
            if lacks {
                assert!(parts.iter().all(|part| because.contains(part)), "{because}");
            }
        }
        // One of the names is enough.
        let has = |part: Part| part.to_string() != parts[0] || parts.len() == 1;
        assert!(rows(has, &ALL_RULES).iter().all(|rule| rule.in_force));
    }
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
        "\"nap\" is no rule; the rules are autostop, autostart, failed, dormancy, delete"
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
    assert_eq!(by_default, "autostop, autostart, failed, dormancy");
    assert_eq!(
        RuleSet::from_names(by_default),
        Ok(RuleSet::ALL.without(ActingRule::Delete))
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
        rules: RuleSet::ALL.without(ActingRule::Delete),
        licensed: false,
        failed_stop_retry: false,
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
