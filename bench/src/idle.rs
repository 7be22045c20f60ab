//! Ticks with nothing due: by scan, with the agenda, and by programs outside.

use postgres::Client;

use crate::Config;
use crate::attach;
use crate::candidates::Shape;
use crate::data::{IDLE, statement};
use crate::executor::{self, Distance};
use crate::measure::Samples;
use crate::preview;
use crate::process::{Session, own_memory};
use crate::report::Report;
use crate::server::Bench;
use crate::sides::{Sides, in_turn, tell};
use crate::tick::idle_tick;

/// Measures them.
pub(crate) fn run(config: &Config, sides: &Sides, report: &mut Report) {
    let outside = scanning(config, sides, report);
    previews(config, sides, report);
    // Of two sides with a million there is no room for a copy.
    if sides.all().count() == 1 || sides.now().size <= 100_000 {
        attach::by_worker(sides.now(), report);
    }
    let mut sessions = attach::by_hand(sides, report);
    with_agenda(config, sides.now().size, &mut sessions, &outside, report);
    for session in &mut sessions {
        statement(&mut session.client, "SELECT autobuild_detach()");
    }
}

/// By scan, beside programs outside; what those take.
fn scanning(config: &Config, sides: &Sides, report: &mut Report) -> Vec<(Shape, f64)> {
    let bench = sides.now();
    let mut sessions = sessions(sides);
    for session in &mut sessions {
        idle_tick(&mut session.client);
    }
    let mut outside: Vec<(Shape, Samples)> = Shape::possible(&mut bench.read())
        .into_iter()
        .map(|shape| (shape, Samples::default()))
        .collect();
    for turn in 0..config.repeat as usize {
        in_turn(turn, &mut sessions, |session| {
            for _ in 0..3 {
                session.time(idle_tick);
            }
        });
        for (shape, samples) in &mut outside {
            // Minutes at a million: once says enough.
            if samples.count() == 0 || bench.size <= 100_000 {
                let database = bench.database();
                let run = executor::tick(bench.server(), database, IDLE, *shape, Distance::Socket);
                assert_eq!(run.built, 0, "nothing is due");
                samples.add(run.took);
            }
        }
    }
    let what = "idle tick";
    let scan = sessions
        .first()
        .map_or(f64::NAN, |session| session.wall.median());
    tell(report, bench.size, what, "scan", "ms", sessions.iter_mut());
    for (shape, samples) in &outside {
        report.add(bench.size, what, shape.name(), "ms", samples.scaled(1e3));
        report.ratio(samples.median() / scan, "x scan");
    }
    if let Some(kilobytes) = sessions.first().and_then(|now| own_memory(now.pid)) {
        report.note(format!(
            "A session that made {} idle ticks by scan at {} workspaces has {} MB of memory of its own.",
            3 * config.repeat + 1,
            bench.size,
            kilobytes >> 10
        ));
    }
    let median = |(shape, samples): (Shape, Samples)| (shape, samples.median());
    outside.into_iter().map(median).collect()
}

fn sessions(sides: &Sides) -> Vec<Session> {
    let session = |bench: &Bench| Session::new(bench.read());
    sides.all().map(session).collect()
}

/// The decision of such a tick alone; also before the product kept `next_start_at`, when each
/// schedule has to be worked out, and where none is filled in yet.
fn previews(config: &Config, sides: &Sides, report: &mut Report) {
    const DROP: &str = "ALTER TABLE workspaces DROP COLUMN IF EXISTS next_start_at CASCADE";
    let emptied = format!("{DROP}; ALTER TABLE workspaces ADD COLUMN next_start_at timestamptz");
    for (what, change) in [
        ("idle preview", ""),
        ("idle preview, all schedules worked out", DROP),
        ("idle preview, each next_start_at empty", emptied.as_str()),
    ] {
        let mut sessions = sessions(sides);
        for session in &mut sessions {
            statement(&mut session.client, &format!("BEGIN; {change}"));
            preview(&mut session.client);
        }
        for turn in 0..=config.repeat as usize {
            in_turn(turn, &mut sessions, |session| session.time(preview));
        }
        for session in &mut sessions {
            statement(&mut session.client, "ROLLBACK");
        }
        let size = sides.now().size;
        tell(report, size, what, "scan", "ms", sessions.iter_mut());
    }
}

fn preview(client: &mut Client) {
    let sql = format!("SELECT count(*) FROM autobuild_preview(timestamptz '{IDLE}')");
    let row = client.query_one(&sql, &[]);
    let due: i64 = row.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0);
    assert_eq!(due, 0, "nothing is due");
}

/// With the agenda, and what such a tick writes.
fn with_agenda(
    config: &Config,
    size: u32,
    sessions: &mut [Session],
    outside: &[(Shape, f64)],
    report: &mut Report,
) {
    for session in sessions.iter_mut() {
        idle_tick(&mut session.client);
    }
    preview::upcoming(config, size, sessions, "agenda", report);
    let written = |sessions: &mut [Session]| -> i64 {
        let client = sessions.first_mut().map(|now| &mut now.client);
        client.map_or(0, end_of_wal)
    };
    let before = written(sessions);
    for turn in 0..3 * config.repeat as usize {
        in_turn(turn, sessions, |session| {
            session.time(idle_tick);
        });
    }
    let written = written(sessions) - before;
    let agenda = sessions.first().map_or(f64::NAN, |now| now.wall.median());
    tell(
        report,
        size,
        "idle tick",
        "agenda",
        "ms",
        sessions.iter_mut(),
    );
    for (shape, took) in outside {
        report.ratio(took / agenda, &format!("{} x agenda", shape.name()));
    }
    report.note(format!(
        "{} idle ticks with the agenda at {size} workspaces wrote {written} bytes of WAL.",
        3 * config.repeat
    ));
}

/// Where the server's WAL ends.
fn end_of_wal(client: &mut Client) -> i64 {
    client
        .query_one("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8", &[])
        .unwrap_or_else(|e| panic!("the WAL's end: {e:?}"))
        .get(0)
}
