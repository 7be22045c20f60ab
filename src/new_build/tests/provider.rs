//! The checks of a value that the provider makes, as tables: a definition, a value, the outcome.

use super::ValueSource::Build;
use super::resolved::{both, plain, with_options};
use super::*;

/// What becomes of previous values, whichever of both it is, whatever is built, and whether
/// the version has changed or not.
fn check(definition: &Definition, table: &[(&str, &str)]) {
    for (value, expected) in table {
        for case in both(definition) {
            let mut case = case.had("p", value);
            for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
                case.transition = transition;
                for latest in [VERSION, ACTIVE] {
                    case.facts.latest.as_mut().unwrap().template_version_id = latest;
                    let outcome = case.outcome();
                    let outcome = outcome.strip_prefix("parameter_").unwrap_or(outcome);
                    assert_eq!(outcome, *expected, "{value:?}");
                    if outcome == "ok" {
                        assert_eq!(case.rows(), [row("p", Build)], "{value:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_previous_value_that_is_no_longer_valid_refuses_even_if_unchanged() {
    check(
        &with_options("string", &["a", "b"]),
        &[
            ("a", "ok"),
            ("gone", "not_an_option"),
            ("", "not_an_option"),
        ],
    );
}

#[test]
fn without_a_rule_a_number_is_what_go_parses_as_one() {
    check(
        &plain("number", "1"),
        &[
            ("1.5", "ok"),
            ("1_000", "ok"),
            ("0x1p-2", "ok"),
            ("nan", "ok"),
            ("", "not_number"),
            ("0x1F", "not_number"),
            ("1e400", "not_number"),
            (" 1", "not_number"),
        ],
    );
}

#[test]
fn with_a_rule_a_number_is_an_integer() {
    let mut number = plain("number", "1");
    number.validation_error = "between {min} and {max}".to_owned();
    check(
        &number,
        &[
            ("05", "ok"),
            ("+5", "ok"),
            ("1.5", "not_number"),
            ("1_0", "not_number"),
        ],
    );
    number.validation_min = Some(-3);
    number.validation_max = Some(3);
    check(
        &number,
        &[
            ("-3", "ok"),
            ("3", "ok"),
            ("-4", "out_of_range"),
            ("4", "out_of_range"),
            ("9223372036854775808", "not_number"),
        ],
    );
}

#[test]
fn bounds_alone_count_unless_the_product_renders_by_what_is_stored() {
    let mut number = plain("number", "5");
    number.validation_min = Some(1);
    number.validation_max = Some(9);
    for (value, proved, stored) in [
        ("9", "ok", "ok"),
        ("50", "parameter_out_of_range", "ok"),
        ("1.5", "parameter_not_number", "ok"),
        ("x", "parameter_not_number", "parameter_not_number"),
    ] {
        let outcomes = both(&number).map(|case| case.had("p", value).outcome());
        assert_eq!(outcomes, [proved, stored], "{value}");
    }
}

#[test]
fn without_a_rule_a_bool_is_one_of_gos_words_and_with_one_true_or_false() {
    let mut flag = plain("bool", "true");
    check(
        &flag,
        &[
            ("true", "ok"),
            ("1", "ok"),
            ("T", "ok"),
            ("FALSE", "ok"),
            ("tRUE", "not_bool"),
            ("", "not_bool"),
            ("no", "not_bool"),
        ],
    );
    flag.validation_error = "e".to_owned();
    check(
        &flag,
        &[("false", "ok"), ("1", "not_bool"), ("True", "not_bool")],
    );
}

#[test]
fn a_list_is_a_json_array_of_strings_with_a_rule_or_without() {
    let mut list = plain("list(string)", "[]");
    let table = [
        (r#"["a", null]"#, "ok"),
        ("null", "ok"),
        (r#"["\ud800"]"#, "ok"),
        ("", "not_list"),
        ("a", "not_list"),
        ("[1]", "not_list"),
    ];
    check(&list, &table);
    list.validation_error = "e".to_owned();
    check(&list, &table);
}

#[test]
fn of_a_multi_select_each_element_is_an_option() {
    let mut many = with_options("list(string)", &["a", ""]);
    many.form_type = "multi-select".to_owned();
    many.default_value = "[]".to_owned();
    check(
        &many,
        &[
            (r#"["a", "a", null]"#, "ok"),
            ("[]", "ok"),
            ("null", "ok"),
            (r#"["a", "b"]"#, "not_an_option"),
            ("a", "not_list"),
        ],
    );
    let whole = with_options("list(string)", &[r#"["a"]"#, "[]"]);
    check(
        &whole,
        &[(r#"["a"]"#, "ok"), (r#"[ "a" ]"#, "not_an_option")],
    );
}

#[test]
fn an_option_is_still_held_against_the_rule() {
    let mut number = with_options("number", &["1", "2.5", "9"]);
    check(&number, &[("2.5", "ok"), ("9", "ok")]);
    number.validation_max = Some(5);
    number.validation_error = "at most five".to_owned();
    check(
        &number,
        &[("1", "ok"), ("2.5", "not_number"), ("9", "out_of_range")],
    );
}

#[test]
fn a_pattern_is_gos_and_needs_an_error_text() {
    let mut patterned = plain("string", "a");
    patterned.validation_regex = r"^\w+$".to_owned();
    check(
        &patterned,
        &[
            ("a", "pattern_without_error"),
            ("-", "pattern_without_error"),
        ],
    );
    patterned.validation_error = "a word".to_owned();
    check(
        &patterned,
        &[
            ("a_1", "ok"),
            ("ä", "pattern_mismatch"),
            ("a\n", "pattern_mismatch"),
            ("", "pattern_mismatch"),
        ],
    );
}

#[test]
fn a_pattern_that_cannot_be_read_here_is_no_proof_of_a_bad_value() {
    let mut patterned = plain("string", "a");
    patterned.validation_regex = "(".to_owned();
    patterned.validation_error = "e".to_owned();
    for case in both(&patterned) {
        assert_eq!(case.outcome(), "parameter_pattern_unreadable", "a default");
        let case = case.had("p", "x");
        assert_eq!(case.rows(), [row("p", Build)], "the same version");
        let case = case.of_another_version();
        assert_eq!(case.outcome(), "parameter_pattern_unreadable");
    }
}

#[test]
fn a_rule_that_the_type_does_not_allow_refuses_any_value() {
    for kind in ["string", "bool", "list(string)", "number"] {
        let mut bounded = plain(kind, "");
        bounded.validation_min = Some(0);
        bounded.validation_error = "e".to_owned();
        let mut monotonic = plain(kind, "");
        monotonic.validation_monotonic = "increasing".to_owned();
        let mut patterned = plain(kind, "");
        patterned.validation_regex = ".".to_owned();
        patterned.validation_error = "e".to_owned();
        let good = match kind {
            "number" => "1",
            "list(string)" => "[]",
            _ => "true",
        };
        let of_numbers = if kind == "number" {
            "ok"
        } else {
            "rule_misplaced"
        };
        let of_texts = if kind == "string" {
            "ok"
        } else {
            "rule_misplaced"
        };
        check(&bounded, &[(good, of_numbers)]);
        check(&monotonic, &[(good, of_numbers)]);
        check(&patterned, &[(good, of_texts)]);
    }
}

#[test]
fn type_form_and_options_go_together() {
    let invalid = "definition_invalid";
    let cases = [
        ("string", "input", "radio"),
        ("string", "textarea", "dropdown"),
        ("number", "input", "radio"),
        ("number", "slider", "dropdown"),
        ("bool", "checkbox", "radio"),
        ("bool", "switch", "radio"),
        ("list(string)", "tag-select", "radio"),
        ("list(string)", "tag-select", "multi-select"),
    ];
    for (kind, free, chosen) in cases {
        let good = match kind {
            "number" => "1",
            "bool" => "true",
            "list(string)" => "[]",
            _ => "a",
        };
        for form in [
            "input",
            "textarea",
            "radio",
            "dropdown",
            "slider",
            "checkbox",
            "switch",
            "tag-select",
            "multi-select",
            "",
            "error",
            "Input",
        ] {
            let allowed = |listed: &dyn Fn(&(&str, &str, &str)) -> bool| {
                form.is_empty() || cases.iter().any(|case| case.0 == kind && listed(case))
            };
            let mut without = plain(kind, good);
            without.form_type = form.to_owned();
            let expected = if allowed(&|case| case.1 == form) {
                "ok"
            } else {
                invalid
            };
            check(&without, &[(good, expected)]);
            let mut with = with_options(kind, &[good]);
            with.form_type = form.to_owned();
            let expected = if allowed(&|case| case.2 == form) {
                "ok"
            } else {
                invalid
            };
            check(&with, &[(good, expected)]);
        }
        assert!(!free.is_empty() && !chosen.is_empty());
    }
    check(&plain("object", "a"), &[("a", invalid)]);
    check(&with_options("", &["a"]), &[("a", invalid)]);
}

#[test]
fn options_are_of_the_type_and_no_two_are_alike() {
    let invalid = "definition_invalid";
    check(&with_options("number", &["1", "0x1"]), &[("1", invalid)]);
    check(
        &with_options("bool", &["true", "yes"]),
        &[("true", invalid)],
    );
    check(
        &with_options("list(string)", &["[]", "a"]),
        &[("[]", invalid)],
    );
    check(&with_options("string", &["a", "b", "a"]), &[("a", invalid)]);
    let mut alike = with_options("string", &["a", "b"]);
    for (options, expected) in [
        (
            r#"[{"name": "x", "value": "a"}, {"name": "x", "value": "b"}]"#,
            invalid,
        ),
        (
            r#"[{"name": "x", "value": "a"}, {"NAME": "y", "value": "b"}]"#,
            "ok",
        ),
        (r#"[{"value": "a"}, {"name": null, "value": "b"}]"#, invalid),
        (r#"[{"name": 1, "value": "a"}]"#, "options_unreadable"),
        ("{}", "options_unreadable"),
    ] {
        alike.options = Some(options.to_owned());
        check(&alike, &[("a", expected)]);
    }
}

#[test]
fn an_order_is_increasing_or_decreasing() {
    let mut number = plain("number", "1");
    for (order, expected) in [
        ("increasing", "ok"),
        ("decreasing", "ok"),
        ("Increasing", "definition_invalid"),
    ] {
        number.validation_monotonic = order.to_owned();
        check(&number, &[("3", expected)]);
    }
}
