//! Thousands of workspaces at once, with a build, its job and parameters each, written
//! by the server from a series of numbers.
//!
//! Any column may be an expression over `i`, the workspace's number from 1:
//! `Value::sql("now() - i * interval '1 second'")`.

use serde_json::json;
use uuid::Uuid;

use super::row::{Row, Value};
use super::{Fields, Product, Template, Transition, quote_literal};

/// Many workspaces of one template to be made.
pub struct Bulk<'p> {
    product: &'p Product,
    count: u32,
    salt: Uuid,
    workspace: Row,
    build: Row,
    job: Row,
    parameters: Vec<(String, Value)>,
}

impl<'p> Template<'p> {
    /// So many workspaces of the template, each with one build, complete and
    /// successful; the admin's, without schedule.
    pub fn workspaces(&self, count: u32, transition: Transition) -> Bulk<'p> {
        let product = self.product;
        // Ids follow from the number, so that the three inserts agree without a join.
        let salt = Uuid::new_v4();
        let id = |what: &str| Value::sql(format!("md5('{salt} {what} ' || i)::uuid"));
        let owner = product.admin().id;
        let mut workspace = Row::new("workspaces");
        workspace
            .set("id", id("workspace"))
            .set("name", Value::sql(format!("'{salt} ' || i")))
            .set("template_id", self.id)
            .set("organization_id", self.organization)
            .set("owner_id", owner);
        let mut build = Row::new("workspace_builds");
        build
            .set("id", id("build"))
            .set("workspace_id", id("workspace"))
            .set("template_version_id", self.version)
            .set("build_number", 1)
            .set("initiator_id", owner)
            .set("job_id", id("job"))
            .set("transition", transition.name());
        let mut job = Row::new("provisioner_jobs");
        let input = json!({"dry_run": false}).to_string();
        job.set("id", id("job"))
            .set("organization_id", self.organization)
            .set("initiator_id", owner)
            .set("provisioner", "terraform")
            .set("storage_method", "file")
            .set("type", "workspace_build")
            .set(
                "input",
                Value::sql(format!(
                    "{}::jsonb || jsonb_build_object('workspace_build_id', {})",
                    quote_literal(&input),
                    id("build").as_sql()
                )),
            )
            .set("tags", json!({"scope": "organization", "owner": ""}));
        let bulk = Bulk {
            product,
            count,
            salt,
            workspace,
            build,
            job,
            parameters: Vec::new(),
        };
        bulk.created_at(super::LONG_AGO)
    }
}

impl Fields for Bulk<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.workspace
    }
}

impl Bulk<'_> {
    /// Their autostart schedule.
    pub fn schedule(self, schedule: impl Into<Value>) -> Self {
        self.set("autostart_schedule", schedule)
    }

    /// Gives a column of the builds its value.
    pub fn build(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.build.set(column, value);
        self
    }

    /// Gives a column of the jobs its value.
    pub fn job(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.job.set(column, value);
        self
    }

    /// When builds and jobs were made, started and completed.
    pub fn created_at(self, at: impl Into<Value>) -> Self {
        let at: Value = at.into();
        self.build("created_at", at.clone())
            .build("updated_at", at.clone())
            .job("created_at", at.clone())
            .job("updated_at", at.clone())
            .job("started_at", at.clone())
            .job("completed_at", at)
    }

    /// The builds' deadline.
    pub fn deadline(self, at: impl Into<Value>) -> Self {
        self.build("deadline", at)
    }

    /// The value of a parameter in each build.
    pub fn parameter(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// Inserts them all, and analyzes the tables. Returns the id of each, in order.
    #[track_caller]
    pub fn create(self) -> Vec<Uuid> {
        let facts = self.product.facts();
        let series = format!("generate_series(1, {}) AS i", self.count);
        let mut statements = vec![
            self.job.insert(facts, &series),
            self.workspace.insert(facts, &series),
            self.build.insert(facts, &series),
        ];
        for (name, value) in &self.parameters {
            let mut row = Row::new("workspace_build_parameters");
            row.set(
                "workspace_build_id",
                Value::sql(format!("md5('{} build ' || i)::uuid", self.salt)),
            )
            .set("name", name)
            .set("value", value.clone());
            statements.push(row.insert(facts, &series));
        }
        statements.push(
            "ANALYZE provisioner_jobs, workspaces, workspace_builds, workspace_build_parameters"
                .to_owned(),
        );
        for statement in statements {
            self.product.execute(&statement);
        }
        self.product
            .rows(&format!(
                "SELECT md5('{} workspace ' || i)::uuid FROM {series} ORDER BY i",
                self.salt
            ))
            .into_iter()
            .flatten()
            .flatten()
            .map(|id| id.parse().expect("a uuid"))
            .collect()
    }
}
