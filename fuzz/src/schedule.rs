//! Schedule texts, against a second reading of them.

use workspace_autobuild::instant::Instant;
use workspace_autobuild::schedule::{Bundled, Schedule, ScheduleCache, TzifZone, ZoneSource};

use crate::second_reading::Reading;

/// No message is longer, whatever it tells of.
const LONG: usize = 600;
/// How far the slow search goes: as far as two runs of a week are from each other, and a
/// day.
const FAR: i64 = 8 * 86_400;

/// A schedule's text, after four bytes of an instant.
pub fn schedule(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(4));
    let mut bytes = [0; 4];
    for (to, from) in bytes.iter_mut().zip(head) {
        *to = *from;
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let zones = Bundled;
    let reading = read(text, &zones);
    let parsed = Schedule::parse(text, &zones);
    assert_eq!(parsed.is_ok(), reading.is_some(), "{text:?}: {parsed:?}");
    let cached = ScheduleCache::new(Bundled, 2);
    let kept = cached.get(text);
    match (parsed, reading) {
        (Ok(schedule), Some(reading)) => {
            assert_eq!(kept.expect("the same").cron(), schedule.cron());
            printed(&schedule, &zones);
            assert_eq!(schedule.never_runs(), reading.never_runs(), "{text:?}");
            let mut after = instant(bytes);
            for _ in 0..3 {
                let Some(next) = next(&schedule, &reading, after) else {
                    return;
                };
                after = next.max(after);
            }
        }
        (Err(error), _) => {
            let message = error.to_string();
            assert!(message.len() < LONG, "{} bytes", message.len());
            assert!(!message.chars().any(char::is_control), "{message:?}");
            assert_eq!(kept.expect_err("the same"), error);
        }
        _ => unreachable!("they agreed"),
    }
}

/// What a text is to mean; `None` where it is to be refused. Which names are IANA's is
/// the database's to know.
fn read(text: &str, zones: &Bundled) -> Option<Reading> {
    match text.strip_prefix("CRON_TZ=") {
        None => Reading::of(text, None),
        Some(prefixed) => match prefixed.split_once(' ')? {
            ("", fields) => Reading::of(fields, None),
            (name, fields) => Reading::of(fields, Some(zones.zone(name)?)),
        },
    }
}

/// From the year 1833 to 2106, to the second: there zones have the most to say.
fn instant(bytes: [u8; 4]) -> Instant {
    let seconds = i64::from(u32::from_le_bytes(bytes)) * 2 - (1 << 32);
    Instant::from_unix_seconds(seconds).expect("a time within three centuries")
}

/// What is printed means the same again.
fn printed(schedule: &Schedule<TzifZone>, zones: &Bundled) {
    let description = schedule.description();
    assert!(!description.is_empty());
    assert!(!description.chars().any(char::is_control));
    let text = format!("CRON_TZ={} {}", schedule.timezone(), schedule.cron());
    let again = Schedule::parse(&text, zones).expect("what was printed");
    assert_eq!(again.cron(), schedule.cron());
    assert_eq!(again.description(), description);
}

/// The next run, if there is one: it is later, the clock then shows an admitted time, and
/// at no minute before does it.
fn next(schedule: &Schedule<TzifZone>, reading: &Reading, after: Instant) -> Option<Instant> {
    let next = schedule.next(after);
    assert_eq!(next.is_none(), schedule.never_runs());
    let next = next?;
    let (from, to) = (after.unix_seconds(), next.unix_seconds());
    assert_eq!(next, next.truncate_to_minute());
    // The run is cut down to the minute. Only where a clock is not on whole minutes can it
    // be elsewhere within that minute.
    let run = (to..to + 60).find(|at| *at > from && reading.shows(*at));
    let run = run.unwrap_or_else(|| panic!("no run at {next}, after {after}"));
    let whole = |at: i64| reading.offset(at) % 60 == 0;
    if whole(from) && whole(run) {
        assert!(next > after);
        assert_eq!(run, to);
        let first = from - from.rem_euclid(60) + 60;
        let earlier = (first..run.min(first + FAR))
            .step_by(60)
            .find(|at| reading.shows(*at));
        assert_eq!(earlier, None, "a run before {next}, after {after}");
    } else if run - from < 7200 {
        let earlier = (from + 1..run).find(|at| reading.shows(*at));
        assert_eq!(earlier, None, "a run before {next}, after {after}");
    }
    let weekday = i64::from(schedule.weekday(next).num_days_from_sunday());
    assert_eq!(weekday, reading.weekday(to));
    Some(next)
}
