//! Where the value of each row comes from in the classic flow, and which preset fits.

use super::ValueSource::{Build, Default as Defaulted, Legacy};
use super::*;

#[test]
fn a_version_without_parameters_has_no_rows() {
    let case = Case::new().had("left", "x");
    assert_eq!(case.rows(), []);
}

#[test]
fn values_are_carried_new_ones_defaulted_and_rows_that_left_dropped() {
    let mut case = Case::new().had("left", "x").had("b", "y").had("empty", "");
    for name in ["a", "b", "empty"] {
        case.version().parameters.push(definition(name, "string"));
    }
    let rows = [row("a", Defaulted), row("b", Build), row("empty", Build)];
    for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
        case.transition = transition;
        assert_eq!(case.rows(), rows);
    }
}

#[test]
fn an_immutable_value_is_carried_like_any_other_also_to_another_version() {
    let mut case = Case::with(definition("a", "string")).had("a", "x");
    case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
    assert_eq!(case.rows(), [row("a", Build)]);
}

#[test]
fn an_ephemeral_parameter_starts_from_its_default() {
    let mut a = definition("a", "string");
    a.ephemeral = true;
    a.legacy_variable_name = "old".to_owned();
    let mut case = Case::with(a).had("a", "x");
    case.previous
        .push(previous(PreviousSource::Legacy, "old", "y"));
    assert_eq!(case.rows(), [row("a", Defaulted)]);
    case.version().parameters[0].required = true;
    assert_eq!(case.outcome(), "parameter_required");
}

#[test]
fn an_ephemeral_default_does_not_go_back_where_the_rule_forbids_it() {
    let blocked = "parameter_not_monotonic";
    for (monotonic, last, expected) in [
        ("increasing", "5", [blocked; 2]),
        ("increasing", "0", ["ok"; 2]),
        ("increasing", "-1", ["ok"; 2]),
        ("decreasing", "-1", [blocked; 2]),
        ("decreasing", "5", ["ok"; 2]),
        ("increasing", "", ["ok"; 2]),
        ("increasing", "x", [blocked, "ok"]),
        ("", "5", ["ok"; 2]),
    ] {
        // Before there were dynamic parameters; then the classic, static and dynamic flow.
        for (dynamic, classic, daemon) in [
            (false, true, "1.6"),
            (true, true, "1.6"),
            (true, false, "1.5"),
            (true, false, "1.6"),
        ] {
            let mut a = definition("a", "number");
            a.ephemeral = true;
            a.default_value = "0".to_owned();
            a.validation_monotonic = monotonic.to_owned();
            let mut case = Case::with(a);
            assert_eq!(case.outcome(), "ok", "no last value");
            case = case.had("a", last);
            case.signs.dynamic = dynamic;
            case.version().classic_flow = Some(classic);
            case.version().provisionerd_version = Some(daemon.to_owned());
            for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
                case.transition = transition;
                let expected = expected[usize::from(dynamic)];
                assert_eq!(case.outcome(), expected, "{monotonic} {last} {dynamic}");
            }
        }
    }
}

#[test]
fn who_lacks_a_value_is_not_told_to_start_what_runs() {
    let mut a = definition("a", "string");
    a.required = true;
    let mut case = Case::with(a);
    case.transition = Transition::Stop;
    let message = case.plan().unwrap_err().message;
    assert!(message.contains("the owner can set one"), "{message}");
    assert!(!message.contains("starting"), "{message}");
}

#[test]
fn a_legacy_value_is_found_by_the_variables_name_and_counts_as_previous() {
    let mut a = definition("a", "string");
    a.required = true;
    a.legacy_variable_name = "old".to_owned();
    let mut case = Case::with(a);
    assert_eq!(case.outcome(), "parameter_required");
    case.previous
        .push(previous(PreviousSource::Legacy, "a", "x"));
    assert_eq!(case.outcome(), "parameter_required", "another name");
    case.previous
        .push(previous(PreviousSource::Legacy, "old", "y"));
    assert_eq!(case.rows(), [row("a", Legacy)]);
    let case = case.had("a", "z");
    assert_eq!(
        case.rows(),
        [row("a", Build)],
        "the latest build comes first"
    );
}

#[test]
fn an_empty_legacy_name_finds_nothing() {
    let mut case = Case::with(definition("a", "string"));
    case.previous
        .push(previous(PreviousSource::Legacy, "", "x"));
    assert_eq!(case.rows(), [row("a", Defaulted)]);
}

#[test]
fn what_is_required_needs_a_previous_value_that_is_not_empty() {
    let mut a = definition("a", "string");
    a.required = true;
    assert_eq!(Case::with(a.clone()).outcome(), "parameter_required");
    assert_eq!(
        Case::with(a.clone()).had("a", "").outcome(),
        "parameter_empty"
    );
    assert_eq!(Case::with(a).had("a", "x").outcome(), "ok");
}

#[test]
fn an_empty_optional_value_stays_and_the_default_is_checked_in_its_place() {
    let mut a = definition("a", "number");
    a.validation_min = Some(5);
    a.default_value = "7".to_owned();
    let mut case = Case::with(a).had("a", "");
    assert_eq!(case.rows(), [row("a", Build)]);
    case.version().parameters[0].default_value = "3".to_owned();
    assert_eq!(case.outcome(), "parameter_out_of_range");
    case.version().parameters[0].default_value = String::new();
    assert_eq!(case.outcome(), "parameter_not_number");
}

#[test]
fn only_values_that_something_looks_at_are_asked_for() {
    let mut case = Case::with(definition("plain", "string"));
    let mut checked = definition("checked", "bool");
    checked.legacy_variable_name = "old".to_owned();
    let mut ephemeral = definition("ephemeral", "bool");
    ephemeral.ephemeral = true;
    case.version().parameters.extend([checked, ephemeral]);
    case.version().presets.push(preset(1, &[("chosen", "x")]));
    let needed = |case: &Case| {
        let prepared = PreparedVersion::new(case.version.clone().unwrap(), &case.signs);
        prepared.needed_values().iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(needed(&case), ["checked", "old"]);
    case.signs.preset = true;
    assert_eq!(needed(&case), ["checked", "chosen", "old"]);
}

/// Found by fuzzing: nobody read the value of a parameter without a name.
#[test]
fn an_empty_name_is_a_name_and_an_empty_legacy_name_is_none() {
    let case = Case::with(definition("", "bool"));
    let prepared = PreparedVersion::new(case.version.clone().unwrap(), &case.signs);
    assert_eq!(Vec::from_iter(prepared.needed_values()), [""]);
    assert_eq!(case.had("", "true").rows(), [row("", Build)]);
    let case = Case::with(definition("a", "bool"));
    let prepared = PreparedVersion::new(case.version.clone().unwrap(), &case.signs);
    assert_eq!(Vec::from_iter(prepared.needed_values()), ["a"]);
}

#[test]
fn a_value_that_a_check_needs_and_nobody_read_blocks() {
    let mut case = Case::with(definition("a", "bool"));
    case.previous.push(PreviousValue {
        name: "a".to_owned(),
        source: PreviousSource::Build,
        empty: false,
        value: None,
    });
    assert_eq!(case.outcome(), "parameter_value_not_read");
    case.version().parameters[0].kind = "string".to_owned();
    assert_eq!(case.rows(), [row("a", Build)], "nothing looks at it");
}

#[test]
fn the_fullest_preset_whose_every_parameter_fits_is_taken() {
    let mut case = Case::new().had("a", "1").had("b", "2").had("gone", "3");
    for name in ["a", "b", "c"] {
        case.version().parameters.push(definition(name, "string"));
    }
    let chosen = |case: &Case| case.plan().unwrap().preset_id.map(|id| id.as_u128());
    case.version().presets = vec![
        preset(10, &[]),
        preset(11, &[("a", "1")]),
        preset(12, &[("a", "1"), ("b", "9"), ("c", "default")]),
        preset(13, &[("gone", "3"), ("a", "1"), ("b", "2")]),
    ];
    assert_eq!(chosen(&case), None, "before presets are matched");
    case.signs.preset = true;
    assert_eq!(chosen(&case), Some(11));
    case.version()
        .presets
        .push(preset(15, &[("a", "1"), ("c", "default")]));
    case.version()
        .presets
        .push(preset(14, &[("a", "1"), ("b", "2")]));
    assert_eq!(chosen(&case), Some(14), "the lowest of equals");
    case.version().presets.truncate(1);
    assert_eq!(chosen(&case), Some(10), "one without parameters fits all");
    case.version().presets.clear();
    assert_eq!(chosen(&case), None);
}
