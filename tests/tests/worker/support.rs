//! What the worker's tests share: a server with a tick each second, and looks at it.

use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::{Template, Value, texts};
pub use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, Server, StopMode, Transition, await_some, await_until};

/// Long enough for a busy machine; nothing waits so long when all is well.
pub const SOON: Duration = Duration::from_secs(20);
/// Within this a server has to be down, whatever it is doing.
pub const AT_ONCE: Duration = Duration::from_secs(2);

/// The first column of the only row, as text.
#[track_caller]
pub fn value(client: &mut Client, sql: &str) -> Option<String> {
    let mut rows = texts(client, sql);
    assert_eq!(rows.len(), 1, "not one row: {sql}");
    rows.remove(0).remove(0)
}

/// A column of `autobuild_status`.
#[track_caller]
pub fn status(client: &mut Client, column: &str) -> Option<String> {
    value(client, &format!("SELECT {column} FROM autobuild_status"))
}

/// Waits until a column of `autobuild_status` has this value.
#[track_caller]
pub fn await_status(client: &mut Client, column: &str, wanted: &str) {
    await_until(&format!("{column} is {wanted}"), SOON, || {
        status(client, column).as_deref() == Some(wanted)
    });
}

/// Ticks that ended so (`done`, `waiting`, `failed`, `died`) since the server started.
#[track_caller]
pub fn ticks(client: &mut Client, result: &str) -> u64 {
    let sql = format!(
        "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
         WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = '{result}'"
    );
    value(client, &sql)
        .and_then(|count| count.parse().ok())
        .expect("a count")
}

/// Waits until one more tick ended so.
#[track_caller]
pub fn await_tick(client: &mut Client, result: &str) {
    let before = ticks(client, result);
    await_until(&format!("a tick ends with {result}"), SOON, || {
        ticks(client, result) > before
    });
}

/// Waits until a tick worker of this database waits for a lock, and returns its pid.
#[track_caller]
pub fn await_blocked_worker(client: &mut Client, wait_event_type: &str) -> i32 {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
         AND backend_type = 'workspace-autobuild worker' AND wait_event_type = '{wait_event_type}'"
    );
    await_some("a worker waits", SOON, || {
        texts(client, &sql)
            .into_iter()
            .flatten()
            .flatten()
            .next()
            .and_then(|pid| pid.parse().ok())
    })
}

/// Stops the server; it has to be down at once.
#[track_caller]
pub fn stop_at_once(server: &mut Server) {
    let begun = Instant::now();
    server.stop(StopMode::Fast);
    let taken = begun.elapsed();
    assert!(taken < AT_ONCE, "the stop took {taken:?}");
}

/// So many workspaces whose deadline has passed.
pub fn overdue<'p>(product: &'p Product, count: u32) -> Template<'p> {
    let template = product.template("docker").create();
    template
        .workspaces(count, Transition::Start)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create();
    template
}

/// Lines of the server's log with this text.
pub fn log_lines(server: &Server, text: &str) -> usize {
    server
        .log()
        .lines()
        .filter(|line| line.contains(text))
        .count()
}
