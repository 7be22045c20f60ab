//! A storm: hundreds of workspaces that are due at once, and a worker that builds them
//! in small batches, each second.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use rustix::process::{Pid, Signal, kill_process};
use workspace_autobuild_tests::invariants::{self, Others};
use workspace_autobuild_tests::product::{Template, Value, texts};
use workspace_autobuild_tests::server::{Address, Options, SUPERUSER};
use workspace_autobuild_tests::{Product, Server, Transition, Version, await_some, await_until};

/// Workspaces of one round, unless a test says otherwise.
const DUE: u32 = 300;
/// All that is due is built within this time after a fault.
const SETTLED: Duration = Duration::from_secs(300);

/// A fault: its name, and what befalls the server.
pub type Fault<'f> = (&'static str, &'f dyn Fn(&mut Storm));

/// Rounds on one server. A check looks at all that was ever built there, and a storm has
/// one version of the product, attached or not: many rounds want many storms.
const SPELL: u32 = 5;

/// What there is to read of a server after it failed a test.
pub trait Log {
    /// Its whole log so far.
    fn log(&self) -> String;
}

impl Log for Server {
    fn log(&self) -> String {
        Server::log(self)
    }
}

/// How often each fault is tried.
pub fn rounds() -> u32 {
    std::env::var("FAULTS_ROUNDS").map_or(1, |text| text.parse().expect("a number of rounds"))
}

/// The same in spells, each of which is for a storm of its own.
pub fn spells() -> impl Iterator<Item = u32> {
    let rounds = rounds();
    (0..rounds)
        .step_by(SPELL as usize)
        .map(move |begun| SPELL.min(rounds - begun))
}

/// A server in a storm, or several of which one takes over from the other.
pub struct Storm<S = Server> {
    pub server: S,
    pub product: Product,
    pub random: fastrand::Rng,
    /// Workspaces of one round.
    pub due: u32,
    /// What is not ours, when the storm began.
    others: Option<Others>,
    seed: u64,
    number: u32,
}

/// What a worker's server has for a storm.
pub fn options() -> Options {
    Server::options()
        .preload("workspace-autobuild")
        .set("synchronous_commit", "on")
        .set("workspace_autobuild.tick_interval", "1s")
        .set("workspace_autobuild.batch_size", "15")
        .set("workspace_autobuild.lock_timeout", "500ms")
        .set("workspace_autobuild.statement_timeout", "20s")
}

impl Storm {
    pub fn new() -> Storm {
        Storm::on(options().start())
    }

    pub fn on(server: Server) -> Storm {
        let address = server.address().clone();
        Storm::at(server, &address)
    }

    /// So many rounds, each with every one of these faults in a random order: a storm
    /// begins, the fault comes in the midst of it, and afterwards everything must hold.
    #[track_caller]
    pub fn suffer(&mut self, rounds: u32, faults: &[Fault<'_>]) {
        for round in 0..rounds {
            let mut order: Vec<&Fault<'_>> = faults.iter().collect();
            self.random.shuffle(&mut order);
            for (name, fault) in order {
                self.begin();
                let built = self.wait_for_the_midst();
                println!(
                    "seed {} round {round}: {name}, with {built} of {} built",
                    self.seed, self.due
                );
                fault(self);
                self.settle();
                self.check(&self.product);
                self.no_panic();
            }
        }
    }
}

impl<S: Log> Storm<S> {
    /// On whatever server listens there.
    pub fn at(server: S, address: &Address) -> Storm<S> {
        let seed = match std::env::var("FAULTS_SEED") {
            Ok(text) => text.parse().expect("a seed"),
            Err(_) => fastrand::u64(..),
        };
        println!("FAULTS_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let versions = [Version::OLDEST, Version::V2_10_0, Version::NEWEST];
        let version = versions[random.usize(..versions.len())];
        let product = Product::install_at(address, version, "public");
        product.create_extension();
        if random.bool() {
            texts(&mut product.superuser(), "SELECT autobuild_attach()");
        }
        Storm {
            server,
            product,
            random,
            due: DUE,
            others: None,
            seed,
            number: 0,
        }
    }

    /// Makes workspaces that are due at once: stops, and starts.
    #[track_caller]
    pub fn begin(&mut self) {
        self.gather();
        self.release();
    }

    /// Makes them, while the worker is paused.
    #[track_caller]
    pub fn gather(&mut self) {
        self.number += 1;
        let template = self.template();
        let hour = Value::sql("now() - interval '1 hour'");
        let mut superuser = self.superuser();
        texts(
            &mut superuser,
            "SELECT autobuild_pause('the storm gathers')",
        );
        template
            .workspaces(self.due / 2, Transition::Start)
            .deadline(hour.clone())
            .create();
        template
            .workspaces(self.due / 2, Transition::Stop)
            .schedule("* * * * *")
            .created_at(hour)
            .create();
        self.others = Some(Others::of(&self.product));
    }

    /// Ends the pause. Where even that can't be written, it ends later.
    pub fn release(&self) {
        let mut superuser = self.superuser();
        let _ = superuser.batch_execute("SELECT autobuild_resume()");
        let _ = superuser.batch_execute("SELECT autobuild_wake()");
    }

    /// As [`settle`]; where it does not, what there is to see says why.
    #[track_caller]
    pub fn settle(&self) {
        let settled = catch_unwind(AssertUnwindSafe(|| settle(&self.product)));
        if let Err(panic) = settled {
            let log = self.server.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(60)..].join("\n"));
            let mut client = self.superuser();
            for of in [
                "autobuild_status s",
                "(TABLE autobuild_ticks ORDER BY 1 DESC LIMIT 5) s",
                "(SELECT outcome, sqlstate, code, count(*), min(next_attempt_at)
                    FROM autobuild_blocked GROUP BY 1, 2, 3) s",
                "pg_stat_activity s WHERE backend_type <> 'client backend'",
                "(SELECT pid, locktype, mode, granted, count(*) FROM pg_locks GROUP BY 1, 2, 3, 4) s",
            ] {
                for row in texts(&mut client, &format!("SELECT to_jsonb(s) FROM {of}")) {
                    println!("{row:?}");
                }
            }
            resume_unwind(panic);
        }
    }

    /// Everything holds of a database in which all is built: this server's, or the one
    /// that took over.
    #[track_caller]
    pub fn check(&self, product: &Product) {
        if let Some(others) = &self.others {
            others.check(product);
        }
        invariants::check_quiet(product);
        exactly_one_build_each(product);
    }

    fn template(&self) -> Template<'_> {
        use workspace_autobuild_tests::product::parameter;
        self.product
            .template(&format!("storm {}", self.number))
            .parameter(parameter("region").default("eu"))
            .create()
    }

    /// Waits until some of what is due is built, and returns how much of it.
    pub fn wait_for_the_midst(&mut self) -> u64 {
        let wanted = self.random.u64(..u64::from(self.due) * 2 / 3);
        let mut client = self.superuser();
        let begun = Instant::now();
        let sql = format!(
            "SELECT count(*) FROM workspace_builds b JOIN template_versions v
                 ON v.id = b.template_version_id JOIN templates t ON t.id = v.template_id
              WHERE t.name = 'storm {}' AND build_number = 2",
            self.number
        );
        loop {
            let built = texts(&mut client, &sql)
                .into_iter()
                .flatten()
                .flatten()
                .next();
            let built: u64 = built.and_then(|count| count.parse().ok()).unwrap_or(0);
            if built >= wanted || begun.elapsed() > Duration::from_secs(5) {
                return built;
            }
        }
    }

    /// A session of a superuser's as soon as the server takes one.
    #[track_caller]
    pub fn superuser(&self) -> Client {
        superuser(&self.product)
    }

    /// A tick worker at work, if one comes within two seconds.
    pub fn worker(&self) -> Option<Pid> {
        self.process("backend_type = 'workspace-autobuild worker'")
    }

    /// A process of the server's that is so.
    pub fn process(&self, condition: &str) -> Option<Pid> {
        let mut client = self.superuser();
        let begun = Instant::now();
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE {condition} AND pid <> pg_backend_pid()
              ORDER BY random() LIMIT 1"
        );
        loop {
            let pid = texts(&mut client, &sql)
                .into_iter()
                .flatten()
                .flatten()
                .next();
            if let Some(pid) = pid.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw) {
                return Some(pid);
            }
            if begun.elapsed() > Duration::from_secs(2) {
                return None;
            }
        }
    }

    #[track_caller]
    pub fn no_panic(&self) {
        let log = self.server.log();
        let panics: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("panicked"))
            .collect();
        assert!(panics.is_empty(), "{panics:?}");
    }
}

/// Waits until nothing is due any more. Sessions that broke are opened anew; what was
/// put off is tried by hand.
#[track_caller]
pub fn settle(product: &Product) {
    let mut client = superuser(product);
    let left = "SELECT count(*) FROM workspaces w WHERE
                (SELECT max(build_number) FROM workspace_builds WHERE workspace_id = w.id) = 1";
    let mut by_hand = Instant::now();
    await_some("everything is built", SETTLED, || {
        if client.is_closed() {
            client = superuser(product);
        }
        let rows = client.simple_query(left).ok()?;
        let done = rows.iter().any(
            |row| matches!(row, postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("0")),
        );
        if !done && by_hand.elapsed() > Duration::from_secs(3) {
            by_hand = Instant::now();
            // Another executor may be at work, or the server may be down.
            let _ = client.batch_execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;
                 SELECT autobuild_tick() WHERE EXISTS (SELECT FROM autobuild_blocked);
                 COMMIT",
            );
            let _ = client.batch_execute("ROLLBACK");
            let _ = client.batch_execute("SELECT autobuild_resume()");
            let _ = client.batch_execute("SELECT autobuild_wake()");
        }
        thread::sleep(Duration::from_millis(30));
        done.then_some(())
    });
    product.reconnect();
}

/// A session of a superuser's as soon as the server takes one.
#[track_caller]
pub fn superuser(product: &Product) -> Client {
    await_some("the server takes connections", SETTLED, || {
        product
            .address()
            .try_connect(product.database(), SUPERUSER)
            .ok()
    })
}

/// Each workspace has its first build and one of ours.
#[track_caller]
fn exactly_one_build_each(product: &Product) {
    let twice = product.rows(
        "SELECT workspace_id, count(*) FROM workspace_builds GROUP BY 1 HAVING count(*) <> 2",
    );
    assert_eq!(twice, Vec::<Vec<Option<String>>>::new());
}

/// Kills a process of the server's and waits until the server has noticed, which then ends
/// all others too: what comes after it finds none of the old sessions.
#[track_caller]
pub fn kill(pid: Pid) {
    signal(pid, Signal::KILL);
    let process = format!("/proc/{}", pid.as_raw_nonzero());
    await_until("the process is gone", SETTLED, || {
        !Path::new(&process).exists()
    });
}

/// Sends a signal; a process that is gone does not mind.
pub fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}
