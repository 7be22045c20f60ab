//! Ticks by hand, as an operator runs them: a superuser's session in the product's
//! database, with the settings of that session.
//!
//! [`Operator::outcome`] asks what a tick would do to one workspace and undoes it, and
//! on the way holds the previews to what the tick did: they must say the same.

use std::cell::{RefCell, RefMut};
use std::fmt;

use postgres::{Client, Error};
use uuid::Uuid;

use crate::product::{Product, Version, Workspace, quote_literal, texts};
use crate::server::Server;

/// What [`Operator::outcome`] says of a workspace that a tick has no row for.
pub const NOTHING: &str = "nothing";

/// A session that runs ticks.
pub struct Operator<'p> {
    product: &'p Product,
    session: RefCell<Client>,
}

/// A row of `autobuild_tick` or `autobuild_preview`; times as text in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TickRow {
    /// `workspace_id`.
    pub workspace: Uuid,
    /// `transition`.
    pub transition: String,
    /// `reason`.
    pub reason: String,
    /// `due_at`, with microseconds.
    pub due_at: String,
    /// `outcome`.
    pub outcome: String,
    /// `code`.
    pub code: Option<String>,
    /// `build_id`.
    pub build_id: Option<Uuid>,
    /// `job_id`.
    pub job_id: Option<Uuid>,
    /// `build_number`.
    pub build_number: Option<i32>,
    /// `sqlstate`.
    pub sqlstate: Option<String>,
    /// `message`.
    pub message: Option<String>,
}

/// The row of `autobuild_next_transition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// `transition`.
    pub transition: Option<String>,
    /// `reason`.
    pub reason: Option<String>,
    /// `next_transition_at` in UTC, with microseconds.
    pub at: Option<String>,
    /// `due`.
    pub due: bool,
    /// `skip_reason`.
    pub skip: Option<String>,
    /// `detail`.
    pub detail: Option<String>,
}

impl fmt::Display for TickRow {
    /// Transition, reason and outcome, and the code or SQLSTATE if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.transition, self.reason, self.outcome)?;
        match self.code.as_ref().or(self.sqlstate.as_ref()) {
            Some(code) => write!(f, " {code}"),
            None => Ok(()),
        }
    }
}

impl TickRow {
    /// The row without what only a tick can know: the ids.
    fn foreseen(&self) -> TickRow {
        TickRow {
            build_id: None,
            job_id: None,
            ..self.clone()
        }
    }

    fn of(row: Vec<Option<String>>) -> TickRow {
        let mut columns = row.into_iter();
        let mut next = || columns.next().flatten();
        let id = |text: Option<String>| text.map(|id| id.parse().expect("a uuid"));
        TickRow {
            workspace: id(next()).expect("a workspace"),
            transition: next().expect("a transition"),
            reason: next().expect("a reason"),
            due_at: next().expect("a time"),
            outcome: next().expect("an outcome"),
            code: next(),
            build_id: id(next()),
            job_id: id(next()),
            build_number: next().map(|number| number.parse().expect("a number")),
            sqlstate: next(),
            message: next(),
        }
    }
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
        self.set("rules", "autostop, autostart, failed, dormancy, delete");
    }

    /// Executes statements in this session.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.session()
            .batch_execute(sql)
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// The rows of a query as texts.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        texts(&mut self.session(), sql)
    }

    /// Ticks, commits, and returns the rows.
    #[track_caller]
    pub fn tick(&self, at: &str) -> Vec<TickRow> {
        self.try_tick(at)
            .unwrap_or_else(|e| panic!("a tick at {at}: {e:?}"))
    }

    /// As [`Operator::tick`]; an error rolls it back.
    pub fn try_tick(&self, at: &str) -> Result<Vec<TickRow>, Error> {
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let rows = self.rows_of("autobuild_tick", at);
        self.session()
            .batch_execute(if rows.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        rows
    }

    /// The rows of `autobuild_preview`.
    #[track_caller]
    pub fn preview(&self, at: &str) -> Vec<TickRow> {
        self.rows_of("autobuild_preview", at)
            .unwrap_or_else(|e| panic!("a preview at {at}: {e:?}"))
    }

    /// The rows of a tick that is undone; the preview must have said the same.
    #[track_caller]
    pub fn dry_tick(&self, at: &str) -> Vec<TickRow> {
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let preview = self.preview(at);
        let rows = self
            .rows_of("autobuild_tick", at)
            .unwrap_or_else(|e| panic!("a tick at {at}: {e:?}"));
        self.execute("ROLLBACK");
        let foreseen: Vec<TickRow> = rows.iter().map(TickRow::foreseen).collect();
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
        let row = rows.into_iter().find(|row| row.workspace == workspace.id);
        let next = self.next(workspace, at);
        let version = self.product.version();
        let outcome = match row {
            None => NOTHING.to_owned(),
            Some(row) => {
                let said = (next.transition, next.reason, next.at);
                let done = (
                    Some(row.transition.clone()),
                    Some(row.reason.clone()),
                    Some(row.due_at.clone()),
                );
                assert_eq!(said, done, "{version}: next_transition and tick differ");
                assert_eq!(next.skip, row.code, "{version}: the codes differ");
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

    /// What happens next to a workspace.
    #[track_caller]
    pub fn next(&self, workspace: &Workspace<'_>, at: &str) -> Next {
        let rows = self.rows(&format!(
            "SELECT transition, reason,
                    to_char(next_transition_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                    due, skip_reason, detail
               FROM autobuild_next_transition('{}', {})",
            workspace.id,
            quote_literal(at)
        ));
        let mut columns = rows.into_iter().next().expect("one row").into_iter();
        let mut next = || columns.next().flatten();
        Next {
            transition: next(),
            reason: next(),
            at: next(),
            due: next().as_deref() == Some("t"),
            skip: next(),
            detail: next(),
        }
    }

    /// The skip code of a workspace that nothing is due for.
    #[track_caller]
    pub fn skip(&self, workspace: &Workspace<'_>, at: &str) -> String {
        self.next(workspace, at).skip.unwrap_or_default()
    }

    fn rows_of(&self, function: &str, at: &str) -> Result<Vec<TickRow>, Error> {
        let rows = self.session().simple_query(&format!(
            "SELECT workspace_id, transition, reason,
                    to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), outcome,
                    code, build_id, job_id, build_number, sqlstate, message
               FROM {function}({})",
            quote_literal(at)
        ))?;
        Ok(rows
            .into_iter()
            .filter_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => Some(TickRow::of(
                    (0..row.len())
                        .map(|i| row.get(i).map(str::to_owned))
                        .collect(),
                )),
                _ => None,
            })
            .collect())
    }
}

/// Runs a test on a database of each version, on the binary's shared server.
#[track_caller]
pub fn on_each_version(test: impl Fn(&Product, &Operator<'_>)) {
    on_versions(&Version::ALL, test);
}

/// As [`on_each_version`], on these versions.
#[track_caller]
pub fn on_versions(versions: &[Version], test: impl Fn(&Product, &Operator<'_>)) {
    for &version in versions {
        let product = Product::with_extension(Server::shared(), version);
        test(&product, &product.operator());
    }
}

/// The versions from one on.
pub fn since(first: Version) -> Vec<Version> {
    Version::ALL.into_iter().filter(|v| *v >= first).collect()
}
