//! What the agenda's tests share: a product with the extension attached, ticks by hand,
//! and looks at marks and entries.

use std::time::{Duration, Instant};

use postgres::Client;
pub use workspace_autobuild_tests::autobuild::install;
use workspace_autobuild_tests::autobuild::{self, Attempt};
use workspace_autobuild_tests::product::texts;
pub use workspace_autobuild_tests::product::{execute, value};
use workspace_autobuild_tests::{Product, Version};

/// A row of texts.
pub type Texts = Vec<Option<String>>;

/// The SQLSTATE with which statements fail.
#[track_caller]
pub fn sqlstate(client: &mut Client, sql: &str) -> String {
    match client.batch_execute(sql) {
        Ok(()) => panic!("no error: {sql}"),
        Err(error) => error
            .code()
            .map_or_else(|| panic!("{sql}: {error:?}"), |code| code.code().to_owned()),
    }
}

/// One tick by hand, now.
#[track_caller]
pub fn tick(client: &mut Client) -> Vec<Attempt> {
    autobuild::tick(client, "now")
}

/// Statements that set one of our settings for the session, whose ticks are by hand, and for
/// the database, since the status is of the worker's settings. A rollback undoes both.
pub fn set(setting: &str) -> String {
    format!(
        "SET workspace_autobuild.{setting};
         DO $do$ BEGIN
             EXECUTE format($f$ALTER DATABASE %I SET workspace_autobuild.{setting}$f$,
                            current_database());
         END $do$"
    )
}

/// `scan` or `agenda`.
#[track_caller]
pub fn mode(client: &mut Client) -> String {
    value(client, "SELECT mode FROM autobuild_status").expect("a mode")
}

/// A column of `autobuild_agenda_progress`; `None` also before there is a row.
#[track_caller]
pub fn progress(client: &mut Client, column: &str) -> Option<String> {
    let sql = format!("SELECT {column} FROM autobuild_agenda_progress");
    texts(client, &sql).into_iter().flatten().next().flatten()
}

/// Ticks until the agenda is built.
#[track_caller]
pub fn build(client: &mut Client) {
    for _ in 0..20 {
        tick(client);
        if mode(client) == "agenda" {
            return;
        }
    }
    panic!("the agenda is not built: {:?}", progress(client, "passed"));
}

/// Attaches, and ticks until the agenda is built.
#[track_caller]
pub fn attach(client: &mut Client) {
    execute(client, "SELECT autobuild_attach()");
    build(client);
}

/// The marks that a change leaves, as `kind` and the named id.
#[track_caller]
pub fn marks_of(product: &Product, change: impl FnOnce()) -> Vec<(String, Option<String>)> {
    let mut client = product.superuser();
    execute(&mut client, "DELETE FROM autobuild_marks");
    change();
    texts(
        &mut client,
        "SELECT kind, id FROM autobuild_marks ORDER BY ctid",
    )
    .into_iter()
    .map(|row| {
        let [kind, id] = row.as_slice() else {
            panic!("two columns, not {row:?}");
        };
        (kind.clone().expect("a kind"), id.clone())
    })
    .collect()
}

/// The rows that a query gives when the agenda is not looked at: with the role named that
/// is the default anyway, the agenda is one of other settings.
#[track_caller]
pub fn by_scan(client: &mut Client, sql: &str) -> Vec<Texts> {
    execute(client, "BEGIN");
    execute(client, &set("role = 'product'"));
    assert_eq!(mode(client), "scan");
    let rows = texts(client, sql);
    execute(client, "ROLLBACK");
    rows
}

/// A tick by hand at a time: its rows, and what it left in `next_start_at`.
#[track_caller]
fn outcome_of_tick(root: &mut Client, version: Version, at: &str) -> Vec<Texts> {
    let mut seen = texts(
        root,
        &format!(
            "SELECT workspace_id, transition, reason, due_at, outcome, code, message
               FROM autobuild_tick('{at}')"
        ),
    );
    if version >= Version::V2_20_0 {
        let starts = "SELECT id, next_start_at FROM workspaces ORDER BY id";
        seen.extend(texts(root, starts));
    }
    seen
}

/// A tick with the agenda does what a scan would.
#[track_caller]
pub fn tick_as_a_scan_would(root: &mut Client, version: Version) {
    let at = value(root, "SELECT now()").expect("a time");
    as_a_scan_would(root, version, &at);
}

/// So does one for a time to come, which moves no entry.
#[track_caller]
pub fn later_tick_as_a_scan_would(root: &mut Client, version: Version, later: &str) {
    let at = value(root, &format!("SELECT now() + interval '{later}'")).expect("a time");
    let set_then = entries(root);
    as_a_scan_would(root, version, &at);
    assert_eq!(entries(root), set_then);
}

#[track_caller]
fn as_a_scan_would(root: &mut Client, version: Version, at: &str) {
    execute(root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    execute(root, &set("role = 'product'"));
    assert_eq!(mode(root), "scan");
    let wanted = outcome_of_tick(root, version, at);
    execute(root, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(mode(root), "agenda");
    let done = outcome_of_tick(root, version, at);
    execute(root, "COMMIT");
    assert_eq!(done, wanted, "at {at}");
}

/// An audit finds nothing to mend.
#[track_caller]
pub fn no_drift(root: &mut Client) {
    let last = progress(root, "audited_at");
    execute(root, "SET workspace_autobuild.audit_interval = '1s'");
    let begun = Instant::now();
    while progress(root, "audited_at") == last {
        assert!(begun.elapsed() < Duration::from_secs(30), "no audit");
        tick(root);
    }
    execute(root, "RESET workspace_autobuild.audit_interval");
    let report = "SELECT drift, repaired, ready FROM autobuild_agenda_progress";
    let report: Vec<String> = texts(root, report)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert_eq!(report, ["0", "0", "t"]);
}

/// The entries, in the order of ids.
#[track_caller]
pub fn entries(client: &mut Client) -> Vec<Texts> {
    let sql = "SELECT workspace_id, due_at FROM autobuild_agenda ORDER BY workspace_id";
    texts(client, sql)
}

/// The marks, in the order of their names.
#[track_caller]
pub fn marks(client: &mut Client) -> Vec<Texts> {
    texts(
        client,
        "SELECT kind, id FROM autobuild_marks ORDER BY kind, id",
    )
}

/// The entries are those that a look at each workspace comes to; nothing is due now.
#[track_caller]
pub fn entries_are_true(client: &mut Client) {
    let found = entries(client);
    let all = "INSERT INTO autobuild_marks (kind, id) SELECT 'w', id FROM workspaces";
    execute(client, all);
    assert_eq!(tick(client), []);
    assert_eq!(entries(client), found);
}
