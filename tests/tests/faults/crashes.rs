//! Processes that die, or stand still.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use workspace_autobuild_tests::StopMode;
use workspace_autobuild_tests::product::texts;

use super::storm::{Storm, kill, signal, spells};

#[test]
fn processes_that_die_or_stand_still() {
    for rounds in spells() {
        Storm::new().suffer(
            rounds,
            &[
                ("SIGKILL of the tick worker", &kill_worker),
                ("SIGKILL of a random process", &kill_any),
                ("SIGKILL of the postmaster", &kill_postmaster),
                ("immediate shutdown", &|storm| {
                    storm.server.restart(StopMode::Immediate)
                }),
                ("fast shutdown", &|storm| {
                    storm.server.restart(StopMode::Fast)
                }),
                ("terminate and cancel", &terminate_and_cancel),
                ("SIGSTOP and SIGCONT", &stop_and_continue),
            ],
        );
    }
}

/// What all others are compared with, and what is run where a fault would tell nothing
/// (`make test-sanitized`).
#[test]
fn a_storm_without_a_fault() {
    Storm::new().suffer(1, &[("nothing", &|_| {})]);
}

fn kill_worker(storm: &mut Storm) {
    if let Some(worker) = storm.worker() {
        thread::sleep(Duration::from_micros(storm.random.u64(..20_000)));
        kill(worker);
    }
}

fn kill_any(storm: &mut Storm) {
    if let Some(pid) = storm.process("true") {
        kill(pid);
    }
}

fn kill_postmaster(storm: &mut Storm) {
    storm.server.kill();
    storm.server.start();
}

/// One of ours, the worker if it is a coin's head.
fn worker_or_launcher(storm: &mut Storm) -> Option<rustix::process::Pid> {
    let which = if storm.random.bool() {
        "worker"
    } else {
        "launcher"
    };
    storm.process(&format!("backend_type = 'workspace-autobuild {which}'"))
}

fn terminate_and_cancel(storm: &mut Storm) {
    for _ in 0..3 {
        let function = if storm.random.bool() {
            "pg_terminate_backend"
        } else {
            "pg_cancel_backend"
        };
        if let Some(pid) = worker_or_launcher(storm) {
            let sql = format!("SELECT {function}({})", pid.as_raw_nonzero());
            texts(&mut storm.superuser(), &sql);
        }
    }
}

/// Swapped out, or a machine that was suspended. Meanwhile somebody ticks by hand: the one
/// executor is he, or nobody.
fn stop_and_continue(storm: &mut Storm) {
    let seconds = std::env::var("FAULTS_STOP_SECONDS").map_or(1, |text| {
        text.parse().expect("FAULTS_STOP_SECONDS is a number")
    });
    if let Some(pid) = worker_or_launcher(storm) {
        signal(pid, Signal::STOP);
        let _ = storm.superuser().batch_execute(
            "SET statement_timeout = '2s';
             BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick(); COMMIT",
        );
        thread::sleep(Duration::from_secs(seconds));
        signal(pid, Signal::CONT);
    }
}
