//! The benchmarks: what the extension costs, beside what it could cost at best and what
//! it costs another way, each measured in the same run.
//!
//! `bench [RESULTS.json] [--check | --load]` makes private servers, fills them, and prints a
//! table. `BENCH_SIZES` (default `10000 100000`) names the numbers of workspaces,
//! `BENCH_REPEAT` (3) how often each is measured, `BENCH_ONLY` a part alone, `BENCH_VERSION` the
//! product whose tables are filled (v2.34.3), `BENCH_BEFORE` the library of a build before that
//! is measured beside the installed one. With `--check` everything is tiny, and beside the
//! installed library is the same once more: it only shows that the program works. `bench --load`
//! only loads the first size and leaves the server running, to be profiled by hand.

mod ahead;
mod attach;
mod candidates;
mod capture;
mod data;
mod executor;
mod flood;
mod floor;
mod forecast;
mod idle;
mod large;
mod latency;
mod measure;
mod messages;
mod next;
mod preview;
mod process;
mod renewed;
mod report;
mod server;
mod sides;
mod storm;
mod tick;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;
use server::Bench;
use sides::Sides;
use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::product::UnknownVersion;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The version whose tables are filled.
    pub version: Version,
    /// Numbers of workspaces.
    pub sizes: Vec<u32>,
    /// How many are due at once in a storm; only those that fit a size are run.
    pub storms: Vec<u32>,
    /// How many are due in a tick that is no storm.
    pub few: u32,
    /// How many are due in the storm with large states.
    pub large: u32,
    /// How often each is measured.
    pub repeat: u32,
    /// Only this part.
    pub only: Option<String>,
    /// Calls of a function of nanoseconds that are timed together.
    pub calls: u32,
    /// Pairs at most of the product's writes with and without triggers.
    pub pairs: u32,
    /// How many are due in the storm that the worker makes, among twice as many at least.
    pub flood: u32,
    /// Seconds during which the product's own queries are timed.
    pub seconds: u64,
    /// The library of a build before.
    pub before: Option<PathBuf>,
}

impl Config {
    fn from_env(check: bool) -> Result<Config, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let number = |text: &str| {
            text.parse::<u32>()
                .map_err(|_| format!("{text:?} is no number"))
        };
        let version = match variable("BENCH_VERSION") {
            None => Version::V2_34_3,
            Some(name) => name.parse().map_err(|e: UnknownVersion| e.to_string())?,
        };
        let tiny = || Config {
            version,
            sizes: vec![600],
            storms: vec![60],
            few: 10,
            large: 10,
            repeat: 1,
            only: variable("BENCH_ONLY"),
            calls: 1_000,
            pairs: 3,
            flood: 200,
            seconds: 1,
            before: Some(server::installed_library()),
        };
        if check {
            return Ok(tiny());
        }
        let sizes = variable("BENCH_SIZES").unwrap_or_else(|| "10000 100000".to_owned());
        let repeat = variable("BENCH_REPEAT").unwrap_or_else(|| "3".to_owned());
        Ok(Config {
            version,
            sizes: sizes
                .split_whitespace()
                .map(number)
                .collect::<Result<_, _>>()?,
            storms: vec![1_000, 10_000],
            few: 100,
            large: 100,
            repeat: number(&repeat)?.max(1),
            only: variable("BENCH_ONLY"),
            calls: 100_000,
            pairs: 101,
            flood: 100_000,
            seconds: 10,
            before: variable("BENCH_BEFORE").map(PathBuf::from),
        })
    }

    /// Is this part asked for?
    pub fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: bench [RESULTS.json] [--check | --load]");
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = arguments.pop_if(|last| last.starts_with("--"));
    let (check, load) = match option.as_deref() {
        None => (false, false),
        Some("--check") => (true, false),
        Some("--load") => (false, true),
        Some(_) => return usage(),
    };
    let config = match Config::from_env(check) {
        Ok(config) if arguments.len() <= 1 => config,
        Ok(_) => return usage(),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut report = Report::new();
    if load {
        let size = config.sizes.first().copied().unwrap_or(10_000);
        let (bench, _) = Bench::start(&config, size, &mut report);
        println!("{}", bench.leave_running());
        return ExitCode::SUCCESS;
    }
    if config.wants("next") {
        next::crates(&config, &mut report);
    }
    for &size in &config.sizes {
        let sides = Sides::start(&config, size, &mut report);
        let bench = sides.now();
        if config.wants("next") && Some(&size) == config.sizes.first() {
            next::in_server(&config, bench, &mut report);
        }
        if config.wants("idle") {
            idle::run(&config, &sides, &mut report);
        }
        if config.wants("ahead") {
            ahead::run(&config, &sides, &mut report);
        }
        if config.wants("preview") {
            preview::run(&config, &sides, &mut report);
        }
        if config.wants("forecast") {
            forecast::run(&config, bench, &mut report);
        }
        if config.wants("storm") {
            storm::run(&config, &sides, &mut report);
        }
        if config.wants("flood") {
            flood::run(&config, bench, &mut report);
        }
        if config.wants("versions") {
            versions::run(&config, bench, &mut report);
        }
        if config.wants("messages") {
            messages::run(&config, bench, &mut report);
        }
        if config.wants("large") {
            large::run(&config, bench, &mut report);
        }
        if config.wants("capture") {
            capture::run(&config, bench, &mut report);
        }
        if config.wants("latency") {
            latency::run(&config, bench, &mut report);
        }
    }
    println!("\n{}", report.table());
    if let Some(file) = arguments.first()
        && let Err(error) = std::fs::write(file, report.json(&config))
    {
        eprintln!("{file}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
