//! The extension's SQL functions as a test calls them: rows as structs, errors as what
//! a user sees of them.
//!
//! Ticks by hand are an [`Operator`]'s, with the settings of its session, or those of any
//! other [`Client`]: [`tick`].

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::sync::mpsc::{Receiver, channel};

use postgres::{Client, Config, Error, NoTls};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::product::{Product, Template, Value, Workspace, execute, quote_literal, texts};
use crate::server::SUPERUSER;
use crate::{Server, Transition, Version};

/// The schemas on which every rule is looked at; what is cheap is looked at on all ten.
pub const VERSIONS: [Version; 5] = [
    Version::V2023_06,
    Version::V2_0_0,
    Version::V2_10_0,
    Version::V2_34_3,
    Version::V2026_06,
];
/// A schedule.
pub const NINE: &str = "CRON_TZ=UTC 0 9 * * *";
/// When workspaces were stopped or started in many tests.
pub const YESTERDAY: &str = "2024-03-04 18:00:00+00";
/// An hour before [`TODAY_AT_NINE`].
pub const TODAY_AT_EIGHT: &str = "2024-03-05 08:00:00+00";
/// The first run of [`NINE`] after [`YESTERDAY`].
pub const TODAY_AT_NINE: &str = "2024-03-05 09:00:00+00";
/// Another schedule.
pub const HOURLY: &str = "CRON_TZ=UTC 0 * * * *";
/// When workspaces were stopped in many other tests.
pub const STOPPED: &str = "2024-02-01 10:00:30+00";
/// The first run of [`HOURLY`] after [`STOPPED`].
pub const RUN: &str = "2024-02-01 11:00:00+00";

/// What [`Operator::outcome`] says of a workspace that a tick has no row for.
pub const NOTHING: &str = "nothing";
/// What it says of a start by schedule.
pub const START: &str = "start autostart built";
/// What it says of a stop at a deadline.
pub const STOP: &str = "stop autostop built";

/// The product with the extension, on the server that a program's tests share.
#[track_caller]
pub fn install(version: Version) -> Product {
    Product::with_extension(Server::shared(), version)
}

/// Runs a test on a database of each version, on the program's shared server.
#[track_caller]
pub fn on_each_version(test: impl Fn(&Product, &Operator<'_>)) {
    on_versions(&Version::ALL, test);
}

/// As [`on_each_version`], on these versions.
#[track_caller]
pub fn on_versions(versions: &[Version], test: impl Fn(&Product, &Operator<'_>)) {
    for &version in versions {
        let product = install(version);
        test(&product, &product.operator());
    }
}

/// The versions from one on.
pub fn since(first: Version) -> Vec<Version> {
    Version::ALL.into_iter().filter(|v| *v >= first).collect()
}

/// So many workspaces that are due to start [`TODAY_AT_NINE`].
pub fn due(template: &Template<'_>, count: u32) -> Vec<Uuid> {
    template
        .workspaces(count, Transition::Stop)
        .schedule(NINE)
        .created_at(YESTERDAY)
        .create()
}

/// A workspace that is due to start at [`RUN`], whose latest build has `us` for `region`.
pub fn due_with_region<'p>(template: &Template<'p>) -> Workspace<'p> {
    let workspace = template.workspace("dev").schedule(HOURLY).create();
    workspace
        .build(Transition::Stop)
        .created_at(STOPPED)
        .parameter("region", "us")
        .create();
    workspace
}

/// So many workspaces for which nothing is due within a day, and whose `next_start_at` is
/// to be filled in.
pub fn to_fill_in(product: &Product, count: u32) -> Vec<Uuid> {
    let day = product
        .value("SELECT extract(dow FROM now() + interval '3 days')::int")
        .expect("a weekday");
    let template = product.template("docker").create();
    template
        .workspaces(count, Transition::Stop)
        .schedule(format!("0 9 * * {day}"))
        .created_at(Value::sql("now()"))
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
    /// Its number, also that which it would have had.
    pub build_number: Option<i32>,
    /// SQLSTATE of a failed one.
    pub sqlstate: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

impl fmt::Display for Attempt {
    /// Transition, reason and outcome, and the code or SQLSTATE if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.transition, self.reason, self.outcome)?;
        match self.code.as_ref().or(self.sqlstate.as_ref()) {
            Some(code) => write!(f, " {code}"),
            None => Ok(()),
        }
    }
}

impl Attempt {
    /// The row without what only a tick can know: the ids.
    pub fn foreseen(&self) -> Attempt {
        Attempt {
            build_id: None,
            job_id: None,
            ..self.clone()
        }
    }
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
    pub fn of(error: &Error) -> Refusal {
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
pub fn try_records<T: DeserializeOwned>(client: &mut Client, sql: &str) -> Result<Vec<T>, Error> {
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
pub fn try_tick(client: &mut Client, at: &str) -> Result<Vec<Attempt>, Error> {
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

/// A session of a superuser in which each statement is planned anew, and what tells of each plan
/// while `debug_print_plan` is on. The product's foreign keys, which look up a row each by
/// statements of the server's, are not looked at.
pub fn planning(product: &Product) -> (Client, Receiver<()>) {
    let (told, plans) = channel();
    let address = product.address();
    let mut session = Config::new()
        .host_path(&address.socket_dir)
        .port(address.port)
        .user(SUPERUSER)
        .dbname(product.database())
        .notice_callback(move |notice| {
            if notice.message() == "plan:" {
                // The test has ended when nobody counts any more.
                let _ = told.send(());
            }
        })
        .connect(NoTls)
        .expect("a session");
    execute(
        &mut session,
        "SET session_replication_role = replica;
         SET plan_cache_mode = force_custom_plan;
         SET client_min_messages = log",
    );
    (session, plans)
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

/// A session that runs ticks.
pub struct Operator<'p> {
    product: &'p Product,
    session: RefCell<Client>,
}

impl Product {
    /// As [`Product::install`], with the extension.
    #[track_caller]
    pub fn with_extension(server: &Server, version: Version) -> Product {
        let product = Product::install(server, version);
        product.create_extension();
        product
    }

    /// A session that runs ticks.
    #[track_caller]
    pub fn operator(&self) -> Operator<'_> {
        Operator {
            product: self,
            session: RefCell::new(self.superuser()),
        }
    }

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

impl Operator<'_> {
    /// The session itself.
    pub fn session(&self) -> RefMut<'_, Client> {
        self.session.borrow_mut()
    }

    /// Changes a setting of the extension's for this session.
    #[track_caller]
    pub fn set(&self, setting: &str, value: &str) {
        self.execute(&format!(
            "SET workspace_autobuild.{setting} = {}",
            quote_literal(value)
        ));
    }

    /// Puts the extension's settings back to their defaults.
    #[track_caller]
    pub fn reset(&self) {
        self.execute("RESET ALL");
    }

    /// Lets every rule act, deletion too.
    #[track_caller]
    pub fn all_rules(&self) {
        self.set(
            "rules",
            "autostop, autostart, failed, dormancy, delete, remind",
        );
    }

    /// Executes statements in this session.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        execute(&mut self.session(), sql);
    }

    /// The rows of a query as texts.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        texts(&mut self.session(), sql)
    }

    /// As [`tick`], in this session.
    #[track_caller]
    pub fn tick(&self, at: &str) -> Vec<Attempt> {
        tick(&mut self.session(), at)
    }

    /// As [`try_tick`], in this session.
    pub fn try_tick(&self, at: &str) -> Result<Vec<Attempt>, Error> {
        try_tick(&mut self.session(), at)
    }

    /// As [`preview`], in this session.
    #[track_caller]
    pub fn preview(&self, at: &str) -> Vec<Attempt> {
        preview(&mut self.session(), at)
    }

    /// The rows of a tick that is undone; the preview must have said the same.
    #[track_caller]
    pub fn dry_tick(&self, at: &str) -> Vec<Attempt> {
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let preview = self.preview(at);
        let sql = format!("SELECT * FROM autobuild_tick('{at}')");
        let rows: Vec<Attempt> = records(&mut self.session(), &sql);
        self.execute("ROLLBACK");
        let foreseen: Vec<Attempt> = rows.iter().map(Attempt::foreseen).collect();
        assert_eq!(
            preview,
            foreseen,
            "{}: preview and tick at {at} differ",
            self.product.version()
        );
        rows
    }

    /// What a tick would do to a workspace: its row, or [`NOTHING`]. The tick is undone;
    /// `autobuild_preview` and `autobuild_next_transition` must have said the same.
    #[track_caller]
    pub fn outcome(&self, workspace: &Workspace<'_>, at: &str) -> String {
        let rows = self.dry_tick(at);
        let row = rows
            .into_iter()
            .find(|row| row.workspace_id == workspace.id);
        let next = self.next(workspace, at);
        let version = self.product.version();
        let outcome = match row {
            None => NOTHING.to_owned(),
            Some(row) => {
                let said = (next.transition, next.reason, next.next_transition_at);
                let done = (
                    Some(row.transition.clone()),
                    Some(row.reason.clone()),
                    Some(row.due_at.clone()),
                );
                assert_eq!(said, done, "{version}: next_transition and tick differ");
                assert_eq!(next.skip_reason, row.code, "{version}: the codes differ");
                row.to_string()
            }
        };
        assert_eq!(
            next.due,
            outcome != NOTHING,
            "{version}: next_transition says due = {} at {at}, the tick: {outcome}",
            next.due
        );
        outcome
    }

    /// As [`next_transition`], in this session.
    #[track_caller]
    pub fn next(&self, workspace: &Workspace<'_>, at: &str) -> NextTransition {
        next_transition(&mut self.session(), workspace.id, at)
    }

    /// The skip code of a workspace that nothing is due for.
    #[track_caller]
    pub fn skip(&self, workspace: &Workspace<'_>, at: &str) -> String {
        self.next(workspace, at).skip_reason.unwrap_or_default()
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
