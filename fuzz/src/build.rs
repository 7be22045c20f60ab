//! Plans of builds: tags and parameters.

use std::collections::HashSet;

use arbitrary::Unstructured;
use serde_json::{Map, Value};
use uuid::Uuid;
use workspace_autobuild::instant::Instant;
use workspace_autobuild::lifecycle::facts::{BuildTransition, Facts};
use workspace_autobuild::lifecycle::outcome::Next;
use workspace_autobuild::lifecycle::policy::Policy;
use workspace_autobuild::lifecycle::rules::ActingRule;
use workspace_autobuild::lifecycle::signs::Signs;
use workspace_autobuild::lifecycle::transition::{BuildReason, Transition};
use workspace_autobuild::new_build::inputs::{
    Definition, ImportJob, PreviousSource, PreviousValue, Proof, Static, TagValue, Version,
};
use workspace_autobuild::new_build::job_input::job_posted_payload;
use workspace_autobuild::new_build::plan::{Plan, PreparedVersion, plan};
use workspace_autobuild::new_build::request::Request;

use crate::input::{NAMES, SECRET, definition, import, preset, previous, signs};

/// No message is longer: a sentence and three cut texts, each character of them escaped.
const LONG: usize = 6500;

/// Two JSON texts: the tags of the latest build's job and of an import job.
pub fn tags(data: &[u8]) {
    let _ = try_tags(&mut Unstructured::new(data));
}

fn try_tags(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let signs = signs(u)?;
    let workspace_tags = u.arbitrary()?;
    let latest: Option<String> = u.arbitrary()?;
    let imported = String::from_utf8_lossy(u.bytes(u.len())?).into_owned();
    let version = Version {
        workspace_tags,
        ..version(Some(import(Some(imported.clone()))))
    };
    let planned = planned(&version, &signs, &[], latest.as_deref());
    if workspace_tags {
        let wanted = latest.as_deref().and_then(object).is_some();
        assert_eq!(planned.is_some(), wanted, "{latest:?}");
        assert_eq!(planned.map(|plan| plan.tags), latest.filter(|_| wanted));
        return Ok(());
    }
    let wanted = match serde_json::from_str(&imported) {
        Ok(Value::Null) => Some(Map::new()),
        _ => object(&imported),
    }
    .map(|tags| wanted_tags(tags, &signs));
    let tags = planned.map(|plan| plan.tags);
    let read = tags.as_deref().map(|text| object(text).expect("an object"));
    assert_eq!(read.map(sorted), wanted.map(sorted), "{imported:?}");
    if let Some(tags) = tags {
        // They are a job's tags already: made again they stay as they are, so that equal
        // tags are equal texts.
        let again = crate::build::version(Some(import(Some(tags.clone()))));
        let again = self::planned(&again, &signs, &[], None).expect("a plan");
        assert_eq!(again.tags, tags);
        if let Some(payload) = job_posted_payload(Uuid::from_u128(5), &again.provisioner, &tags) {
            let payload: Value = serde_json::from_str(&payload).expect("JSON");
            assert!(payload.get("tags").is_some_and(Value::is_object));
        }
    }
    Ok(())
}

/// The tags in a text: an object of strings and nulls, which are empty strings.
fn object(text: &str) -> Option<Map<String, Value>> {
    let Value::Object(mut tags) = serde_json::from_str(text).ok()? else {
        return None;
    };
    for value in tags.values_mut() {
        match value {
            Value::String(_) => {}
            Value::Null => *value = "".into(),
            _ => return None,
        }
    }
    Some(tags)
}

/// What a job's tags are to be, by the words of the rules.
fn wanted_tags(mut tags: Map<String, Value>, signs: &Signs) -> Map<String, Value> {
    if signs.next_start_at {
        tags.retain(|_, value| value != "");
    }
    if tags.get("scope").is_some_and(|scope| scope == "user") {
        tags.insert("owner".to_owned(), Uuid::from_u128(2).to_string().into());
    } else {
        tags.insert("scope".to_owned(), "organization".into());
        if signs.empty_owner_tag {
            tags.insert("owner".to_owned(), "".into());
        }
    }
    tags
}

fn sorted(tags: Map<String, Value>) -> Vec<(String, Value)> {
    let mut tags: Vec<(String, Value)> = tags.into_iter().collect();
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags
}

/// Definitions of parameters, presets, and the values that the workspace had.
pub fn parameters(data: &[u8]) {
    let _ = try_parameters(&mut Unstructured::new(data));
}

fn try_parameters(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let signs = signs(u)?;
    let mut version = version(Some(import(Some("{}".to_owned()))));
    version.classic_flow = u.arbitrary()?;
    let daemon_and_proof: u8 = u.arbitrary()?;
    version.provisionerd_version = (daemon_and_proof & 1 == 1).then(|| "1.6".to_owned());
    version.proof = proof(daemon_and_proof >> 1);
    let dynamic = signs.dynamic && version.classic_flow == Some(false);
    let rendered_as_stored = dynamic && version.provisionerd_version.is_none();
    let values: Vec<PreviousValue> = (0..u.int_in_range(0..=4)?)
        .map(|_| previous(u))
        .collect::<Result<_, _>>()?;
    version.presets = (0..u.int_in_range(0..=2)?)
        .map(|_| preset(u))
        .collect::<Result<_, _>>()?;
    while !u.is_empty() && version.parameters.len() < 8 {
        version.parameters.push(definition(u)?);
    }
    // A message shows names, patterns and a pattern's own error text, so a secret among
    // those could not be told from a value.
    let told = version.parameters.iter().any(|d| {
        [&d.name, &d.validation_regex, &d.validation_error]
            .iter()
            .any(|text| text.contains(SECRET))
    });
    let Some(plan) = planned_unless_told(&version, &signs, &values, None, told) else {
        return Ok(());
    };
    let names: HashSet<&str> = plan.parameters.iter().map(|row| &*row.name).collect();
    assert_eq!(names.len(), plan.parameters.len(), "a name stands twice");
    let null = |definition: &Definition| match &version.proof {
        Proof::Static(proof) if dynamic && !rendered_as_stored => {
            definition.required && proof.null_defaults.contains(&definition.name)
        }
        _ => false,
    };
    for definition in &version.parameters {
        let nothing = null(first(&version, &definition.name).expect("a definition"));
        assert!(
            nothing || names.contains(&*definition.name),
            "{definition:?}"
        );
    }
    for row in &plan.parameters {
        use workspace_autobuild::new_build::inputs::ValueSource as From;
        let defined = first(&version, &row.name);
        let there = |source, name: &str| {
            values
                .iter()
                .any(|value| value.source == source && value.name == name)
        };
        match row.source {
            From::Build => assert!(there(PreviousSource::Build, &row.name)),
            From::Legacy => {
                let legacy = &defined.expect("a definition").legacy_variable_name;
                assert!(there(PreviousSource::Legacy, legacy));
            }
            From::Default => {
                assert!(rendered_as_stored || !defined.expect("a definition").required)
            }
        }
    }
    Ok(())
}

/// Of two definitions of one name the first counts.
fn first<'a>(version: &'a Version, name: &str) -> Option<&'a Definition> {
    version.parameters.iter().find(|d| d.name == name)
}

/// A proof out of seven bits: is there one, is a tag the value of a parameter, and which
/// defaults are null?
fn proof(bits: u8) -> Proof {
    if bits & 1 == 0 {
        return Proof::Unproved;
    }
    let tag = || ("tag".to_owned(), TagValue::Parameter(NAMES[0].to_owned()));
    Proof::Static(Static {
        null_defaults: (2..)
            .zip(NAMES)
            .filter(|(bit, _)| bits >> bit & 1 == 1)
            .map(|(_, name)| name.to_owned())
            .collect(),
        tags: (bits & 2 == 2)
            .then(|| [tag()].into())
            .into_iter()
            .collect(),
    })
}

fn version(import: Option<ImportJob>) -> Version {
    Version {
        // As in `Facts::example`.
        id: Uuid::from_u128(5),
        template_id: Some(Uuid::from_u128(4)),
        import,
        external_agent: false,
        legacy_parameter_schemas: false,
        workspace_tags: false,
        classic_flow: Some(true),
        provisioner: "terraform".to_owned(),
        provisionerd_version: None,
        proof: Proof::Unproved,
        parameters: Vec::new(),
        presets: Vec::new(),
    }
}

fn planned(
    version: &Version,
    signs: &Signs,
    values: &[PreviousValue],
    latest_tags: Option<&str>,
) -> Option<Plan> {
    planned_unless_told(version, signs, values, latest_tags, true)
}

/// The plan, if there is no block. It is the same again, and the same where only the
/// values were read that it asks for; a block's message is short and shows no value.
fn planned_unless_told(
    version: &Version,
    signs: &Signs,
    values: &[PreviousValue],
    latest_tags: Option<&str>,
    told: bool,
) -> Option<Plan> {
    let facts = Facts::example(BuildTransition::Stop, Instant::NO_TIME);
    let next = Next {
        rule: ActingRule::Autostart,
        transition: Transition::Start,
        reason: BuildReason::Autostart,
        at: Instant::NO_TIME,
        strict: false,
        due: true,
        mark_dormant: false,
    };
    let request = Request {
        facts: &facts,
        next: &next,
        signs,
        policy: &Policy::EVERYTHING,
    };
    let prepared = PreparedVersion::new(version.clone(), signs);
    let outcome = plan(&request, Some(&prepared), values, latest_tags);
    let read: Vec<PreviousValue> = values
        .iter()
        .map(|value| PreviousValue {
            // Legacy values go by another name, and are all read.
            value: value.value.clone().filter(|_| {
                value.source == PreviousSource::Legacy
                    || prepared.needed_values().contains(&value.name)
            }),
            ..value.clone()
        })
        .collect();
    let again = PreparedVersion::new(version.clone(), signs);
    assert_eq!(plan(&request, Some(&again), &read, latest_tags), outcome);
    match outcome {
        Ok(plan) => Some(plan),
        Err(block) => {
            assert!(block.message.len() < LONG, "{} bytes", block.message.len());
            assert!(told || !block.message.contains(SECRET), "{block:?}");
            None
        }
    }
}
