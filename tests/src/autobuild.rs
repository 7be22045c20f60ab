//! The extension's SQL functions as a test calls them: rows as structs, errors as what
//! a user sees of them.

use postgres::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::product::{Product, Template, texts};
use crate::{Server, Transition, Version};

/// The schemas on which every rule is looked at; what is cheap is looked at on all nine.
pub const VERSIONS: [Version; 4] = [
    Version::V2023_06,
    Version::V2_0_0,
    Version::V2_10_0,
    Version::V2_34_3,
];
/// A schedule.
pub const NINE: &str = "CRON_TZ=UTC 0 9 * * *";
/// When workspaces were stopped or started in most tests.
pub const YESTERDAY: &str = "2024-03-04 18:00:00+00";
/// The first run of [`NINE`] after [`YESTERDAY`].
pub const TODAY_AT_NINE: &str = "2024-03-05 09:00:00+00";

/// The product with the extension, on the server that a binary's tests share.
#[track_caller]
pub fn install(version: Version) -> Product {
    let product = Product::install(Server::shared(), version);
    product.create_extension();
    product
}

/// So many workspaces that are due to start [`TODAY_AT_NINE`].
pub fn due(template: &Template<'_>, count: u32) -> Vec<Uuid> {
    template
        .workspaces(count, Transition::Stop)
        .schedule(NINE)
        .created_at(YESTERDAY)
        .create()
}

/// The workspaces of the rows with an outcome.
pub fn with_outcome(attempts: &[Attempt], outcome: &str) -> Vec<Uuid> {
    attempts
        .iter()
        .filter(|attempt| attempt.outcome == outcome)
        .map(|attempt| attempt.workspace_id)
        .collect()
}

/// A row of `autobuild_tick` or `autobuild_preview`; times as `to_jsonb` writes them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    /// The workspace.
    pub workspace_id: Uuid,
    /// `start`, `stop`, `delete` or `dormant`.
    pub transition: String,
    /// The product's `build_reason`.
    pub reason: String,
    /// When it fell due.
    pub due_at: String,
    /// `built`, `conflict`, `blocked` or `failed`.
    pub outcome: String,
    /// The code of a blocked one.
    pub code: Option<String>,
    /// The new build.
    pub build_id: Option<Uuid>,
    /// Its job.
    pub job_id: Option<Uuid>,
    /// Its number.
    pub build_number: Option<i32>,
    /// SQLSTATE of a failed one.
    pub sqlstate: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// The row of `autobuild_next_transition`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NextTransition {
    /// `start`, `stop`, `delete` or `dormant`; none if nothing is to be done.
    pub transition: Option<String>,
    /// The product's `build_reason`.
    pub reason: Option<String>,
    /// When.
    pub next_transition_at: Option<String>,
    /// Is it due?
    pub due: bool,
    /// Why nothing happens, or can.
    pub skip_reason: Option<String>,
    /// The same as a sentence.
    pub detail: Option<String>,
}

/// An error of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Five characters.
    pub sqlstate: String,
    /// What went wrong.
    pub message: String,
    /// More of it, or nothing.
    pub detail: String,
    /// What to do about it, or nothing.
    pub hint: String,
}

impl Refusal {
    /// What the server said; anything but an error of the server's is the harness's.
    #[track_caller]
    pub fn of(error: &postgres::Error) -> Refusal {
        let Some(error) = error.as_db_error() else {
            panic!("no error of the server's: {error:?}");
        };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Refusal {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: text(error.detail()),
            hint: text(error.hint()),
        }
    }
}

/// The error that a statement ends with; that it ends well is the test's failure.
#[track_caller]
pub fn refusal(client: &mut Client, sql: &str) -> Refusal {
    match client.simple_query(sql) {
        Ok(rows) => panic!("was not refused: {sql}: {rows:?}"),
        Err(error) => Refusal::of(&error),
    }
}

/// The rows of a query, each as struct or JSON object, or its error.
pub fn try_records<T: DeserializeOwned>(
    client: &mut Client,
    sql: &str,
) -> Result<Vec<T>, postgres::Error> {
    let rows = client.query(&format!("SELECT to_jsonb(q) FROM ({sql}) q"), &[])?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let json: Json = row.get(0);
            let text = json.to_string();
            serde_json::from_value(json).unwrap_or_else(|e| panic!("{text}: {e}"))
        })
        .collect())
}

/// The rows of a query, each as struct or JSON object.
#[track_caller]
pub fn records<T: DeserializeOwned>(client: &mut Client, sql: &str) -> Vec<T> {
    try_records(client, sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"))
}

/// One tick in a REPEATABLE READ transaction of its own, which is committed, or rolled
/// back with the error that it met.
pub fn try_tick(client: &mut Client, at: &str) -> Result<Vec<Attempt>, postgres::Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
    let rows = try_records(client, &format!("SELECT * FROM autobuild_tick('{at}')"));
    let end = if rows.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end)?;
    rows
}

/// As [`try_tick`]; an error is the test's failure.
#[track_caller]
pub fn tick(client: &mut Client, at: &str) -> Vec<Attempt> {
    try_tick(client, at).unwrap_or_else(|e| panic!("a tick at {at}: {e:?}"))
}

/// The rows of `autobuild_preview`.
#[track_caller]
pub fn preview(client: &mut Client, at: &str) -> Vec<Attempt> {
    records(client, &format!("SELECT * FROM autobuild_preview('{at}')"))
}

/// The row of `autobuild_next_transition`.
#[track_caller]
pub fn next_transition(client: &mut Client, workspace: Uuid, at: &str) -> NextTransition {
    let sql = format!("SELECT * FROM autobuild_next_transition('{workspace}', '{at}')");
    let mut rows = records(client, &sql);
    assert_eq!(rows.len(), 1, "not one row: {sql}");
    rows.remove(0)
}

/// Each workspace has just so many builds, and each build is whole: with its job, which
/// names it, and with every parameter that its version defines.
#[track_caller]
pub fn whole_builds(product: &Product, of_each: &str) {
    let broken = product.rows(&format!(
        "SELECT w.id, count(b.id) FROM workspaces w
           LEFT JOIN workspace_builds b ON b.workspace_id = w.id
          GROUP BY w.id HAVING count(b.id) <> {of_each}"
    ));
    assert!(broken.is_empty(), "builds of each workspace: {broken:?}");
    let broken = product.rows(
        "SELECT j.id FROM provisioner_jobs j
           LEFT JOIN workspace_builds b ON b.job_id = j.id
          WHERE j.type = 'workspace_build'
            AND (b.id IS NULL OR j.input->>'workspace_build_id' <> b.id::text)",
    );
    assert!(broken.is_empty(), "jobs without their build: {broken:?}");
    let broken = product.rows(
        "SELECT b.id FROM workspace_builds b
           JOIN template_version_parameters d USING (template_version_id)
           LEFT JOIN workspace_build_parameters p
                  ON p.workspace_build_id = b.id AND p.name = d.name
          WHERE b.build_number > 1 AND p.value IS NULL",
    );
    assert!(broken.is_empty(), "builds without a parameter: {broken:?}");
}

impl Product {
    /// One tick by hand, as superuser: [`tick`].
    #[track_caller]
    pub fn tick(&self, at: &str) -> Vec<Attempt> {
        tick(&mut self.superuser(), at)
    }

    /// How many rows builds consist of: jobs, builds, parameters.
    #[track_caller]
    pub fn build_rows(&self) -> Vec<Option<String>> {
        let sql = "SELECT (SELECT count(*) FROM provisioner_jobs),
                          (SELECT count(*) FROM workspace_builds),
                          (SELECT count(*) FROM workspace_build_parameters)";
        texts(&mut self.session(), sql).remove(0)
    }
}

/// Refused with this SQLSTATE, a message that holds `seen`, and a hint.
#[track_caller]
pub fn refused(session: &mut Client, sql: &str, sqlstate: &str, seen: &str) -> Refusal {
    let refusal = refusal(session, sql);
    let shown: String = sql.chars().take(200).collect();
    assert_eq!(refusal.sqlstate, sqlstate, "{shown}: {refusal:?}");
    assert!(refusal.message.contains(seen), "{shown}: {refusal:?}");
    assert_ne!(refusal.hint, "", "{shown}: {refusal:?}");
    assert!(refusal.message.len() < 1000, "{shown}: a message is short");
    alive(session);
    refusal
}

/// The session can still be used.
#[track_caller]
pub fn alive(session: &mut Client) {
    assert_eq!(texts(session, "SELECT 1"), [[Some("1".to_owned())]]);
}

/// A query gives so many rows.
#[track_caller]
pub fn counted(session: &mut Client, sql: &str, count: &str) {
    let rows = texts(session, &format!("SELECT count(*) FROM ({sql}) q"));
    assert_eq!(rows, [[Some(count.to_owned())]], "{sql}");
}
