//! The short form, without libFuzzer: every file of the corpora, and what chance makes of
//! them. `FUZZ_ROUNDS` says how often, `FUZZ_SEED` repeats a run, whose seed is printed.

#![allow(clippy::indexing_slicing)]

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use workspace_autobuild_fuzz::{Target, holds, parameters, schedule, tags, template, verdict};

/// What takes longer does not end; an input takes microseconds.
const HUNG: Duration = Duration::from_secs(60);

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}")),
    )
}

fn run(name: &str, target: Target) {
    let seed = setting("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = setting("FUZZ_ROUNDS").unwrap_or(30_000);
    println!("{name}: FUZZ_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let corpus = corpus(name);
    let (next, inputs) = mpsc::sync_channel::<Vec<u8>>(0);
    let runner = thread::spawn(move || {
        let mut try_one = |input: Vec<u8>| {
            next.send(input.clone()).expect("somebody watches");
            target(&input);
        };
        corpus.iter().cloned().for_each(&mut try_one);
        for _ in 0..rounds {
            try_one(mutated(&corpus, &mut random));
        }
    });
    let mut last = Vec::new();
    let ended = loop {
        match inputs.recv_timeout(HUNG) {
            Ok(input) => last = input,
            Err(ended) => break ended,
        }
    };
    assert_ne!(ended, mpsc::RecvTimeoutError::Timeout, "no end: {last:?}");
    if let Err(panic) = runner.join() {
        println!("{last:?}");
        resume_unwind(panic);
    }
}

/// In the order of its names, so that a seed means the same everywhere.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let read = |path| fs::read(path).expect("its bytes");
    paths.into_iter().map(read).collect()
}

/// Random bytes, or one of the corpus with some bytes changed, added or taken away, or with
/// the end of another.
fn mutated(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    if random.u8(..5) == 0 {
        return (0..random.usize(..300)).map(|_| random.u8(..)).collect();
    }
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        match random.u8(..4) {
            0 if at < input.len() => input[at] = random.u8(..),
            1 => input.insert(at, random.u8(..)),
            2 if at < input.len() => drop(input.remove(at)),
            _ => {
                let other = &corpus[random.usize(..corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    input
}

#[test]
fn a_schedule_means_what_a_second_reading_says() {
    run("schedule", schedule);
}

#[test]
fn tags_are_an_object_of_strings_or_refused() {
    run("tags", tags);
}

#[test]
fn a_plan_takes_no_name_twice_and_a_block_shows_no_value() {
    run("parameters", parameters);
}

#[test]
fn a_verdict_is_never_early_and_nothing_is_due_before_its_time() {
    run("verdict", verdict);
}

#[test]
fn a_proof_is_the_same_again_and_a_reason_is_short_and_shows_no_value() {
    run("template", template);
}

#[test]
fn a_hold_covers_what_its_rule_says_and_a_calendars_holds_can_be_made() {
    run("holds", holds);
}
