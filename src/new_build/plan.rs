//! The plan of a build: its version, tags, preset and parameter rows, or the block.
//!
//! A version is made ready once ([`PreparedVersion`]) and then serves the plans of all the
//! workspaces that build it. A plan depends on its arguments alone, so a preview and the tick
//! that follows it agree.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use crate::lifecycle::signs::Signs;

use super::codes::BlockCode;
use super::inputs::{Block, ParameterRow, Preset, PreviousValue, Version};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// By the stored definitions.
    Classic,
    /// By the template's files.
    Dynamic,
    /// The column is there and NULL, which the product itself can't read.
    Unknown,
}

/// A version made ready for planning: patterns compiled, options, tags and presets read.
/// Nothing in it is refused beforehand; what is wrong blocks the plan that comes upon it.
#[derive(Clone, Debug)]
pub struct PreparedVersion {
    version: Version,
    flow: Flow,
    tags: ImportTags,
    parameters: Vec<Parameter>,
    presets: Vec<Preset>,
    needed: BTreeSet<String>,
}

impl PreparedVersion {
    /// Makes a version ready, under the rules in force.
    pub fn new(mut version: Version, signs: &Signs) -> PreparedVersion {
        let flow = flow(&version, signs);
        let import_tags = version.import.as_ref().and_then(|job| job.tags.as_deref());
        let tags = ImportTags::read(import_tags, signs);
        // The table has no name twice; if it did, the rows could not be written.
        let mut names = HashSet::new();
        let parameters: Vec<Parameter> = std::mem::take(&mut version.parameters)
            .into_iter()
            .filter(|definition| names.insert(definition.name.clone()))
            .map(|definition| Parameter::of(definition, signs))
            .collect();
        let presets = std::mem::take(&mut version.presets);
        let presets = if signs.preset {
            preset::in_order(presets)
        } else {
            Vec::new()
        };
        let classic = flow == Flow::Classic;
        let tagged = version.workspace_tags;
        let checked = parameters
            .iter()
            .flat_map(|parameter| parameter.names_looked_at(classic, tagged));
        let in_presets = presets
            .iter()
            .flat_map(|preset| preset.parameters.iter().map(|(name, _)| name.as_str()));
        let needed = checked.chain(in_presets).map(str::to_owned).collect();
        PreparedVersion {
            version,
            flow,
            tags,
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
    /// read, since a check or a preset looks at them.
    pub fn needed_values(&self) -> &BTreeSet<String> {
        &self.needed
    }

    /// Does the plan need the tags of the latest build's job?
    pub fn needs_latest_job_tags(&self) -> bool {
        self.version.workspace_tags
    }
}

/// Does the product render the version's source at each build?
pub fn is_rendered(version: &Version, signs: &Signs) -> bool {
    flow(version, signs) == Flow::Dynamic
}

fn flow(version: &Version, signs: &Signs) -> Flow {
    if !signs.dynamic {
        return Flow::Classic;
    }
    match version.classic_flow {
        None => Flow::Unknown,
        Some(true) => Flow::Classic,
        Some(false) if renders_dynamically(version.provisionerd_version.as_deref()) => {
            Flow::Dynamic
        }
        Some(false) => Flow::Classic,
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
    let rows = match prepared.flow {
        Flow::Classic => parameters::classic(&prepared.parameters, &previous, same_version)?,
        Flow::Dynamic => parameters::dynamic(&prepared.parameters, &previous)?,
        Flow::Unknown => {
            return Err(BlockCode::ParameterFlowUnknown.block(
                "the template does not say whether its parameters are classic or dynamic \
                 (use_classic_parameter_flow is NULL)",
            ));
        }
    };
    let tags = if version.workspace_tags {
        if let Some(row) = parameters::changed(&rows, &previous)? {
            return Err(tags::of_other_values(row.name));
        }
        tags::latest_job_tags(latest_job_tags)?
    } else {
        prepared.tags.for_owner(request.facts.owner_id)?
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

/// A change of version needs values or tags that only the product can evaluate.
fn only_the_product_can(prepared: &PreparedVersion) -> Result<(), Block> {
    let (code, what) = if prepared.flow == Flow::Dynamic {
        (BlockCode::VersionChangeDynamic, "dynamic parameters")
    } else if prepared.version.workspace_tags {
        (BlockCode::VersionChangeWorkspaceTags, "workspace tags")
    } else {
        return Ok(());
    };
    Err(code.block(format!(
        "the start would change to template version {}, whose {what} only the product can \
         evaluate; once the owner has updated the workspace in the product, it is started again",
        prepared.version.id
    )))
}
