//! What has to be read before a build can be planned.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::codes::BlockCode;

/// A template version, with all that its builds need. Many workspaces share one.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// `template_versions.id`.
    pub id: Uuid,
    /// `template_versions.template_id`; NULL for a version of no template yet.
    pub template_id: Option<Uuid>,
    /// The job that imported it; `None` when there is no such row.
    pub import: Option<ImportJob>,
    /// `template_versions.has_external_agent`; false where the column does not exist.
    pub external_agent: bool,
    /// The import job has rows in the legacy table `parameter_schemas`.
    pub legacy_parameter_schemas: bool,
    /// `template_version_workspace_tags` has rows for the version.
    pub workspace_tags: bool,
    /// `templates.provisioner` of the version's template, which its jobs are for; empty
    /// without a template.
    pub provisioner: String,
    /// `templates.use_classic_parameter_flow` of the version's template; `None` where
    /// the column does not exist, or is NULL (which the product can't read: it blocks).
    pub classic_flow: Option<bool>,
    /// `template_version_terraform_values.provisionerd_version`; `None` without a row.
    pub provisionerd_version: Option<String>,
    /// Are its stored definitions all that decides, wherever the product renders the
    /// template's source?
    pub proof: Proof,
    /// The parameters that it defines, by name.
    pub parameters: Vec<Definition>,
    /// Its presets.
    pub presets: Vec<Preset>,
}

/// What is known of a version whose parameters the product takes from the template's source
/// at each build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its source was not looked at yet.
    Unproved,
    /// What the source decides may be more than what is stored; a sentence says why.
    Unknown(String),
    /// The stored definitions are what every render of the source gives.
    Static(Static),
}

/// What a version's source says beside its stored definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Static {
    /// Parameters whose default is null: their row says required, to the product they are
    /// optional, without a default.
    pub null_defaults: BTreeSet<String>,
    /// The tags that its source adds to those of the import job, block by block.
    pub tags: Vec<BTreeMap<String, TagValue>>,
}

/// The value of a workspace tag in a version's source. Numbers and bools are texts already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagValue {
    /// Written out.
    Literal(String),
    /// The value of the parameter of this name.
    Parameter(String),
}

/// The job that imported a template version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportJob {
    /// `provisioner_jobs.id`.
    pub id: Uuid,
    /// `completed_at` is set.
    pub completed: bool,
    /// `error` is not empty.
    pub failed: bool,
    /// `canceled_at` is set.
    pub canceled: bool,
    /// `tags` as JSON text; `None` for SQL NULL.
    pub tags: Option<String>,
}

/// A row of `template_version_parameters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// `name`.
    pub name: String,
    /// `type`: `string`, `number`, `bool`, `list(string)` or another.
    pub kind: String,
    /// `default_value`.
    pub default_value: String,
    /// `required`.
    pub required: bool,
    /// `ephemeral`; false where the column does not exist.
    pub ephemeral: bool,
    /// `options` as JSON text; `None` for SQL NULL.
    pub options: Option<String>,
    /// `validation_regex`.
    pub validation_regex: String,
    /// `validation_error`.
    pub validation_error: String,
    /// `validation_min`.
    pub validation_min: Option<i32>,
    /// `validation_max`.
    pub validation_max: Option<i32>,
    /// `validation_monotonic`.
    pub validation_monotonic: String,
    /// `form_type`; empty where the column does not exist.
    pub form_type: String,
    /// `legacy_variable_name`; empty where the column does not exist.
    pub legacy_variable_name: String,
}

/// A row of `template_version_presets` with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// `template_version_presets.id`.
    pub id: Uuid,
    /// Name and value of each of its parameters.
    pub parameters: Vec<(String, String)>,
}

/// Where a value that a workspace had before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreviousSource {
    /// `workspace_build_parameters` of the latest build.
    Build,
    /// The workspace-scoped row of `parameter_values` with the parameter's legacy name.
    Legacy,
}

/// A value that a workspace had before. The value itself is read only where a rule
/// looks at it ([`PreparedVersion::needed_values`](super::plan::PreparedVersion::needed_values)):
/// whatever else it is, it goes from row to row inside the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousValue {
    /// The parameter's name (for [`PreviousSource::Legacy`], the legacy variable's).
    pub name: String,
    /// Where it stands.
    pub source: PreviousSource,
    /// Is it the empty string?
    pub empty: bool,
    /// The value, where it was read.
    pub value: Option<String>,
}

/// Where the value of a new `workspace_build_parameters` row is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueSource {
    /// The latest build's row of the same name.
    Build,
    /// The legacy row whose name is the definition's `legacy_variable_name`.
    Legacy,
    /// The definition's `default_value`.
    Default,
}

/// One row to be written to `workspace_build_parameters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterRow {
    /// `name`.
    pub name: String,
    /// Where its value is taken from.
    pub source: ValueSource,
}

/// Why a build can't be written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which of the reasons.
    pub code: BlockCode,
    /// A sentence for people; names a parameter, never its value.
    pub message: String,
}

impl BlockCode {
    /// A block with this code and a sentence about what was seen.
    pub fn block(self, message: impl Into<String>) -> Block {
        Block {
            code: self,
            message: message.into(),
        }
    }
}
