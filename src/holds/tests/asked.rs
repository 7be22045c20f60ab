//! What an answer costs, and where occurrences end.

use std::cell::Cell;
use std::rc::Rc;

use super::{at, recurrence};
use crate::holds::{Hold, Holds, Recurrence, Scope, Transitions, When};
use crate::instant::{HOUR, Instant, MINUTE, SECOND};
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::transition::Transition;
use crate::schedule::{Bundled, Span, TzifZone, Zone, ZoneSource};

/// Counts how often the zone is asked.
#[derive(Clone)]
struct Counted(TzifZone, Rc<Cell<usize>>);

impl Zone for Counted {
    fn span_at(&self, unix_seconds: i64) -> Span {
        self.1.set(self.1.get() + 1);
        self.0.span_at(unix_seconds)
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        self.0.since(unix_seconds)
    }
}

struct Counting(Rc<Cell<usize>>);

impl ZoneSource for Counting {
    type Zone = Counted;
    fn zone(&self, name: &str) -> Option<Counted> {
        Some(Counted(Bundled.zone(name)?, self.0.clone()))
    }
}

/// How often the zone is asked when a rule is read and asked twice.
fn asked(rule: &str, first: &str, when: &str) -> usize {
    let count = Rc::new(Cell::new(0));
    let starts_at = at(first);
    let ends_at = starts_at.saturating_add_micros(HOUR);
    let rule = format!("TZID=Europe/Berlin;{rule}");
    let recurrence = Recurrence::read(&rule, starts_at, ends_at, &Counting(count.clone()));
    let recurrence = recurrence.unwrap();
    recurrence.covering(at(when));
    recurrence.start_after(at(when));
    count.get()
}

#[test]
fn a_rule_of_a_thousand_years_is_asked_as_cheaply_as_one_of_yesterday() {
    for rule in [
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=SA,SU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=YEARLY;BYMONTH=6",
        "FREQ=HOURLY;BYMINUTE=0,30",
        "FREQ=MINUTELY;INTERVAL=7",
    ] {
        let old = asked(rule, "1026-06-01 08:00", "2026-06-03 12:00");
        let new = asked(rule, "2025-06-01 08:00", "2026-06-03 12:00");
        assert!(old <= new + 100, "{rule}: {old} and {new}");
    }
}

/// A hold of all by a rule.
fn recurring<S: ZoneSource>(rule: &str, from: &str, to: &str, zones: &S) -> Holds<S::Zone> {
    let when = When::read(at(from), Some(at(to)), Some(rule), zones).unwrap();
    Holds::new(vec![Hold::new(1, Scope::All, Transitions::ALL, None, when)])
}

/// Up to when starts are held.
fn start_held<Z: Zone>(holds: &Holds<Z>, when: Instant) -> Option<Option<Instant>> {
    let facts = Facts::example(BuildTransition::Stop, at("2026-01-01 00:00"));
    let held = holds.held(&facts, Transition::Start.into(), when);
    held.map(|held| held.until)
}

#[test]
fn what_was_worked_out_for_one_workspace_is_not_for_the_next() {
    let count = Rc::new(Cell::new(0));
    let rule = "TZID=Europe/Berlin;FREQ=DAILY";
    let (from, to) = ("2026-06-01 08:00", "2026-06-01 09:00");
    let holds = recurring(rule, from, to, &Counting(count.clone()));
    let until = Some(Some(at("2026-06-03 09:00")));
    assert_eq!(start_held(&holds, at("2026-06-03 08:30")), until);
    let asked = count.get();
    assert_eq!(start_held(&holds, at("2026-06-03 07:59:59.999999")), None);
    assert_eq!(start_held(&holds, at("2026-06-03 08:00")), until);
    assert_eq!(start_held(&holds, at("2026-06-03 08:59:59.999999")), until);
    assert_eq!(start_held(&holds, at("2026-06-03 09:00")), None);
    assert_eq!(start_held(&holds, at("2026-06-02 09:00")), None);
    assert_eq!(count.get(), asked);
}

#[test]
fn a_rule_of_every_minute_costs_no_more_for_many_workspaces_than_its_occurrences() {
    // Of a minute, of a day, and with gaps.
    for (to, until) in [
        ("2026-06-01 08:01:00", Some(None)),
        ("2026-06-02 08:00:00", Some(None)),
        ("2026-06-01 08:00:30", Some(Some(30 * SECOND))),
    ] {
        let count = Rc::new(Cell::new(0));
        // A zone whose clock is never moved.
        let rule = "TZID=Asia/Kathmandu;FREQ=MINUTELY";
        let holds = recurring(rule, "2026-06-01 08:00", to, &Counting(count.clone()));
        let first = at("2026-07-01 00:00");
        // As of workspaces that would be started in any of these minutes.
        for minutes in 0..3 * 1440 {
            let at = first.saturating_add_micros(minutes * MINUTE);
            let until = until.map(|until| until.map(|micros| at.saturating_add_micros(micros)));
            assert_eq!(start_held(&holds, at), until);
        }
        // An occurrence is placed once, and looked for a few times.
        let occurrences = 400 * 1440;
        assert!(count.get() < 5 * occurrences, "{}", count.get());
    }
}

#[test]
fn ten_thousand_holidays_in_a_row_are_asked_of_ten_thousand_workspaces_within_a_tick() {
    let first = at("2026-01-01 00:00");
    let day = |day: i64| first.saturating_add_micros(day * 24 * HOUR);
    let holiday = |number: i64| {
        let when = When::read(day(number), Some(day(number + 1)), None, &Bundled).unwrap();
        Hold::new(number, Scope::All, Transitions::ALL, None, when)
    };
    let holds = Holds::new((0..10_000).map(holiday).collect());
    let begun = std::time::Instant::now();
    for workspace in 0..10_000 {
        assert_eq!(
            start_held(&holds, day(9_700 + workspace % 100)),
            Some(Some(day(10_000)))
        );
        assert_eq!(start_held(&holds, day(workspace % 30)), Some(None));
    }
    // A thousandth of what it takes to go through all holds for each.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn what_goes_on_for_longer_than_is_looked_is_said_to_be_held_up_to_there_at_least() {
    let rule = "FREQ=DAILY;COUNT=1000";
    let holds = recurring(rule, "2026-06-01 08:00", "2026-06-02 08:00", &Bundled);
    let facts = Facts::example(BuildTransition::Stop, at("2026-01-01 00:00"));
    let stop = |holds: &Holds<TzifZone>, when| {
        let held = holds.held(&facts, Transition::Stop.into(), when).unwrap();
        (held.until, held.at_least)
    };
    let end = at("2026-06-01 08:00").saturating_add_micros(1000 * 24 * HOUR);
    let mut looks = 0;
    let mut when = at("2026-06-01 08:00");
    while stop(&holds, when).0.is_none() {
        when = stop(&holds, when).1.unwrap();
        looks += 1;
    }
    // Looked at again there, its end is known some time.
    assert_eq!(stop(&holds, when), (Some(end), Some(end)));
    assert!((1..4).contains(&looks), "{looks}");
    let once = |to| {
        let when = When::read(at("2026-06-01 08:00"), to, None, &Bundled).unwrap();
        let hold = Hold::new(1, Scope::All, Transitions::ALL, None, when);
        stop(&Holds::new(vec![hold]), at("2026-06-01 09:00"))
    };
    assert_eq!(once(None), (None, None));
    assert_eq!(once(Some(end)), (Some(end), Some(end)));
}

#[test]
fn an_occurrence_lasts_as_long_as_the_first_whatever_the_clock_does() {
    let rule = "TZID=Europe/Berlin;FREQ=DAILY";
    let daily = recurrence(rule, "2026-03-27 23:00", "2026-03-28 23:00").unwrap();
    // The day of 23 hours is over before its occurrence is, the one of 25 hours after it.
    let end = |when| daily.covering(at(when)).map(|end| end.to_string());
    assert_eq!(
        end("2026-03-29 21:59").as_deref(),
        Some("2026-03-29T23:00:00Z")
    );
    assert_eq!(
        end("2026-03-29 22:00").as_deref(),
        Some("2026-03-30T22:00:00Z")
    );
    assert_eq!(
        end("2026-10-25 21:59").as_deref(),
        Some("2026-10-25T22:00:00Z")
    );
    assert_eq!(end("2026-10-25 22:00"), None);
    assert_eq!(
        end("2026-10-25 23:00").as_deref(),
        Some("2026-10-26T23:00:00Z")
    );
}

#[test]
fn both_ends_are_exact_to_the_microsecond() {
    let weekly = "FREQ=WEEKLY";
    let weekly = recurrence(
        weekly,
        "2026-01-01 09:00:00.000007",
        "2026-01-01 10:30:00.000003",
    );
    let weekly = weekly.unwrap();
    let covers = |when: &str| weekly.covering(at(when)).is_some();
    assert!(!covers("2026-02-05 09:00:00.000006"));
    assert!(covers("2026-02-05 09:00:00.000007"));
    assert!(covers("2026-02-05 10:30:00.000002"));
    assert!(!covers("2026-02-05 10:30:00.000003"));
}
