//! The rules for "next", the weekday and what a schedule says of itself.

use chrono::Weekday;

use super::files::Bundled;
use super::test_zones::{OnlyZone, ShiftingZone};
use super::text_tests::{next, parse};
use super::vector_tests::instant;
use super::*;
use crate::instant::*;

#[test]
fn next_is_strictly_later_and_on_the_minute() {
    let due = |after| next("30 9 * * 1-5", after).unwrap();
    assert_eq!(due("2024-01-05T09:29:59.999999Z"), "2024-01-05T09:30:00Z");
    assert_eq!(due("2024-01-05T09:30:00Z"), "2024-01-08T09:30:00Z");
    assert_eq!(due("2024-01-05T09:30:00.000001Z"), "2024-01-08T09:30:00Z");
    assert_eq!(due("1969-12-31T09:29:59.999999Z"), "1969-12-31T09:30:00Z");
}

#[test]
fn a_wall_time_in_a_spring_gap_does_not_run_that_day() {
    let text = "CRON_TZ=America/New_York 30 2 * * *";
    assert_eq!(
        next(text, "2024-03-09T12:00:00Z").unwrap(),
        "2024-03-11T06:30:00Z"
    );
}

#[test]
fn a_wall_time_in_an_autumn_overlap_runs_in_both_passes() {
    let text = "CRON_TZ=America/New_York 30 1 * * *";
    let first = next(text, "2024-11-03T00:00:00Z").unwrap();
    assert_eq!(first, "2024-11-03T05:30:00Z");
    assert_eq!(next(text, &first).unwrap(), "2024-11-03T06:30:00Z");
}

#[test]
fn a_search_crosses_a_day_that_a_zone_skipped() {
    // Samoa had no Friday 2011-12-30.
    let text = "CRON_TZ=Pacific/Apia 30 9 * * FRI";
    assert_eq!(
        next(text, "2011-12-29T00:00:00Z").unwrap(),
        "2012-01-05T19:30:00Z"
    );
}

#[test]
fn a_weekday_without_a_midnight_still_runs() {
    // Cairo's clocks went from 00:00 to 01:00 on Friday 2024-04-26.
    let text = "CRON_TZ=Africa/Cairo 30 9 * * FRI";
    assert_eq!(
        next(text, "2024-04-25T12:00:00Z").unwrap(),
        "2024-04-26T06:30:00Z"
    );
}

#[test]
fn an_offset_with_seconds_is_cut_to_the_utc_minute() {
    // Liberia was 44 minutes and 30 seconds behind until 1972.
    let text = "CRON_TZ=Africa/Monrovia 30 9 * * *";
    assert_eq!(
        next(text, "1970-06-01T00:00:00Z").unwrap(),
        "1970-06-01T10:14:00Z"
    );
    // The run itself is at 10:14:30, which is later than 10:14:29 and not than itself.
    assert_eq!(
        next(text, "1970-06-01T10:14:29Z").unwrap(),
        "1970-06-01T10:14:00Z"
    );
    assert_eq!(
        next(text, "1970-06-01T10:14:30Z").unwrap(),
        "1970-06-02T10:14:00Z"
    );
}

#[test]
fn runs_go_on_where_they_are_cut_to_the_minute() {
    let text = "CRON_TZ=Africa/Monrovia 30 9 * * *";
    let schedule = Schedule::parse(text, &Bundled).unwrap();
    let mut run = schedule.next(instant("1972-01-04T00:00:00Z")).unwrap();
    for expected in [
        "1972-01-04T10:14:00Z",
        "1972-01-05T10:14:00Z",
        "1972-01-06T10:14:00Z",
        // On the 7th the clocks were moved to UTC.
        "1972-01-07T09:30:00Z",
    ] {
        assert_eq!(run.to_string(), expected);
        run = schedule.after_run(run).unwrap();
    }
}

#[test]
fn a_run_at_the_very_second_of_a_shift_has_the_new_offset() {
    let zones = OnlyZone(ShiftingZone {
        offset: 0,
        shifts: vec![(36_000, 3600)],
    });
    let next = |text: &str, after| {
        let schedule = Schedule::parse(text, &zones).unwrap();
        let next = schedule.next(Instant::from_unix_seconds(after).unwrap());
        next.unwrap().unix_seconds()
    };
    // 10:00 isn't shown on the first day: the clock goes from 09:59:59 to 11:00.
    assert_eq!(next("CRON_TZ=X 0 11 * * *", 0), 36_000);
    assert_eq!(next("CRON_TZ=X 0 10 * * *", 0), 86_400 + 32_400);
    assert_eq!(next("CRON_TZ=X 59 9 * * *", 0), 35_940);
}

/// A clock that is moved every second and never shows second 0.
#[derive(Clone)]
struct NeverOnTheMinute;

impl Zone for NeverOnTheMinute {
    fn span_at(&self, unix_seconds: i64) -> Span {
        Span {
            offset: 30 - unix_seconds.rem_euclid(60) as i32,
            until: Some(unix_seconds + 1),
        }
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        Some(unix_seconds)
    }
}

#[test]
fn a_search_gives_up_in_a_zone_that_gets_nowhere() {
    let zones = OnlyZone(NeverOnTheMinute);
    let schedule = Schedule::parse("CRON_TZ=X * * * * *", &zones).unwrap();
    assert_eq!(schedule.next(instant("2024-01-05T00:00:00Z")), None);
}

#[test]
fn there_is_no_run_past_the_last_instant() {
    let every_minute = parse("* * * * *").unwrap();
    let last = Instant::from_micros(Instant::END.micros() - 1).unwrap();
    assert_eq!(every_minute.next(last), None);
    let earlier = last.saturating_add_micros(-60 * crate::instant::SECOND);
    assert_eq!(every_minute.next(earlier), Some(last.truncate_to_minute()));
    let first = every_minute.next(Instant::MIN).unwrap();
    assert_eq!(
        first.micros(),
        Instant::MIN.micros() + crate::instant::MINUTE
    );
    // West of UTC a local time before the end lies past it.
    let rome = parse("CRON_TZ=Etc/GMT+12 59 23 * * *").unwrap();
    assert_eq!(rome.next(last.truncate_to_minute()), None);
}

#[test]
fn the_weekday_is_the_zones_own() {
    let monday_in_utc = instant("2024-01-08T03:00:00Z");
    let weekday = |text| parse(text).unwrap().weekday(monday_in_utc);
    assert_eq!(weekday("0 9 * * *"), Weekday::Mon);
    assert_eq!(weekday("CRON_TZ=America/New_York 0 9 * * *"), Weekday::Sun);
    assert_eq!(weekday("CRON_TZ=Asia/Tokyo 0 9 * * *"), Weekday::Mon);
    let days = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];
    for (n, day) in (0..).zip(days) {
        let at = monday_in_utc.saturating_add_micros(n * 24 * crate::instant::HOUR);
        assert_eq!(parse("0 9 * * *").unwrap().weekday(at), day);
    }
}

#[test]
fn the_cron_part_has_no_zone_and_single_spaces() {
    let schedule = parse("CRON_TZ=US/Central  30\t9 *  * mon,,5 ").unwrap();
    assert_eq!(schedule.cron(), "30 9 * * mon,,5");
}

#[test]
fn a_schedule_reads_as_plain_english() {
    for (text, due) in [
        (
            "CRON_TZ=America/Chicago 30 9 * * 1-5",
            "at 09:30 on Monday to Friday, America/Chicago",
        ),
        (
            "0,30 9,17 * * 0,6",
            "at 09:00, 09:30, 17:00 and 17:30 on Saturday and Sunday, UTC",
        ),
        ("* * * * *", "every minute every day, UTC"),
        ("*/5 * * * *", "every 5 minutes every day, UTC"),
        (
            "*/7 9 * * 1",
            "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of hour 9 on Monday, UTC",
        ),
        (
            "0-10,30 9-17 * * SUN-2,SAT",
            "at minutes 0 to 10 and 30 of hours 9 to 17 on Monday, Tuesday, Saturday and Sunday, UTC",
        ),
        ("30 * * * 5", "at minute 30 of every hour on Friday, UTC"),
        ("0 * * * *", "at minute 0 of every hour every day, UTC"),
        (
            "* 9-17 * * *",
            "every minute of hours 9 to 17 every day, UTC",
        ),
    ] {
        assert_eq!(parse(text).unwrap().description(), due);
    }
}
