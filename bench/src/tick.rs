//! Ticks: with nothing due, with few due among many, and storms; beside the floor and
//! the original's shape.

use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::Config;
use crate::data::{IDLE, statement, tick_of};
use crate::floor;
use crate::latency;
use crate::measure::{Samples, timed};
use crate::original::{self, Distance};
use crate::preview;
use crate::report::Report;
use crate::server::Bench;

/// A tick by hand at a time given as SQL; how long it took, up to the commit, and how
/// many builds it made.
pub(crate) fn tick(client: &mut Client, at: &str) -> (Duration, u32) {
    let (took, result) = timed(|| -> Result<i64, postgres::Error> {
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
        let row = client.query_one(
            &format!("SELECT count(*) FROM autobuild_tick({at}) WHERE outcome = 'built'"),
            &[],
        )?;
        client.batch_execute("COMMIT")?;
        Ok(row.get(0))
    });
    let built = result.unwrap_or_else(|e| panic!("a tick at {at}: {e:?}"));
    (took, u32::try_from(built).unwrap_or(u32::MAX))
}

/// Storms in each of these slots, in databases of three kinds, which take turns in who is first.
/// `check` sees each kind's session before a storm, and gives what sees it after it.
pub(crate) fn in_turn<C: FnOnce(&mut Client)>(
    bench: &Bench,
    clients: &mut [Client; 3],
    slots: Vec<usize>,
    due: u32,
    mut check: impl FnMut(usize, &mut Client) -> C,
) -> [Samples; 3] {
    let mut samples = [Samples::default(), Samples::default(), Samples::default()];
    for (turn, slot) in slots.into_iter().enumerate() {
        for place in 0..clients.len() {
            let kind = (place + turn) % clients.len();
            let (Some(client), Some(samples)) = (clients.get_mut(kind), samples.get_mut(kind))
            else {
                continue;
            };
            let after = check(kind, client);
            bench.settle();
            let (took, built) = tick(client, &tick_of(slot));
            assert_eq!(built, due, "built in slot {slot}");
            after(client);
            samples.add(took);
        }
    }
    samples
}

fn idle_tick(client: &mut Client) -> Duration {
    let (took, built) = tick(client, &format!("timestamptz '{IDLE}'"));
    assert_eq!(built, 0, "nothing is due");
    took
}

/// Ticks with nothing due.
pub(crate) fn idle(config: &Config, bench: &Bench, report: &mut Report) {
    let mut client = bench.read();
    idle_tick(&mut client);
    let (mut scan, mut shape) = (Samples::default(), Samples::default());
    for _ in 0..config.repeat {
        for _ in 0..3 {
            scan.add(idle_tick(&mut client));
        }
        // Minutes at a million: once says enough.
        if shape.count() == 0 || bench.size <= 100_000 {
            let run = original::tick(bench.server(), &name(&mut client), IDLE, Distance::Socket);
            assert_eq!(run.built, 0, "nothing is due");
            shape.add(run.took);
        }
    }
    let what = "idle tick";
    report.add(bench.size, what, "scan", "ms", scan.scaled(1e3));
    report.add(
        bench.size,
        what,
        "original's shape",
        "ms",
        shape.scaled(1e3),
    );
    report.ratio(shape.median() / scan.median(), "x scan");
    report.note(format!(
        "A session that made {} idle ticks by scan at {} workspaces has {} MB of memory of its own.",
        scan.count() + 1,
        bench.size,
        own_memory(&mut client) >> 20
    ));

    // Before the product kept next_start_at, each schedule has to be worked out.
    let mut older = Samples::default();
    client
        .batch_execute("BEGIN; ALTER TABLE workspaces DROP COLUMN next_start_at CASCADE")
        .unwrap_or_else(|e| panic!("an older schema: {e:?}"));
    for _ in 0..=config.repeat {
        older.add(explained(&mut client));
    }
    client
        .batch_execute("ROLLBACK")
        .unwrap_or_else(|e| panic!("ROLLBACK: {e:?}"));
    report.add(
        bench.size,
        "idle preview, all schedules worked out",
        "scan",
        "ms",
        older.scaled(1e3),
    );
    drop(client);
    idle_attached(config, bench, report, &shape);
}

/// Bytes of memory that a session's process has now and shares with nobody.
fn own_memory(client: &mut Client) -> u64 {
    let pid: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap_or_else(|e| panic!("pg_backend_pid: {e:?}"))
        .get(0);
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("RssAnon:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .map_or(0, |kilobytes: u64| kilobytes << 10)
}

/// The decision of an idle tick alone, in the transaction that is open.
fn explained(client: &mut Client) -> Duration {
    let (took, result) = timed(|| {
        client.query_one(
            &format!("SELECT count(*) FROM autobuild_preview(timestamptz '{IDLE}')"),
            &[],
        )
    });
    let due: i64 = result.unwrap_or_else(|e| panic!("a preview: {e:?}")).get(0);
    assert_eq!(due, 0, "nothing is due");
    took
}

/// Ticks with nothing due and the agenda attached; how long attaching takes, and what
/// such a tick writes.
fn idle_attached(config: &Config, bench: &Bench, report: &mut Report, shape: &Samples) {
    let (mut attaching, mut building) = (Samples::default(), Samples::default());
    let (writes, (attached, built)) = attach_with_worker(bench);
    attaching.add(attached);
    building.add(built);
    for (how, quantile) in [("p99", 0.99), ("the longest", 1.0)] {
        let mut of = Samples::default();
        of.push(writes.quantile(quantile) * 1e3);
        report.add(bench.size, "a write while attaching", how, "ms", of);
    }
    report.add(
        bench.size,
        "attach",
        "triggers",
        "ms",
        attaching.scaled(1e3),
    );
    report.add(
        bench.size,
        "attach",
        "building the agenda",
        "ms",
        building.scaled(1e3),
    );
    let copy = bench.copy();
    let mut client = copy.connect();
    attach(&mut client);
    bench.settle();
    let mut agenda = Samples::default();
    let wal = |client: &mut Client| -> i64 {
        client
            .query_one("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8", &[])
            .unwrap_or_else(|e| panic!("the WAL's end: {e:?}"))
            .get(0)
    };
    idle_tick(&mut client);
    preview::upcoming(config, bench, &mut client, "agenda", report);
    let before = wal(&mut client);
    for _ in 0..3 * config.repeat {
        agenda.add(idle_tick(&mut client));
    }
    let written = wal(&mut client) - before;
    report.add(bench.size, "idle tick", "agenda", "ms", agenda.scaled(1e3));
    report.ratio(
        shape.median() / agenda.median(),
        "original's shape x agenda",
    );
    report.note(format!(
        "{} idle ticks with the agenda at {} workspaces wrote {written} bytes of WAL.",
        3 * config.repeat,
        bench.size
    ));
}

/// Attaches, and lets the worker build the agenda, which it is told to at once; how long
/// each took, and the product's writes meanwhile. What is due is held back.
fn attach_with_worker(bench: &Bench) -> (Samples, (Duration, Duration)) {
    let copy = bench.copy();
    let mut client = copy.connect();
    statement(
        &mut client,
        &format!(
            "ALTER DATABASE {} SET workspace_autobuild.max_builds_per_tick = 1",
            copy.name()
        ),
    );
    let databases = |names: &str| bench.server().set("workspace_autobuild.databases", names);
    let took = latency::beside(&copy, || {
        let (attached, ()) = timed(|| statement(&mut client, "SELECT autobuild_attach()"));
        let (built, ()) = timed(|| {
            databases(copy.name());
            while !has_row(&mut client, "SELECT FROM autobuild_agenda_progress") {
                // An error while the launcher doesn't know of the database yet.
                let _ = client.batch_execute("SELECT autobuild_wake()");
                thread::sleep(Duration::from_millis(50));
            }
            while !has_row(
                &mut client,
                "SELECT FROM autobuild_agenda_progress WHERE ready",
            ) {
                thread::sleep(Duration::from_millis(50));
            }
        });
        (attached, built)
    });
    databases("");
    took
}

fn has_row(client: &mut Client, sql: &str) -> bool {
    let rows = client.query(sql, &[]);
    !rows.unwrap_or_else(|e| panic!("{sql}: {e:?}")).is_empty()
}

/// Attaches, and ticks by hand until the agenda is built.
pub(crate) fn attach(client: &mut Client) {
    statement(client, "SELECT autobuild_attach()");
    while !has_row(client, "SELECT FROM autobuild_status WHERE mode = 'agenda'") {
        idle_tick(client);
    }
}

fn name(client: &mut Client) -> String {
    client
        .query_one("SELECT current_database()::text", &[])
        .unwrap_or_else(|e| panic!("current_database: {e:?}"))
        .get(0)
}

/// Ticks with some due, ours and the floor in turn, each on workspaces of its own; then
/// the original's shape.
pub(crate) fn due(config: &Config, bench: &Bench, report: &mut Report) {
    due_scanning(config, bench, report);
    due_attached(config, bench, report);
}

/// The same with the agenda attached, in turn with the floor on a copy without; and the
/// tick that follows, which takes the marks that the builds left.
fn due_attached(config: &Config, bench: &Bench, report: &mut Report) {
    let (copy, bare) = (bench.copy(), bench.copy());
    let (mut client, mut floor_client) = (copy.connect(), bare.product());
    attach(&mut client);
    for &due in std::iter::once(&config.few).chain(&config.storms) {
        let (mut ours, mut after, mut floor) =
            (Samples::default(), Samples::default(), Samples::default());
        for (turn, slot) in bench.slots_of(due).into_iter().enumerate() {
            let mut run_floor = || {
                bench.settle();
                floor.add(floor::write(&mut floor_client, slot));
            };
            if turn % 2 == 0 {
                run_floor();
            }
            bench.settle();
            let (took, built) = tick(&mut client, &tick_of(slot));
            assert_eq!(built, due, "built in slot {slot}");
            ours.add(took);
            let (took, built) = tick(&mut client, &tick_of(slot));
            assert_eq!(built, 0, "built again in slot {slot}");
            after.add(took);
            if turn % 2 == 1 {
                run_floor();
            }
        }
        if ours.count() == 0 {
            continue;
        }
        let what = what(config, due);
        report.add(
            bench.size,
            &what,
            "floor beside agenda",
            "ms",
            floor.scaled(1e3),
        );
        report.add(bench.size, &what, "agenda", "ms", ours.scaled(1e3));
        report.ratio(floor.median() / ours.median(), "of the floor's rate");
        report.add(
            bench.size,
            &format!("the tick after a {}", what),
            "agenda",
            "ms",
            after.scaled(1e3),
        );
    }
}

fn what(config: &Config, due: u32) -> String {
    if due == config.few {
        format!("tick with {due} due")
    } else {
        format!("storm of {due}")
    }
}

fn due_scanning(config: &Config, bench: &Bench, report: &mut Report) {
    let copy = bench.copy();
    let (mut ours_client, mut floor_client) = (copy.connect(), copy.product());
    idle_tick(&mut ours_client);
    for &due in std::iter::once(&config.few).chain(&config.storms) {
        let slots = bench.slots_of(due);
        let Some((pairs, rest)) = slots.split_at_checked(2 * config.repeat as usize) else {
            continue;
        };
        let (mut ours, mut floor) = (Samples::default(), Samples::default());
        let mut turn = false;
        for pair in pairs.chunks(2) {
            let [one, other] = pair else { continue };
            // In the order of slots, so that nobody's is overdue in ours; who goes first
            // changes from turn to turn.
            let (mine, floors) = if turn { (other, one) } else { (one, other) };
            turn = !turn;
            let mut run_floor = || floor.add(floor::write(&mut floor_client, *floors));
            if floors < mine {
                run_floor();
            }
            let (took, built) = tick(&mut ours_client, &tick_of(*mine));
            assert_eq!(built, due, "built in slot {mine}");
            ours.add(took);
            if floors > mine {
                run_floor();
            }
            bench.settle();
        }
        let what = what(config, due);
        report.add(bench.size, &what, "floor", "ms", floor.scaled(1e3));
        report.add(bench.size, &what, "scan", "ms", ours.scaled(1e3));
        report.ratio(floor.median() / ours.median(), "of the floor's rate");
        for (slot, distance) in rest.iter().zip([Distance::Socket, Distance::Network]) {
            // Over a network a million takes that program a quarter of an hour.
            let too_long = distance == Distance::Network && bench.size > 100_000;
            if due == config.few || too_long {
                // Nobody's slot must be left over, or the next tick finds it overdue.
                floor::write(&mut floor_client, *slot);
                continue;
            }
            let how = match distance {
                Distance::Socket => "original's shape",
                Distance::Network => "original's shape, 0.5 ms away",
            };
            let at: String = ours_client
                .query_one(&format!("SELECT ({})::text", tick_of(*slot)), &[])
                .unwrap_or_else(|e| panic!("a time: {e:?}"))
                .get(0);
            let run = original::tick(bench.server(), &name(&mut ours_client), &at, distance);
            assert_eq!(run.built, due, "built by the original's shape");
            let mut shape = Samples::default();
            shape.add(run.took);
            report.add(bench.size, &what, how, "ms", shape.scaled(1e3));
            report.ratio(shape.median() / ours.median(), "x scan");
        }
    }
}

/// A storm whose states are 200 kB each.
pub(crate) fn large_state(config: &Config, bench: &Bench, report: &mut Report) {
    let slots = bench.slots_of(config.large);
    let [one, other, ..] = slots.as_slice() else {
        return;
    };
    let copy = bench.copy();
    let (mut ours_client, mut floor_client) = (copy.connect(), copy.product());
    ours_client
        .batch_execute(&format!(
            "UPDATE workspace_builds b
                SET provisioner_state = (
                    SELECT convert_to(string_agg(md5(p.i || '.' || part), ''), 'UTF8')
                      FROM generate_series(1, 6250) AS part)
               FROM bench.plan p
              WHERE b.id = p.latest_build_id AND p.slot IN ({one}, {other})"
        ))
        .unwrap_or_else(|e| panic!("large states: {e:?}"));
    bench.settle();
    idle_tick(&mut ours_client);
    let (took, built) = tick(&mut ours_client, &tick_of(*one));
    assert_eq!(built, config.large, "built with large states");
    let (mut ours, mut floor) = (Samples::default(), Samples::default());
    ours.add(took);
    floor.add(floor::write(&mut floor_client, *other));
    let what = format!("{} due with 200 kB of state", config.large);
    report.add(bench.size, &what, "floor", "ms", floor.scaled(1e3));
    report.add(bench.size, &what, "scan", "ms", ours.scaled(1e3));
    report.ratio(floor.median() / ours.median(), "of the floor's rate");
}
