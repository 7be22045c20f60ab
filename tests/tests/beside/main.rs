//! Beside what else is found on a server: other preloaded libraries, pg_cron in the place of a
//! worker, pg_repack, PgBouncer, the exporters of two releases. `make test-beside` runs this; it
//! needs them. docs/BESIDE.md says what was found.

mod cron;
mod exporters;
mod pooler;
mod preloaded;
mod repack;

use std::path::PathBuf;

use postgres::Client;
use workspace_autobuild_tests::product::value;
use workspace_autobuild_tests::{SOON, await_until};

/// What `make test-beside` has unpacked.
fn unpacked(program: &str) -> PathBuf {
    std::env::var_os("AUTOBUILD_BESIDE")
        .map(PathBuf::from)
        .expect("AUTOBUILD_BESIDE: run this by `make test-beside`, which unpacks the others")
        .join(program)
}

/// Waits until a query's only value is this one.
#[track_caller]
fn await_value(client: &mut Client, sql: &str, wanted: &str) {
    await_until(&format!("{wanted} by {sql}"), SOON, || {
        value(client, sql).as_deref() == Some(wanted)
    });
}

/// How many builds of one transition there are.
const STOPS: &str = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
