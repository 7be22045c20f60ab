//! What the pictures in `docs/pictures` are drawn from (`scripts/pictures.py`), from real
//! servers.
//!
//! `record day` plays a day of 2,000 workspaces through and half a day before it, a tick by
//! hand for each minute, and prints what the day came to, as JSON: for each minute the
//! starts and stops that were built, and how many workspaces ran.
//!
//! `record life SECONDS` prints where its server is (folder of the socket, port, database)
//! and lets workspaces live there: a start or a stop each minute, some that can't be built,
//! one that fails; after a third of the time provisioners are away for a while, after two
//! thirds a lock is in the way.
//!
//! `record page` plays a day of 600 workspaces, some of which can't be built, and prints what
//! `autobuild_report` says after it.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use workspace_autobuild_tests::product::{
    Fields, HOUR, MINUTE, Template, Value, execute, parameter,
};
use workspace_autobuild_tests::{Product, Provisioner, Server, Transition, Version};

const WORKSPACES: u32 = 2_000;
/// A Monday's noon. Who is at work at midnight has begun since.
const BEGIN: &str = "2026-03-09 12:00Z";
const BEFORE: i32 = 12 * 60;
const MINUTES: i32 = 24 * 60;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["day"] => day(),
        ["page"] => page(),
        ["life", seconds] => match seconds.parse() {
            Ok(seconds) => life(Duration::from_secs(seconds)),
            Err(error) => return usage(&format!("{seconds}: {error}")),
        },
        _ => return usage(""),
    }
    ExitCode::SUCCESS
}

fn usage(error: &str) -> ExitCode {
    eprintln!("usage: record day | record life SECONDS | record page\n{error}");
    ExitCode::FAILURE
}

/// A number from 0 to below `below` that follows from `i` and `salt`.
fn drawn(salt: u32, below: u32) -> String {
    format!("(hashint4extended(i, {salt}) & 1048575)::int % {below}")
}

/// A working day's schedule: where people live, most at the full hour, some at any minute.
fn schedule() -> Value {
    let zones = "ARRAY['America/Los_Angeles', 'America/New_York', 'America/New_York', 'Europe/London',
        'Europe/Berlin', 'Europe/Berlin', 'Europe/Berlin', 'Asia/Kolkata', 'Asia/Kolkata', 'Asia/Tokyo']";
    Value::sql(format!(
        "format('CRON_TZ=%s %s %s * * 1-5', ({zones})[1 + {zone}],
                CASE {habit} WHEN 0 THEN {minute} WHEN 1 THEN 15 WHEN 2 THEN 30 WHEN 3 THEN 30 WHEN 4 THEN 45 ELSE 0 END,
                7 + ({early} + {late}) / 2)",
        zone = drawn(1, 10),
        habit = drawn(2, 10),
        minute = drawn(3, 60),
        early = drawn(4, 4),
        late = drawn(5, 4),
    ))
}

fn day() {
    let server = Server::options_without_worker()
        .set("shared_buffers", "256MB")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create();
    // From seven hours on, some half a day.
    let ttl = format!("({}::bigint + {}) * {MINUTE}", 7 * 60, drawn(6, 300));
    template
        .workspaces(WORKSPACES, Transition::Stop)
        .schedule(schedule())
        .set("ttl", Value::sql(ttl))
        .created_at(BEGIN)
        .create();
    let mut client = product.superuser();
    let mut provisioner = Provisioner::of(&product);
    execute(
        &mut client,
        "CREATE TEMPORARY TABLE made AS SELECT * FROM autobuild_preview() LIMIT 0",
    );
    let mut minutes = Vec::new();
    for minute in 0..BEFORE + MINUTES {
        let at = format!("timestamptz '{BEGIN}' + interval '{minute} minutes'");
        // The product's own rows say when they were made: at that minute.
        execute(
            &mut client,
            &format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;
                 TRUNCATE made;
                 INSERT INTO made SELECT * FROM autobuild_tick({at});
                 COMMIT;
                 UPDATE workspace_builds b SET created_at = {at}, updated_at = {at}
                   FROM made WHERE b.id = made.build_id;"
            ),
        );
        provisioner.at(Value::sql(format!("({at})"))).work();
        if minute >= BEFORE {
            let row = client
                .query_one(
                    "SELECT count(*) FILTER (WHERE transition = 'start' AND outcome = 'built'),
                            count(*) FILTER (WHERE transition = 'stop' AND outcome = 'built'),
                            (SELECT count(*) FROM workspaces w
                              CROSS JOIN LATERAL (SELECT transition FROM workspace_builds b
                                  WHERE b.workspace_id = w.id ORDER BY build_number DESC LIMIT 1) b
                              WHERE b.transition = 'start')
                       FROM made",
                    &[],
                )
                .expect("what the tick made");
            let number = |column: usize| row.get::<_, i64>(column);
            minutes.push(json!({"start": number(0), "stop": number(1), "running": number(2)}));
        }
    }
    println!("{}", json!({"workspaces": WORKSPACES, "minutes": minutes}));
}

fn life(time: Duration) {
    let server = Server::options()
        .preload("workspace-autobuild")
        .set("workspace_autobuild.tick_interval", "1s")
        .set("workspace_autobuild.lock_timeout", "500ms")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    let docker = product.template("docker").create();
    docker
        .workspaces(120, Transition::Stop)
        .schedule(Value::sql("format('%s-59/3 * * * *', i % 3)"))
        .set(
            "ttl",
            Value::sql(format!("{MINUTE} + (i % 40)::bigint * {}", MINUTE / 60)),
        )
        .created_at(Value::sql("now()"))
        .create();
    stuck(&product);
    product
        .superuser()
        .batch_execute(
            "CREATE ROLE prometheus LOGIN IN ROLE pg_monitor;
             ALTER ROLE prometheus SET search_path = public, pg_catalog;",
        )
        .expect("the exporter's role");
    let address = server.address();
    println!(
        "{} {} {}",
        address.socket_dir.display(),
        address.port,
        product.database()
    );
    // Counters are to be seen at zero first.
    thread::sleep(Duration::from_secs(5));
    product.create_extension();
    let begun = Instant::now();
    let mut provisioner = Provisioner::of(&product);
    let mut locked = None;
    while begun.elapsed() < time {
        let part = begun.elapsed().as_secs_f64() / time.as_secs_f64();
        // It would wait for the lock, too.
        if !(0.33..0.5).contains(&part) && locked.is_none() {
            provisioner.work();
        }
        match &mut locked {
            None if (0.7..0.78).contains(&part) => {
                let mut session = product.connect();
                session
                    .batch_execute("BEGIN; LOCK TABLE templates")
                    .expect("the lock");
                locked = Some(session);
            }
            Some(_) if part > 0.78 => locked = None,
            _ => {}
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn page() {
    const QUARTERS: i32 = 24 * 4;
    let server = Server::options_without_worker().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let docker = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create();
    let ttl = format!("({}::bigint + {}) * {MINUTE}", 7 * 60, drawn(6, 300));
    docker
        .workspaces(600, Transition::Stop)
        .schedule(schedule())
        .set("ttl", Value::sql(ttl))
        .set("name", Value::sql("format('dev-%s', i)"))
        .created_at(BEGIN)
        .create();
    let strict = product.template("strict").parameter(parameter("team"));
    strict
        .create()
        .workspaces(5, Transition::Stop)
        .schedule("30 7 * * *")
        .set("name", Value::sql("format('ci-%s', i)"))
        .created_at(BEGIN)
        .create();
    let mut client = product.superuser();
    let mut provisioner = Provisioner::of(&product);
    for quarter in 1..=QUARTERS {
        let at = format!(
            "timestamptz '{BEGIN}' + interval '{} minutes'",
            15 * quarter
        );
        execute(
            &mut client,
            &format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;
                 SELECT FROM autobuild_tick({at});
                 COMMIT;
                 UPDATE workspace_builds SET created_at = {at}, updated_at = {at}
                  WHERE created_at > {at}"
            ),
        );
        provisioner.at(Value::sql(format!("({at})"))).work();
    }
    let now = format!("timestamptz '{BEGIN}' + interval '1 day'");
    execute(
        &mut client,
        &format!(
            "SET TimeZone = 'UTC';
             -- As if each tick had been made at its time.
             UPDATE autobuild_ticks
                SET started_at = tick_at, finished_at = tick_at + (finished_at - started_at);
             UPDATE autobuild_attempts
                SET since = due_at, last_attempt_at = {now}, next_attempt_at = {now} + '1 hour';
             SELECT autobuild_hold('template', (SELECT id FROM templates WHERE name = 'docker'),
                 {now} + '20 hours', {now} + '22 hours', '{{start}}', 'The cluster is upgraded.');
             SELECT autobuild_hold('all', NULL, '2026-12-24 00:00Z', '2026-12-27 00:00Z',
                 '{{start}}', 'The office is closed.', 'FREQ=YEARLY')"
        ),
    );
    let page = client
        .query_one(&format!("SELECT autobuild_report({now})"), &[])
        .expect("a page");
    println!("{}", page.get::<_, String>(0));
}

/// Each not built for another reason.
fn stuck(product: &Product) {
    let hourly = "0 * * * *";
    let yesterday = Value::sql("now() - interval '1 day'");
    let many = |template: &Template<'_>, count, schedule: &str| {
        template
            .workspaces(count, Transition::Stop)
            .schedule(schedule)
            .set("ttl", HOUR)
            .created_at(yesterday.clone())
            .create();
    };
    let strict = product.template("strict").parameter(parameter("team"));
    many(&strict.create(), 9, hourly);
    let broken = product
        .template("broken")
        .version(|version| version.import_failed("main.tf: missing brace"));
    many(&broken.create(), 4, hourly);
    let guarded = product.template("guarded").create();
    many(&guarded, 1, hourly);
    many(&guarded, 2, "0 9 * * MON-FRY");
    product.refuse_builds_of(&format!("template_id = '{}'", guarded.id));
}
