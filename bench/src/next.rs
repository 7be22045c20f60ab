//! The next run of a schedule: ours and the cron crates on the same schedules, zones and
//! instants, and ours in the server, on the server's zones.

use std::hint::black_box;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use workspace_autobuild::instant::Instant;
use workspace_autobuild::schedule::{Bundled, Schedule};

use crate::Config;
use crate::measure::{Samples, timed};
use crate::report::Report;
use crate::server::Bench;

/// Schedules as people have them: minute, hour, weekdays in cron's numbers, and the
/// weekdays by name, which mean the same to every crate.
const SCHEDULES: [(&str, &str); 4] = [
    ("30 9 * * 1-5", "30 9 * * MON-FRI"),
    ("0 */2 * * *", "0 */2 * * *"),
    ("15 18 * * 5", "15 18 * * FRI"),
    ("5,35 7-19 * * 1-4", "5,35 7-19 * * MON-THU"),
];
const ZONES: [chrono_tz::Tz; 3] = [
    chrono_tz::Europe::Berlin,
    chrono_tz::America::New_York,
    chrono_tz::Asia::Kolkata,
];

/// Instants from 2025 to 2027, none of them on a minute.
fn afters(calls: u32) -> Vec<i64> {
    const START: i64 = 1_735_689_601;
    (0..i64::from(calls))
        .map(|n| START + n * 7_919_117 % (2 * 365 * 86_400))
        .collect()
}

/// What finds the next run after an instant in Unix seconds.
type Next = Box<dyn Fn(i64) -> i64>;

/// Ours and the crates, each on all schedules and zones, already parsed.
fn contenders() -> Vec<(&'static str, Vec<Next>)> {
    let zone = |at: i64, zone: chrono_tz::Tz| {
        DateTime::<Utc>::from_timestamp(at, 0)
            .unwrap_or_default()
            .with_timezone(&zone)
    };
    let mut ours: Vec<Next> = Vec::new();
    let mut cron: Vec<Next> = Vec::new();
    let mut croner: Vec<Next> = Vec::new();
    let mut cronexpr: Vec<Next> = Vec::new();
    let mut cron_parser: Vec<Next> = Vec::new();
    for (text, named) in SCHEDULES {
        for tz in ZONES {
            let schedule = Schedule::parse(&format!("CRON_TZ={} {text}", tz.name()), &Bundled)
                .unwrap_or_else(|e| panic!("{text}: {e}"));
            ours.push(Box::new(move |after| {
                Instant::from_unix_seconds(after)
                    .and_then(|after| schedule.next(after))
                    .map_or(0, Instant::unix_seconds)
            }));
            let schedule = cron::Schedule::from_str(&format!("0 {named}"))
                .unwrap_or_else(|e| panic!("cron: {named}: {e}"));
            cron.push(Box::new(move |after| {
                let next = schedule.after(&zone(after, tz)).next();
                next.map_or(0, |next| next.timestamp())
            }));
            let schedule =
                croner::Cron::from_str(text).unwrap_or_else(|e| panic!("croner: {text}: {e}"));
            croner.push(Box::new(move |after| {
                let next = schedule.find_next_occurrence(&zone(after, tz), false);
                next.map_or(0, |next| next.timestamp())
            }));
            let schedule = cronexpr::parse_crontab(&format!("{named} {}", tz.name()))
                .unwrap_or_else(|e| panic!("cronexpr: {named}: {e}"));
            cronexpr.push(Box::new(move |after| {
                cronexpr::MakeTimestamp::from_second(after)
                    .and_then(|after| schedule.find_next(after))
                    .map_or(0, |next| next.timestamp().as_second())
            }));
            // It has no parsed form: each call reads the text.
            cron_parser.push(Box::new(move |after| {
                cron_parser::parse(text, &zone(after, tz)).map_or(0, |next| next.timestamp())
            }));
        }
    }
    vec![
        ("ours", ours),
        ("cron", cron),
        ("croner", croner),
        ("cronexpr", cronexpr),
        ("cron-parser (parses each time)", cron_parser),
    ]
}

/// Ours and the cron crates, in turn.
pub(crate) fn crates(config: &Config, report: &mut Report) {
    let afters = afters(config.calls / 10);
    let contenders = contenders();
    let mut all: Vec<Samples> = contenders.iter().map(|_| Samples::default()).collect();
    for _ in 0..config.repeat {
        for ((_, nexts), samples) in contenders.iter().zip(&mut all) {
            let (took, ()) = timed(|| {
                for next in nexts {
                    for &after in &afters {
                        black_box(next(black_box(after)));
                    }
                }
            });
            samples.add(took / (nexts.len() * afters.len()) as u32);
        }
    }
    let ours = all.first().map_or(f64::NAN, Samples::median);
    for ((name, nexts), samples) in contenders.iter().zip(&all) {
        report.add(0, "next run of a schedule", name, "ns", samples.scaled(1e9));
        if let Some((first, reference)) = contenders.first()
            && first != name
        {
            report.ratio(samples.median() / ours, "x ours");
            report.note(agreement(name, reference, nexts, &afters));
        }
    }
}

/// How often another crate answers as ours does.
fn agreement(name: &str, ours: &[Next], theirs: &[Next], afters: &[i64]) -> String {
    let asked = ours.len() * afters.len();
    let same: usize = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| {
            let same = |after: &&i64| ours(**after) == theirs(**after);
            afters.iter().filter(same).count()
        })
        .sum();
    format!("{name}: {same} of {asked} answers are ours.")
}

/// Ours in the server, on the server's zones. What the rows cost that carry the answers
/// is taken off: it is measured on a schedule for each minute in UTC, which needs neither
/// a search nor a zone.
pub(crate) fn in_server(config: &Config, bench: &Bench, report: &mut Report) {
    let mut client = bench.read();
    let (mut next, mut with_row, mut row) =
        (Samples::default(), Samples::default(), Samples::default());
    let calls = config.calls;
    let mut time = |schedule: String| {
        let sql = format!(
            "SELECT count(*) FROM autobuild_schedule_next(
                 '{schedule}', '2025-01-01 00:00:01+00', {calls})"
        );
        let (took, result) = timed(|| client.query_one(&sql, &[]));
        result.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        took / calls
    };
    for _ in 0..=config.repeat {
        for tz in ZONES {
            for (text, _) in SCHEDULES {
                let whole = time(format!("CRON_TZ={} {text}", tz.name()));
                let empty = time("* * * * *".to_owned());
                with_row.add(whole);
                row.add(empty);
                next.add(whole.saturating_sub(empty));
            }
        }
    }
    let what = "next run in the server";
    report.add(0, what, "ours", "ns", next.scaled(1e9));
    report.add(0, what, "with its row", "ns", with_row.scaled(1e9));
    report.add(0, what, "the row alone", "ns", row.scaled(1e9));
}
