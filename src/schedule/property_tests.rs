//! What must hold for every schedule, instant and zone, tried on many.

use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::files::Bundled;
use super::test_zones::OnlyZone;
use super::weekly::MAX_SPANS;
use super::*;
use crate::instant::*;

/// Zones whose clocks are moved often, far, at midnight, by odd amounts or never.
pub(super) const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "Europe/London",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Gaza",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Asia/Kathmandu",
];

/// 1973 to 2040: since then every offset is a whole number of minutes.
pub(super) const SECONDS: std::ops::Range<i64> = 94_694_400..2_208_988_800;

/// A field of plain numbers, a few or many.
pub(super) fn numbers(max: u8) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(0..=max, 1..4),
        prop::collection::vec(0..=max, 1..40),
    ]
}

pub(super) fn list(numbers: &[u8]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
    numbers.join(",")
}

/// Instants anywhere, and as many near the next time the zone's clock is moved.
pub(super) fn after(zone: &'static str) -> impl Strategy<Value = i64> {
    prop_oneof![
        SECONDS,
        (SECONDS, -200_000..200_000i64).prop_map(move |(at, near)| {
            let span = Bundled.zone(zone).unwrap().span_at(at);
            span.until.unwrap_or(at) + near
        }),
    ]
}

/// A zone that answers anything at all, the same for the same instant.
#[derive(Clone, Debug)]
struct AnyZone {
    seed: u64,
    calls: Rc<Cell<usize>>,
}

impl Zone for AnyZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        self.calls.set(self.calls.get() + 1);
        let mut hasher = DefaultHasher::new();
        (self.seed, unix_seconds).hash(&mut hasher);
        let random = hasher.finish();
        let offset = match random % 4 {
            0 => i32::MIN,
            1 => i32::MAX,
            _ => (random >> 16) as i32,
        };
        let until = match (self.seed ^ random >> 8) % 8 {
            0 => None,
            1 => Some(i64::MIN),
            2 => Some(i64::MAX),
            3 => Some(unix_seconds),
            4 => Some(random as i64),
            n => Some(unix_seconds.saturating_add(n as i64)),
        };
        Span { offset, until }
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        self.span_at(!unix_seconds).until
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn next_is_the_first_later_minute_that_the_local_clock_has_in_the_sets(
        (zone, after) in prop::sample::select(&ZONES[..]).prop_flat_map(|z| (Just(z), after(z))),
        micros in 0..1_000_000i64,
        minutes in numbers(59),
        hours in numbers(23),
        weekdays in numbers(6),
    ) {
        let zones = Bundled;
        let text = format!(
            "CRON_TZ={zone} {} {} * * {}", list(&minutes), list(&hours), list(&weekdays)
        );
        let clock = zones.zone(zone).unwrap();
        let after = Instant::from_unix_seconds(after).unwrap().saturating_add_micros(micros);
        let next = Schedule::parse(&text, &zones).unwrap().next(after).unwrap();
        prop_assert!(next > after);

        // Minute by minute, with nothing but the offset of each.
        let shows = |at: i64| {
            let local = at + i64::from(clock.span_at(at).offset);
            let is = |set: &[u8], n: i64| set.iter().any(|s| i64::from(*s) == n);
            local % 60 == 0
                && is(&minutes, local / 60 % 60)
                && is(&hours, local / 3600 % 24)
                && is(&weekdays, (local / 86_400 + 4) % 7)
        };
        let first = after.truncate_to_minute().unix_seconds() + 60;
        let found = (first..).step_by(60).find(|at| shows(*at)).unwrap();
        prop_assert_eq!(next.unix_seconds(), found);
    }

    #[test]
    fn a_search_ends_whatever_the_zone_answers(
        seed: u64,
        micros in Instant::MIN.micros()..Instant::END.micros(),
        weekday in 0..7,
    ) {
        let calls = Rc::new(Cell::new(0));
        let zones = OnlyZone(AnyZone { seed, calls: Rc::clone(&calls) });
        let schedule = Schedule::parse(&format!("CRON_TZ=X 30 9 * * {weekday}"), &zones).unwrap();
        let last = Instant::END.micros() - 1;
        for micros in [micros, micros % 1_000_000_000_000_000, Instant::MIN.micros(), last] {
            calls.set(0);
            let at = Instant::from_micros(micros).unwrap();
            schedule.next(at);
            prop_assert!(calls.get() <= MAX_SPANS);
            calls.set(0);
            schedule.bound(at, 0);
            // Each of them asked for an offset, and since when it holds.
            prop_assert!(calls.get() <= 2 * MAX_SPANS);
            schedule.weekday(at);
        }
    }

    #[test]
    fn the_cron_crate_agrees_on_plain_sets_in_utc(
        after in SECONDS,
        minutes in numbers(59),
        hours in numbers(23),
        weekdays in numbers(6),
    ) {
        let ours = format!("{} {} * * {}", list(&minutes), list(&hours), list(&weekdays));
        let shifted: Vec<u8> = weekdays.iter().map(|day| day + 1).collect();
        let theirs = format!("0 {} {} * * {}", list(&minutes), list(&hours), list(&shifted));
        let theirs = cron::Schedule::from_str(&theirs).unwrap();
        let start: DateTime<Utc> = DateTime::from_timestamp(after, 0).unwrap();
        let due: Vec<i64> = theirs.after(&start).take(5).map(|at| at.timestamp()).collect();

        let ours = Schedule::parse(&ours, &Bundled).unwrap();
        let runs = std::iter::successors(Instant::from_unix_seconds(after), |at| ours.next(*at));
        let runs: Vec<i64> = runs.skip(1).take(5).map(Instant::unix_seconds).collect();
        prop_assert_eq!(runs, due);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_accepted_or_refused_and_nothing_else(
        text in prop_oneof![
            any::<String>(),
            "(CRON_)?(TZ=)?[A-Za-z/ ]{0,12}[-0-9*?/,+ \t]{0,30}",
            "(CRON_TZ=[A-Z]{0,3} )?([-0-9*?/,+a-z]{1,6} ){2}\\* \\* [-0-9*?/,+a-zA-Zİ]{1,8}",
        ],
        micros in Instant::MIN.micros()..Instant::END.micros(),
    ) {
        match Schedule::parse(&text, &Bundled) {
            Ok(schedule) => {
                let next = schedule.next(Instant::from_micros(micros).unwrap());
                prop_assert!(next.is_none() || !schedule.never_runs());
                // What is taken apart means the same put together again.
                let again = format!("CRON_TZ={} {}", schedule.timezone(), schedule.cron());
                let again = Schedule::parse(&again, &Bundled).unwrap();
                prop_assert_eq!(again.sets, schedule.sets);
                prop_assert!(!schedule.description().is_empty());
            }
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.len() < 600);
                prop_assert!(!message.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn an_item_is_every_step_from_its_start_to_its_end(
        start in 0..60u32, length in 0..60u32, step in 1..70u32, stepped: bool, open: bool,
    ) {
        let end = (start + length).min(59);
        let (range, end) = match (open, stepped) {
            (false, _) => (format!("{start}-{end}"), end),
            (true, true) => (format!("{start}"), 59),
            (true, false) => (format!("{start}"), start),
        };
        let (text, step) = if stepped { (format!("{range}/{step}"), step) } else { (range, 1) };
        let schedule = Schedule::parse(&format!("{text} 9 * * 1"), &Bundled).unwrap();
        for minute in 0..60 {
            let due = minute >= start && minute <= end && (minute - start) % step == 0;
            prop_assert_eq!(schedule.sets.minutes >> minute & 1 == 1, due);
        }
    }
}
