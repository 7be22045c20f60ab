//! The dynamic flow where nothing is proved: only the product can evaluate the parameters.

use super::ValueSource::{Build, Default as Defaulted};
use super::*;

/// A start of a version with dynamic parameters and one definition, `a`, that would
/// never pass the classic checks.
fn dynamic() -> Case {
    let mut a = definition("a", "bool");
    a.options = Some("{}".to_owned());
    let mut case = Case::with(a);
    case.signs.dynamic = true;
    case.version().classic_flow = Some(false);
    case.version().provisionerd_version = Some("1.6".to_owned());
    case
}

#[test]
fn rows_are_copied_unchecked_also_those_without_a_definition() {
    let mut case = dynamic().had("a", "no bool").had("unknown", "");
    let mut ephemeral = definition("e", "string");
    ephemeral.ephemeral = true;
    case.version().parameters.push(ephemeral);
    case.version().parameters.push(definition("new", "string"));
    let case = case.had("e", "x");
    assert_eq!(
        case.rows(),
        [
            row("a", Build),
            row("e", Defaulted),
            row("new", Defaulted),
            row("unknown", Build)
        ]
    );
}

#[test]
fn only_a_required_parameter_without_a_value_is_refused() {
    let mut case = dynamic();
    case.version().parameters[0].required = true;
    assert_eq!(case.outcome(), "parameter_required");
    assert_eq!(case.had("a", "").outcome(), "ok");
}

#[test]
fn a_change_to_a_version_whose_source_was_not_looked_at_waits() {
    let mut case = dynamic().had("a", "x");
    case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
    case.version().workspace_tags = true;
    assert_eq!(case.outcome(), "version_unproved");
    case.version().workspace_tags = false;
    case.version().classic_flow = Some(true);
    case.version().parameters.clear();
    assert_eq!(case.outcome(), "ok");
}

#[test]
fn a_change_to_a_version_whose_source_may_decide_more_blocks_and_says_where() {
    let mut case = dynamic().had("a", "x");
    case.version().proof = Proof::Unknown("main.tf:3: refers to data.x.y\nz".to_owned());
    assert_eq!(case.outcome(), "ok", "the same version");
    case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
    let block = case.plan().unwrap_err();
    assert_eq!(block.code, BlockCode::VersionChangeDynamic);
    assert!(
        block.message.contains(r"main.tf:3: refers to data.x.y\nz;"),
        "{}",
        block.message
    );
    assert!(block.message.contains("owner"), "{}", block.message);
}

#[test]
fn what_an_older_daemon_imported_is_resolved_by_what_is_stored() {
    for (version, is_dynamic) in [
        (None, false),
        (Some(""), false),
        (Some("1.5"), false),
        (Some("1.6"), true),
        (Some("1.10"), true),
        (Some("2.0"), true),
        (Some("0.9"), false),
        (Some("1"), false),
        (Some("1.6.0"), false),
        (Some("v1.6"), false),
        (Some(" 1.6"), false),
        (Some("99999999999999999999.6"), false),
    ] {
        let mut case = dynamic().had("left", "x");
        case.version().parameters[0].default_value = "true".to_owned();
        case.version().provisionerd_version = version.map(str::to_owned);
        let expected = if is_dynamic {
            "ok"
        } else {
            "parameter_options_unreadable"
        };
        assert_eq!(case.outcome(), expected, "{version:?}");
        case.version().parameters[0].options = None;
        let dropped = case.rows() == [row("a", Defaulted)];
        assert_eq!(dropped, !is_dynamic, "{version:?}");
    }
}

#[test]
fn the_flow_counts_only_where_its_column_is() {
    let mut case = dynamic().had("a", "x");
    case.signs.dynamic = false;
    assert_eq!(case.outcome(), "parameter_options_unreadable");
}

#[test]
fn a_template_that_does_not_say_its_flow_blocks() {
    let mut case = dynamic().had("a", "x");
    case.version().classic_flow = None;
    assert_eq!(case.outcome(), "parameter_flow_unknown");
}

#[test]
fn presets_match_copied_rows_too() {
    let mut case = dynamic().had("a", "x").had("unknown", "y");
    case.signs.preset = true;
    case.version()
        .presets
        .push(preset(9, &[("unknown", "y"), ("a", "x")]));
    assert_eq!(case.plan().unwrap().preset_id, Some(Uuid::from_u128(9)));
}

#[test]
fn workspace_tags_are_the_latest_jobs_here_too() {
    let mut case = dynamic().had("a", "x");
    case.version().workspace_tags = true;
    case.latest_job_tags = Some(r#"{"zone": "a"}"#.to_owned());
    assert_eq!(case.plan().unwrap().tags, r#"{"zone": "a"}"#);
}
