//! The rules of a build, each as a test over whole plans.

mod dynamic;
mod parameters;
mod product;
mod properties;
mod provider;
mod recorded;
mod resolved;
mod tags;
mod values;
mod versions;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::signs::Signs;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::codes::BlockCode;
use super::inputs::{
    Block, Definition, ImportJob, Preset, PreviousSource, PreviousValue, Proof, Static, TagValue,
    ValueSource, Version,
};
use super::plan::{Plan, PreparedVersion, plan};
use super::request::Request;

// As in `Facts::example`, but for the active version.
const TEMPLATE: Uuid = Uuid::from_u128(4);
const VERSION: Uuid = Uuid::from_u128(5);
const OWNER: Uuid = Uuid::from_u128(2);
const ACTIVE: Uuid = Uuid::from_u128(10);

/// A build to be planned; the tests change what their rule is about.
#[derive(Debug)]
struct Case {
    facts: Facts,
    transition: Transition,
    signs: Signs,
    policy: Policy,
    version: Option<Version>,
    previous: Vec<PreviousValue>,
    latest_job_tags: Option<String>,
}

impl Case {
    /// A start of a workspace whose version has no parameters, on the oldest schema.
    fn new() -> Case {
        let at = Instant::from_micros(0).unwrap();
        let mut facts = Facts::example(BuildTransition::Stop, at);
        facts.template.as_mut().unwrap().active_version_id = ACTIVE;
        Case {
            facts,
            transition: Transition::Start,
            signs: Signs::default(),
            policy: Policy::EVERYTHING,
            version: Some(version(VERSION)),
            previous: Vec::new(),
            latest_job_tags: None,
        }
    }

    fn with(definition: Definition) -> Case {
        let mut case = Case::new();
        case.version().parameters.push(definition);
        case
    }

    /// A start of a version of the dynamic flow whose stored definitions, this one, are
    /// proved to be all that decides.
    fn proved(definition: Definition) -> Case {
        let mut case = Case::with(definition);
        case.signs.dynamic = true;
        case.version().classic_flow = Some(false);
        case.version().provisionerd_version = Some("1.6".to_owned());
        case.version().proof = Proof::Static(Static::default());
        case
    }

    /// The same of a version that the product renders by its stored definitions.
    fn stored(definition: Definition) -> Case {
        let mut case = Case::proved(definition);
        case.version().provisionerd_version = None;
        case.version().proof = Proof::Unproved;
        case
    }

    /// What the source says beside the definitions.
    fn proof(&mut self) -> &mut Static {
        match &mut self.version().proof {
            Proof::Static(proof) => proof,
            other => panic!("{other:?}"),
        }
    }

    /// The latest build was of another version.
    fn of_another_version(mut self) -> Case {
        self.facts.latest.as_mut().unwrap().template_version_id = ACTIVE;
        self
    }

    fn version(&mut self) -> &mut Version {
        self.version.as_mut().unwrap()
    }

    fn had(mut self, name: &str, value: &str) -> Case {
        self.previous
            .push(previous(PreviousSource::Build, name, value));
        self
    }

    fn next(&self) -> Next {
        Next {
            rule: ActingRule::Autostart,
            transition: self.transition,
            reason: BuildReason::Autostart,
            at: Instant::from_micros(0).unwrap(),
            strict: false,
            due: true,
            mark_dormant: false,
        }
    }

    fn chosen_version(&self) -> Option<Uuid> {
        super::version::chosen_version(&Request {
            facts: &self.facts,
            next: &self.next(),
            signs: &self.signs,
            policy: &self.policy,
        })
    }

    /// The plan, with only the values delivered that the version asks for.
    fn plan(&self) -> Result<Plan, Block> {
        let prepared = self
            .version
            .clone()
            .map(|version| PreparedVersion::new(version, &self.signs));
        let mut previous = self.previous.clone();
        for row in &mut previous {
            let needed = prepared
                .as_ref()
                .is_some_and(|p| p.needed_values().contains(&row.name));
            if !needed {
                row.value = None;
            }
        }
        plan(
            &Request {
                facts: &self.facts,
                next: &self.next(),
                signs: &self.signs,
                policy: &self.policy,
            },
            prepared.as_ref(),
            &previous,
            self.latest_job_tags.as_deref(),
        )
    }

    /// The block's code, or `ok`.
    fn outcome(&self) -> &'static str {
        self.plan().map_or_else(|block| block.code.code(), |_| "ok")
    }

    /// The rows of the plan.
    fn rows(&self) -> Vec<(String, ValueSource)> {
        let rows = self.plan().unwrap().parameters.into_iter();
        rows.map(|row| (row.name, row.source)).collect()
    }
}

fn version(id: Uuid) -> Version {
    Version {
        id,
        template_id: Some(TEMPLATE),
        import: Some(ImportJob {
            id: Uuid::from_u128(8),
            completed: true,
            failed: false,
            canceled: false,
            tags: Some(r#"{"scope": "organization", "owner": ""}"#.to_owned()),
        }),
        external_agent: false,
        legacy_parameter_schemas: false,
        workspace_tags: false,
        provisioner: "terraform".to_owned(),
        classic_flow: None,
        provisionerd_version: None,
        proof: Proof::Unproved,
        parameters: Vec::new(),
        presets: Vec::new(),
    }
}

/// An optional parameter without checks.
fn definition(name: &str, kind: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        kind: kind.to_owned(),
        default_value: "default".to_owned(),
        required: false,
        ephemeral: false,
        options: Some("[]".to_owned()),
        validation_regex: String::new(),
        validation_error: String::new(),
        validation_min: None,
        validation_max: None,
        validation_monotonic: String::new(),
        form_type: String::new(),
        legacy_variable_name: String::new(),
    }
}

fn previous(source: PreviousSource, name: &str, value: &str) -> PreviousValue {
    PreviousValue {
        name: name.to_owned(),
        source,
        empty: value.is_empty(),
        value: Some(value.to_owned()),
    }
}

fn preset(id: u128, parameters: &[(&str, &str)]) -> Preset {
    Preset {
        id: Uuid::from_u128(id),
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn row(name: &str, source: ValueSource) -> (String, ValueSource) {
    (name.to_owned(), source)
}
