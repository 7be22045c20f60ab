//! Rules by chance, against the plain way to read them and against the `rrule` crate.

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta, Weekday};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::brute::{Made, in_zone};
use crate::holds::parts::Parts;
use crate::holds::pattern::Pattern;
use crate::holds::{Hold, Holds, Recurrence, Scope, Transitions, When};
use crate::instant::{Instant, MINUTE, SECOND};
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::schedule::{Bundled, TzifZone, Zone, ZoneSource};

/// How far the plain way goes, in days.
const DAYS: u64 = 600;

fn weekday() -> impl Strategy<Value = Weekday> {
    (0..7u8).prop_map(|n| Weekday::try_from(n).unwrap())
}

/// Mostly no number; else a few of a range, of both signs or one.
fn numbers(least: i64, most: i64, signed: bool) -> impl Strategy<Value = Vec<i64>> {
    let number = (least..=most, any::<bool>());
    let number = number.prop_map(move |(n, below)| if signed && below { -n } else { n });
    prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::btree_set(number, 1..5).prop_map(|set| set.into_iter().collect()),
    ]
}

fn weekdays(numbered: bool) -> impl Strategy<Value = Vec<(i64, Weekday)>> {
    let number = prop_oneof![2 => Just(0), 1 => -5..=5i64, 1 => -53..=53i64];
    let item = (number, weekday());
    let item = item.prop_map(move |(n, day)| (if numbered { n } else { 0 }, day));
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(item, 1..4),
    ]
}

const FREQUENCIES: [&str; 6] = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"];

/// A rule that the RFC allows.
fn rule() -> impl Strategy<Value = Made> {
    let frequency = select(FREQUENCIES.as_slice());
    frequency.prop_flat_map(|frequency| {
        let interval = match frequency {
            "YEARLY" => (1..3i64).boxed(),
            "MINUTELY" => prop_oneof![1..200i64, 1000..3000i64].boxed(),
            _ => (1..20i64).boxed(),
        };
        let only = |wanted: bool, list: BoxedStrategy<Vec<i64>>| {
            if wanted {
                list
            } else {
                Just(Vec::new()).boxed()
            }
        };
        let yearly = frequency == "YEARLY";
        let short = matches!(frequency, "HOURLY" | "MINUTELY");
        let days = (
            numbers(1, 12, false),
            only(yearly, numbers(1, 53, true).boxed()),
            only(yearly || short, numbers(1, 366, true).boxed()),
            only(frequency != "WEEKLY", numbers(1, 31, true).boxed()),
            weekdays(matches!(frequency, "YEARLY" | "MONTHLY")),
        );
        let times = (numbers(0, 23, false), numbers(0, 59, false));
        let rest = (
            prop::option::of(weekday()),
            numbers(1, 9, true),
            prop::option::of(1..40usize),
            interval,
        );
        (days, times, rest).prop_map(move |(days, (hours, minutes), rest)| {
            let (months, weeks, year_days, month_days, mut weekdays) = days;
            let (week_start, mut places, count, interval) = rest;
            if !weeks.is_empty() {
                weekdays.iter_mut().for_each(|(number, _)| *number = 0);
            }
            let by_date = [&months, &weeks, &year_days, &month_days];
            let chooses = by_date
                .into_iter()
                .chain([&hours, &minutes])
                .any(|l| !l.is_empty());
            if !chooses && weekdays.is_empty() {
                places.clear();
            }
            Made {
                frequency,
                interval,
                week_start,
                months,
                weeks,
                year_days,
                month_days,
                weekdays,
                hours,
                minutes,
                places,
                count,
                until: None,
            }
        })
    })
}

fn start() -> impl Strategy<Value = NaiveDateTime> {
    let day = prop_oneof![
        0..14_000i64,
        select(vec![1_520, 4_442, 5_902, 9_190, 10_957, 11_016])
    ];
    (day, 0..1440i64).prop_map(|(day, minute)| {
        let date = NaiveDate::from_ymd_opt(1996, 1, 1).unwrap();
        let midnight = date.and_time(chrono::NaiveTime::MIN);
        midnight + TimeDelta::days(day) + TimeDelta::minutes(minute)
    })
}

fn walls(times: &[NaiveDateTime]) -> Vec<i64> {
    times
        .iter()
        .map(|time| time.and_utc().timestamp())
        .collect()
}

/// Zones whose clocks are moved at midnight, by odd amounts, a whole day, or never.
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/New_York",
];

/// The first minute at which a zone's clock shows a time; if it never does, by how much it was
/// off before it went past it. Found by going through the minutes.
fn first_shown(wall: i64, zone: &impl Zone) -> i64 {
    let shows = |unix: i64| unix + i64::from(zone.span_at(unix).offset);
    let minutes = (wall - 26 * 3600..=wall + 26 * 3600).step_by(60);
    for unix in minutes {
        if shows(unix) == wall {
            return unix;
        }
        if shows(unix) < wall && wall < shows(unix + 60) {
            return wall - i64::from(zone.span_at(unix).offset);
        }
    }
    panic!("{wall}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_rule_has_the_times_that_the_plain_way_finds(
        rule in rule(), start in start(), asked in 0..DAYS * 1440, length in 0..20_000i64,
    ) {
        let to = start.date() + Days::new(DAYS);
        let plain = walls(&rule.occurrences(start, to));
        let from = start.and_utc().timestamp();
        let end = to.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() + 86_399;
        let parts = Parts::read(&rule.to_string()).unwrap();
        let pattern = match Pattern::new(&parts, from) {
            Ok(pattern) => pattern,
            // A count that is not reached within a hundred years.
            Err(_) => return Ok(()),
        };
        let found: Vec<i64> = pattern.onward(from, end).collect();
        prop_assert_eq!(&found, &plain, "{}", rule);
        // Asked from anywhere, and backwards, it is the same.
        let asked = from + i64::try_from(asked).unwrap() * 60;
        let window = asked..=asked + length * 60;
        let within: Vec<i64> = plain.iter().copied().filter(|at| window.contains(at)).collect();
        let onward: Vec<i64> = pattern
            .onward(*window.start(), *window.end())
            .filter(|at| *at <= end)
            .collect();
        prop_assert_eq!(&onward, &within, "{}", rule);
        let mut back: Vec<i64> = pattern
            .back(*window.end(), *window.start())
            .filter(|at| *at <= end)
            .collect();
        back.reverse();
        prop_assert_eq!(&back, &within, "{}", rule);
    }

    /// Where it is wrong, or means something else, it is not asked: units of minutes; weeks
    /// without a day, or counted from the year's end; weekdays of which some have numbers and
    /// some have none; places in the week of the start; and what it refuses itself.
    #[test]
    fn the_rrule_crate_agrees_in_utc(rule in rule(), start in start()) {
        let numbered = rule.weekdays.iter().filter(|(number, _)| *number != 0).count();
        let asked = match rule.frequency {
            "MINUTELY" => false,
            "WEEKLY" => rule.places.is_empty(),
            _ => {
                (rule.weeks.is_empty() || !rule.weekdays.is_empty())
                    && rule.weeks.iter().all(|week| *week > 0)
                    && (numbered == 0 || numbered == rule.weekdays.len())
            }
        };
        if !asked {
            return Ok(());
        }
        let start_text = start.format("%Y%m%dT%H%M%SZ");
        let theirs = format!("DTSTART:{start_text}\nRRULE:{rule}").parse::<rrule::RRuleSet>();
        let Ok(theirs) = theirs else {
            return Ok(());
        };
        let theirs = theirs.all(30);
        let end = start + TimeDelta::days(20_000);
        let theirs = theirs.dates.iter().map(|date| date.naive_utc());
        let theirs: Vec<i64> = walls(&theirs.filter(|date| *date < end).collect::<Vec<_>>());
        let from = start.and_utc().timestamp();
        let parts = Parts::read(&rule.to_string()).unwrap();
        let Ok(pattern) = Pattern::new(&parts, from) else {
            return Ok(());
        };
        let ours = pattern.onward(from, end.and_utc().timestamp() - 1).take(30);
        prop_assert_eq!(ours.collect::<Vec<i64>>(), theirs, "{}", rule);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_covers_a_time_and_what_comes_next_is_what_the_plain_way_finds(
        mut rule in rule(),
        start in start(),
        zone in select(ZONES.as_slice()),
        micros in 0..SECOND,
        minutes in prop_oneof![1..120i64, 1..6_000i64],
        asked in prop::collection::vec(0..400i64 * 1440, 1..20),
        dropped in subsequence((0..12usize).collect::<Vec<_>>(), 0..4),
    ) {
        rule.count = None;
        if matches!(rule.frequency, "HOURLY" | "MINUTELY") && rule.months.is_empty() {
            rule.months.push(3);
            rule.months.push(10);
        }
        let tz = Bundled.zone(zone).unwrap();
        let starts_at = first_shown(start.and_utc().timestamp(), &tz);
        let shown = starts_at + i64::from(tz.span_at(starts_at).offset);
        let start = chrono::DateTime::from_timestamp(shown, 0).unwrap().naive_utc();
        let plain = rule.occurrences(start, start.date() + Days::new(410));
        let exceptions: Vec<NaiveDateTime> =
            dropped.iter().filter_map(|place| plain.get(*place).copied()).collect();
        let mut text = in_zone(&rule, zone);
        for exception in &exceptions {
            text.push_str(&exception.format("\nEXDATE:%Y%m%dT%H%M%S").to_string());
        }
        let instant = |unix: i64| Instant::from_unix_seconds(unix).unwrap();
        let starts: Vec<Instant> = plain
            .iter()
            .filter(|time| !exceptions.contains(time))
            .map(|time| first_shown(time.and_utc().timestamp(), &tz))
            .map(|unix| instant(unix).saturating_add_micros(micros))
            .collect();
        let starts_at = instant(starts_at).saturating_add_micros(micros);
        let length = minutes * MINUTE;
        let ends_at = starts_at.saturating_add_micros(length);
        let Ok(recurrence) = Recurrence::read(&text, starts_at, ends_at, &Bundled) else {
            prop_assert!(starts.is_empty(), "{}", text);
            return Ok(());
        };
        let known_to = starts_at.saturating_add_micros(400 * 1440 * MINUTE);
        let ends = || starts.iter().map(|start| start.saturating_add_micros(length));
        let edges: Vec<Instant> = starts.iter().copied().chain(ends()).take(20).collect();
        let asked = asked.into_iter().map(|minute| starts_at.saturating_add_micros(minute * MINUTE));
        let asked = asked.chain(edges.iter().copied());
        let asked = asked.chain(edges.iter().map(|edge| edge.saturating_add_micros(-1)));
        for at in asked.filter(|at| *at < known_to) {
            let covered = starts
                .iter()
                .map(|start| (*start, start.saturating_add_micros(length)))
                .filter(|(start, end)| *start <= at && at < *end);
            let covered = covered.map(|(_, end)| end).max();
            prop_assert_eq!(recurrence.covering(at), covered, "{} at {}", text, at);
            let next = starts.iter().copied().filter(|start| *start > at).min();
            let found = recurrence.start_after(at);
            let found = found.filter(|found| next.is_some() || *found < known_to);
            prop_assert_eq!(found, next, "{} at {}", text, at);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_in_few_words(
        text in prop_oneof![
            any::<String>(),
            "(TZID=[A-Za-z/]{0,8};)?FREQ=(DAILY|WEEKLY|YEARLY|MINUTELY);(BY[A-Z]{3,8}|COUNT|UNTIL|INTERVAL|WKST)=[-0-9A-Z,;=]{0,20}",
            "FREQ=[A-Z]{5,8}(;BY(DAY|MONTH|SETPOS|HOUR|WEEKNO)=[-+0-9MOTUWEHFRSA,]{1,9}){0,4}(\nEXDATE:[0-9TZ]{0,16})?",
        ],
        micros in Instant::MIN.micros()..Instant::END.micros(),
        length in 0..40_000_000_000_000i64,
    ) {
        for micros in [micros, micros % 1_000_000_000_000_000] {
            let at = Instant::from_micros(micros).unwrap();
            match Recurrence::read(&text, at, at.saturating_add_micros(length), &Bundled) {
                Ok(recurrence) => {
                    let first = recurrence.start_after(at.saturating_add_micros(-1)).unwrap();
                    prop_assert!(first >= at);
                    prop_assert_eq!(recurrence.covering(first.saturating_add_micros(-1)), None);
                    prop_assert!(recurrence.covering(first).is_some());
                }
                Err(error) => {
                    let message = error.to_string();
                    prop_assert!(message.len() < 700);
                    prop_assert!(!message.chars().any(char::is_control));
                }
            }
        }
    }
}

/// Once or by one of a few rules, of all or of the example's owner, for some transitions.
fn hold(place: i64) -> impl Strategy<Value = (Hold<TzifZone>, Recorded)> {
    let rules = [
        None,
        None,
        None,
        Some("FREQ=DAILY"),
        Some("TZID=Europe/Berlin;FREQ=HOURLY;INTERVAL=5"),
        Some("FREQ=MINUTELY;INTERVAL=7;COUNT=300"),
        Some("TZID=Asia/Beirut;FREQ=WEEKLY;BYDAY=SU,MO"),
    ];
    let length = prop_oneof![
        Just(None),
        (1..40i64).prop_map(Some),
        (1..3000i64).prop_map(Some)
    ];
    let released = prop::option::weighted(0.2, 0..20_000i64);
    let transitions = select(vec![
        vec!["start"],
        vec!["stop", "dormant"],
        vec!["start", "delete"],
    ]);
    let of_all = any::<bool>();
    (
        0..20_000i64,
        length,
        select(rules.to_vec()),
        released,
        transitions,
        of_all,
    )
        .prop_map(
            move |(minute, length, rule, released, transitions, of_all)| {
                let length = if rule.is_some() {
                    length.or(Some(60))
                } else {
                    length
                };
                let at = |minute: i64| march().saturating_add_micros(minute * MINUTE);
                let (from, to) = (at(minute), length.map(|length| at(minute + length)));
                let released = released.map(at);
                let read = || When::read(from, to, rule, &Bundled).unwrap();
                let (facts, transitions) = (
                    Facts::example(BuildTransition::Stop, march()),
                    Transitions::read(transitions).unwrap(),
                );
                let scope = if of_all {
                    Scope::All
                } else {
                    Scope::Owner(facts.owner_id)
                };
                let hold = Hold::new(place, scope, transitions, None, read());
                let hold = match released {
                    Some(at) => hold.released(at),
                    None => hold,
                };
                let recorded = Recorded {
                    when: read(),
                    released,
                    transitions,
                };
                (hold, recorded)
            },
        )
}

/// What the plain way needs of a hold.
#[derive(Clone, Debug)]
struct Recorded {
    when: When<TzifZone>,
    released: Option<Instant>,
    transitions: Transitions,
}

impl Recorded {
    /// If it covers an instant: up to when, without what follows.
    fn covering(&self, at: Instant) -> Option<Option<Instant>> {
        let until = match &self.when {
            When::Once(from, to) => (*from <= at && to.is_none_or(|to| at < to)).then_some(*to),
            When::Again(recurrence) => recurrence.covering(at).map(Some),
        }?;
        match self.released {
            Some(released) if released <= at => None,
            Some(released) => Some(Some(until.map_or(released, |until| until.min(released)))),
            None => Some(until),
        }
    }
}

/// Before a night in which clocks are moved, in Berlin and in Beirut.
fn march() -> Instant {
    super::at("2026-03-26 00:00")
}

fn holds() -> impl Strategy<Value = Vec<(Hold<TzifZone>, Recorded)>> {
    (hold(0), hold(1), hold(2), hold(3), 1..5usize).prop_map(|(a, b, c, d, count)| {
        let mut holds = vec![a, b, c, d];
        holds.truncate(count);
        holds
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn holds_together_say_what_each_says_by_itself(
        holds in holds(),
        asked in prop::collection::vec((-100..21_000i64, 0..3usize, -1..2i64), 1..30),
    ) {
        let (holds, recorded): (Vec<_>, Vec<_>) = holds.into_iter().unzip();
        let together = Holds::new(holds);
        let facts = Facts::example(BuildTransition::Stop, march());
        for (minute, which, micro) in asked {
            let at = march().saturating_add_micros(minute * MINUTE + micro);
            let wanted = [vec!["start"], vec!["stop"], vec!["stop", "dormant"]];
            let wanted = Transitions::read(wanted[which].clone()).unwrap();
            let those = || recorded.iter().zip(0..).filter(|(one, _)| one.transitions.meet(wanted));
            let last = |at: Instant| {
                those()
                    .filter_map(|(one, place)| Some((one.covering(at)?, place)))
                    .max_by_key(|(until, place)| (until.unwrap_or(Instant::MAX), -place))
            };
            let held = together.held(&facts, wanted, at);
            let Some((mut until, _)) = last(at) else {
                prop_assert!(held.is_none(), "{:?} at {}", recorded, at);
                continue;
            };
            let held = held.unwrap();
            let mut covers = those().filter(|(one, _)| one.covering(at).is_some());
            prop_assert!(covers.any(|(_, place)| place == held.hold.hold_id));
            let far = at.saturating_add_micros(900 * MINUTE);
            while let Some(end) = until.filter(|end| *end < far) {
                match last(end) {
                    Some((next, _)) => until = next,
                    None => break,
                }
            }
            // What goes on for very long is not followed in all its steps.
            match until {
                Some(end) if end < far => prop_assert_eq!(held.until, Some(end), "{:?} at {}", recorded, at),
                _ => prop_assert!(held.at_least.is_none_or(|end| end >= far), "{:?} at {}", recorded, at),
            }
        }
    }
}
