//! Templates, their versions with the import job, and what a version defines:
//! parameters, presets, workspace tags.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::row::{Fields, LONG_AGO, Row, Value};
use super::{Organization, Product};

/// A row of `templates`, with the version that is its active one.
#[derive(Clone, Copy)]
pub struct Template<'p> {
    pub(super) product: &'p Product,
    /// Its id.
    pub id: Uuid,
    /// Its organization's id.
    pub organization: Uuid,
    /// The version that was made with it.
    pub version: Uuid,
}

/// A row of `template_versions`.
#[derive(Clone, Copy)]
pub struct TemplateVersion<'p> {
    pub(super) product: &'p Product,
    /// Its id.
    pub id: Uuid,
    /// Its import job's id.
    pub job: Uuid,
    /// Its template's id; nil for a version of none.
    pub template: Uuid,
}

/// A template to be made, with its first version.
pub struct NewTemplate<'p> {
    product: &'p Product,
    row: Row,
    id: Uuid,
    organization: Uuid,
    version: NewVersion<'p>,
}

/// A version to be made, with its import job.
pub struct NewVersion<'p> {
    product: &'p Product,
    row: Row,
    job: Row,
    id: Uuid,
    job_id: Uuid,
    template: Uuid,
    parameters: Vec<NewParameter>,
}

/// A row of `template_version_parameters` to be made; see [`parameter`].
#[derive(Clone)]
pub struct NewParameter {
    row: Row,
}

/// A row of `template_version_presets`.
#[derive(Clone, Copy)]
pub struct Preset<'p> {
    product: &'p Product,
    /// Its id.
    pub id: Uuid,
}

impl Product {
    /// A template with a version that was imported well and defines nothing yet.
    pub fn template(&self, name: &str) -> NewTemplate<'_> {
        let id = Uuid::new_v4();
        let version = self.version_of(id, "first");
        let mut row = Row::new("templates");
        row.set("id", id)
            .set("name", name)
            .set("active_version_id", version.id)
            .set("created_by", self.admin().id)
            .set("provisioner", "terraform");
        // Classic, parameters are as stored; the default, dynamic, is a test's choice.
        row.set_if_there("use_classic_parameter_flow", true);
        NewTemplate {
            product: self,
            row,
            id,
            organization: self.organization().id,
            version,
        }
    }

    fn version_of(&self, template: Uuid, name: &str) -> NewVersion<'_> {
        let (id, job_id) = (Uuid::new_v4(), Uuid::new_v4());
        let mut row = Row::new("template_versions");
        row.set("id", id)
            .set("name", name)
            .set("template_id", template)
            .set("job_id", job_id)
            .set("created_by", self.admin().id);
        let mut job = Row::new("provisioner_jobs");
        job.set("id", job_id)
            .set("initiator_id", self.admin().id)
            .set("provisioner", "terraform")
            .set("storage_method", "file")
            .set("type", "template_version_import")
            .set("input", json!({"template_version_id": id}))
            .set("tags", json!({"scope": "organization", "owner": ""}))
            .set("started_at", LONG_AGO)
            .set("completed_at", LONG_AGO);
        NewVersion {
            product: self,
            row,
            job,
            id,
            job_id,
            template,
            parameters: Vec::new(),
        }
    }
}

impl Fields for NewTemplate<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl<'p> NewTemplate<'p> {
    /// It belongs to another organization.
    pub fn organization(mut self, organization: Organization) -> Self {
        self.organization = organization.id;
        self
    }

    /// Users can't give their workspaces a schedule.
    pub fn forbids_autostart(self) -> Self {
        self.set("allow_user_autostart", false)
    }

    /// Says more of its first version.
    pub fn version(mut self, say: impl FnOnce(NewVersion<'p>) -> NewVersion<'p>) -> Self {
        self.version = say(self.version);
        self
    }

    /// Its first version defines a parameter.
    pub fn parameter(self, parameter: NewParameter) -> Self {
        self.version(|version| version.parameter(parameter))
    }

    /// Inserts it with its first version.
    #[track_caller]
    pub fn create(mut self) -> Template<'p> {
        self.row.set("organization_id", self.organization);
        self.product.insert(&self.row);
        let template = Template {
            product: self.product,
            id: self.id,
            organization: self.organization,
            version: self.version.id,
        };
        self.version.in_organization(self.organization).create();
        template
    }
}

impl<'p> Template<'p> {
    /// Another version, which is not the active one before [`TemplateVersion::activate`].
    pub fn new_version(&self, name: &str) -> NewVersion<'p> {
        self.product
            .version_of(self.id, name)
            .in_organization(self.organization)
    }

    /// The version that was made with the template.
    #[track_caller]
    pub fn first_version(&self) -> TemplateVersion<'p> {
        let job = self
            .product
            .value(&format!(
                "SELECT job_id FROM template_versions WHERE id = '{}'",
                self.version
            ))
            .and_then(|id| id.parse().ok());
        TemplateVersion {
            product: self.product,
            id: self.version,
            job: job.expect("a version has a job"),
            template: self.id,
        }
    }

    /// Changes a column.
    #[track_caller]
    pub fn update(&self, column: &str, value: impl Into<Value>) {
        self.product.update("templates", self.id, column, value);
    }
}

impl Fields for NewVersion<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl<'p> NewVersion<'p> {
    fn in_organization(mut self, organization: Uuid) -> Self {
        self.job.set("organization_id", organization);
        self.set("organization_id", organization)
    }

    /// Gives a column of the import job its value.
    pub fn import(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.job.set(column, value);
        self
    }

    /// The import waits.
    pub fn import_pending(self) -> Self {
        self.import("started_at", Value::NULL)
            .import("completed_at", Value::NULL)
    }

    /// The import failed.
    pub fn import_failed(self, error: &str) -> Self {
        self.import("error", error)
    }

    /// The import was canceled.
    pub fn import_canceled(self) -> Self {
        self.import("canceled_at", LONG_AGO)
    }

    /// The import job's tags.
    pub fn tags(self, tags: Json) -> Self {
        self.import("tags", tags)
    }

    /// It defines a parameter.
    pub fn parameter(mut self, parameter: NewParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Inserts it with its import job and parameters.
    #[track_caller]
    pub fn create(self) -> TemplateVersion<'p> {
        self.product.insert(&self.job);
        self.product.insert(&self.row);
        for mut parameter in self.parameters {
            parameter.row.set("template_version_id", self.id);
            self.product.insert(&parameter.row);
        }
        TemplateVersion {
            product: self.product,
            id: self.id,
            job: self.job_id,
            template: self.template,
        }
    }
}

impl<'p> TemplateVersion<'p> {
    /// Defines a parameter.
    #[track_caller]
    pub fn add_parameter(&self, mut parameter: NewParameter) {
        parameter.row.set("template_version_id", self.id);
        self.product.insert(&parameter.row);
    }

    /// Makes it its template's active one.
    #[track_caller]
    pub fn activate(&self) {
        let product = self.product;
        product.update("templates", self.template, "active_version_id", self.id);
    }

    /// Changes a column of its import job.
    #[track_caller]
    pub fn update_import(&self, column: &str, value: impl Into<Value>) {
        let product = self.product;
        product.update("provisioner_jobs", self.job, column, value);
    }

    /// Adds a preset with these parameters (versions that have presets).
    #[track_caller]
    pub fn preset(&self, name: &str, parameters: &[(&str, &str)]) -> Preset<'p> {
        let id = Uuid::new_v4();
        let mut row = Row::new("template_version_presets");
        row.set("id", id)
            .set("name", name)
            .set("template_version_id", self.id);
        self.product.insert(&row);
        for (name, value) in parameters {
            let mut row = Row::new("template_version_preset_parameters");
            row.set("template_version_preset_id", id)
                .set("name", *name)
                .set("value", *value);
            self.product.insert(&row);
        }
        Preset {
            product: self.product,
            id,
        }
    }

    /// Adds a workspace tag (versions that have them).
    #[track_caller]
    pub fn workspace_tag(&self, key: &str, value: &str) {
        let mut row = Row::new("template_version_workspace_tags");
        row.set("template_version_id", self.id)
            .set("key", key)
            .set("value", value);
        self.product.insert(&row);
    }

    /// Adds the row that says which provisioner rendered it; see
    /// [`TemplateVersion::modules`] for one with modules.
    #[track_caller]
    pub fn terraform_values(&self, provisionerd_version: &str) {
        let mut row = Row::new("template_version_terraform_values");
        row.set("template_version_id", self.id)
            .set("provisionerd_version", provisionerd_version);
        self.product.insert(&row);
    }

    /// Adds a row to the legacy table `parameter_schemas` of its import job.
    #[track_caller]
    pub fn legacy_parameter_schema(&self, name: &str) {
        let mut row = Row::new("parameter_schemas");
        row.set("id", Uuid::new_v4())
            .set("job_id", self.job)
            .set("name", name);
        self.product.insert(&row);
    }
}

impl Preset<'_> {
    /// Changes a column.
    #[track_caller]
    pub fn update(&self, column: &str, value: impl Into<Value>) {
        let product = self.product;
        product.update("template_version_presets", self.id, column, value);
    }
}

/// A parameter of type `string` that is required and has no default, until told
/// otherwise.
pub fn parameter(name: &str) -> NewParameter {
    let mut row = Row::new("template_version_parameters");
    row.set("name", name)
        .set("type", "string")
        .set("mutable", true);
    NewParameter { row }
}

impl Fields for NewParameter {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl NewParameter {
    /// Its type: `string`, `number`, `bool` or `list(string)`.
    pub fn kind(self, kind: &str) -> Self {
        self.set("type", kind)
    }

    /// It is not required, and has this default.
    pub fn default(self, value: &str) -> Self {
        self.set("default_value", value).set("required", false)
    }

    /// Its value must match, else `error`.
    pub fn regex(self, pattern: &str, error: &str) -> Self {
        self.set("validation_regex", pattern)
            .set("validation_error", error)
    }

    /// Its value must be one of these.
    pub fn options(self, values: &[&str]) -> Self {
        let options: Vec<Json> = values
            .iter()
            .map(|value| json!({"name": value, "value": value, "icon": "", "description": ""}))
            .collect();
        self.set("options", Json::from(options))
    }
}
