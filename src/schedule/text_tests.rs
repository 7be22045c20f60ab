//! The rules for texts, one by one.

use super::files::Bundled;
use super::sets::Sets;
use super::test_zones::{OnlyZone, ShiftingZone};
use super::tzif::TzifZone;
use super::vector_tests::instant;
use super::*;

pub(super) fn parse(text: &str) -> Result<Schedule<TzifZone>, ScheduleError> {
    Schedule::parse(text, &Bundled)
}

fn sets(text: &str) -> Sets {
    parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}")).sets
}

fn refusal(text: &str) -> String {
    match parse(text) {
        Ok(schedule) => panic!("{text:?} is accepted: {:?}", schedule.sets),
        Err(error) => error.to_string(),
    }
}

/// Where a text is refused; none where it has the wrong number of fields.
fn refused_at(text: &str) -> Option<Field> {
    match parse(text).expect_err(text) {
        ScheduleError::FieldCount { .. } => None,
        ScheduleError::At { field, .. } => Some(field),
    }
}

pub(super) fn next(text: &str, after: &str) -> Option<String> {
    let next = parse(text).unwrap().next(instant(after));
    next.map(|at| at.to_string())
}

fn bits(numbers: impl IntoIterator<Item = u32>) -> u64 {
    numbers.into_iter().fold(0, |set, n| set | 1 << n)
}

fn minutes(field: &str) -> u64 {
    sets(&format!("{field} 9 * * 1")).minutes
}

fn weekdays(field: &str) -> u64 {
    sets(&format!("30 9 * * {field}")).weekdays.into()
}

#[test]
fn there_are_exactly_five_fields() {
    for (text, found) in [
        ("", 0),
        (" \t", 0),
        ("30 9 * *", 4),
        ("0 30 9 * * 1", 6),
        ("CRON_TZ=UTC 9 * * 1", 4),
        ("CRON_TZ=UTC 0 30 9 * * 1", 6),
        ("CRON_TZ= ", 0),
        ("@daily", 1),
    ] {
        match parse(text) {
            Err(ScheduleError::FieldCount { found: n, .. }) => assert_eq!(n, found, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn fields_are_separated_by_any_unicode_white_space() {
    let due = sets("30 9 * * 1");
    for space in [
        "\t", "\n", "\u{b}", "\u{85}", "\u{a0}", "\u{1680}", "\u{2003}", "\u{3000}", " \r\n ",
    ] {
        assert_eq!(sets(&["", "30", "9", "*", "*", "1", ""].join(space)), due);
    }
    // A zero-width space is none.
    assert_eq!(
        refused_at(&["30", "9", "*", "*", "1"].join("\u{200b}")),
        None
    );
}

#[test]
fn day_of_month_and_month_are_a_star_and_nothing_else() {
    for field in ["?", "*/1", "1-31", "1", "**", "*,*", ",", "*-", "JAN"] {
        let day = format!("30 9 {field} * 1");
        let month = format!("30 9 * {field} 1");
        assert_eq!(refused_at(&day), Some(Field::DayOfMonth), "{day}");
        assert_eq!(refused_at(&month), Some(Field::Month), "{month}");
    }
}

#[test]
fn the_prefix_comes_first_and_in_capitals() {
    assert_eq!(
        parse("CRON_TZ=US/Central 30 9 * * 1").unwrap().timezone(),
        "US/Central"
    );
    for text in [
        " CRON_TZ=UTC 30 9 * * 1",
        "cron_tz=UTC 30 9 * * 1",
        "TZ=UTC 30 9 * * 1",
        "CRON_TZ =UTC 30 9 * * 1",
        "CRON_TZ=UTC CRON_TZ=UTC 30 9 * * 1",
        "30 9 * * 1 CRON_TZ=UTC",
    ] {
        assert_eq!(refused_at(text), None, "{text}");
    }
    // As a field it is refused also where the count is right.
    assert_eq!(refused_at("TZ=UTC 9 * * 1"), Some(Field::Minute));
    assert_eq!(
        refused_at("CRON_TZ=UTC CRON_TZ=UTC 9 * * 1"),
        Some(Field::Minute)
    );
}

#[test]
fn no_prefix_and_an_empty_zone_mean_utc() {
    for text in [
        "30 9 * * 1",
        "CRON_TZ= 30 9 * * 1",
        "CRON_TZ=UTC 30 9 * * 1",
    ] {
        assert_eq!(parse(text).unwrap().timezone(), "UTC");
        assert_eq!(
            next(text, "2024-01-05T00:00:00Z").unwrap(),
            "2024-01-08T09:30:00Z"
        );
    }
    assert_eq!(refused_at("CRON_TZ= UTC 30 9 * * 1"), None);
}

#[test]
fn the_zone_ends_at_the_first_ascii_space() {
    for text in [
        "CRON_TZ=UTC\t30 9 * * 1",
        "CRON_TZ=\t30 9 * * 1",
        "CRON_TZ=UTC\u{a0}30 9 * * 1 ",
        "CRON_TZ=UTC\n30\n9\n*\n*\n1",
        "CRON_TZ=UTC",
        "CRON_TZ=",
    ] {
        let at = refused_at(text);
        assert!(
            at.is_none() || at == Some(Field::TimeZone),
            "{text:?}: {at:?}"
        );
    }
    assert_eq!(sets("CRON_TZ=UTC \t30\t9\t*\t*\t1"), sets("30 9 * * 1"));
}

#[test]
fn a_zone_is_an_iana_name_spelled_exactly() {
    for zone in [
        "US/Central",
        "EST5EDT",
        "Etc/GMT+5",
        "GMT+0",
        "Zulu",
        "Europe/Kiev",
        "Europe/Kyiv",
    ] {
        assert_eq!(
            parse(&format!("CRON_TZ={zone} 30 9 * * 1"))
                .unwrap()
                .timezone(),
            zone
        );
    }
    for zone in [
        "us/central",
        "utc",
        "EDT",
        "UTC+3",
        "+05:00",
        "EST5",
        "Local",
        "America",
        "Mars/Olympus",
    ] {
        let text = format!("CRON_TZ={zone} 30 9 * * 1");
        assert_eq!(refused_at(&text), Some(Field::TimeZone), "{text}");
    }
}

#[test]
fn a_servers_names_beyond_ianas_are_refused_though_the_source_knows_them() {
    let all = OnlyZone(ShiftingZone {
        offset: 0,
        shifts: vec![],
    });
    for zone in [
        "posix/UTC",
        "right/UTC",
        "posixrules",
        "localtime",
        "Local",
        "EST5",
        "UTC+3",
    ] {
        let refused = Schedule::parse(&format!("CRON_TZ={zone} 30 9 * * 1"), &all).unwrap_err();
        assert_eq!(
            refused,
            ScheduleError::at(Field::TimeZone, zone, Problem::NotAnIanaZone)
        );
    }
    assert!(Schedule::parse("CRON_TZ=Europe/Rome 30 9 * * 1", &all).is_ok());
}

#[test]
fn an_item_is_a_star_a_number_or_a_range_with_an_optional_step() {
    assert_eq!(minutes("*"), bits(0..60));
    assert_eq!(minutes("?"), bits(0..60));
    assert_eq!(minutes("7"), bits([7]));
    assert_eq!(minutes("7-9"), bits(7..=9));
    assert_eq!(minutes("9-9"), bits([9]));
    assert_eq!(minutes("*/25"), bits([0, 25, 50]));
    assert_eq!(minutes("?/25"), bits([0, 25, 50]));
    assert_eq!(minutes("50/4"), bits([50, 54, 58]));
    assert_eq!(minutes("10-20/5"), bits([10, 15, 20]));
    assert_eq!(minutes("5,*/30"), bits([0, 5, 30]));
    assert_eq!(sets("0 20/2 * * *").hours, 1 << 20 | 1 << 22);
}

#[test]
fn what_follows_a_stars_hyphen_does_not_count() {
    for item in ["*-", "*-5", "?-5", "*-x", "*-1-2-3", "?--"] {
        assert_eq!(minutes(item), bits(0..60), "{item}");
        assert_eq!(minutes(&format!("{item}/25")), bits([0, 25, 50]), "{item}");
    }
}

#[test]
fn a_step_may_exceed_the_range_but_not_be_zero() {
    assert_eq!(minutes("5/100"), bits([5]));
    assert_eq!(minutes("*/9223372036854775807"), bits([0]));
    assert_eq!(minutes("59/+0009223372036854775807"), bits([59]));
    for item in [
        "*/0",
        "5/00",
        "1-5/+0",
        "*/9223372036854775808",
        "*/-1",
        "*/-0",
        "*/",
        "*/x",
        "5/*",
    ] {
        assert_eq!(
            refused_at(&format!("{item} 9 * * 1")),
            Some(Field::Minute),
            "{item}"
        );
    }
    assert_eq!(refused_at("0 9 * * 1/TUE"), Some(Field::DayOfWeek));
}

#[test]
fn more_than_one_slash_or_hyphen_is_refused() {
    for item in [
        "1/2/3", "*/2/3", "1//2", "*-1/2/3", "1-2-3", "1--3", "-1", "1-", "-", "/", "/5",
    ] {
        assert_eq!(
            refused_at(&format!("{item} 9 * * 1")),
            Some(Field::Minute),
            "{item}"
        );
    }
}

#[test]
fn empty_items_are_ignored_and_a_field_without_items_never_runs() {
    assert_eq!(minutes("1,,2"), bits([1, 2]));
    assert_eq!(minutes(",1,"), bits([1]));
    for text in [", 9 * * 1", "30 ,, * * 1", "30 9 * * ,", ", , * * ,"] {
        let never = parse(text).unwrap();
        assert!(never.never_runs());
        assert_eq!(never.next(instant("2024-01-05T00:00:00Z")), None);
        assert_eq!(never.description(), "never");
    }
    assert!(!parse("30 9 * * 1").unwrap().never_runs());
}

#[test]
fn ranges_are_not_reversed() {
    assert_eq!(refused_at("0 22-6 * * *"), Some(Field::Hour));
    assert_eq!(refused_at("0 9 * * SAT-SUN"), Some(Field::DayOfWeek));
    assert_eq!(refused_at("0 9 * * 5-1"), Some(Field::DayOfWeek));
}

#[test]
fn numbers_have_digits_leading_zeros_and_one_plus() {
    assert_eq!(minutes("+07"), bits([7]));
    assert_eq!(minutes(&format!("{}7", "0".repeat(500))), bits([7]));
    assert_eq!(minutes("+1-+3/+2"), bits([1, 3]));
    for item in [
        "++7",
        "+",
        "-0",
        "+-7",
        "7.0",
        "0x7",
        "1e1",
        "7_0",
        "٧",
        "７",
        "60",
        "4294967296",
        "99999999999999999999",
    ] {
        assert_eq!(
            refused_at(&format!("{item} 9 * * 1")),
            Some(Field::Minute),
            "{item}"
        );
    }
    assert_eq!(refused_at("59 24 * * 1"), Some(Field::Hour));
}

#[test]
fn sunday_is_0_and_there_is_no_7() {
    assert_eq!(weekdays("0-6"), bits(0..7));
    assert_eq!(
        parse("0 0 * * 0").unwrap().description(),
        "at 00:00 on Sunday, UTC"
    );
    for item in ["7", "0-7", "5,7", "7/2"] {
        assert_eq!(
            refused_at(&format!("0 9 * * {item}")),
            Some(Field::DayOfWeek)
        );
    }
}

#[test]
fn weekdays_have_names_of_three_letters_in_any_case() {
    assert_eq!(weekdays("sun,MON,Tue,wEd,thu,FrI,saT"), bits(0..7));
    assert_eq!(weekdays("Mon-5/2"), bits([1, 3, 5]));
    assert_eq!(weekdays("1-FRI"), bits(1..=5));
    assert_eq!(weekdays("THU/2"), bits([4, 6]));
    assert_eq!(weekdays("fr\u{130}"), bits([5]));
    for item in [
        "monday",
        "mo",
        "+mon",
        "fr\u{131}",
        "ſun",
        "m\u{f6}n",
        "mon-",
        "sun-sat-mon",
    ] {
        assert_eq!(
            refused_at(&format!("0 9 * * {item}")),
            Some(Field::DayOfWeek),
            "{item}"
        );
    }
    assert_eq!(refused_at("MON 9 * * 1"), Some(Field::Minute));
}

#[test]
fn a_refusal_says_where_what_and_why() {
    for (text, due) in [
        ("60 9 * * 1", "minute: \"60\" is outside 0 to 59"),
        ("1/2/3 9 * * 1", "minute: \"1/2/3\" has more than one /"),
        (
            "0 22-6 * * 1",
            "hour: \"22-6\" is a range that ends before it starts",
        ),
        (
            "0 9 1 * 1",
            "day of month: \"1\" isn't *, and a weekly schedule allows nothing else",
        ),
        (
            "0 9 * * 1,monday",
            "day of week: \"monday\" isn't a number or a weekday such as MON",
        ),
        (
            "0 9 * * 99999999999999999999",
            "day of week: \"99999999999999999999\" is outside 0 to 6",
        ),
        (
            "CRON_TZ=us/central 0 9 * * 1",
            "time zone: \"us/central\" isn't an IANA time zone, spelled exactly",
        ),
        (
            "CRON_TZ=UTC\n0",
            "time zone: \"UTC\\n0\" isn't followed by a space and five fields",
        ),
        (
            "0 9 * *",
            "needs five fields (minute, hour, day of month, month, day of week), has 4: \"0 9 * *\"",
        ),
    ] {
        assert_eq!(refusal(text), due);
    }
    assert!(refusal(&"\u{7}".repeat(1000)).len() < 400);
}
