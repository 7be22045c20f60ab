//! What holds for every plan, whatever stands in the tables.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::kind;
use super::super::pattern::Pattern;
use super::product;
use super::*;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d", ""]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "", "a", "true", "1", "5", "-9", "2.5", "1_0", "[\"a\"]", "null", "x y",
        ])
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
        r#"[{"name":"A","value":"a"},{"name":"5","value":"5"}]"#,
        r#"[{"name":"1","value":"1"},{"name":"5","value":"5"}]"#,
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
        prop_oneof![
            9 => prop::sample::select(vec!["", "", "", "", "", "increasing", "decreasing"]),
            1 => Just("up"),
        ],
        prop_oneof![
            4 => Just(""),
            2 => prop::sample::select(vec!["multi-select", "radio"]),
            1 => prop::sample::select(vec!["input", "slider", "switch", "tag-select", "x"]),
        ],
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

fn any_proof() -> impl Strategy<Value = Proof> {
    let tag = prop_oneof![
        value().prop_map(TagValue::Literal),
        name().prop_map(TagValue::Parameter),
    ];
    let key = prop::sample::select(vec!["scope", "owner", "x", ""]).prop_map(str::to_owned);
    let block = prop::collection::btree_map(key, tag, 0..3);
    let proof = (
        prop::collection::btree_set(name(), 0..3),
        prop::collection::vec(block, 0..2),
    );
    prop_oneof![
        1 => Just(Proof::Unproved),
        1 => any::<String>().prop_map(Proof::Unknown),
        6 => proof.prop_map(|(null_defaults, tags)| Proof::Static(Static { null_defaults, tags })),
    ]
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
            any_proof(),
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
                let (tags, latest_tags, bits, classic_flow, proof) = rest;
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
                version.proof = proof;
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

/// Takes out what no definition of this type may have, or hardly any value would be taken.
fn mend(definition: &mut Definition, free: bool, unruled: bool) {
    let kind = definition.kind.as_str();
    if kind != "number" {
        (definition.validation_min, definition.validation_max) = (None, None);
        definition.validation_monotonic.clear();
    }
    if kind != "string" {
        definition.validation_regex.clear();
    }
    if free {
        definition.options = None;
    }
    if definition.form_type != "multi-select" || kind != "list(string)" || free {
        definition.form_type.clear();
    }
    if unruled {
        definition.validation_error.clear();
        definition.validation_regex.clear();
    }
    for bound in [
        &mut definition.validation_min,
        &mut definition.validation_max,
    ] {
        *bound = bound.map(|bound| bound % 10);
    }
}

/// A case of a version that is rendered by what is stored, or proved to be. Most definitions
/// are such that the product takes some values.
fn resolved_case() -> impl Strategy<Value = Case> {
    let bits = prop::collection::vec((prop::bool::weighted(0.9), any::<[bool; 3]>()), 4);
    (any_case(), any::<bool>(), bits).prop_map(|(mut case, stored, bits)| {
        case.signs.dynamic = true;
        let version = case.version();
        version.classic_flow = Some(false);
        version.provisionerd_version = Some(if stored { "1.5" } else { "1.6" }.to_owned());
        if !matches!(version.proof, Proof::Static(_)) {
            version.proof = Proof::Static(Static::default());
        }
        for (definition, (fit, [free, unruled, number])) in version.parameters.iter_mut().zip(bits)
        {
            if fit {
                if definition.kind == "other" || (number && definition.kind == "string") {
                    definition.kind = "number".to_owned();
                }
                mend(definition, free, unruled);
            }
        }
        case
    })
}

fn tags_of(plan: &Plan) -> BTreeMap<String, String> {
    serde_json::from_str(&plan.tags).unwrap()
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
            let classic = version.is_some_and(|v| v.classic_flow == Some(true));
            if case.signs.dynamic && !classic {
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
                let rendered = product::rendered(&case);
                let definitions = &case.version.as_ref().unwrap().parameters;
                for Definition { name, .. } in definitions {
                    // Of two with one name the first counts.
                    let definition = definitions.iter().find(|d| d.name == *name).unwrap();
                    prop_assert!(
                        names.contains(name.as_str())
                            || rendered.as_ref().is_some_and(|r| r.is_null(definition))
                    );
                }
                for row in &plan.parameters {
                    prop_assert!(source_is_right(&case, &row.name, row.source), "{:?}", row);
                }
                let tags: serde_json::Value = serde_json::from_str(&plan.tags).unwrap();
                prop_assert!(tags.is_object());
            }
        }
    }

    /// Of all that is resolved here, each value is one that the product takes, and what it
    /// takes is not blocked.
    #[test]
    fn a_plan_comes_of_it_if_and_only_if_the_product_takes_every_value(case in resolved_case()) {
        let rendered = product::rendered(&case).expect("resolved by what is stored");
        let definitions = &case.version.as_ref().unwrap().parameters;
        match case.plan() {
            Ok(plan) => {
                for Definition { name, .. } in definitions {
                    let definition = definitions.iter().find(|d| d.name == *name).unwrap();
                    let taken = rendered.takes(definition);
                    prop_assert_ne!(taken, Some(false), "{:?}", definition);
                    let written = plan.parameters.iter().any(|row| row.name == definition.name);
                    let value = rendered.value(definition);
                    prop_assert_eq!(written, value.is_some(), "{:?}", definition);
                }
                for row in &plan.parameters {
                    prop_assert!(definitions.iter().any(|d| d.name == row.name), "{:?}", row);
                }
                prop_assert_eq!(tags_of(&plan), rendered.tags().unwrap());
            }
            Err(block) => {
                let told = [
                    BlockCode::ParameterValueNotRead,
                    BlockCode::ParameterOptionsUnreadable,
                    BlockCode::ParameterPatternUnreadable,
                    BlockCode::TagsUnreadable,
                ];
                let refused = definitions.iter().any(|d| rendered.takes(d) == Some(false));
                prop_assert!(
                    refused || told.contains(&block.code) || rendered.tags().is_none(),
                    "{:?}",
                    block
                );
            }
        }
    }

    #[test]
    fn what_go_reads_as_a_number_is_told_alike_by_two_readings(
        text in "[+-]?(0[xX])?[0-9a-fA-F_.]{0,6}([eEpP][+-]?[0-9_]{0,3})?|[+-]?[infatyINFATY]{0,8}",
    ) {
        prop_assert_eq!(kind::is_number(&text), product::is_number(&text), "{:?}", text);
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
