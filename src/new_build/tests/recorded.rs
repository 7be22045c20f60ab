//! The parameters and tags of builds as the product recorded them, resolved here.

use serde_json::{Map, Value};

use super::*;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/dynamic/expected.json"
);

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().map(|number| number.try_into().unwrap())
}

fn recorded_definition(row: &Value) -> Definition {
    Definition {
        name: text(&row["name"]),
        kind: text(&row["type"]),
        default_value: text(&row["default_value"]),
        required: row["required"] == true,
        ephemeral: row["ephemeral"] == true,
        options: Some(row["options"].to_string()),
        validation_regex: text(&row["validation_regex"]),
        validation_error: text(&row["validation_error"]),
        validation_min: number(&row["validation_min"]),
        validation_max: number(&row["validation_max"]),
        validation_monotonic: text(&row["validation_monotonic"]),
        form_type: text(&row["form_type"]),
        legacy_variable_name: String::new(),
    }
}

/// What the sources of these templates say of tags; the others have no block of them.
fn tag_blocks(template: &str) -> Vec<BTreeMap<String, TagValue>> {
    let literal = |text: &str| TagValue::Literal(text.to_owned());
    let block: &[(&str, TagValue)] = match template {
        "tags_literal" => &[("cluster", literal("one"))],
        "tags_parameter" => &[("pool", TagValue::Parameter("pool".to_owned()))],
        "tags_number" => &[("n", literal("1.5")), ("m", literal("1.23456789e+11"))],
        _ => return Vec::new(),
    };
    let tags = block.iter().cloned();
    vec![tags.map(|(key, value)| (key.to_owned(), value)).collect()]
}

/// The version as it is stored, in a case that starts it. `None` where what is stored may
/// not be all that decides.
fn recorded_case(template: &Value) -> Option<Case> {
    let walk = &template["reference_walk"];
    if walk["static"] == false {
        return None;
    }
    let mut case = Case::new();
    case.signs = Signs::ALL;
    let version = case.version();
    version.classic_flow = Some(false);
    version.provisionerd_version = Some(text(&template["rows"]["provisionerd_version"]));
    version.import.as_mut().unwrap().tags = Some(template["job_tags"].to_string());
    let rows = &template["rows"]["template_version_parameters"];
    version.parameters = rows
        .as_array()
        .unwrap()
        .iter()
        .map(recorded_definition)
        .collect();
    if walk["static"] == true {
        let null_defaults = walk["null_defaults"].as_array();
        version.proof = Proof::Static(Static {
            null_defaults: null_defaults.into_iter().flatten().map(text).collect(),
            tags: tag_blocks(template["name"].as_str().unwrap()),
        });
    }
    Some(case)
}

/// The values of the plan, as the server writes them.
fn values(case: &Case, plan: &Plan) -> Map<String, Value> {
    let written = |row: &super::super::inputs::ParameterRow| match row.source {
        ValueSource::Default => {
            let definitions = &case.version.as_ref().unwrap().parameters;
            let of_name = definitions.iter().find(|d| d.name == row.name);
            of_name.unwrap().default_value.clone()
        }
        _ => {
            let of_name = case.previous.iter().find(|p| p.name == row.name);
            of_name.unwrap().value.clone().unwrap()
        }
    };
    plan.parameters
        .iter()
        .map(|row| (row.name.clone(), Value::String(written(row))))
        .collect()
}

/// Is the code one of those for this kind of error?
fn fits(kind: &str, code: BlockCode) -> bool {
    use BlockCode as Code;
    let codes: &[Code] = match kind {
        "required" => &[Code::ParameterRequired],
        "not_an_option" => &[Code::ParameterNotAnOption],
        "not_a_list" => &[Code::ParameterNotList],
        "type" => &[
            Code::ParameterNotNumber,
            Code::ParameterNotBool,
            Code::ParameterNotList,
        ],
        "validation" => &[
            Code::ParameterNotNumber,
            Code::ParameterNotBool,
            Code::ParameterOutOfRange,
            Code::ParameterPatternMismatch,
        ],
        _ => &[],
    };
    codes.contains(&code)
}

#[test]
fn every_recorded_build_is_resolved_as_the_product_did() {
    let recorded = std::fs::read_to_string(RECORDED).unwrap();
    let templates: Vec<Value> = serde_json::from_str(&recorded).unwrap();
    let (mut versions, mut builds, mut refused) = (0, 0, 0);
    for template in &templates {
        let Some(mut case) = recorded_case(template) else {
            continue;
        };
        versions += 1;
        for build in template["resolutions"].as_array().unwrap() {
            // Those with values of a user's own are no business of an autostart.
            if build.get("build").is_some() || build.get("preset").is_some() {
                continue;
            }
            builds += 1;
            let previous_values = build["previous"].as_object().unwrap();
            case.previous = previous_values
                .iter()
                .map(|(name, value)| previous(PreviousSource::Build, name, &text(value)))
                .collect();
            for transition in [Transition::Start, Transition::Stop, Transition::Delete] {
                for latest in [VERSION, ACTIVE] {
                    case.transition = transition;
                    case.facts.latest.as_mut().unwrap().template_version_id = latest;
                    let of = format!("{} {build}", template["name"]);
                    match case.plan() {
                        Ok(plan) => {
                            assert_eq!(build["refused"], false, "{of}");
                            let none = Value::Object(Map::new());
                            let expected = build.get("values").unwrap_or(&none);
                            assert_eq!(&Value::Object(values(&case, &plan)), expected, "{of}");
                            let tags: Value = serde_json::from_str(&plan.tags).unwrap();
                            assert_eq!(tags, build["tags"], "{of}");
                        }
                        Err(block) => {
                            assert_eq!(build["refused"], true, "{of} {block:?}");
                            let errors = build["errors"].as_object().unwrap();
                            let told = errors.iter().any(|(name, kinds)| {
                                block.message.contains(&format!("{name:?}"))
                                    && kinds
                                        .as_array()
                                        .unwrap()
                                        .iter()
                                        .any(|e| fits(e["kind"].as_str().unwrap(), block.code))
                            });
                            assert!(told, "{of} {block:?}");
                        }
                    }
                }
            }
            refused += usize::from(build["refused"] == true);
        }
    }
    assert_eq!((versions, builds, refused), (31, 82, 27));
}
