//! Rule by rule, in buckets that are read off by hand.

use super::*;
use crate::holds::{Hold, Scope, Transitions, When};
use crate::lifecycle::facts::OwnerStatus;
use uuid::Uuid;

use BuildTransition::{Start, Stop};

/// Monday, 5 January 2026, and eight days.
const SINCE: &str = "2026-01-05 00:00";
const UNTIL: &str = "2026-01-13 00:00";
const WEEKDAYS_AT_NINE: &str = "0 9 * * 1-5";

/// No bucket.
const NONE: [usize; 0] = [];

fn days() -> Window {
    window(SINCE, UNTIL, 24)
}

#[test]
fn each_run_starts_and_each_deadline_stops() {
    let stopped = workspace(Stop, "2026-01-04 10:00")
        .schedule(WEEKDAYS_AT_NINE)
        .ttl_hours(8);
    let buckets = all(vec![stopped.clone(), stopped], window(SINCE, UNTIL, 1));
    assert_eq!(buckets.len(), 8 * 24);
    let by_hand = |hour: usize| [0, 1, 2, 3, 4, 7].map(|day| day * 24 + hour).to_vec();
    assert_eq!(places(&buckets, |counted| counted.starts), by_hand(9));
    assert_eq!(places(&buckets, |counted| counted.stops), by_hand(17));
    assert_eq!(buckets.iter().map(|counted| counted.starts).max(), Some(2));
    // As the hour of the stop begins they still run.
    let runs: Vec<i32> = buckets
        .iter()
        .take(24)
        .map(|counted| counted.running_most)
        .collect();
    let expected: Vec<i32> = (0..24)
        .map(|hour| if (9..=17).contains(&hour) { 2 } else { 0 })
        .collect();
    assert_eq!(runs, expected);
}

#[test]
fn buckets_run_from_since_and_the_last_is_cut() {
    let stopped = workspace(Stop, "2026-01-05 00:10")
        .schedule("30 * * * *")
        .ttl_hours(0);
    let mut window = window("2026-01-05 00:15", "2026-01-05 01:30", 1);
    let buckets = all(vec![stopped.clone()], window);
    assert_eq!(places(&buckets, |counted| counted.starts), [0]);
    assert_eq!(buckets.len(), 2);
    // What is done at the very end is not in it, and at the very beginning is.
    window.until = at("2026-01-05 00:30");
    assert_eq!(
        places(&all(vec![stopped.clone()], window), |counted| counted
            .starts),
        NONE
    );
    window.since = at("2026-01-05 00:30");
    window.begin = window.since;
    window.until = at("2026-01-05 00:31");
    assert_eq!(
        places(&all(vec![stopped], window), |counted| counted.starts),
        [0]
    );
}

#[test]
fn a_bucket_without_anything_is_there() {
    assert_eq!(all(vec![], days()), vec![Counted::default(); 8]);
}

#[test]
fn what_is_done_before_the_first_bucket_is_played_and_not_counted() {
    let stopped = workspace(Stop, "2026-01-04 10:00")
        .schedule("0 9 * * *")
        .ttl_hours(72);
    let mut window = window("2026-01-05 12:00", "2026-01-06 12:00", 24);
    window.begin = at("2026-01-05 08:00");
    let [counted] = all(vec![stopped], window)[..] else {
        panic!("one bucket");
    };
    assert_eq!(
        counted,
        Counted {
            running_most: 1,
            ..Counted::default()
        }
    );
}

#[test]
fn what_is_overdue_is_made_at_the_first_tick() {
    let running = workspace(Start, "2026-01-01 10:00").deadline("2026-01-02 10:00");
    let stopped = workspace(Stop, "2026-01-01 10:00").schedule("0 12 1-31 * *");
    assert!(
        all(vec![stopped], days())
            .iter()
            .all(|counted| counted.starts == 0)
    ); // unreadable
    let late = workspace(Stop, "2026-01-01 10:00").schedule("0 12 * * 5");
    let buckets = all(vec![running, late], window(SINCE, "2026-01-05 02:00", 1));
    assert_eq!(
        buckets,
        [
            Counted {
                starts: 1,
                stops: 1,
                running_most: 1,
                ..Counted::default()
            },
            Counted {
                running_most: 1,
                ..Counted::default()
            },
        ]
    );
}

#[test]
fn a_build_under_way_succeeds_as_the_forecast_begins() {
    let mut starting = workspace(Start, "2026-01-04 23:59").ttl_hours(3);
    starting.facts.job().completed_at = None;
    let buckets = all(vec![starting], window(SINCE, UNTIL, 1));
    assert_eq!(places(&buckets, |counted| counted.stops), [3]);
}

#[test]
fn nobody_uses_anything_so_that_workspaces_go_dormant_and_are_deleted() {
    let mut unused = workspace(Start, "2026-01-04 10:00")
        .schedule(WEEKDAYS_AT_NINE)
        .ttl_hours(30);
    let template = unused.facts.template();
    template.time_til_dormant = Nanos(60 * HOUR_NS);
    template.time_til_dormant_autodelete = Nanos(48 * HOUR_NS);
    let mut stopped = workspace(Stop, "2026-01-04 10:00");
    stopped.facts.template = unused.facts.template.clone();
    let buckets = all(vec![unused, stopped], days());
    // On the 6th, at 22:01: a stop of the one, a mark alone of the other. On the 8th both go.
    let counted = |of: fn(&Counted) -> i32| buckets.iter().map(of).collect::<Vec<_>>();
    assert_eq!(counted(|counted| counted.stops), [0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(counted(|counted| counted.dormant), [0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(counted(|counted| counted.deletes), [0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(
        counted(|counted| counted.running_most),
        [1, 1, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn a_failed_start_does_not_run_and_its_stop_is_counted() {
    let mut failed = workspace(Start, "2026-01-04 10:00");
    failed.facts.job().failed = true;
    failed.facts.template().failure_ttl = Nanos(24 * HOUR_NS);
    let [first, ..] = all(vec![failed], days())[..] else {
        panic!("eight buckets");
    };
    assert_eq!(
        first,
        Counted {
            stops: 1,
            ..Counted::default()
        }
    );
}

#[test]
fn a_suspended_owners_workspace_is_stopped_once() {
    let mut running = workspace(Start, "2026-01-04 10:00")
        .schedule("0 9 * * *")
        .ttl_hours(8);
    running.facts.owner = Some(OwnerStatus::Suspended);
    let buckets = all(vec![running], days());
    assert_eq!(places(&buckets, |counted| counted.stops), [0]);
    assert_eq!(places(&buckets, |counted| counted.starts), NONE);
}

#[test]
fn runs_in_a_hold_do_not_count_and_stops_are_made_at_its_end() {
    let stopped = workspace(Stop, "2026-01-04 10:00")
        .schedule("0 9 * * *")
        .ttl_hours(8);
    let when = When::Once(at("2026-01-06 12:00"), Some(at("2026-01-08 12:00")));
    let hold = Hold::new(1, Scope::All, Transitions::ALL, None, when);
    let groups = with_holds(
        vec![stopped],
        By::All,
        window(SINCE, UNTIL, 12),
        &Holds::new(vec![hold]),
    );
    let buckets = &groups[0].buckets;
    // Morning and afternoon of each day.
    assert_eq!(
        places(buckets, |counted| counted.starts),
        [0, 2, 8, 10, 12, 14]
    );
    assert_eq!(
        places(buckets, |counted| counted.stops),
        [1, 7, 9, 11, 13, 15]
    );
}

#[test]
fn templates_and_organizations_are_counted_by_themselves() {
    let stopped = workspace(Stop, "2026-01-04 10:00")
        .schedule("0 9 * * *")
        .ttl_hours(8);
    let mut other = stopped.clone();
    other.facts.template().id = Uuid::from_u128(77);
    other.facts.organization_id = Uuid::from_u128(1);
    let workspaces = vec![
        stopped.clone(),
        other.clone(),
        stopped.clone(),
        other.clone(),
        stopped.clone(),
    ];
    for (by, ids) in [
        (By::All, vec![None]),
        (
            By::Template,
            vec![
                stopped.facts.template.as_ref().map(|t| t.id),
                Some(Uuid::from_u128(77)),
            ],
        ),
        (
            By::Organization,
            vec![
                Some(other.facts.organization_id),
                Some(stopped.facts.organization_id),
            ],
        ),
    ] {
        let groups = with_holds(workspaces.clone(), by, days(), &Holds::new(vec![]));
        assert_eq!(groups.iter().map(|group| group.id).collect::<Vec<_>>(), ids);
        let most: i32 = groups
            .iter()
            .map(|group| group.buckets[0].running_most)
            .sum();
        assert_eq!(most, 5, "{by:?}");
    }
}

#[test]
fn it_is_given_up_when_it_is_asked_to() {
    let schedules = ScheduleCache::new(Bundled, 100);
    let holds = Holds::<TzifZone>::new(vec![]);
    let rules = Rules {
        signs: &Signs::ALL,
        policy: &Policy::EVERYTHING,
        schedules: &schedules,
        holds: &holds,
        zones: &Bundled,
    };
    let many = vec![workspace(Stop, "2026-01-04 10:00"); 10];
    let mut asked = 0;
    let go_on = || {
        asked += 1;
        if asked == 3 { Err("enough") } else { Ok(()) }
    };
    assert_eq!(forecast(many, By::All, days(), rules, go_on), Err("enough"));
    assert_eq!(asked, 3);
}
