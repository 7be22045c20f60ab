//! A real hold and a real schedule, put before the rules together.

use super::at;
use crate::holds::{Hold, Holds, Scope, Transitions, When, WithHolds};
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::signs::Signs;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::schedule::{Bundled, ScheduleCache, TzifZone};

/// Christmas in Berlin, for everybody.
fn christmas() -> Hold<TzifZone> {
    let (from, to) = (at("2026-12-24 23:00"), at("2026-12-26 23:00"));
    let rule = "TZID=Europe/Berlin;FREQ=YEARLY";
    let when = When::read(from, Some(to), Some(rule), &Bundled).unwrap();
    Hold::new(7, Scope::All, Transitions::ALL, Some("Christmas"), when)
}

/// A workspace that was stopped in the evening and starts on weekdays at nine.
fn judged(hold: Hold<TzifZone>, tick: &str) -> Verdict {
    let schedules = ScheduleCache::new(Bundled, 10);
    let holds = Holds::new(vec![hold]);
    let both = WithHolds {
        schedules: &schedules,
        holds: &holds,
    };
    let mut facts = Facts::example(BuildTransition::Stop, at("2026-12-24 18:00"));
    facts.schedule = Some("CRON_TZ=Europe/Berlin 0 9 * * 1-5".to_owned());
    verdict(&facts, &Signs::ALL, &Policy::EVERYTHING, at(tick), &both)
}

#[test]
fn a_start_on_a_holiday_is_made_on_the_next_working_day() {
    // The 25th of December 2026 is a Friday.
    let Err(Skip::Held { hold, at: made, .. }) = judged(christmas(), "2026-12-25 12:00").outcome
    else {
        panic!("it is held");
    };
    assert_eq!(
        (hold.hold_id, hold.reason.as_deref()),
        (7, Some("Christmas"))
    );
    assert_eq!(hold.until, Some(at("2026-12-26 23:00")));
    assert_eq!(made, Some(at("2026-12-28 08:00")));
    let next = judged(christmas(), "2026-12-28 08:00").outcome.unwrap();
    assert!(next.due);
}

#[test]
fn what_was_missed_under_a_hold_is_not_due_once_it_is_released() {
    let released = || christmas().released(at("2026-12-25 12:00"));
    let before = judged(released(), "2026-12-25 11:59").outcome;
    let Err(Skip::Held { hold, .. }) = before else {
        panic!("{before:?}");
    };
    assert_eq!(hold.until, Some(at("2026-12-25 12:00")));
    let next = judged(released(), "2026-12-25 12:00").outcome.unwrap();
    assert_eq!((next.at, next.due), (at("2026-12-28 08:00"), false));
    assert!(!released().holds_at(at("2026-12-25 12:00")));
    assert_eq!(released().next_change(at("2026-12-25 12:00")), None);
    // Without it the run of the morning would be.
    let long_ago = christmas().released(at("2026-01-01 00:00"));
    assert!(judged(long_ago, "2026-12-25 12:00").outcome.unwrap().due);
}
