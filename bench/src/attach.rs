//! Attaching, and building the agenda: by the worker beside a product that writes, and by hand.

use std::thread;
use std::time::Duration;

use crate::data::statement;
use crate::latency;
use crate::measure::{Samples, timed};
use crate::process::Session;
use crate::report::Report;
use crate::server::Bench;
use crate::sides::{Sides, tell};
use crate::tick::{attach, has_row};

/// Attaches on each side, by hand: how long the ticks take until the agenda is there. The loaded
/// database itself is attached, since of a million there is hardly room for copies: its sessions
/// must detach it again.
pub(crate) fn by_hand(sides: &Sides, report: &mut Report) -> Vec<Session> {
    let mut ticks = Vec::new();
    let mut sessions = Vec::new();
    for bench in sides.all() {
        let mut session = Session::new(bench.read());
        let mut of = Samples::default();
        of.push(f64::from(session.time(attach)));
        ticks.push(of);
        sessions.push(session);
        bench.settle();
    }
    let (size, what) = (sides.now().size, "attach by hand");
    report.sides(
        size,
        what,
        "ticks until the agenda is built",
        "",
        0.5,
        ticks,
    );
    let how = "building the agenda";
    tell(report, size, what, how, "ms", sessions.iter_mut());
    sessions
}

/// Attaches with the worker; how long that takes, and how long the product's writes take beside.
pub(crate) fn by_worker(bench: &Bench, report: &mut Report) {
    let (writes, (attached, built)) = attach_with_worker(bench);
    for (how, quantile) in [("p99", 0.99), ("the longest", 1.0)] {
        let mut of = Samples::default();
        of.push(writes.quantile(quantile) * 1e3);
        report.add(bench.size, "a write while attaching", how, "ms", of);
    }
    for (how, took) in [("triggers", attached), ("building the agenda", built)] {
        let mut of = Samples::default();
        of.add(took);
        report.add(bench.size, "attach", how, "ms", of.scaled(1e3));
    }
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
