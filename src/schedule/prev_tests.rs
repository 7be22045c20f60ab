//! The rules for "the last run": it is the mirror image of "next".

use proptest::prelude::*;

use super::files::Bundled;
use super::property_tests::{SECONDS, ZONES, after, list, numbers};
use super::test_zones::{OnlyZone, ShiftingZone};
use super::text_tests::parse;
use super::vector_tests::instant;
use super::*;
use crate::instant::*;

fn prev(text: &str, at: &str) -> String {
    let run = parse(text).unwrap().prev(instant(at));
    run.unwrap().to_string()
}

#[test]
fn a_run_is_reached_at_its_very_instant() {
    let due = |at| prev("30 9 * * 1-5", at);
    assert_eq!(due("2024-01-05T09:30:00Z"), "2024-01-05T09:30:00Z");
    assert_eq!(due("2024-01-05T09:29:59.999999Z"), "2024-01-04T09:30:00Z");
    assert_eq!(due("2024-01-08T09:29:00Z"), "2024-01-05T09:30:00Z");
    assert_eq!(due("1969-12-31T09:30:00.000001Z"), "1969-12-31T09:30:00Z");
}

#[test]
fn a_wall_time_in_a_spring_gap_was_not_reached_that_day() {
    let text = "CRON_TZ=America/New_York 30 2 * * *";
    assert_eq!(prev(text, "2024-03-10T12:00:00Z"), "2024-03-09T07:30:00Z");
}

#[test]
fn a_wall_time_in_an_autumn_overlap_was_reached_in_both_passes() {
    let text = "CRON_TZ=America/New_York 30 1 * * *";
    assert_eq!(prev(text, "2024-11-03T06:30:00Z"), "2024-11-03T06:30:00Z");
    assert_eq!(prev(text, "2024-11-03T06:29:00Z"), "2024-11-03T05:30:00Z");
}

#[test]
fn a_search_back_crosses_a_day_that_a_zone_skipped() {
    // Samoa had no Friday 2011-12-30.
    let text = "CRON_TZ=Pacific/Apia 30 9 * * FRI";
    assert_eq!(prev(text, "2012-01-05T19:29:00Z"), "2011-12-23T19:30:00Z");
}

#[test]
fn a_run_that_is_cut_to_the_minute_is_reached_at_that_minute_for_whom_it_is_later_than() {
    // Liberia was 44 minutes and 30 seconds behind until 1972: the run is at 10:14:30.
    let text = "CRON_TZ=Africa/Monrovia 30 9 * * *";
    assert_eq!(prev(text, "1970-06-01T10:14:00Z"), "1970-06-01T10:14:00Z");
    let bound = parse(text)
        .unwrap()
        .bound(instant("1970-06-01T10:14:00Z"), 0);
    assert_eq!(bound.unwrap().to_string(), "1970-06-01T10:14:30Z");
}

#[test]
fn blocked_days_are_passed_over() {
    let daily = parse("CRON_TZ=America/New_York 0 23 * * *").unwrap();
    let bound = |at, blocked| daily.bound(instant(at), blocked).unwrap().to_string();
    // Tuesday 03:00 in UTC is Monday evening there.
    assert_eq!(bound("2024-01-09T12:00:00Z", 0), "2024-01-09T04:00:00Z");
    assert_eq!(bound("2024-01-09T12:00:00Z", 0b10), "2024-01-08T04:00:00Z");
    assert_eq!(bound("2024-01-09T12:00:00Z", 0b11), "2024-01-07T04:00:00Z");
    let mondays = parse("0 9 * * 1").unwrap();
    assert_eq!(mondays.bound(instant("2024-01-09T12:00:00Z"), 0b10), None);
}

#[test]
fn a_search_back_says_how_far_it_came_in_a_zone_that_gets_nowhere() {
    // Moved every second, and never at second 0.
    let shifts = (0..10_100).map(|at| (at, 30 - (at % 60) as i32));
    let zones = OnlyZone(ShiftingZone {
        offset: 1,
        shifts: shifts.collect(),
    });
    let schedule = Schedule::parse("CRON_TZ=X * * * * *", &zones).unwrap();
    let at = Instant::from_unix_seconds(9_960).unwrap();
    assert_eq!(schedule.prev(at), None);
    let bound = schedule.bound(at, 0).unwrap();
    assert_eq!(bound.unix_seconds(), 9_960 + 60 - 4096);
}

#[test]
fn there_is_no_run_before_the_first_instant() {
    let daily = parse("CRON_TZ=Etc/GMT+12 0 9 * * *").unwrap();
    let first = daily.next(Instant::MIN).unwrap();
    assert_eq!(daily.prev(first), Some(first));
    assert_eq!(daily.prev(first.saturating_add_micros(-1)), None);
    assert_eq!(daily.bound(Instant::MIN, 0), None);
    let last = parse("* * * * *").unwrap().prev(Instant::MAX);
    assert_eq!(last, Some(Instant::MAX.truncate_to_minute()));
}

/// A clock that is moved a few times in a month, also by odd amounts.
fn shifting() -> impl Strategy<Value = ShiftingZone> {
    let offsets = || prop_oneof![-50_000..50_000i32, (-800..800i32).prop_map(|m| m * 60)];
    let shifts = prop::collection::vec((0..3_000_000i64, offsets()), 0..6);
    (offsets(), shifts).prop_map(|(offset, mut shifts)| {
        shifts.sort_unstable();
        shifts.dedup_by_key(|shift| shift.0);
        ShiftingZone { offset, shifts }
    })
}

/// The bits of a set whose bit 0 is Sunday, for a weekday.
fn bit(schedule: &Schedule<impl Zone>, at: Instant) -> u8 {
    1 << schedule.weekday(at).num_days_from_sunday()
}

/// What must hold of the last run and of the bound, whatever the zone.
fn mirrors(
    schedule: &Schedule<impl Zone>,
    at: Instant,
    blocked: u8,
    others: &[Instant],
) -> Result<(), TestCaseError> {
    let prev = schedule.prev(at);
    if let Some(prev) = prev {
        prop_assert!(prev <= at);
        let again = schedule.next(prev.saturating_add_micros(-1));
        prop_assert_eq!(again, Some(prev));
        prop_assert!(schedule.after_run(prev).unwrap() > at, "nothing between");
    }
    // At the bounds themselves, and about them.
    let (all, some) = (schedule.bound(at, 0), schedule.bound(at, blocked));
    let mut others = others.to_vec();
    for bound in [prev, all, some].into_iter().flatten() {
        others.extend([-1, 0, 1].map(|micros| bound.saturating_add_micros(micros)));
    }
    for other in others {
        let next = schedule.next(other);
        prop_assert_eq!(next.is_some_and(|next| next <= at), Some(other) < all);

        // The first that counts, one after the other, as far as `at`.
        let runs = std::iter::successors(next, |run| schedule.after_run(*run));
        let mut runs = runs.take_while(|run| *run <= at).take(20_000);
        let counts = runs.any(|run| bit(schedule, run) & blocked == 0);
        let is_before = Some(other) < some;
        prop_assert!(is_before || !counts, "{} counts from {}", at, other);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_last_run_is_the_mirror_image_of_the_next(
        (zone, at) in prop::sample::select(&ZONES[..]).prop_flat_map(|z| (Just(z), after(z))),
        micros in 0..1_000_000i64,
        minutes in numbers(59),
        hours in numbers(23),
        weekdays in numbers(6),
        blocked in 0..127u8,
        ago in prop::collection::vec(-100_000..1_500_000i64, 3),
    ) {
        let text = format!(
            "CRON_TZ={zone} {} {} * * {}", list(&minutes), list(&hours), list(&weekdays)
        );
        let schedule = Schedule::parse(&text, &Bundled).unwrap();
        let at = Instant::from_unix_seconds(at).unwrap().saturating_add_micros(micros);
        prop_assert!(schedule.prev(at).is_some());
        let others: Vec<Instant> =
            ago.iter().map(|ago| at.saturating_add_micros(-ago * SECOND)).collect();
        mirrors(&schedule, at, blocked, &others)?;

        // Since 1973 all offsets are whole minutes: before the bound, some run counts.
        if let Some(bound) = schedule.bound(at, blocked)
            && bound.unix_seconds() > SECONDS.start
        {
            prop_assert!(bound <= at && bit(&schedule, bound) & blocked == 0);
            prop_assert_eq!(schedule.prev(bound), Some(bound));
        }
    }

    #[test]
    fn the_last_run_is_the_mirror_image_of_the_next_where_offsets_have_seconds(
        zone in shifting(),
        at in -100_000..3_500_000i64,
        minutes in numbers(59),
        hours in numbers(23),
        weekdays in numbers(6),
        blocked in 0..127u8,
        ago in prop::collection::vec(-100_000..1_500_000i64, 3),
    ) {
        let text =
            format!("CRON_TZ=X {} {} * * {}", list(&minutes), list(&hours), list(&weekdays));
        let schedule = Schedule::parse(&text, &OnlyZone(zone)).unwrap();
        let at = Instant::from_unix_seconds(at).unwrap();
        let others: Vec<Instant> =
            ago.iter().map(|ago| at.saturating_add_micros(-ago * SECOND)).collect();
        mirrors(&schedule, at, blocked, &others)?;
    }

    #[test]
    fn before_1973_too_in_real_zones(
        zone in prop::sample::select(vec!["Africa/Monrovia", "Europe/Amsterdam", "Asia/Kolkata"]),
        at in -2_900_000_000..94_694_400i64,
        minute in 0..60,
        hour in 0..24,
        weekdays in numbers(6),
        blocked in 0..127u8,
    ) {
        let text = format!("CRON_TZ={zone} {minute} {hour} * * {}", list(&weekdays));
        let schedule = Schedule::parse(&text, &Bundled).unwrap();
        let at = Instant::from_unix_seconds(at).unwrap();
        mirrors(&schedule, at, blocked, &[at, at.saturating_add_micros(-20 * 24 * HOUR)])?;
    }
}
