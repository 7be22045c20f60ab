//! The checks of a value, as tables: a definition, a value, the outcome.

use super::*;

/// What becomes of a value that the latest build of the same version had, without and
/// with the sign of dynamic parameters (in a template of the classic flow).
fn outcomes(definition: &Definition, value: &str) -> [&'static str; 2] {
    [false, true].map(|dynamic| {
        let mut case = Case::with(definition.clone()).had("p", value);
        case.signs.dynamic = dynamic;
        case.version().classic_flow = Some(true);
        let outcome = case.outcome();
        outcome.strip_prefix("parameter_").unwrap_or(outcome)
    })
}

fn check(definition: &Definition, table: &[(&str, &str)]) {
    for (value, expected) in table {
        assert_eq!(outcomes(definition, value), [*expected; 2], "{value:?}");
    }
}

fn options(kind: &str, options: &str) -> Definition {
    Definition {
        options: Some(options.to_owned()),
        ..definition("p", kind)
    }
}

fn pattern(regex: &str) -> Definition {
    Definition {
        validation_regex: regex.to_owned(),
        validation_error: "must fit".to_owned(),
        ..definition("p", "string")
    }
}

#[test]
fn bools_are_exactly_true_or_false() {
    check(
        &definition("p", "bool"),
        &[
            ("true", "ok"),
            ("false", "ok"),
            ("True", "not_bool"),
            ("1", "not_bool"),
            (" true", "not_bool"),
        ],
    );
}

#[test]
fn lists_are_json_arrays_of_strings() {
    let deep = format!("[{}", "[".repeat(200_000));
    check(
        &definition("p", "list(string)"),
        &[
            ("[]", "ok"),
            ("null", "ok"),
            (" [ \"a\" , \"\\u00e9\\n\" ] ", "ok"),
            ("[null]", "ok"),
            // Go takes half a surrogate pair.
            (r#"["\ud800"]"#, "ok"),
            ("[1]", "not_list"),
            ("[[\"a\"]]", "not_list"),
            ("[true]", "not_list"),
            ("\"a\"", "not_list"),
            ("{}", "not_list"),
            ("[\"a\",]", "not_list"),
            ("[\"a\"] x", "not_list"),
            ("[\"a\nb\"]", "not_list"),
            ("a,b", "not_list"),
            (&deep, "not_list"),
        ],
    );
}

#[test]
fn numbers_without_a_rule_and_unknown_types_are_anything() {
    for kind in ["number", "string", "object", ""] {
        check(&definition("p", kind), &[("x", "ok"), ("1.5", "ok")]);
    }
}

#[test]
fn numbers_are_decimal_integers_of_64_bits_within_their_bounds() {
    let mut number = definition("p", "number");
    number.validation_error = "between {min} and {max}".to_owned();
    number.validation_min = Some(-3);
    check(
        &number,
        &[
            ("-3", "ok"),
            ("-4", "out_of_range"),
            ("+007", "ok"),
            ("-0", "ok"),
            ("9223372036854775807", "ok"),
            ("9223372036854775808", "not_number"),
            ("-9223372036854775808", "out_of_range"),
            ("1_000", "not_number"),
            ("0x10", "not_number"),
            ("1.0", "not_number"),
            ("1e3", "not_number"),
            (" 1", "not_number"),
            ("1\n", "not_number"),
            ("+", "not_number"),
            ("--1", "not_number"),
            ("\u{0661}", "not_number"),
        ],
    );
    number.validation_min = None;
    number.validation_max = Some(i32::MAX);
    check(
        &number,
        &[
            ("2147483647", "ok"),
            ("2147483648", "out_of_range"),
            ("-9999999999", "ok"),
        ],
    );
}

#[test]
fn later_bounds_count_only_beside_another_rule() {
    let mut bounded = definition("p", "number");
    bounded.validation_max = Some(5);
    assert_eq!(outcomes(&bounded, "6"), ["out_of_range", "ok"]);
    assert_eq!(outcomes(&bounded, "x"), ["not_number", "ok"]);
    bounded.kind = "string".to_owned();
    assert_eq!(outcomes(&bounded, "6"), ["rule_misplaced", "ok"]);
    bounded.kind = "number".to_owned();
    for beside in ["error", "monotonic"] {
        let mut bounded = bounded.clone();
        match beside {
            "error" => bounded.validation_error = "too much".to_owned(),
            _ => bounded.validation_monotonic = "increasing".to_owned(),
        }
        check(&bounded, &[("5", "ok"), ("6", "out_of_range")]);
    }
}

#[test]
fn rules_stand_only_on_their_own_type() {
    for kind in ["string", "bool", "list(string)", "object"] {
        let mut bounded = definition("p", kind);
        bounded.validation_min = Some(0);
        bounded.validation_error = "e".to_owned();
        check(&bounded, &[("true", "rule_misplaced")]);
    }
    for kind in ["number", "bool", "list(string)", "object"] {
        let mut patterned = pattern(".");
        patterned.kind = kind.to_owned();
        check(&patterned, &[("true", "rule_misplaced")]);
    }
}

#[test]
fn monotonic_is_refused_later_where_it_is_on_no_number() {
    let mut monotonic = definition("p", "string");
    monotonic.validation_monotonic = "increasing".to_owned();
    assert_eq!(outcomes(&monotonic, "x"), ["ok", "rule_misplaced"]);
    monotonic.kind = "number".to_owned();
    check(&monotonic, &[("3", "ok"), ("x", "not_number")]);
}

#[test]
fn a_value_is_one_of_the_options() {
    let two =
        r#"[{"name": "A", "value": "a"}, {"VALUE": "b", "icon": null}, {"name": "none"}, null]"#;
    check(
        &options("string", two),
        &[
            ("a", "ok"),
            ("b", "ok"),
            ("A", "not_an_option"),
            ("none", "not_an_option"),
        ],
    );
    // The default stands in for an empty value and the third option is the empty string.
    let mut empty_default = options("string", two);
    empty_default.default_value = String::new();
    check(&empty_default, &[("", "ok")]);
}

#[test]
fn of_an_options_keys_in_any_case_the_last_counts() {
    let both = options("string", r#"[{"Value": "a", "value": "b", "valuE": null}]"#);
    check(&both, &[("b", "ok"), ("a", "not_an_option")]);
}

#[test]
fn no_options_check_nothing() {
    for none in ["[]", "null", " [ ] "] {
        check(&options("string", none), &[("x", "ok")]);
    }
    let mut sql_null = definition("p", "string");
    sql_null.options = None;
    check(&sql_null, &[("x", "ok")]);
}

#[test]
fn options_that_are_no_array_of_options_block_even_without_a_value() {
    let deep = "[".repeat(100_000);
    for bad in [
        "{}",
        "\"a\"",
        "1",
        "[1]",
        "[[]]",
        r#"[{"value": 1}]"#,
        "",
        "[{]",
        &deep,
    ] {
        check(&options("string", bad), &[("x", "options_unreadable")]);
        let mut required = options("string", bad);
        required.required = true;
        assert_eq!(
            Case::with(required).outcome(),
            "parameter_options_unreadable"
        );
    }
}

#[test]
fn an_option_is_not_looked_at_further_until_both_hold() {
    let mut number = options(
        "number",
        r#"[{"value": "x"}, {"value": "9"}, {"value": "1"}]"#,
    );
    number.validation_max = Some(5);
    number.validation_error = "at most five".to_owned();
    assert_eq!(outcomes(&number, "1"), ["ok", "ok"]);
    assert_eq!(outcomes(&number, "9"), ["ok", "out_of_range"]);
    assert_eq!(outcomes(&number, "x"), ["ok", "not_number"]);
    assert_eq!(outcomes(&number, "2"), ["not_an_option"; 2]);
    let mut patterned = options("string", r#"[{"value": "b"}]"#);
    patterned.validation_regex = "a".to_owned();
    assert_eq!(outcomes(&patterned, "b"), ["ok", "pattern_without_error"]);
}

#[test]
fn of_a_multi_select_each_element_is_an_option() {
    let choice = r#"[{"value": "a"}, {"value": "b"}, {"value": ""}]"#;
    let mut many = options("list(string)", choice);
    check(
        &many,
        &[(r#"["a"]"#, "not_an_option"), ("[", "not_an_option")],
    );
    many.form_type = "multi-select".to_owned();
    check(
        &many,
        &[
            (r#"["b", "a", "b"]"#, "ok"),
            ("[]", "ok"),
            ("null", "ok"),
            ("[null]", "ok"),
            (r#"["a", "c"]"#, "not_an_option"),
            ("a", "not_list"),
        ],
    );
    many.kind = "string".to_owned();
    check(&many, &[("a", "ok"), (r#"["a"]"#, "not_an_option")]);
}

#[test]
fn a_list_among_whole_options_is_still_a_list_later() {
    let list = options("list(string)", r#"[{"value": "[\"a\"]"}, {"value": "a"}]"#);
    check(&list, &[(r#"["a"]"#, "ok")]);
    assert_eq!(outcomes(&list, "a"), ["ok", "not_list"]);
}

#[test]
fn a_pattern_matches_somewhere() {
    check(
        &pattern("b+"),
        &[("abbc", "ok"), ("ac", "pattern_mismatch")],
    );
    check(
        &pattern("^b+$"),
        &[("bb", "ok"), ("bb\n", "pattern_mismatch")],
    );
}

#[test]
fn a_pattern_needs_an_error_text_and_must_be_readable_first() {
    let mut nameless = pattern("a");
    nameless.validation_error = String::new();
    check(
        &nameless,
        &[
            ("a", "pattern_without_error"),
            ("b", "pattern_without_error"),
        ],
    );
    nameless.validation_regex = "(".to_owned();
    check(&nameless, &[("a", "ok")]);
}

#[test]
fn an_unreadable_pattern_refuses_all_but_what_a_build_of_the_same_version_had() {
    for unreadable in ["(", r"(?=a)", "a**", r"\pL{1000}"] {
        let mut definition = pattern(unreadable);
        definition.legacy_variable_name = "old".to_owned();
        check(&definition, &[("x", "ok"), ("", "ok")]);

        let case = Case::with(definition.clone());
        assert_eq!(case.outcome(), "parameter_pattern_unreadable", "a default");
        let mut case = Case::with(definition.clone());
        case.previous
            .push(previous(PreviousSource::Legacy, "old", "x"));
        assert_eq!(
            case.outcome(),
            "parameter_pattern_unreadable",
            "a legacy value"
        );
        let mut case = Case::with(definition).had("p", "x");
        case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
        assert_eq!(
            case.outcome(),
            "parameter_pattern_unreadable",
            "another version"
        );
    }
}

#[test]
fn a_value_too_long_to_match_is_carried_within_its_version_only() {
    let long = "b".repeat(100_000);
    check(&pattern("a"), &[(&long, "ok")]);
    let mut case = Case::with(pattern("a")).had("p", &long);
    case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
    assert_eq!(case.outcome(), "parameter_pattern_unreadable");
}

#[test]
fn messages_name_parameter_pattern_and_error_but_never_the_value() {
    let mut definitions = vec![
        pattern("^x$"),
        definition("p", "bool"),
        definition("p", "list(string)"),
        options("string", r#"[{"value": "a"}]"#),
    ];
    let mut number = definition("p", "number");
    number.validation_max = Some(0);
    definitions.push(number);
    for definition in definitions {
        let block = Case::with(definition.clone())
            .had("p", "s3cret")
            .plan()
            .unwrap_err();
        assert!(block.message.contains("\"p\""), "{}", block.message);
        assert!(!block.message.contains("s3cret"), "{}", block.message);
        if definition.kind == "string" && !definition.validation_regex.is_empty() {
            assert!(block.message.contains("must fit"), "{}", block.message);
            assert!(block.message.contains("^x$"), "{}", block.message);
        }
    }
}
