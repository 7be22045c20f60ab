//! Scan and agenda give the same transitions at the same minute, after whatever a product
//! did to its tables: random histories, compared as they go.
//!
//! `AGENDA_SEED` repeats a history (each run prints its own), `AGENDA_STEPS` makes them
//! longer: 10 for each version, some seconds, is what a normal run does, 2000 a night.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use postgres::Client;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::Address;
use workspace_autobuild_tests::{Product, Server, StopMode, Version};

use super::operations::World;
use super::support::*;

/// Operations between two comparisons.
const PACE: usize = 30;
/// Sessions of a history, with transactions that stay open for a while.
const SESSIONS: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The seed of this run: of the environment, or another one each time.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = number("AGENDA_SEED", now.map_or(1, |t| t.as_nanos() as u64));
    println!("AGENDA_SEED={seed}");
    seed
}

/// A session of the product's, maybe in a transaction.
struct Session {
    client: Client,
    open: bool,
    savepoint: bool,
}

impl Session {
    fn new(product: &Product) -> Session {
        let mut client = product.connect();
        // Several sessions, one test: who waits for another's row gives up.
        execute(&mut client, "SET lock_timeout = '15ms'");
        Session {
            client,
            open: false,
            savepoint: false,
        }
    }

    /// Whether the statement went through; else its transaction is rolled back.
    fn run(&mut self, sql: &str) -> bool {
        let done = self.client.batch_execute(sql);
        if let Err(error) = &done {
            let known = ["55P03", "40P01", "23505", "23503", "23514"];
            let code = error.code().map_or("", |code| code.code());
            assert!(known.contains(&code), "{sql}: {error:?}");
            let undo = if self.savepoint {
                "ROLLBACK TO s"
            } else {
                "ROLLBACK"
            };
            execute(&mut self.client, undo);
            self.open = self.savepoint;
        }
        done.is_ok()
    }

    /// One random thing: an operation, alone or in a transaction, or the end of one.
    fn step(&mut self, world: &mut World, rng: &mut Rng) -> Option<bool> {
        match rng.u32(0..12) {
            0 | 1 if !self.open => {
                execute(&mut self.client, "BEGIN");
                self.open = true;
            }
            0 if self.savepoint => {
                execute(&mut self.client, "ROLLBACK TO s; RELEASE s");
                self.savepoint = false;
            }
            0 => {
                execute(&mut self.client, "SAVEPOINT s");
                self.savepoint = true;
            }
            1 | 2 if self.open => self.end(rng.u8(0..3) > 0),
            _ => return Some(self.run(&world.operation(rng))),
        }
        None
    }

    fn end(&mut self, commit: bool) {
        if self.open {
            execute(&mut self.client, if commit { "COMMIT" } else { "ROLLBACK" });
        }
        self.open = false;
        self.savepoint = false;
    }
}

/// The queries whose rows must be the same by scan and by agenda, at a time.
fn questions(at: &str) -> Vec<String> {
    let mut questions = Vec::new();
    for later in ["0", "2 minutes", "90 minutes", "3 days"] {
        questions.push(format!(
            "SELECT * FROM autobuild_preview('{at}'::timestamptz + interval '{later}')"
        ));
    }
    for horizon in ["0", "5 minutes", "4 hours", "40 days"] {
        questions.push(format!(
            "SELECT * FROM autobuild_upcoming(interval '{horizon}', '{at}'::timestamptz)"
        ));
        for some in [
            "max_rows => 7",
            "template_id => (SELECT id FROM templates WHERE name = 'docker')",
            "max_rows => 3, template_id => (SELECT id FROM templates WHERE name = 'aws')",
            "max_rows => 2, owner_id => (SELECT id FROM users WHERE username = 'chen')",
        ] {
            questions.push(format!(
                "SELECT * FROM autobuild_upcoming(interval '{horizon}', '{at}'::timestamptz, {some})"
            ));
        }
    }
    questions
}

/// Returns how many transitions were compared.
#[track_caller]
fn agree(root: &mut Client) -> usize {
    let mut compared = 0;
    let at = value(root, "SELECT now()").expect("a time");
    assert_eq!(mode(root), "agenda");
    for question in questions(&at) {
        let by_agenda = texts(root, &question);
        let by_scan = by_scan(root, &question);
        assert_eq!(by_agenda, by_scan, "{question}");
        compared += by_scan.len();
    }
    compared
}

/// What changes for all: a table is truncated, a setting, the triggers, a column.
fn upheaval(product: &Product, root: &mut Client, rng: &mut Rng) {
    match rng.u32(0..18) {
        0 => product.execute("TRUNCATE workspace_builds CASCADE"),
        1 | 2 => execute(root, "SELECT autobuild_detach(); SELECT autobuild_attach()"),
        3 | 4 => product.execute(
            "ALTER TABLE workspaces DISABLE TRIGGER autobuild_capture;
             UPDATE workspaces SET deleted = false;
             ALTER TABLE workspaces ENABLE ALWAYS TRIGGER autobuild_capture",
        ),
        5 | 6 => product.execute(
            "ALTER TABLE workspace_builds ALTER COLUMN deadline TYPE timestamptz
             USING deadline - interval '1 hour'",
        ),
        7 => product.execute("ALTER TABLE workspaces ADD COLUMN IF NOT EXISTS note text"),
        8 => product.execute("ALTER TABLE workspaces DROP COLUMN IF EXISTS note"),
        9 | 10 => {
            let missed = rng.choice(["drop", "make_up"]).expect("a word");
            execute(root, &set(&format!("missed_starts = {missed}")));
        }
        11..=13 => {
            let limit = rng.choice(["0", "2h", "3d"]).expect("a limit");
            execute(root, &set(&format!("max_start_delay = '{limit}'")));
            let window = rng.choice(["0", "20min", "1h"]).expect("a window");
            execute(root, &set(&format!("spread_starts = '{window}'")));
        }
        _ => {
            let licensed = rng.bool();
            execute(root, &set(&format!("licensed_rules = {licensed}")));
        }
    }
}

/// Holds are made and released.
fn holds_change(root: &mut Client, rng: &mut Rng) {
    if rng.u8(0..3) == 0 {
        let release = "SELECT autobuild_release(hold_id) FROM autobuild_holds
                        ORDER BY random() LIMIT 1";
        return execute(root, release);
    }
    let scopes = [
        "'all', NULL",
        "'template', (SELECT id FROM templates ORDER BY random() LIMIT 1)",
        "'owner', (SELECT id FROM users ORDER BY random() LIMIT 1)",
        "'workspace', (SELECT id FROM workspaces ORDER BY random() LIMIT 1)",
    ];
    let transitions = ["NULL", "ARRAY['start']", "ARRAY['stop', 'dormant']"];
    let from = rng.i32(-300..300);
    let to = match rng.u8(0..4) {
        0 => "NULL".to_owned(),
        _ => format!("now() + interval '{} minutes'", from + rng.i32(1..2000)),
    };
    let recurs = to != "NULL" && rng.u8(0..3) == 0;
    let sql = format!(
        "SELECT autobuild_hold({}, now() + interval '{from} minutes', {to}, {}, NULL, {})",
        rng.choice(scopes).expect("a scope"),
        rng.choice(transitions).expect("some"),
        if recurs {
            "'FREQ=DAILY;INTERVAL=2'"
        } else {
            "NULL"
        }
    );
    // There may be none whom it would cover.
    if let Err(error) = root.batch_execute(&sql) {
        let code = error.code().map_or("", |code| code.code());
        assert_eq!(code, "22023", "{sql}: {error:?}");
    }
}

fn history(version: Version, rng: &mut Rng, steps: u64) {
    let product = install(version);
    let mut root = product.superuser();
    execute(
        &mut root,
        &set("rules = 'autostop, autostart, failed, dormancy, delete, remind'"),
    );
    if version >= Version::V2_15_0 {
        product.add_notices();
    }
    for setting in ["notify_owners = on", "access_url = 'https://example.com'"] {
        execute(&mut root, &set(setting));
    }
    attach(&mut root);
    let mut world = World::new(&product);
    let mut first = Session::new(&product);
    for _ in 0..100 {
        first.run(&world.operation(rng));
    }
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| Session::new(&product)).collect();
    let (mut tried, mut done, mut compared) = (0, 0, 0);
    for step in 0..steps {
        for _ in 0..PACE {
            let session = rng.usize(0..SESSIONS);
            if let Some(went) = sessions[session].step(&mut world, rng) {
                tried += 1;
                done += u64::from(went);
            }
        }
        if rng.u8(0..40) == 0 {
            sessions.iter_mut().for_each(|session| session.end(true));
            upheaval(&product, &mut root, rng);
        }
        if rng.u8(0..8) == 0 {
            holds_change(&mut root, rng);
        }
        if mode(&mut root) != "agenda" {
            sessions.iter_mut().for_each(|session| session.end(true));
            build(&mut root);
        }
        compared += agree(&mut root);
        if rng.u8(0..3) == 0 {
            // The tick would wait for their rows.
            sessions
                .iter_mut()
                .for_each(|session| session.end(rng.bool()));
            tick_as_a_scan_would(&mut root, product.version());
            if rng.u8(0..3) == 0 {
                let later = rng.choice(["2 minutes", "90 minutes", "3 days"]);
                let later = later.expect("a time");
                later_tick_as_a_scan_would(&mut root, product.version(), later);
            }
        }
        if rng.u8(0..10) == 0 || step + 1 == steps {
            sessions.iter_mut().for_each(|session| session.end(true));
            if mode(&mut root) == "agenda" {
                no_drift(&mut root);
            }
        }
    }
    println!(
        "{version}: {done} of {tried} operations went through, {compared} transitions compared"
    );
    // A history in which nothing goes through or nothing moves proves nothing.
    assert!(done * 2 > tried, "most operations fail: {done} of {tried}");
    assert!(compared as u64 > 10 * steps, "little moves: {compared}");
}

#[test]
fn scan_and_agenda_do_the_same_after_any_history() {
    let mut rng = Rng::with_seed(seed());
    let steps = number("AGENDA_STEPS", 10);
    for version in [
        Version::OLDEST,
        Version::V2_0_0,
        Version::V2_15_0,
        Version::V2_20_0,
        Version::NEWEST,
    ] {
        history(version, &mut rng, steps);
    }
}

/// A writer of its own thread, until it is told to stop; the server may go away and come
/// back meanwhile.
fn write(
    address: &Address,
    database: &str,
    mut world: World,
    mut rng: Rng,
    stop: &AtomicBool,
) -> u64 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut client) = address.try_connect(database, "product") else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        while !stop.load(Ordering::Relaxed) && !client.is_closed() {
            let mut sql = String::from("BEGIN; SET LOCAL lock_timeout = '300ms'; ");
            for _ in 0..rng.u32(1..4) {
                sql += &world.operation(&mut rng);
                sql.push(';');
            }
            sql += if rng.u8(0..5) == 0 {
                "ROLLBACK"
            } else {
                "COMMIT"
            };
            if client.batch_execute(&sql).is_ok() {
                done += 1;
            } else {
                let _ = client.batch_execute("ROLLBACK");
            }
        }
    }
    done
}

/// Has the writers stop, also where a test fails.
struct StopsThem<'a>(&'a AtomicBool);

impl Drop for StopsThem<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ticks by hand for a while, beside writers. Who meets a writer rolls back.
fn tick_beside_writers(product: &Product, time: Duration) -> u64 {
    let mut root = product.superuser();
    execute(
        &mut root,
        "SET workspace_autobuild.audit_interval = '1s'; SET workspace_autobuild.lock_timeout = '200ms'",
    );
    let begun = Instant::now();
    let mut ticks = 0;
    while begun.elapsed() < time {
        execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        match root.simple_query("SELECT * FROM autobuild_tick()") {
            Ok(_) => {
                execute(&mut root, "COMMIT");
                ticks += 1;
            }
            Err(error) => {
                let code = error.code().map_or("", |code| code.code());
                assert!(["40001", "40P01", "55P03"].contains(&code), "{error:?}");
                execute(&mut root, "ROLLBACK");
            }
        }
        let drift = progress(&mut root, "drift");
        assert!(
            drift.is_none() || drift.as_deref() == Some("0"),
            "{drift:?}"
        );
    }
    ticks
}

#[test]
fn no_mark_is_lost_beside_concurrent_writers_and_a_crash() {
    let seed = seed();
    let time = Duration::from_millis(number("AGENDA_STEPS", 10) * 300);
    let mut server = Server::options_without_worker().durable().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut world = World::new(&product);
    attach(&mut product.superuser());
    let mut rng = Rng::with_seed(seed);
    let mut session = Session::new(&product);
    for _ in 0..40 {
        session.run(&world.operation(&mut rng));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let address = product.address().clone();
        let writers: Vec<_> = (1..4)
            .map(|writer| {
                let (world, rng) = (world.for_writer(writer), rng.fork());
                let (address, database, stop) = (address.clone(), product.database(), &stop);
                scope.spawn(move || write(&address, database, world, rng, stop))
            })
            .collect();
        let stops = StopsThem(&stop);
        let before = tick_beside_writers(&product, time);
        server.restart(StopMode::Immediate);
        let after = tick_beside_writers(&product, time);
        drop(stops);
        let written: u64 = writers
            .into_iter()
            .map(|w| w.join().expect("a writer"))
            .sum();
        println!("{written} transactions beside {before} and {after} ticks");
        assert!(written > 50 && before > 1 && after > 1);
    });
    let mut root = product.superuser();
    agree(&mut root);
    tick_as_a_scan_would(&mut root, product.version());
    no_drift(&mut root);
}
