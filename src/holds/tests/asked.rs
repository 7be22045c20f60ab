//! What an answer costs, and where occurrences end.

use std::cell::Cell;
use std::rc::Rc;

use super::{at, recurrence};
use crate::holds::Recurrence;
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
    let ends_at = starts_at.saturating_add_micros(crate::instant::HOUR);
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

#[test]
fn an_answer_is_kept_as_long_as_it_is_right() {
    let count = Rc::new(Cell::new(0));
    let zones = Counting(count.clone());
    let (from, to) = (at("2026-06-01 08:00"), at("2026-06-01 09:00"));
    let rule = "TZID=Europe/Berlin;FREQ=DAILY";
    let recurrence = Recurrence::read(rule, from, to, &zones).unwrap();
    let covers = |when: &str| recurrence.covering(at(when)).is_some();
    assert!(!covers("2026-06-03 07:00"));
    let asked = count.get();
    assert!(!covers("2026-06-03 07:59:59.999999"));
    assert_eq!(count.get(), asked);
    assert!(covers("2026-06-03 08:00"));
    assert!(count.get() > asked);
    let asked = count.get();
    assert!(covers("2026-06-03 08:59:59.999999"));
    assert_eq!(count.get(), asked);
    assert!(!covers("2026-06-03 09:00"));
    assert!(!covers("2026-06-03 07:00"));
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
