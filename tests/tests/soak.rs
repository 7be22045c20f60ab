//! Soak: thousands of ticks on thousands of workspaces that live. Memory, tables and the
//! time of a tick stay as they are.
//!
//! The short form is part of the tests; `make soak` is the long one (`SOAK_TICKS`,
//! `SOAK_WORKSPACES`). Ticks are made by `autobuild_wake()`, one after the other: a
//! second, the shortest interval, would make them last for hours.

use std::time::{Duration, Instant};
use std::{fmt, fs};

use postgres::Client;
use workspace_autobuild_tests::product::{Fields, MINUTE, Value, parameter, texts};
use workspace_autobuild_tests::server::hourly;
use workspace_autobuild_tests::{
    Product, Provisioner, Transition, Version, await_until, invariants,
};

/// From so many ticks on it is the long form.
const LONG: u64 = 5_000;
/// How often it is measured.
const POINTS: u64 = 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// What was measured at one time.
struct Point {
    ticks: u64,
    /// Kilobytes of memory of its own: the launcher's, the most that a worker was seen
    /// with since the last point, a session's that ticks by hand.
    launcher: u64,
    worker: u64,
    session: u64,
    /// Microseconds of a tick that had next to nothing to do, the median since the last
    /// point.
    tick: u128,
    /// Kilobytes of our tables: what is kept up to date, and history.
    state: u64,
    history: u64,
    history_rows: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ticks; kB: launcher {}, worker {}, session {}, state {}, history {} ({} rows); a tick {} us",
            self.ticks,
            self.launcher,
            self.worker,
            self.session,
            self.state,
            self.history,
            self.history_rows,
            self.tick
        )
    }
}

fn first(client: &mut Client, sql: &str) -> Option<String> {
    texts(client, sql).into_iter().flatten().next().flatten()
}

fn count(client: &mut Client, sql: &str) -> u64 {
    let number = first(client, sql).unwrap_or_else(|| panic!("no number: {sql}"));
    number
        .parse()
        .unwrap_or_else(|e| panic!("{sql}: {number}: {e}"))
}

/// Kilobytes of memory that are a process's own.
fn memory(pid: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn process(client: &mut Client, kind: &str) -> Option<String> {
    first(
        client,
        &format!(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild {kind}'"
        ),
    )
}

const DONE: &str = "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
    WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";

#[test]
fn memory_tables_and_the_time_of_a_tick_stay_as_they_are() {
    let (ticks, workspaces) = (number("SOAK_TICKS", 400), number("SOAK_WORKSPACES", 1000));
    let server = hourly()
        .set("shared_buffers", "128MB")
        .set("autovacuum_naptime", "5s")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create();
    // Each lives for a minute or two, every ten minutes.
    template
        .workspaces(u32::try_from(workspaces).expect("fewer"), Transition::Stop)
        .schedule(Value::sql("(i % 10) || '-59/10 * * * *'"))
        .set("ttl", MINUTE)
        .created_at(Value::sql("now()"))
        .create();
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_attach()");
    let mut session = product.superuser();
    let session_pid = first(&mut session, "SELECT pg_backend_pid()").expect("a pid");
    let mut provisioner = Provisioner::of(&product);
    let mut points: Vec<Point> = Vec::new();
    let mut times = Vec::new();
    let mut worker = 0;
    let (mut made, mut failures) = (count(&mut client, DONE), 0);
    let begun = Instant::now();
    let mut looked = Instant::now();
    for tick in 1..=ticks {
        let wanted = made + 1;
        let started = Instant::now();
        texts(&mut client, "SELECT autobuild_wake()");
        await_until("a tick", Duration::from_secs(60), || {
            if let Some(pid) = process(&mut client, "worker") {
                worker = worker.max(memory(&pid).unwrap_or(0));
            }
            made = count(&mut client, DONE);
            made >= wanted
        });
        times.push(started.elapsed().as_micros());
        if looked.elapsed() > Duration::from_secs(2) {
            looked = Instant::now();
            provisioner.work();
        }
        if tick % 10 == 0 {
            let by_hand = session.batch_execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick(); COMMIT",
            );
            if by_hand.is_err() {
                failures += 1;
                session.batch_execute("ROLLBACK").expect("a rollback");
            }
        }
        if tick % (ticks / POINTS).max(1) == 0 {
            times.sort_unstable();
            let launcher = process(&mut client, "launcher").and_then(|pid| memory(&pid));
            let size = |tables: &str| {
                format!(
                    "SELECT (sum(pg_total_relation_size(oid)) / 1024)::bigint FROM pg_class
                      WHERE relkind = 'r' AND relname IN ({tables})"
                )
            };
            let point = Point {
                ticks: tick,
                launcher: launcher.expect("there is a launcher"),
                worker,
                session: memory(&session_pid).expect("the session lives"),
                tick: times[times.len() / 2],
                state: count(
                    &mut client,
                    &size(
                        "'autobuild_marks', 'autobuild_agenda', 'autobuild_agenda_state', 'autobuild_attempts', 'autobuild_unfilled'",
                    ),
                ),
                history: count(
                    &mut client,
                    &size("'autobuild_ticks', 'autobuild_transitions'"),
                ),
                history_rows: count(&mut client, "SELECT count(*) FROM autobuild_transitions"),
            };
            println!("{:>5} s: {point}", begun.elapsed().as_secs());
            points.push(point);
            times.clear();
            worker = 0;
        }
    }
    let (early, last) = (&points[points.len() / 5], points.last().expect("points"));
    let flat = |what: &str, early: u64, last: u64, slack: u64| {
        assert!(
            last <= early + early / 4 + slack,
            "{what}: {early}, then {last}"
        );
    };
    flat("memory of the launcher", early.launcher, last.launcher, 500);
    flat("memory of a worker", early.worker, last.worker, 4000);
    // It keeps what its largest tick took, whenever that came: a tenth of all is due at once.
    let largest = workspaces / 10 * 4;
    flat(
        "memory of a session",
        early.session,
        last.session,
        4000 + largest,
    );
    flat(
        "tables",
        early.state,
        last.state,
        100 * workspaces / 64 + 1000,
    );
    let half = points.len() / 2;
    let median = |points: &[Point]| {
        let mut times: Vec<u128> = points.iter().map(|point| point.tick).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (before, after) = (median(&points[..half]), median(&points[half..]));
    // A clock is judged only in the long form, which nobody else's load should disturb.
    println!("a tick took {before} us, then {after} us");
    assert!(
        ticks < LONG || after < before * 2,
        "a tick took {before} us, then {after} us"
    );
    println!("{made} ticks by the worker, {failures} by hand met another executor");
    assert_eq!(
        first(&mut client, "SELECT last_error FROM autobuild_status"),
        None
    );
    provisioner.work();
    invariants::check_quiet(&product);
}
