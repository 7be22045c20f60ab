//! Which version is taken, what speaks against it, and whose tags the job gets.

use super::*;

#[test]
fn a_build_takes_the_latest_builds_version() {
    assert_eq!(Case::new().chosen_version(), Some(VERSION));
    assert_eq!(Case::new().plan().unwrap().template_version_id, VERSION);
}

#[test]
fn a_start_takes_the_active_version_where_the_licensed_template_requires_it() {
    let mut case = Case::new();
    case.facts.template.as_mut().unwrap().require_active_version = true;
    assert_eq!(case.chosen_version(), Some(VERSION), "without the sign");
    case.signs.require_active_version = true;
    assert_eq!(case.chosen_version(), Some(ACTIVE));
    case.transition = Transition::Stop;
    assert_eq!(case.chosen_version(), Some(VERSION), "a stop");
    case.transition = Transition::Delete;
    assert_eq!(case.chosen_version(), Some(VERSION), "a delete");
    case.transition = Transition::Start;
    case.policy.licensed = false;
    assert_eq!(case.chosen_version(), Some(VERSION), "without the licence");
}

#[test]
fn a_start_takes_the_active_version_where_the_workspace_follows_it() {
    let mut case = Case::new();
    case.policy.licensed = false;
    case.facts.always_update = true;
    assert_eq!(case.chosen_version(), Some(VERSION), "without the sign");
    case.signs.automatic_updates = true;
    assert_eq!(case.chosen_version(), Some(ACTIVE));
    case.transition = Transition::Stop;
    assert_eq!(case.chosen_version(), Some(VERSION), "a stop");
}

#[test]
fn without_a_build_no_version_is_chosen_and_the_plan_blocks() {
    let mut case = Case::new();
    case.facts.latest = None;
    assert_eq!(case.chosen_version(), None);
    assert_eq!(case.outcome(), "no_latest_build");
}

/// Makes everything wrong that can be, then mends it in the order of the checks.
#[test]
fn the_checks_of_a_version_come_in_order() {
    let mut case = Case::new();
    case.signs.failed_stop = true;
    let mut bad = version(VERSION);
    bad.legacy_parameter_schemas = true;
    bad.template_id = None;
    bad.import = None;
    case.version = None;
    let template = case.facts.template.take();

    assert_eq!(case.outcome(), "version_missing");
    assert!(
        case.plan()
            .unwrap_err()
            .message
            .contains(&VERSION.to_string())
    );
    case.version = Some(bad);
    assert_eq!(case.outcome(), "template_missing");
    case.facts.template = template;
    assert_eq!(case.outcome(), "version_of_other_template");
    case.version().template_id = Some(Uuid::from_u128(99));
    assert_eq!(case.outcome(), "version_of_other_template");
    case.version().template_id = Some(TEMPLATE);
    assert_eq!(case.outcome(), "import_job_missing");
    case.version().import = Some(ImportJob {
        id: Uuid::from_u128(8),
        completed: false,
        failed: true,
        canceled: true,
        tags: None,
    });
    assert_eq!(case.outcome(), "import_job_pending");
    case.version().import.as_mut().unwrap().completed = true;
    assert_eq!(case.outcome(), "import_job_failed");
    case.version().import.as_mut().unwrap().failed = false;
    assert_eq!(case.outcome(), "import_job_canceled");
    case.version().import.as_mut().unwrap().canceled = false;
    assert_eq!(case.outcome(), "legacy_parameter_schemas");
    case.version().legacy_parameter_schemas = false;
    assert_eq!(case.outcome(), "ok");
}

#[test]
fn legacy_schemas_block_only_starts_and_only_under_their_sign() {
    let mut case = Case::new();
    case.version().legacy_parameter_schemas = true;
    assert_eq!(case.outcome(), "ok", "without the sign");
    case.signs.failed_stop = true;
    assert_eq!(case.outcome(), "legacy_parameter_schemas");
    for transition in [Transition::Stop, Transition::Delete] {
        case.transition = transition;
        assert_eq!(case.outcome(), "ok");
    }
}

#[test]
fn the_jobs_tags_are_the_import_jobs_for_the_owner() {
    let mut case = Case::new();
    case.version().import.as_mut().unwrap().tags = Some(r#"{"scope": "user"}"#.to_owned());
    assert_eq!(
        case.plan().unwrap().tags,
        format!(r#"{{"owner":"{OWNER}","scope":"user"}}"#)
    );
    case.version().import.as_mut().unwrap().tags = Some("[]".to_owned());
    assert_eq!(case.outcome(), "tags_unreadable");
}

#[test]
fn workspace_tags_are_taken_from_the_latest_builds_job() {
    let mut case = Case::new();
    case.signs.workspace_tags = true;
    case.version().workspace_tags = true;
    assert_eq!(case.outcome(), "workspace_tags_unknown");
    let tags = r#"{"scope": "organization", "owner": "", "zone": "a"}"#;
    case.latest_job_tags = Some(tags.to_owned());
    for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
        case.transition = transition;
        assert_eq!(case.plan().unwrap().tags, tags);
    }
}

/// The tags may depend on any of the values.
#[test]
fn the_latest_jobs_tags_count_only_for_the_latest_builds_values() {
    for flow in [Some(true), Some(false)] {
        let mut ephemeral = definition("e", "string");
        ephemeral.ephemeral = true;
        let mut case = Case::with(ephemeral);
        case.signs.dynamic = true;
        case.version().classic_flow = flow;
        case.version().provisionerd_version = Some("1.6".to_owned());
        case.version().workspace_tags = true;
        case.version().parameters.push(definition("p", "string"));
        case.latest_job_tags = Some("{}".to_owned());
        let missing = case.plan().unwrap_err();
        assert_eq!(
            missing.code.code(),
            "workspace_tags_unknown",
            "no row to compare with"
        );
        let case = case.had("p", "kept");
        assert_eq!(
            case.outcome(),
            "workspace_tags_unknown",
            "none for the ephemeral one"
        );
        let mut case = case.had("e", "default").had("left", "x");
        for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
            case.transition = transition;
            assert_eq!(case.plan().unwrap().tags, "{}");
        }
        case.previous[1].value = Some("secret".to_owned());
        let block = case.plan().unwrap_err();
        assert_eq!(block.code.code(), "workspace_tags_unknown");
        assert!(!block.message.contains("secret"), "{}", block.message);
        case.version().workspace_tags = false;
        assert_eq!(case.outcome(), "ok");
    }
}

#[test]
fn a_change_to_a_version_with_workspace_tags_blocks_and_says_what_to_do() {
    let mut case = Case::new();
    case.signs.workspace_tags = true;
    case.signs.automatic_updates = true;
    case.facts.always_update = true;
    case.latest_job_tags = Some("{}".to_owned());
    let mut active = version(ACTIVE);
    active.workspace_tags = true;
    case.version = Some(active);
    let block = case.plan().unwrap_err();
    assert_eq!(block.code.code(), "version_change_workspace_tags");
    assert!(block.message.contains("owner"), "{}", block.message);
    case.version().workspace_tags = false;
    assert_eq!(case.plan().unwrap().template_version_id, ACTIVE);
}

#[test]
fn without_the_licence_external_agents_are_refused_and_tasks_are_not() {
    let mut case = Case::new();
    case.version().external_agent = true;
    case.facts.has_task = true;
    case.signs.task_row = true;
    assert_eq!(case.outcome(), "ok", "licensed");
    case.policy.licensed = false;
    assert_eq!(case.outcome(), "unlicensed_external_agent");
    case.version().external_agent = false;
    assert_eq!(case.outcome(), "ok", "the start of a task");
}
