//! Versions of the dynamic flow whose stored definitions are all that decides: resolved as the
//! product does, by the provider's checks.

use super::ValueSource::{Build, Default as Defaulted};
use super::*;

/// An optional parameter that has no rule, of the form that its type has by itself.
pub(super) fn plain(kind: &str, default: &str) -> Definition {
    Definition {
        default_value: default.to_owned(),
        ..definition("p", kind)
    }
}

pub(super) fn required(kind: &str) -> Definition {
    Definition {
        required: true,
        ..plain(kind, "")
    }
}

pub(super) fn with_options(kind: &str, values: &[&str]) -> Definition {
    let options = values
        .iter()
        .map(|v| serde_json::json!({"name": format!("Name of {v}"), "value": v}));
    Definition {
        options: Some(serde_json::Value::Array(options.collect()).to_string()),
        default_value: values[0].to_owned(),
        ..definition("p", kind)
    }
}

/// Proved, and rendered by the product by what is stored.
pub(super) fn both(definition: &Definition) -> [Case; 2] {
    [
        Case::proved(definition.clone()),
        Case::stored(definition.clone()),
    ]
}

#[test]
fn values_are_carried_missing_ones_defaulted_and_those_without_a_parameter_dropped() {
    for mut case in both(&plain("string", "d")) {
        case.version().parameters.push(definition("q", "string"));
        let case = case.had("left", "x").had("q", "y").of_another_version();
        assert_eq!(case.rows(), [row("p", Defaulted), row("q", Build)]);
    }
}

#[test]
fn a_change_of_version_needs_nobody() {
    for case in both(&plain("string", "d")) {
        let plan = case.of_another_version().plan().unwrap();
        assert_eq!(plan.template_version_id, VERSION);
    }
}

#[test]
fn an_ephemeral_parameter_becomes_its_default() {
    let mut ephemeral = plain("bool", "false");
    ephemeral.ephemeral = true;
    for case in both(&ephemeral) {
        assert_eq!(case.rows(), [row("p", Defaulted)]);
        let case = case.had("p", "no bool");
        assert_eq!(case.rows(), [row("p", Defaulted)], "not looked at");
    }
}

#[test]
fn a_legacy_value_is_none() {
    let mut legacy = plain("string", "d");
    legacy.legacy_variable_name = "old".to_owned();
    for mut case in both(&legacy) {
        case.previous
            .push(previous(PreviousSource::Legacy, "old", "x"));
        assert_eq!(case.rows(), [row("p", Defaulted)]);
    }
}

#[test]
fn a_required_parameter_without_a_value_is_refused_but_an_empty_value_is_one() {
    let case = Case::proved(required("string"));
    let message = case.plan().unwrap_err().message;
    assert!(message.contains("the owner can set one"), "{message}");
    assert_eq!(case.outcome(), "parameter_required");
    assert_eq!(case.had("p", "").rows(), [row("p", Build)]);
}

#[test]
fn what_is_rendered_as_stored_gets_the_empty_default_of_a_required_parameter() {
    let case = Case::stored(required("string"));
    assert_eq!(case.rows(), [row("p", Defaulted)]);
    assert_eq!(case.had("p", "").rows(), [row("p", Build)]);
    assert_eq!(
        Case::stored(required("number")).outcome(),
        "parameter_not_number",
        "it is checked all the same"
    );
}

#[test]
fn a_null_default_needs_no_value_and_writes_no_row() {
    let null = |definition: Definition| {
        let mut case = Case::proved(definition);
        case.proof().null_defaults.insert("p".to_owned());
        case
    };
    for kind in ["string", "number", "bool", "list(string)"] {
        assert_eq!(null(required(kind)).rows(), [], "{kind}");
    }
    assert_eq!(
        null(required("string")).had("p", "").rows(),
        [row("p", Build)]
    );
    assert_eq!(
        null(required("number")).had("p", "").outcome(),
        "parameter_not_number"
    );
    let mut choice = with_options("string", &["a", "b"]);
    choice.required = true;
    choice.default_value = String::new();
    assert_eq!(null(choice.clone()).rows(), []);
    assert_eq!(
        null(choice).had("p", "").outcome(),
        "parameter_not_an_option"
    );
    let mut ephemeral = required("string");
    ephemeral.ephemeral = true;
    assert_eq!(null(ephemeral).had("p", "x").rows(), []);
    assert_eq!(
        null(plain("string", "d")).rows(),
        [row("p", Defaulted)],
        "the row knows a default"
    );
}

#[test]
fn a_validation_looks_at_a_null_default_as_at_an_empty_text() {
    let null = |definition: &Definition| {
        let mut case = Case::proved(definition.clone());
        case.proof().null_defaults.insert("p".to_owned());
        case.outcome()
    };
    let mut patterned = required("string");
    patterned.validation_regex = "^a*$".to_owned();
    patterned.validation_error = "only a".to_owned();
    assert_eq!(null(&patterned), "ok");
    patterned.validation_regex = "^a+$".to_owned();
    assert_eq!(null(&patterned), "parameter_pattern_mismatch");
    let mut bounded = required("number");
    bounded.validation_max = Some(5);
    assert_eq!(null(&bounded), "parameter_not_number");
    let mut choice = with_options("string", &["a", "b"]);
    choice.required = true;
    choice.validation_error = "e".to_owned();
    assert_eq!(null(&choice), "parameter_not_an_option");
}

#[test]
fn an_ephemeral_default_may_not_go_back_where_there_is_an_order() {
    let mut number = plain("number", "5");
    number.ephemeral = true;
    number.validation_monotonic = "increasing".to_owned();
    for (last, expected) in [
        ("5", "ok"),
        ("4", "ok"),
        ("6", "parameter_not_monotonic"),
        ("x", "ok"),
    ] {
        for case in both(&number) {
            assert_eq!(case.had("p", last).outcome(), expected, "{last}");
        }
    }
}

#[test]
fn a_default_is_checked_too() {
    for case in both(&plain("number", "")) {
        assert_eq!(case.outcome(), "parameter_not_number");
    }
}

#[test]
fn the_preset_is_that_of_the_new_rows() {
    for mut case in both(&plain("string", "d")) {
        case.signs.preset = true;
        case.version().parameters.push(definition("q", "string"));
        case.version().presets = vec![
            preset(10, &[("left", "x")]),
            preset(11, &[("q", "y"), ("p", "d")]),
        ];
        let case = case.had("left", "x").had("q", "y").of_another_version();
        assert_eq!(case.plan().unwrap().preset_id, Some(Uuid::from_u128(11)));
    }
}

#[test]
fn only_values_that_a_check_a_tag_or_a_preset_looks_at_are_asked_for() {
    let mut case = Case::proved(definition("plain", "string"));
    let mut named = |name: &str, definition: Definition| {
        case.version().parameters.push(Definition {
            name: name.to_owned(),
            legacy_variable_name: "old".to_owned(),
            ..definition
        });
    };
    named("choice", with_options("string", &["a"]));
    named("number", plain("number", "1"));
    named("flag", plain("bool", "true"));
    named("list", plain("list(string)", "[]"));
    named("tagged", plain("string", "d"));
    named("untagged", plain("string", "d"));
    let mut ephemeral = plain("number", "1");
    ephemeral.ephemeral = true;
    named("ephemeral", ephemeral.clone());
    ephemeral.validation_monotonic = "increasing".to_owned();
    named("ordered", ephemeral);
    let mut patterned = plain("string", "d");
    patterned.validation_error = "e".to_owned();
    named("told", patterned.clone());
    patterned.validation_regex = ".".to_owned();
    named("patterned", patterned);
    let tag = |name: &str| TagValue::Parameter(name.to_owned());
    case.proof().tags = vec![
        [("t".to_owned(), tag("tagged"))].into(),
        [("l".to_owned(), TagValue::Literal("untagged".to_owned()))].into(),
    ];
    case.version().workspace_tags = true;
    case.version().presets.push(preset(1, &[("preset", "x")]));
    case.signs.preset = true;
    let prepared = PreparedVersion::new(case.version.clone().unwrap(), &case.signs);
    assert_eq!(
        Vec::from_iter(prepared.needed_values()),
        [
            "choice",
            "flag",
            "list",
            "number",
            "ordered",
            "patterned",
            "preset",
            "tagged"
        ]
    );
    assert!(!prepared.needs_latest_job_tags());
}

#[test]
fn messages_name_the_parameter_and_what_to_do_but_never_the_value() {
    let mut bounded = plain("number", "1");
    bounded.validation_max = Some(3);
    let mut patterned = plain("string", "d");
    patterned.validation_regex = "^d$".to_owned();
    patterned.validation_error = "only d".to_owned();
    for definition in [
        plain("number", "1"),
        plain("bool", "true"),
        plain("list(string)", "[]"),
        with_options("string", &["a"]),
        bounded.clone(),
    ] {
        let value = if definition == bounded {
            "8642"
        } else {
            "s3cret"
        };
        let message = Case::proved(definition)
            .had("p", value)
            .plan()
            .unwrap_err()
            .message;
        assert!(message.contains("\"p\""), "{message}");
        assert!(message.contains("the owner can set another"), "{message}");
        assert!(!message.contains(value), "{message}");
    }
    let message = Case::proved(patterned)
        .had("p", "s3cret")
        .plan()
        .unwrap_err()
        .message;
    assert!(message.contains("only d"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}
