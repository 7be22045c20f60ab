//! What rules mean, as RFC 5545 tells by examples, and what zones do to them.

use super::starts;

/// The dates of the first starts, all of them at nine.
fn dates(rule: &str, from: &str, expected: &[&str]) {
    let found = starts(rule, &format!("{from} 09:00"), expected.len());
    let expected = expected.iter().map(|date| format!("{date}T09:00:00Z"));
    assert_eq!(found, expected.collect::<Vec<_>>(), "{rule}");
}

#[test]
fn the_rfcs_own_examples_fall_on_the_days_that_it_says() {
    dates(
        "FREQ=YEARLY;BYDAY=20MO",
        "1997-05-19",
        &["1997-05-19", "1998-05-18", "1999-05-17"],
    );
    dates(
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "1997-05-12",
        &["1997-05-12", "1998-05-11", "1999-05-17"],
    );
    dates(
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1997-09-02",
        &[
            "1998-02-13",
            "1998-03-13",
            "1998-11-13",
            "1999-08-13",
            "2000-10-13",
        ],
    );
    dates(
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05",
        &["1996-11-05", "2000-11-07", "2004-11-02"],
    );
    dates(
        "FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997-09-04",
        &["1997-09-04", "1997-10-07", "1997-11-06"],
    );
    dates(
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29",
        &["1997-09-29", "1997-10-30", "1997-11-27", "1997-12-30"],
    );
    dates(
        "FREQ=MONTHLY;BYMONTHDAY=15,30",
        "2007-01-15",
        &[
            "2007-01-15",
            "2007-01-30",
            "2007-02-15",
            "2007-03-15",
            "2007-03-30",
        ],
    );
    dates(
        "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200",
        "1997-01-01",
        &[
            "1997-01-01",
            "1997-04-10",
            "1997-07-19",
            "2000-01-01",
            "2000-04-09",
        ],
    );
    dates(
        "FREQ=MONTHLY;BYDAY=1SU,-1SU",
        "1997-09-07",
        &["1997-09-07", "1997-09-28", "1997-10-05", "1997-10-26"],
    );
}

#[test]
fn the_first_day_of_the_week_decides_which_weeks_are_every_other() {
    let rule = "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU";
    let monday = ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"];
    let sunday = ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"];
    dates(&format!("{rule};WKST=MO"), "1997-08-05", &monday);
    dates(&format!("{rule};WKST=SU"), "1997-08-05", &sunday);
}

#[test]
fn what_the_rule_does_not_say_is_as_at_the_start() {
    dates(
        "FREQ=YEARLY",
        "2024-02-29",
        &["2024-02-29", "2028-02-29", "2032-02-29"],
    );
    dates(
        "FREQ=MONTHLY",
        "2026-01-31",
        &["2026-01-31", "2026-03-31", "2026-05-31"],
    );
    dates("FREQ=WEEKLY", "2026-01-07", &["2026-01-07", "2026-01-14"]);
    dates(
        "FREQ=YEARLY;BYMONTH=3",
        "2026-01-07",
        &["2026-03-07", "2027-03-07"],
    );
    dates(
        "FREQ=YEARLY;BYWEEKNO=20",
        "2026-01-07",
        &["2026-05-13", "2027-05-19"],
    );
    dates(
        "freq=daily;interval=10",
        "2026-01-07",
        &["2026-01-07", "2026-01-17"],
    );
}

#[test]
fn minutes_and_hours_are_counted_on_through_times_that_do_not_count() {
    let days = |rule| starts(rule, "2026-01-01 00:00", 4);
    assert_eq!(
        days("FREQ=MINUTELY;INTERVAL=90;BYHOUR=9"),
        [1, 2, 3, 4].map(|day| format!("2026-01-0{day}T09:00:00Z"))
    );
    assert_eq!(
        days("FREQ=HOURLY;INTERVAL=5;BYHOUR=0,1,2,3,4"),
        [
            "2026-01-01T00:00:00Z",
            "2026-01-02T01:00:00Z",
            "2026-01-03T02:00:00Z",
            "2026-01-04T03:00:00Z"
        ]
    );
    // The RFC's own: every twenty minutes from nine to a quarter to five.
    let by_minutes = "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16";
    let by_days = "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40";
    let from = "1997-09-02 09:00";
    assert_eq!(starts(by_minutes, from, 60), starts(by_days, from, 60));
}

#[test]
fn a_rule_that_does_not_begin_at_its_start_begins_with_its_first_time() {
    // 2026-01-01 was a Thursday.
    dates(
        "FREQ=WEEKLY;BYDAY=SA,SU",
        "2026-01-01",
        &["2026-01-03", "2026-01-04"],
    );
}

#[test]
fn the_last_is_at_until_or_on_that_day_or_the_counted_one() {
    let all = |rule| starts(rule, "2026-01-01 09:00", 100).len();
    assert_eq!(all("FREQ=DAILY;UNTIL=20260105T090000Z"), 5);
    assert_eq!(all("FREQ=DAILY;UNTIL=20260105T085959Z"), 4);
    assert_eq!(all("FREQ=DAILY;UNTIL=20260105"), 5);
    assert_eq!(all("FREQ=DAILY;COUNT=7"), 7);
    // In Berlin it is ten then.
    assert_eq!(
        all("TZID=Europe/Berlin;FREQ=DAILY;UNTIL=20260105T090000Z"),
        5
    );
    assert_eq!(
        all("TZID=Europe/Berlin;FREQ=DAILY;UNTIL=20260105T090000"),
        4
    );
}

#[test]
fn an_exception_is_left_out_and_still_counted() {
    let rule = "FREQ=DAILY;COUNT=5\nEXDATE:20260102T090000,20260103\nEXDATE:20260104T090000Z\n";
    dates(rule, "2026-01-01", &["2026-01-01", "2026-01-05"]);
    assert_eq!(starts(rule, "2026-01-01 09:00", 9).len(), 2);
}

#[test]
fn a_midnight_that_does_not_exist_begins_when_the_day_does() {
    let beirut = "TZID=Asia/Beirut;FREQ=DAILY";
    assert_eq!(
        starts(beirut, "2026-03-27 22:00", 3),
        [
            "2026-03-27T22:00:00Z",
            "2026-03-28T22:00:00Z",
            "2026-03-29T21:00:00Z"
        ]
    );
    let havana = "TZID=America/Havana;FREQ=WEEKLY";
    assert_eq!(
        starts(havana, "2026-03-01 05:00", 3),
        [
            "2026-03-01T05:00:00Z",
            "2026-03-08T05:00:00Z",
            "2026-03-15T04:00:00Z"
        ]
    );
}

#[test]
fn a_wall_time_that_comes_twice_is_held_at_its_first_pass() {
    assert_eq!(
        starts("TZID=Europe/Berlin;FREQ=DAILY", "2026-10-24 00:30", 3),
        [
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z"
        ]
    );
    // Unless it is the start itself, which is an instant.
    assert_eq!(
        starts("TZID=Europe/Berlin;FREQ=DAILY", "2026-10-25 01:30", 2),
        ["2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn the_prefix_of_a_pasted_rule_does_no_harm() {
    let plain = starts(
        "TZID=Asia/Tokyo;FREQ=WEEKLY;BYDAY=MO",
        "2026-01-01 09:00",
        9,
    );
    for text in [
        "tzid=Asia/Tokyo;rrule:FREQ=WEEKLY;BYDAY=MO",
        " TZID=Asia/Tokyo;RRULE:FREQ=WEEKLY;BYDAY=MO\r\n",
    ] {
        assert_eq!(starts(text, "2026-01-01 09:00", 9), plain);
    }
}
