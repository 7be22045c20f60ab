//! What the worker's tests share: a server with a tick each second, and looks at it.

use std::time::{Duration, Instant};

use postgres::Client;
pub use workspace_autobuild_tests::SOON;
pub use workspace_autobuild_tests::product::value;
use workspace_autobuild_tests::product::{Template, Value, Workspace, texts};
pub use workspace_autobuild_tests::server::{Options, hourly, ticking};
use workspace_autobuild_tests::{
    Product, Server, StopMode, Transition, Version, await_some, await_until,
};

/// Within this a server has to be down, whatever it is doing.
pub const AT_ONCE: Duration = Duration::from_secs(2);

/// A column of `autobuild_status`.
#[track_caller]
pub fn status(client: &mut Client, column: &str) -> Option<String> {
    value(client, &format!("SELECT {column} FROM autobuild_status"))
}

/// A column of `autobuild_status` has this value.
#[track_caller]
pub fn assert_status(client: &mut Client, column: &str, expected: &str) {
    assert_eq!(
        status(client, column).as_deref(),
        Some(expected),
        "{column}"
    );
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

/// Wakes the worker, which is there.
#[track_caller]
pub fn wake(client: &mut Client) {
    let woken = value(client, "SELECT autobuild_wake()");
    assert_eq!(woken.as_deref(), Some("t"), "no worker to be woken");
}

/// Creates the extension, and wakes its worker as soon as there is one.
#[track_caller]
pub fn create_and_wake(product: &Product) -> Client {
    product.create_extension();
    let mut client = product.superuser();
    await_until("a wake", SOON, || {
        value(&mut client, "SELECT autobuild_wake()").as_deref() == Some("t")
    });
    client
}

/// The product's session locks a table that ticks read, after one of them: the next one
/// waits, and this is its worker's pid. What comes after a tick in the same process reads the
/// table too: a worker that is met there is let go, and the next one waited for.
#[track_caller]
pub fn block_ticks(product: &Product, client: &mut Client) -> i32 {
    await_tick(client, "done");
    await_some("a tick waits", SOON, || {
        product.execute("BEGIN; LOCK TABLE workspaces");
        let pid = await_blocked_worker(client, "Lock");
        let ticks = format!(
            "SELECT query IN ('beginning a tick', 'reading what is due')
             FROM pg_stat_activity WHERE pid = {pid}"
        );
        let ticks = value(client, &ticks).as_deref() == Some("t");
        if !ticks {
            product.execute("COMMIT");
        }
        ticks.then_some(pid)
    })
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

/// Options for a server with a tick each second that waits for a lock as long as it takes.
pub fn patient() -> Options {
    ticking().set("workspace_autobuild.lock_timeout", "0")
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

/// A stopped workspace whose start is overdue.
pub fn to_start<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .schedule("0 * * * *")
        .create_stopped(Value::sql("now() - interval '3 hours'"))
}

/// A product's database in which the worker waits for a lock, as long as the product's
/// session keeps it.
pub fn hog(server: &Server) -> Product {
    let hog = Product::install(server, Version::NEWEST);
    hog.execute("BEGIN; LOCK TABLE workspaces");
    hog.superuser()
        .batch_execute(&format!(
            "ALTER DATABASE {} SET workspace_autobuild.lock_timeout = 0",
            hog.database()
        ))
        .expect("it can be set");
    hog.create_extension();
    await_blocked_worker(&mut hog.superuser(), "Lock");
    hog
}

/// Lines of the server's log with this text.
pub fn log_lines(server: &Server, text: &str) -> usize {
    server
        .log()
        .lines()
        .filter(|line| line.contains(text))
        .count()
}
