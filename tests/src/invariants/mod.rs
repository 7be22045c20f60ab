//! What must hold of the product's rows, of the history and of the server, whatever was
//! done to it: builds are whole, no workspace moved twice for one reason, the history
//! agrees with the builds, the agenda with a scan, nobody else's rows changed, and
//! nothing is left behind.
//!
//! Tests that break servers call [`check`] afterwards; `--bin invariants` does by hand,
//! on any database. An automatic build is one whose reason is not `initiator`; a test
//! that makes such builds itself, as the product's own executor would, asks only for
//! [`of_builds`].

mod builds;
mod left;
mod others;

use std::time::Duration;

use postgres::Client;

use crate::await_until::await_some;
use crate::product::{Product, quote_literal, texts};

pub use others::Others;

/// A tick that is under way ends within this time.
const QUIET: Duration = Duration::from_secs(60);

/// Panics with everything that does not hold of the database.
#[track_caller]
pub fn check(product: &Product) {
    let broken = of_database(&mut product.superuser());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// As [`check`], once no tick is under way; and nothing may be left behind then.
#[track_caller]
pub fn check_quiet(product: &Product) {
    let mut client = product.superuser();
    // A worker may begin a tick at any time: asked again, until a moment without one.
    let broken = await_some("a moment without a tick", QUIET, || {
        left::is_quiet(&mut client).then(|| of_server(&mut client))?
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    check(product);
}

/// What does not hold of the server, unless a tick began meanwhile.
fn of_server(client: &mut Client) -> Option<Vec<String>> {
    let mut broken = left::behind(client);
    if broken.is_empty() {
        return Some(broken);
    }
    if !left::is_quiet(client) {
        return None;
    }
    // A tick may have begun and ended meanwhile: what it held is gone at a second look.
    let still = left::behind(client);
    broken.retain(|line| still.contains(line));
    Some(broken)
}

/// All that does not hold of the database that a superuser's session is in, a line each.
/// What a tick under way has left is not looked at.
pub fn of_database(client: &mut Client) -> Vec<String> {
    let mut broken = builds::builds(client);
    broken.extend(builds::history(client));
    broken.extend(left::agenda(client));
    broken
}

/// All that [`of_database`] finds, and what was left behind.
pub fn of_quiet_database(client: &mut Client) -> Vec<String> {
    let mut broken = of_database(client);
    broken.extend(left::behind(client));
    broken
}

/// What does not hold of the builds, a line each.
pub fn of_builds(product: &Product) -> Vec<String> {
    builds::builds(&mut product.session())
}

/// What does not hold of the extension's history, a line each; nothing without it.
pub fn of_history(product: &Product) -> Vec<String> {
    // The history is not the product's to read.
    builds::history(&mut product.superuser())
}

/// What is due at a time and could be built, and was not: a line each.
pub fn of_due(product: &Product, at: &str) -> Vec<String> {
    let sql = format!(
        "SELECT workspace_id, transition, reason, due_at FROM autobuild_preview({})
          WHERE outcome = 'built'",
        quote_literal(at)
    );
    broken(&mut product.superuser(), "what is due is built", &sql)
}

/// Has the product this column, in the schema that the session looks in?
fn has_column(client: &mut Client, table: &str, column: &str) -> bool {
    let sql = format!(
        "SELECT FROM pg_attribute WHERE attrelid = to_regclass({}) AND attname = {}
            AND NOT attisdropped",
        quote_literal(table),
        quote_literal(column)
    );
    !texts(client, &sql).is_empty()
}

/// The rows of a query that looks for what breaks a rule, a line each.
fn broken(client: &mut Client, rule: &str, sql: &str) -> Vec<String> {
    texts(client, sql)
        .into_iter()
        .map(|row| {
            let row: Vec<String> = row
                .into_iter()
                .map(|value| value.unwrap_or_else(|| "NULL".to_owned()))
                .collect();
            format!("not so: {rule}: {}", row.join(", "))
        })
        .collect()
}
