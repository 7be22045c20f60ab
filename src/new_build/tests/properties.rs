//! What holds for every plan, whatever stands in the tables.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::pattern::Pattern;
use super::*;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d", ""]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["", "a", "true", "5", "-9", "[\"a\"]", "null", "x y"])
            .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// Mostly one of the texts given, which are fit for their column: or hardly any plan
/// would come about.
fn json(fit: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        15 => prop::sample::select(fit).prop_map(str::to_owned),
        1 => "[\\[\\]{}\",:a-e0-9nul]{0,12}",
    ]
}

fn tags() -> impl Strategy<Value = String> {
    json(&[
        "{}",
        "null",
        r#"{"scope":"user","x":""}"#,
        r#"{"a":null}"#,
        r#"{"owner":"o"}"#,
    ])
}

fn options() -> impl Strategy<Value = String> {
    json(&[
        "[]",
        "[]",
        "null",
        "[]",
        r#"[{"value":"a"},{"value":"5"},{"value":"true"}]"#,
    ])
}

fn regex() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just(String::new()),
        2 => "[a-c.*+?{}()|\\[\\]^$\\\\dwsbQEpL0-9,:&~-]{0,14}",
        1 => any::<String>(),
    ]
}

fn any_definition() -> impl Strategy<Value = Definition> {
    (
        (
            name(),
            value(),
            prop::bool::weighted(0.1),
            any::<bool>(),
            prop::option::of(options()),
        ),
        (
            regex(),
            value(),
            prop::option::weighted(0.1, any::<i32>()),
            prop::option::weighted(0.1, any::<i32>()),
            name(),
        ),
        prop::sample::select(vec![
            "string",
            "string",
            "string",
            "other",
            "number",
            "bool",
            "list(string)",
        ]),
        prop::sample::select(vec!["", "", "", "", "", "increasing", "decreasing"]),
        prop::sample::select(vec!["", "multi-select", "radio"]),
    )
        .prop_map(|(first, second, kind, monotonic, form_type)| {
            let (name, default_value, required, ephemeral, options) = first;
            let (validation_regex, validation_error, validation_min, validation_max, legacy) =
                second;
            Definition {
                name,
                kind: kind.to_owned(),
                default_value,
                required,
                ephemeral,
                options,
                validation_regex,
                validation_error,
                validation_min,
                validation_max,
                validation_monotonic: monotonic.to_owned(),
                form_type: form_type.to_owned(),
                legacy_variable_name: legacy,
            }
        })
}

fn any_previous() -> impl Strategy<Value = PreviousValue> {
    (
        name(),
        any::<bool>(),
        value(),
        any::<bool>(),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(name, legacy, value, empty, read)| PreviousValue {
            name,
            source: if legacy {
                PreviousSource::Legacy
            } else {
                PreviousSource::Build
            },
            empty,
            value: read.then_some(value),
        })
}

fn any_case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(any_definition(), 0..4),
        prop::collection::vec(any_previous(), 0..6),
        prop::collection::vec(prop::collection::vec((name(), value()), 0..3), 0..3),
        (
            tags(),
            prop::option::weighted(0.9, tags()),
            any::<[bool; 7]>(),
            prop::option::weighted(0.9, any::<bool>()),
        ),
        prop::sample::select(vec![None, Some("1.6"), Some("1.5"), Some("x")]),
        prop::sample::select(vec![
            Transition::Start,
            Transition::Stop,
            Transition::Delete,
        ]),
    )
        .prop_map(
            |(parameters, previous, presets, rest, provisionerd, transition)| {
                let (tags, latest_tags, bits, classic_flow) = rest;
                let [
                    dynamic,
                    provisioner,
                    next_start,
                    owner,
                    workspace_tags,
                    change,
                    kept,
                ] = bits;
                let mut case = Case::new();
                case.transition = transition;
                case.signs.dynamic = dynamic;
                case.signs.preset = provisioner;
                case.signs.next_start_at = next_start;
                case.signs.empty_owner_tag = owner;
                case.previous = previous;
                case.latest_job_tags = latest_tags;
                if change && !kept {
                    case.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
                }
                let version = case.version();
                version.parameters = parameters;
                version.classic_flow = classic_flow;
                version.provisionerd_version = provisionerd.map(str::to_owned);
                version.workspace_tags = workspace_tags;
                if !workspace_tags {
                    version.import.as_mut().unwrap().tags = Some(tags);
                }
                version.presets = (0..)
                    .zip(presets)
                    .map(|(id, parameters)| Preset {
                        id: Uuid::from_u128(id),
                        parameters,
                    })
                    .collect();
                case
            },
        )
}

/// The rule of sources, said once more and independently of the code.
fn source_is_right(case: &Case, name: &str, source: ValueSource) -> bool {
    let has = |source, name: &str| {
        case.previous
            .iter()
            .any(|p| p.source == source && p.name == name)
    };
    let definition = case
        .version
        .iter()
        .flat_map(|v| &v.parameters)
        .find(|d| d.name == name);
    let expected = match definition {
        Some(d) if d.ephemeral => ValueSource::Default,
        _ if has(PreviousSource::Build, name) => ValueSource::Build,
        // Legacy values are older than the dynamic flow, which does not look at them.
        Some(d)
            if !d.legacy_variable_name.is_empty()
                && has(PreviousSource::Legacy, &d.legacy_variable_name) =>
        {
            let version = case.version.as_ref();
            let dynamic = case.signs.dynamic
                && version.is_some_and(|v| {
                    v.classic_flow == Some(false)
                        && v.provisionerd_version.as_deref() == Some("1.6")
                });
            if dynamic {
                ValueSource::Default
            } else {
                ValueSource::Legacy
            }
        }
        _ => ValueSource::Default,
    };
    source == expected
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn a_plan_or_a_block_comes_of_everything(case in any_case()) {
        match case.plan() {
            Err(block) => prop_assert!(!block.message.is_empty()),
            Ok(plan) => {
                let names: BTreeSet<_> = plan.parameters.iter().map(|p| p.name.as_str()).collect();
                prop_assert_eq!(names.len(), plan.parameters.len(), "a name twice");
                for definition in &case.version.as_ref().unwrap().parameters {
                    prop_assert!(names.contains(definition.name.as_str()));
                }
                for row in &plan.parameters {
                    prop_assert!(source_is_right(&case, &row.name, row.source), "{:?}", row);
                }
                let tags: serde_json::Value = serde_json::from_str(&plan.tags).unwrap();
                prop_assert!(tags.is_object());
            }
        }
    }

    #[test]
    fn the_same_arguments_give_the_same_plan(case in any_case()) {
        prop_assert_eq!(case.plan(), case.plan());
    }

    #[test]
    fn no_pattern_panics_and_a_quoted_text_matches_itself(
        pattern in "\\PC{0,40}",
        text in any::<String>(),
    ) {
        if let Ok(pattern) = Pattern::read(&pattern) {
            pattern.is_match(&text);
        }
        let quoted = format!(r"\A\Q{}\E\z", text.replace(r"\E", ""));
        let itself = Pattern::read(&quoted).unwrap();
        prop_assert_eq!(itself.is_match(&text.replace(r"\E", "")), Some(true));
    }
}
