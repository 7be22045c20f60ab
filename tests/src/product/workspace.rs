//! Workspaces, their builds with the job and the parameters, and tasks.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::row::{Fields, LONG_AGO, Row, Value, quote_literal};
use super::{Product, Template, User};

/// What a build does with its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Starts it.
    Start,
    /// Stops it.
    Stop,
    /// Deletes it.
    Delete,
}

impl Transition {
    /// Its name in the product's enum.
    pub fn name(self) -> &'static str {
        match self {
            Transition::Start => "start",
            Transition::Stop => "stop",
            Transition::Delete => "delete",
        }
    }
}

/// A row of `workspaces`.
#[derive(Clone, Copy)]
pub struct Workspace<'p> {
    product: &'p Product,
    /// Its id.
    pub id: Uuid,
    /// Its owner's id.
    pub owner: Uuid,
    /// Its organization's id.
    pub organization: Uuid,
    /// The version that its builds are of, unless they say otherwise.
    pub version: Uuid,
}

/// A row of `workspace_builds`.
#[derive(Clone, Copy)]
pub struct Build<'p> {
    product: &'p Product,
    /// Its id.
    pub id: Uuid,
    /// Its job's id.
    pub job: Uuid,
    /// Its number.
    pub number: i32,
}

/// A workspace to be made.
pub struct NewWorkspace<'p> {
    product: &'p Product,
    row: Row,
    id: Uuid,
    owner: Uuid,
    organization: Uuid,
    version: Uuid,
}

/// A build to be made, with its job; complete and successful until told otherwise.
pub struct NewBuild<'p> {
    workspace: Workspace<'p>,
    row: Row,
    job: Row,
    id: Uuid,
    job_id: Uuid,
    number: Option<i32>,
    parameters: Vec<(String, String)>,
}

/// A task to be made.
pub struct NewTask<'p> {
    product: &'p Product,
    row: Row,
}

impl<'p> Template<'p> {
    /// A workspace of the template: the admin's, without schedule, TTL or builds.
    pub fn workspace(&self, name: &str) -> NewWorkspace<'p> {
        let id = Uuid::new_v4();
        let mut row = Row::new("workspaces");
        row.set("id", id)
            .set("name", name)
            .set("template_id", self.id)
            .set("organization_id", self.organization)
            .set("last_used_at", LONG_AGO);
        NewWorkspace {
            product: self.product,
            row,
            id,
            owner: self.product.admin().id,
            organization: self.organization,
            version: self.version,
        }
    }
}

impl Fields for NewWorkspace<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl<'p> NewWorkspace<'p> {
    /// Whose it is.
    pub fn owner(self, owner: User) -> Self {
        self.owner_id(owner.id)
    }

    /// Whose it is; the product has no foreign key that asks for more than an id.
    pub fn owner_id(mut self, owner: Uuid) -> Self {
        self.owner = owner;
        self
    }

    /// Its autostart schedule.
    pub fn schedule(self, schedule: &str) -> Self {
        self.set("autostart_schedule", schedule)
    }

    /// Its time to live, in nanoseconds ([`super::HOUR`]).
    pub fn ttl(self, nanoseconds: i64) -> Self {
        self.set("ttl", nanoseconds)
    }

    /// It is dormant since then (`locked_at` before it was renamed).
    pub fn dormant_at(self, at: impl Into<Value>) -> Self {
        let column = self.product.dormant_column();
        self.set(column, at)
    }

    /// Inserts it with one build, which stopped it at a time.
    #[track_caller]
    pub fn create_stopped(self, at: impl Into<Value>) -> Workspace<'p> {
        let workspace = self.create();
        workspace.build(Transition::Stop).created_at(at).create();
        workspace
    }

    /// Inserts it with one build, which started it at a time and until a deadline.
    #[track_caller]
    pub fn create_started(self, at: impl Into<Value>, deadline: impl Into<Value>) -> Workspace<'p> {
        let workspace = self.create();
        let build = workspace.build(Transition::Start).created_at(at);
        build.deadline(deadline).create();
        workspace
    }

    /// Inserts it with one build, whose deadline was an hour ago.
    #[track_caller]
    pub fn create_overdue(self) -> Workspace<'p> {
        self.create_started(LONG_AGO, Value::sql("now() - interval '1 hour'"))
    }

    /// Inserts it.
    #[track_caller]
    pub fn create(mut self) -> Workspace<'p> {
        self.row.set("owner_id", self.owner);
        self.product.insert(&self.row);
        Workspace {
            product: self.product,
            id: self.id,
            owner: self.owner,
            organization: self.organization,
            version: self.version,
        }
    }
}

impl<'p> Workspace<'p> {
    /// The workspace's next build.
    pub fn build(&self, transition: Transition) -> NewBuild<'p> {
        let (id, job_id) = (Uuid::new_v4(), Uuid::new_v4());
        let mut row = Row::new("workspace_builds");
        row.set("id", id)
            .set("workspace_id", self.id)
            .set("template_version_id", self.version)
            .set("initiator_id", self.owner)
            .set("job_id", job_id)
            .set("transition", transition.name());
        let mut job = Row::new("provisioner_jobs");
        job.set("id", job_id)
            .set("organization_id", self.organization)
            .set("initiator_id", self.owner)
            .set("provisioner", "terraform")
            .set("storage_method", "file")
            .set("type", "workspace_build")
            .set("input", json!({"workspace_build_id": id, "dry_run": false}))
            .set("tags", json!({"scope": "organization", "owner": ""}));
        let build = NewBuild {
            workspace: *self,
            row,
            job,
            id,
            job_id,
            number: None,
            parameters: Vec::new(),
        };
        build
            .job("started_at", LONG_AGO)
            .job("completed_at", LONG_AGO)
    }

    /// A task that names the workspace (versions that have tasks).
    pub fn task(&self, name: &str) -> NewTask<'p> {
        let mut row = Row::new("tasks");
        row.set("id", Uuid::new_v4())
            .set("name", name)
            .set("organization_id", self.organization)
            .set("owner_id", self.owner)
            .set("template_version_id", self.version)
            .set("workspace_id", self.id);
        NewTask {
            product: self.product,
            row,
        }
    }

    /// The product that it is in.
    pub fn product(&self) -> &'p Product {
        self.product
    }

    /// A workspace-scoped value of the legacy table `parameter_values`.
    #[track_caller]
    pub fn legacy_value(&self, name: &str, value: &str) {
        let mut row = Row::new("parameter_values");
        row.set("id", Uuid::new_v4())
            .set("scope", "workspace")
            .set("scope_id", self.id)
            .set("name", name)
            .set("source_scheme", "data")
            .set("source_value", value)
            .set("destination_scheme", "provisioner_variable");
        self.product.insert(&row);
    }

    /// Changes a column.
    #[track_caller]
    pub fn update(&self, column: &str, value: impl Into<Value>) {
        self.product.update("workspaces", self.id, column, value);
    }

    /// Its rows of `workspace_builds`, oldest first, each as JSON object.
    #[track_caller]
    pub fn builds(&self) -> Vec<Json> {
        self.product.json(&format!(
            "SELECT * FROM workspace_builds WHERE workspace_id = '{}' ORDER BY build_number",
            self.id
        ))
    }

    /// The build with the highest number.
    #[track_caller]
    pub fn latest_build(&self) -> Build<'p> {
        let rows = self.product.rows(&format!(
            "SELECT id, job_id, build_number FROM workspace_builds
              WHERE workspace_id = '{}' ORDER BY build_number DESC LIMIT 1",
            self.id
        ));
        let row: Vec<String> = rows.into_iter().flatten().flatten().collect();
        let [id, job, number] = row.as_slice() else {
            panic!("the workspace has no build");
        };
        Build {
            product: self.product,
            id: id.parse().expect("a uuid"),
            job: job.parse().expect("a uuid"),
            number: number.parse().expect("a number"),
        }
    }
}

impl Fields for NewBuild<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl<'p> NewBuild<'p> {
    /// When it was made; its job starts and completes at the same instant, unless
    /// [`NewBuild::completed_at`] follows.
    pub fn created_at(self, at: impl Into<Value>) -> Self {
        let at: Value = at.into();
        let build = self
            .set("created_at", at.clone())
            .set("updated_at", at.clone());
        build
            .job("created_at", at.clone())
            .job("updated_at", at.clone())
            .job("started_at", at.clone())
            .job("completed_at", at)
    }

    /// When its job was complete.
    pub fn completed_at(self, at: impl Into<Value>) -> Self {
        self.job("completed_at", at)
    }

    /// Its deadline.
    pub fn deadline(self, at: impl Into<Value>) -> Self {
        self.set("deadline", at)
    }

    /// Of which version of the template it is.
    pub fn version(self, version: Uuid) -> Self {
        self.set("template_version_id", version)
    }

    /// Its number, instead of the next one.
    pub fn number(mut self, number: i32) -> Self {
        self.number = Some(number);
        self
    }

    /// Its state, as the provisioner left it.
    pub fn state(self, bytes: &[u8]) -> Self {
        self.set("provisioner_state", bytes)
    }

    /// The value of a parameter.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives a column of the job its value.
    pub fn job(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.job.set(column, value);
        self
    }

    /// The job waits for a provisioner.
    pub fn job_pending(self) -> Self {
        self.job("started_at", Value::NULL)
            .job("completed_at", Value::NULL)
    }

    /// The job runs.
    pub fn job_running(self) -> Self {
        self.job("completed_at", Value::NULL)
    }

    /// The job failed.
    pub fn job_failed(self, error: &str) -> Self {
        self.job("error", error)
    }

    /// The job was canceled, and is over.
    pub fn job_canceled(self) -> Self {
        self.job("canceled_at", LONG_AGO)
    }

    /// The job was canceled, and is not over yet.
    pub fn job_canceling(self) -> Self {
        self.job_canceled().job_running()
    }

    /// Inserts it with its job and parameters.
    #[track_caller]
    pub fn create(mut self) -> Build<'p> {
        let product = self.workspace.product;
        let number = self.number.unwrap_or_else(|| {
            product
                .value(&format!(
                    "SELECT coalesce(max(build_number), 0) + 1 FROM workspace_builds
                      WHERE workspace_id = '{}'",
                    self.workspace.id
                ))
                .and_then(|number| number.parse().ok())
                .expect("a number")
        });
        self.row.set("build_number", number);
        product.insert(&self.job);
        product.insert(&self.row);
        for (name, value) in &self.parameters {
            let mut row = Row::new("workspace_build_parameters");
            row.set("workspace_build_id", self.id)
                .set("name", name)
                .set("value", value);
            product.insert(&row);
        }
        Build {
            product,
            id: self.id,
            job: self.job_id,
            number,
        }
    }
}

impl Build<'_> {
    /// Changes a column.
    #[track_caller]
    pub fn update(&self, column: &str, value: impl Into<Value>) {
        let product = self.product;
        product.update("workspace_builds", self.id, column, value);
    }

    /// Changes a column of its job.
    #[track_caller]
    pub fn update_job(&self, column: &str, value: impl Into<Value>) {
        let product = self.product;
        product.update("provisioner_jobs", self.job, column, value);
    }

    /// Its row of `workspace_builds`.
    #[track_caller]
    pub fn read(&self) -> Json {
        self.product.by_id("workspace_builds", self.id)
    }

    /// Its row of `provisioner_jobs`.
    #[track_caller]
    pub fn read_job(&self) -> Json {
        self.product.by_id("provisioner_jobs", self.job)
    }

    /// Its rows of `workspace_build_parameters`, by name.
    #[track_caller]
    pub fn read_parameters(&self) -> BTreeMap<String, String> {
        self.product
            .rows(&format!(
                "SELECT name, value FROM workspace_build_parameters
                  WHERE workspace_build_id = '{}'",
                self.id
            ))
            .into_iter()
            .map(|row| {
                let mut texts = row.into_iter().flatten();
                let mut next = || texts.next().expect("a column that is not NULL");
                (next(), next())
            })
            .collect()
    }
}

impl Fields for NewTask<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl NewTask<'_> {
    /// Inserts it.
    #[track_caller]
    pub fn create(self) {
        self.product.insert(&self.row);
    }
}

impl Product {
    /// The column that says since when a workspace is dormant.
    pub fn dormant_column(&self) -> &'static str {
        if self.facts().has_column("workspaces", "locked_at") {
            "locked_at"
        } else {
            "dormant_at"
        }
    }

    /// Changes a column of the row with this id.
    #[track_caller]
    pub fn update(&self, table: &str, id: Uuid, column: &str, value: impl Into<Value>) {
        let value: Value = value.into();
        self.execute(&format!(
            "UPDATE {} SET {} = {} WHERE id = '{id}'",
            super::quote_ident(table),
            super::quote_ident(column),
            value.as_sql()
        ));
    }

    /// The row with this id, as JSON object.
    #[track_caller]
    pub fn by_id(&self, table: &str, id: Uuid) -> Json {
        let mut rows = self.json(&format!(
            "SELECT * FROM {} WHERE id = {}",
            super::quote_ident(table),
            quote_literal(&id.to_string())
        ));
        assert_eq!(rows.len(), 1, "{table} has no row {id}");
        rows.remove(0)
    }
}
