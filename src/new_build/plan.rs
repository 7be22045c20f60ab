//! The plan of a build: its version, tags, preset and parameter rows, or the block.
//!
//! A version is made ready once ([`PreparedVersion`]) and then serves the plans of all the
//! workspaces that build it. A plan depends on its arguments alone, so a preview and the tick
//! that follows it agree.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use crate::lifecycle::signs::Signs;

use super::codes::{BlockCode, sentence};
use super::inputs::{
    Block, Definition, ParameterRow, Preset, PreviousValue, Proof, Static, Version,
};
use super::parameters::{self, Parameter, Previous};
use super::request::Request;
use super::tags::{self, ImportTags};
use super::{preset, version};

/// What a build writes, beside what is copied from row to row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `workspace_builds.template_version_id`.
    pub template_version_id: Uuid,
    /// `provisioner_jobs.tags`, as JSON text.
    pub tags: String,
    /// `provisioner_jobs.provisioner`.
    pub provisioner: String,
    /// `workspace_builds.template_version_preset_id`.
    pub preset_id: Option<Uuid>,
    /// The rows of `workspace_build_parameters`; no name twice.
    pub parameters: Vec<ParameterRow>,
}

/// How the product evaluates the parameters of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flow {
    /// By the stored definitions, with its own checks.
    Classic,
    /// By the stored definitions, with the provider's checks: it has the files, but not what
    /// a daemon of today keeps for rendering them.
    Stored,
    /// By the template's files, of which the stored definitions are all that decides.
    Proved(Static),
    /// By the template's files, and what decides is not known: `None` before they were looked
    /// at, else a sentence.
    Unproved(Option<String>),
    /// The column is there and NULL, which the product itself can't read.
    Unknown,
}

impl Flow {
    /// Does the product resolve the parameters by what is stored, with the provider's checks?
    fn resolves(&self) -> bool {
        matches!(self, Flow::Stored | Flow::Proved(_))
    }
}

/// A version made ready for planning: patterns compiled, options, tags and presets read.
/// Nothing in it is refused beforehand; what is wrong blocks the plan that comes upon it.
#[derive(Clone, Debug)]
pub struct PreparedVersion {
    version: Version,
    flow: Flow,
    import_tags: ImportTags,
    parameters: Vec<Parameter>,
    presets: Vec<Preset>,
    needed: BTreeSet<String>,
}

impl PreparedVersion {
    /// Makes a version ready, under the rules in force.
    pub fn new(mut version: Version, signs: &Signs) -> PreparedVersion {
        let flow = flow(&mut version, signs);
        let import_tags = version.import.as_ref().and_then(|job| job.tags.as_deref());
        let import_tags = ImportTags::read(import_tags, signs);
        // The table has no name twice; if it did, the rows could not be written.
        let mut names = HashSet::new();
        let parameters: Vec<Parameter> = std::mem::take(&mut version.parameters)
            .into_iter()
            .filter(|definition| names.insert(definition.name.clone()))
            .map(|definition| parameter(definition, &flow, signs))
            .collect();
        let presets = std::mem::take(&mut version.presets);
        let presets = if signs.preset {
            preset::in_order(presets)
        } else {
            Vec::new()
        };
        let checked = flow == Flow::Classic || flow.resolves();
        let tagged = version.workspace_tags && !flow.resolves();
        let checked = parameters
            .iter()
            .flat_map(|parameter| parameter.names_looked_at(checked, tagged));
        let blocks = match &flow {
            Flow::Proved(proof) => proof.tags.as_slice(),
            _ => &[],
        };
        let in_tags = tags::parameters(blocks);
        let in_presets = presets
            .iter()
            .flat_map(|preset| preset.parameters.iter().map(|(name, _)| name.as_str()));
        let looked_at = checked.chain(in_tags).chain(in_presets);
        let needed = looked_at.map(str::to_owned).collect();
        PreparedVersion {
            version,
            flow,
            import_tags,
            parameters,
            presets,
            needed,
        }
    }

    /// `template_versions.id`.
    pub fn id(&self) -> Uuid {
        self.version.id
    }

    /// The names (of parameters and legacy variables) whose previous values have to be
    /// read, since a check, a tag or a preset looks at them.
    pub fn needed_values(&self) -> &BTreeSet<String> {
        &self.needed
    }

    /// Does the plan need the tags of the latest build's job?
    pub fn needs_latest_job_tags(&self) -> bool {
        self.version.workspace_tags && !self.flow.resolves()
    }
}

/// Does the product render the version's source at each build?
pub fn is_rendered(version: &Version, signs: &Signs) -> bool {
    signs.dynamic
        && version.classic_flow == Some(false)
        && renders_dynamically(version.provisionerd_version.as_deref())
}

/// The flow of a version, whose proof it takes.
fn flow(version: &mut Version, signs: &Signs) -> Flow {
    if !signs.dynamic {
        return Flow::Classic;
    }
    match version.classic_flow {
        None => Flow::Unknown,
        Some(true) => Flow::Classic,
        Some(false) if !is_rendered(version, signs) => Flow::Stored,
        Some(false) => match std::mem::replace(&mut version.proof, Proof::Unproved) {
            Proof::Static(proof) => Flow::Proved(proof),
            Proof::Unknown(why) => Flow::Unproved(Some(why)),
            Proof::Unproved => Flow::Unproved(None),
        },
    }
}

fn parameter(definition: Definition, flow: &Flow, signs: &Signs) -> Parameter {
    match flow {
        Flow::Stored => Parameter::stored(definition, signs),
        Flow::Proved(proof) => {
            let null_default = proof.null_defaults.contains(&definition.name);
            Parameter::proved(definition, null_default, signs)
        }
        Flow::Classic | Flow::Unproved(_) | Flow::Unknown => Parameter::classic(definition, signs),
    }
}

/// Did a daemon import the version that keeps what the product needs to evaluate it?
pub fn renders_dynamically(provisionerd_version: Option<&str>) -> bool {
    let Some((major, minor)) = provisionerd_version.and_then(|v| v.split_once('.')) else {
        return false;
    };
    match (major.parse::<i64>(), minor.parse::<i64>()) {
        (Ok(major), Ok(minor)) => (major, minor) >= (1, 6),
        _ => false,
    }
}

/// Plans a build. `version` is the one that [`version::chosen_version`] names, `None` where it
/// does not exist; `previous` are the latest build's parameters and the workspace's legacy
/// values; `latest_job_tags` the tags of the latest build's job, as JSON text.
pub fn plan(
    request: &Request<'_>,
    version: Option<&PreparedVersion>,
    previous: &[PreviousValue],
    latest_job_tags: Option<&str>,
) -> Result<Plan, Block> {
    let latest = request
        .facts
        .latest
        .as_ref()
        .ok_or_else(|| BlockCode::NoLatestBuild.block("the workspace has no earlier build"))?;
    if latest.build_number == i32::MAX {
        return Err(BlockCode::BuildNumbersUsedUp.block(format!(
            "the latest build has the number {}, which is the highest possible",
            latest.build_number
        )));
    }
    let prepared = version.ok_or_else(|| {
        let id = version::chosen_version(request).unwrap_or(latest.template_version_id);
        BlockCode::VersionMissing.block(format!("template version {id} does not exist"))
    })?;
    let version = &prepared.version;
    version::check(request, version)?;

    let same_version = version.id == latest.template_version_id;
    if !same_version {
        only_the_product_can(prepared)?;
    }
    let previous = Previous::of(previous);
    let parameters = &prepared.parameters;
    let rows = match &prepared.flow {
        Flow::Classic => parameters::classic(parameters, &previous, same_version)?,
        Flow::Stored | Flow::Proved(_) => {
            parameters::resolved(parameters, &previous, same_version)?
        }
        Flow::Unproved(_) => parameters::copied(parameters, &previous)?,
        Flow::Unknown => {
            return Err(BlockCode::ParameterFlowUnknown.block(
                "the template does not say whether its parameters are classic or dynamic \
                 (use_classic_parameter_flow is NULL)",
            ));
        }
    };
    let owner = request.facts.owner_id;
    let tags = match &prepared.flow {
        Flow::Proved(proof) => prepared
            .import_tags
            .with_blocks(owner, &proof.tags, &rows)?,
        _ if prepared.needs_latest_job_tags() => {
            if let Some(row) = parameters::changed(&rows, &previous)? {
                return Err(tags::of_other_values(row.name));
            }
            tags::latest_job_tags(latest_job_tags)?
        }
        _ => prepared.import_tags.for_owner(owner)?,
    };
    Ok(Plan {
        template_version_id: version.id,
        tags,
        provisioner: version.provisioner.clone(),
        preset_id: preset::fitting(&prepared.presets, &rows)?,
        parameters: rows
            .iter()
            .map(|row| ParameterRow {
                name: row.name.to_owned(),
                source: row.source,
            })
            .collect(),
    })
}

/// A change of version may need values or tags that only the product can evaluate.
fn only_the_product_can(prepared: &PreparedVersion) -> Result<(), Block> {
    let id = prepared.version.id;
    const UPDATED: &str =
        "once the owner has updated the workspace in the product, it is started again";
    Err(match &prepared.flow {
        Flow::Unproved(None) => BlockCode::VersionUnproved.block(format!(
            "the start would change to template version {id}, which has dynamic parameters, and \
             its source was not looked at yet; it is tried again at the next tick"
        )),
        Flow::Unproved(Some(why)) => BlockCode::VersionChangeDynamic.block(format!(
            "the start would change to template version {id}, whose dynamic parameters only the \
             product can evaluate: {}; {UPDATED}",
            sentence(why)
        )),
        _ if prepared.needs_latest_job_tags() => {
            BlockCode::VersionChangeWorkspaceTags.block(format!(
                "the start would change to template version {id}, whose workspace tags only the \
                 product can evaluate; {UPDATED}"
            ))
        }
        _ => return Ok(()),
    })
}
