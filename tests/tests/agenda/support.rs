//! What the agenda's tests share: a product with the extension attached, ticks by hand,
//! and looks at marks and entries.

use postgres::Client;
use workspace_autobuild_tests::Product;
pub use workspace_autobuild_tests::autobuild::install;
use workspace_autobuild_tests::autobuild::{self, Attempt};
use workspace_autobuild_tests::product::texts;
pub use workspace_autobuild_tests::product::{execute, value};

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
