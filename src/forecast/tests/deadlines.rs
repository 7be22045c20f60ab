//! The deadlines that the product gives.

use std::rc::Rc;

use super::super::deadline::Deadlines;
use super::*;
use crate::schedule::{Schedule, ZoneSource};

/// What a deadline comes of.
struct Case {
    terms: Terms,
    schedule: Option<&'static str>,
    blocked: i32,
    signs: Signs,
    policy: Policy,
}

fn case(ttl_hours: i64) -> Case {
    Case {
        terms: Terms {
            ttl: Nanos(ttl_hours * HOUR_NS),
            default_ttl: Nanos(HOUR_NS),
            allow_user_autostop: true,
            ..Terms::default()
        },
        schedule: None,
        blocked: 0,
        signs: Signs::ALL,
        policy: Policy::EVERYTHING,
    }
}

/// Stops are required on these days, bit 0 is Monday, every so many weeks, in these hours.
fn required(days: i32, weeks: i64, quiet_hours: &str) -> Case {
    let mut case = case(0);
    case.terms.requirement = Requirement { days, weeks };
    case.terms.quiet_hours = Some(quiet_hours.into());
    case
}

impl Case {
    fn after(&self, completed: &str) -> Option<String> {
        let parse = |text: &str| Rc::new(Schedule::parse(text, &Bundled).unwrap());
        let quiet_hours = || {
            let text = self.terms.quiet_hours.as_deref().unwrap();
            let schedule = parse(text);
            let zone = Bundled.zone(schedule.timezone());
            Some((schedule, zone))
        };
        let schedule = self.schedule.map(parse);
        let deadlines = Deadlines::new(
            &self.terms,
            schedule,
            self.blocked,
            &self.signs,
            &self.policy,
            quiet_hours,
        );
        let deadline = deadlines.of(at(completed))?.to_string();
        Some(deadline.replace('T', " ").replace(":00Z", ""))
    }
}

#[test]
fn it_is_the_workspaces_own_time_after_the_start_or_there_is_none() {
    assert_eq!(
        case(8).after("2026-01-05 09:00").unwrap(),
        "2026-01-05 17:00"
    );
    assert_eq!(case(0).after("2026-01-05 09:00"), None);
    assert_eq!(case(-1).after("2026-01-05 09:00"), None);
}

#[test]
fn where_users_may_not_choose_it_is_the_templates() {
    let mut case = case(8);
    case.terms.allow_user_autostop = false;
    assert_eq!(case.after("2026-01-05 09:00").unwrap(), "2026-01-05 10:00");
    case.policy.licensed = false;
    assert_eq!(case.after("2026-01-05 09:00").unwrap(), "2026-01-05 17:00");
}

#[test]
fn a_run_before_it_moves_it() {
    let mut case = case(12);
    case.schedule = Some("0 9 * * *");
    // Wednesday, 7 January.
    assert_eq!(case.after("2026-01-07 21:45").unwrap(), "2026-01-08 21:00");
    assert_eq!(case.after("2026-01-07 20:59").unwrap(), "2026-01-08 08:59");
    assert_eq!(case.after("2026-01-07 21:00").unwrap(), "2026-01-08 09:00");
    case.blocked = 1 << 3;
    assert_eq!(case.after("2026-01-07 21:45").unwrap(), "2026-01-08 09:45");
    case.blocked = 0;
    case.signs = Signs::default();
    assert_eq!(case.after("2026-01-07 21:45").unwrap(), "2026-01-08 09:45");
}

#[test]
fn a_required_day_ends_it_when_quiet_hours_begin() {
    // Fridays.
    let fridays = required(1 << 4, 1, "30 2 * * *");
    assert_eq!(
        fridays.after("2026-01-05 09:00").unwrap(),
        "2026-01-09 02:30"
    );
    // On that day itself it is too late, for a week.
    assert_eq!(
        fridays.after("2026-01-09 00:31").unwrap(),
        "2026-01-16 02:30"
    );
    // And just before it counts as one of that day, and is too late too.
    assert_eq!(
        fridays.after("2026-01-08 22:15").unwrap(),
        "2026-01-09 02:30"
    );
    let mut with_own = required(1 << 4, 1, "30 2 * * *");
    with_own.terms.ttl = Nanos(8 * HOUR_NS);
    assert_eq!(
        with_own.after("2026-01-05 09:00").unwrap(),
        "2026-01-05 17:00"
    );
    assert_eq!(
        with_own.after("2026-01-08 20:00").unwrap(),
        "2026-01-09 02:30"
    );
    with_own.policy.licensed = false;
    assert_eq!(
        with_own.after("2026-01-08 20:00").unwrap(),
        "2026-01-09 04:00"
    );
}

#[test]
fn days_are_those_of_the_owners_zone() {
    let sydney = required(1 << 4, 1, "CRON_TZ=Australia/Sydney 0 1 * * *");
    // 01:00 on Friday there, in summer.
    assert_eq!(
        sydney.after("2026-01-05 09:00").unwrap(),
        "2026-01-08 14:00"
    );
}

#[test]
fn weeks_are_counted_from_the_second_of_january_2023() {
    // Tuesdays, every other week: 5 January 2026 begins week 157.
    let tuesdays = required(1 << 1, 2, "0 0 * * *");
    assert_eq!(
        tuesdays.after("2026-01-05 09:00").unwrap(),
        "2026-01-13 00:00"
    );
    assert_eq!(
        tuesdays.after("2025-12-29 09:00").unwrap(),
        "2025-12-30 00:00"
    );
    // However many weeks are stored.
    let hardly_ever = required(1, i64::MAX, "0 0 * * *").after("2026-01-05 09:00");
    assert!(hardly_ever.is_some());
}

#[test]
fn quiet_hours_that_never_begin_require_nothing() {
    assert_eq!(
        required(127, 1, ", 0 * * *").after("2026-01-05 09:00"),
        None
    );
}
