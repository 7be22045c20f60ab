//! Which holds a calendar makes.

use proptest::prelude::*;

use super::*;
use crate::holds::check_reason;
use crate::schedule::Bundled;

/// A calendar of events whose lines are given.
fn calendar(head: &str, events: &[&str]) -> String {
    let events = events
        .iter()
        .map(|lines| format!("BEGIN:VEVENT\n{lines}\nEND:VEVENT\n"));
    let events: String = events.collect();
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{head}{events}END:VCALENDAR\n").replace('\n', "\r\n")
}

/// From when to when, and the rule.
type Row = (String, String, Option<String>);

fn rows(text: &str, zone: Option<&str>) -> Vec<Row> {
    let holds = read(text, zone, &Bundled).unwrap();
    let row = |hold: Found| {
        let times = (hold.starts_at.to_string(), hold.ends_at.to_string());
        (times.0, times.1, hold.recurrence)
    };
    holds.into_iter().map(row).collect()
}

fn once(from: &str, to: &str) -> Row {
    (from.to_owned(), to.to_owned(), None)
}

fn again(from: &str, to: &str, recurrence: &str) -> Row {
    (from.to_owned(), to.to_owned(), Some(recurrence.to_owned()))
}

fn of(events: &[&str]) -> Vec<Row> {
    rows(&calendar("", events), None)
}

fn refused(text: &str) -> String {
    read(text, None, &Bundled).expect_err(text).to_string()
}

#[test]
fn a_day_that_recurs_is_whole_also_if_a_clock_is_moved_on_the_first() {
    // 23 hours, and 25.
    let moved = [
        "DTSTART;VALUE=DATE:20260329\nRRULE:FREQ=WEEKLY",
        "DTSTART;VALUE=DATE:20261025\nDTEND;VALUE=DATE:20261027\nRRULE:FREQ=WEEKLY",
        "DTSTART;VALUE=DATE:20260329",
    ];
    let rule = "TZID=Europe/Berlin;FREQ=WEEKLY";
    assert_eq!(
        rows(&calendar("", &moved), Some("Europe/Berlin")),
        [
            again("2026-03-28T23:00:00Z", "2026-03-29T23:00:00Z", rule),
            again("2026-10-24T22:00:00Z", "2026-10-26T22:00:00Z", rule),
            once("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ]
    );
}

#[test]
fn more_events_that_recur_than_a_tick_can_work_out_are_refused() {
    let daily = "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY";
    let many = calendar("", &vec![daily; 2_001]);
    let refused = refused(&many);
    assert!(refused.ends_with("more than the 2000 events and holds that one calendar may have"));
    assert!(refused.starts_with("line 8005:"), "{refused}");
}

#[test]
fn a_summary_is_cut_to_the_length_that_a_reason_may_have() {
    let long = format!("DTSTART;VALUE=DATE:20260101\nSUMMARY:x{}", "ä".repeat(600));
    let holds = read(&calendar("", &[&long]), None, &Bundled).unwrap();
    let summary = holds[0].summary.clone().unwrap();
    assert_eq!(summary.len(), 999);
    assert!(check_reason(&summary).is_ok());
}

#[test]
fn a_day_is_a_day_in_the_given_zone_else_in_the_calendars_else_in_utc() {
    let christmas = ["DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227"];
    let tokyo = calendar("X-WR-TIMEZONE:Asia/Tokyo\n", &christmas);
    assert_eq!(
        rows(&tokyo, Some("Europe/Berlin")),
        [once("2026-12-24T23:00:00Z", "2026-12-26T23:00:00Z")]
    );
    let in_tokyo = once("2026-12-24T15:00:00Z", "2026-12-26T15:00:00Z");
    assert_eq!(rows(&tokyo, None), [in_tokyo]);
    assert_eq!(
        of(&christmas),
        [once("2026-12-25T00:00:00Z", "2026-12-27T00:00:00Z")]
    );
    // A time without a zone is told by the same clock, one with a zone by its own.
    let times = [
        "DTSTART:20261225T090000\nDTEND:20261225T100000",
        "DTSTART:20261225T090000Z\nDTEND;TZID=Europe/Berlin:20261225T110000",
    ];
    assert_eq!(
        rows(&calendar("X-WR-TIMEZONE:Asia/Tokyo\n", &times), None),
        [
            once("2026-12-25T00:00:00Z", "2026-12-25T01:00:00Z"),
            once("2026-12-25T09:00:00Z", "2026-12-25T10:00:00Z"),
        ]
    );
}

#[test]
fn an_event_without_an_end_lasts_a_day_or_makes_no_hold() {
    assert_eq!(
        of(&["DTSTART;VALUE=DATE:20261225", "DTSTART:20261225T090000Z"]),
        [once("2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z")]
    );
    assert_eq!(
        of(&["DTSTART:20261225T090000Z\nDTEND:20261225T090000Z"]),
        []
    );
    assert_eq!(
        of(&["DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225"]),
        []
    );
    assert_eq!(of(&["DTSTART:20261225T090000Z\nDURATION:PT0S"]), []);
}

#[test]
fn days_of_a_duration_are_the_clocks_and_hours_are_not() {
    let start = "DTSTART;TZID=Europe/Berlin:20260328T120000";
    let lasting = |duration| of(&[&format!("{start}\nDURATION:{duration}")]);
    let until = |end| [once("2026-03-28T11:00:00Z", end)];
    assert_eq!(lasting("P1D"), until("2026-03-29T10:00:00Z"));
    assert_eq!(lasting("PT24H"), until("2026-03-29T11:00:00Z"));
    assert_eq!(lasting("P1DT30M"), until("2026-03-29T10:30:00Z"));
    assert_eq!(lasting("P1W"), until("2026-04-04T10:00:00Z"));
}

#[test]
fn what_is_cancelled_makes_no_hold() {
    let day = "DTSTART;VALUE=DATE:20261225";
    assert_eq!(of(&[&format!("{day}\nSTATUS:CANCELLED")]), []);
    assert_eq!(
        of(&[&format!("{day}\nSTATUS:TENTATIVE\nTRANSP:TRANSPARENT")]).len(),
        1
    );
}

#[test]
fn a_rule_goes_by_the_clock_of_its_start() {
    assert_eq!(
        rows(
            &calendar(
                "X-WR-TIMEZONE:Europe/Berlin\n",
                &[
                    "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;UNTIL=20300101",
                    "DTSTART;TZID=Asia/Tokyo:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY",
                    "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY",
                ]
            ),
            None
        ),
        [
            again(
                "2025-12-31T23:00:00Z",
                "2026-01-01T23:00:00Z",
                "TZID=Europe/Berlin;FREQ=YEARLY;UNTIL=20300101"
            ),
            again(
                "2026-01-05T00:00:00Z",
                "2026-01-05T01:00:00Z",
                "TZID=Asia/Tokyo;FREQ=WEEKLY"
            ),
            again(
                "2026-01-05T09:00:00Z",
                "2026-01-05T10:00:00Z",
                "FREQ=WEEKLY"
            ),
        ]
    );
}

#[test]
fn exceptions_count_by_whatever_clock_they_are_told() {
    let start = "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H";
    let excepted = |lines: &str| {
        let rows = of(&[&format!("{start}\nRRULE:FREQ=WEEKLY\n{lines}")]);
        rows.into_iter()
            .map(|(_, _, recurrence)| recurrence.unwrap())
            .collect::<Vec<_>>()
    };
    let rule = |exceptions: &str| {
        [format!(
            "TZID=Europe/Berlin;FREQ=WEEKLY\nEXDATE:{exceptions}"
        )]
    };
    assert_eq!(
        excepted("EXDATE;TZID=Europe/Berlin:20260112T090000,20260119T090000"),
        rule("20260112T090000,20260119T090000")
    );
    assert_eq!(
        excepted("EXDATE:20260112T080000Z"),
        rule("20260112T080000Z")
    );
    assert_eq!(
        excepted("EXDATE;TZID=Asia/Tokyo:20260112T170000\nEXDATE;VALUE=DATE:20260119"),
        rule("20260112T080000Z,20260119")
    );
    // All of them.
    let all = format!("{start}\nRRULE:FREQ=DAILY;COUNT=1\nEXDATE;VALUE=DATE:20260105");
    assert_eq!(of(&[&all]), []);
    for exception in ["EXDATE:20260105T080000Z", "EXDATE;VALUE=DATE:20260105"] {
        assert_eq!(of(&[&format!("{start}\n{exception}")]), [], "{exception}");
    }
}

#[test]
fn an_event_that_takes_the_place_of_an_occurrence_is_a_hold_of_its_own() {
    let daily = "UID:1\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY";
    let moved = "UID:1\nRECURRENCE-ID:20260107T090000Z\nDTSTART:20260107T150000Z\nDURATION:PT2H";
    let gone = "UID:1\nRECURRENCE-ID:20260108T090000Z\nDTSTART:20260108T090000Z\nDURATION:PT1H\n\
                STATUS:CANCELLED";
    let other = "UID:2\nRECURRENCE-ID:20260109T090000Z\nDTSTART:20260109T090000Z";
    assert_eq!(
        of(&[moved, daily, gone, other]),
        [
            once("2026-01-07T15:00:00Z", "2026-01-07T17:00:00Z"),
            again(
                "2026-01-05T09:00:00Z",
                "2026-01-05T10:00:00Z",
                "FREQ=DAILY\nEXDATE:20260107T090000Z,20260108T090000Z"
            ),
        ]
    );
}

#[test]
fn additional_dates_are_holds_of_the_same_length() {
    let event = "DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107\n\
                 RDATE;VALUE=DATE:20260201,20260301\nEXDATE;VALUE=DATE:20260201";
    assert_eq!(
        of(&[event]),
        [
            once("2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z"),
            once("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
        ]
    );
}

#[test]
fn the_summary_is_kept_unfolded_and_without_escapes() {
    let event = "DTSTART;VALUE=DATE:20261225\nSUMMARY;LANGUAGE=en:Christmas\\, \n and more\n\
                 DESCRIPTION:no";
    let holds = read(&calendar("", &[event]), None, &Bundled).unwrap();
    assert_eq!(holds[0].summary.as_deref(), Some("Christmas, and more"));
    assert_eq!(holds[0].line, 3);
    let none = read(
        &calendar("", &["DTSTART;VALUE=DATE:20261225\nSUMMARY:"]),
        None,
        &Bundled,
    );
    assert_eq!(none.unwrap()[0].summary, None);
}

#[test]
fn what_stands_within_or_beside_an_event_is_not_the_events() {
    let text = "BEGIN:VCALENDAR\n\
                BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
                RRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\n\
                BEGIN:VTODO\nDTSTART:nonsense\nEND:VTODO\n\
                BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\n\
                BEGIN:VALARM\nTRIGGER:-PT1H\nDURATION:nonsense\nSUMMARY:x\nEND:VALARM\n\
                END:VEVENT\nEND:VCALENDAR\n\
                begin:vcalendar\nend:vcalendar";
    let holds = read(text, None, &Bundled).unwrap();
    assert_eq!(holds.len(), 1);
    assert_eq!(holds[0].summary, None);
}

#[test]
fn a_refusal_names_the_line() {
    let not_a_time = "isn't a date or a time such as 20261231, 20261231T180000 or \
                      20261231T180000Z";
    for (event, message) in [
        (
            "SUMMARY:x",
            "line 3: \"BEGIN:VEVENT\" has no DTSTART".to_owned(),
        ),
        (
            "DTSTART:2026",
            format!("line 4: \"DTSTART:2026\" {not_a_time}"),
        ),
        (
            "DTSTART:20260230",
            format!("line 4: \"DTSTART:20260230\" {not_a_time}"),
        ),
        (
            "DTSTART:20260101T250000",
            format!("line 4: \"DTSTART:20260101T250000\" {not_a_time}"),
        ),
        (
            "DTSTART;VALUE=DATE:20260101T000000",
            format!("line 4: \"DTSTART:20260101T000000\" {not_a_time}"),
        ),
        (
            "DTSTART:20260101\nDTSTART:20260102",
            "line 5: \"DTSTART:20260102\" is there twice in one event".to_owned(),
        ),
        (
            "DTSTART;TZID=W. Europe Standard Time:20260101T090000",
            "line 4: \"W. Europe Standard Time\" isn't an IANA time zone, spelled exactly"
                .to_owned(),
        ),
        (
            "DTSTART:20260101\nDTEND:20260102T000000",
            "line 5: \"DTEND:20260102T000000\" isn't a date as DTSTART is, or isn't a time as \
             DTSTART is"
                .to_owned(),
        ),
        (
            "DTSTART:20260102\nDTEND:20260101",
            "line 5: \"DTEND:20260101\" is before DTSTART".to_owned(),
        ),
        (
            "DTSTART:20260102\nDTEND:20260103\nDURATION:P1D",
            "line 6: \"DURATION:P1D\" stands beside DTEND, and an event has only one end"
                .to_owned(),
        ),
        (
            "DTSTART:20260102\nDURATION:1D",
            "line 5: \"DURATION:1D\" isn't a duration such as P2D or PT1H30M".to_owned(),
        ),
        (
            "DTSTART:20260102\nRRULE:FREQ=SECONDLY",
            "line 5: FREQ: \"SECONDLY\" comes more often than once a minute, and no hold is asked \
             for more often"
                .to_owned(),
        ),
        (
            "DTSTART:20260102\nEXRULE:FREQ=DAILY",
            "line 5: \"EXRULE:FREQ=DAILY\" is not read here; make that hold by hand".to_owned(),
        ),
        (
            "DTSTART:20260102\nRDATE;VALUE=PERIOD:20260102T000000Z/PT1H",
            format!("line 5: \"RDATE:20260102T000000Z/PT1H\" {not_a_time}"),
        ),
        (
            "nonsense",
            "line 4: \"nonsense\" isn't a name, a colon and a value".to_owned(),
        ),
        (
            "BEGIN:VEVENT\nEND:VEVENT",
            "line 4: \"BEGIN:VEVENT\" can't begin here".to_owned(),
        ),
    ] {
        assert_eq!(refused(&calendar("", &[event])), message);
    }
}

#[test]
fn a_text_that_is_no_whole_calendar_is_refused() {
    for (text, message) in [
        ("", "\"ics\" has no BEGIN:VCALENDAR"),
        (
            "VERSION:2.0",
            "line 1: \"VERSION:2.0\" stands outside of BEGIN:VCALENDAR and END:VCALENDAR",
        ),
        (
            "BEGIN:VEVENT\nEND:VEVENT",
            "line 1: \"BEGIN:VEVENT\" can't begin here",
        ),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\n",
            "line 2: \"BEGIN:VEVENT\" is not followed by its END",
        ),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR",
            "line 3: \"END:VCALENDAR\" doesn't end what began last",
        ),
        (
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR",
            "line 3: \"END:VCALENDAR\" doesn't end what began last",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
    let text = calendar(
        "X-WR-TIMEZONE:Mars/Olympus\n",
        &["DTSTART;VALUE=DATE:20261225"],
    );
    let not_a_zone = "isn't an IANA time zone, spelled exactly";
    assert_eq!(
        refused(&text),
        format!("line 3: \"Mars/Olympus\" {not_a_zone}")
    );
    let given = read(&text, Some("Mars/Phobos"), &Bundled).unwrap_err();
    assert_eq!(given.to_string(), format!("\"Mars/Phobos\" {not_a_zone}"));
    // Where the given zone is meant, the calendar's own is not asked for.
    assert_eq!(rows(&text, Some("UTC")).len(), 1);
}

#[test]
fn no_more_is_read_than_anybody_needs() {
    let long = " ".repeat(LONGEST + 1);
    assert_eq!(
        refused(&long),
        format!("\"ics\" has more than {LONGEST} bytes")
    );
    let many =
        "\"BEGIN:VEVENT\" is more than the 10000 events and holds that one calendar may have";
    let days = "20260101,".repeat(MOST_HOLDS);
    let event = format!("DTSTART:20260101\nRDATE:{}", days.trim_end_matches(','));
    assert_eq!(refused(&calendar("", &[&event])), format!("line 3: {many}"));
    let events = vec!["DTSTART:20260101T000000Z"; MOST_HOLDS + 1];
    assert_eq!(
        refused(&calendar("", &events)),
        format!("line 30003: {many}")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_text_makes_holds_that_can_be_made_or_is_refused_in_few_words(
        lines in prop::collection::vec(
            prop_oneof![
                4 => "(DTSTART|DTEND|EXDATE|RDATE|RECURRENCE-ID)(;VALUE=DATE|;TZID=Asia/Tokyo)?:\
                      (2026|0001|9999)(0[1-3]|12)([0-2][1-9]|31)(T[0-2][0-9]0000Z?)?",
                1 => "RRULE:FREQ=(DAILY|WEEKLY|YEARLY)(;COUNT=[1-9]|;BYDAY=[A-Z]{2})?",
                1 => "DURATION:P[0-9]{1,13}[DW](T[0-9]{1,13}[HMS])?",
                1 => "(UID|SUMMARY|STATUS):[a-zA-Z\\\\;,]{0,9}",
                1 => "(BEGIN|END):V(EVENT|ALARM|CALENDAR)",
                1 => any::<String>(),
            ],
            0..8,
        ),
        framed: bool,
    ) {
        let text = lines.join("\n");
        let text = if framed { calendar("", &[&text]) } else { text };
        match read(&text, Some("America/Havana"), &Bundled) {
            Ok(holds) => {
                for hold in holds {
                    prop_assert!(hold.starts_at < hold.ends_at);
                    let made = crate::holds::When::read(
                        hold.starts_at,
                        Some(hold.ends_at),
                        hold.recurrence.as_deref(),
                        &Bundled,
                    );
                    prop_assert!(made.is_ok(), "{:?}: {:?}", hold, made.map(|_| ()));
                }
            }
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.len() < 700);
                prop_assert!(!message.chars().any(char::is_control));
                prop_assert!(error.line.is_none_or(|line| line <= text.lines().count()));
            }
        }
    }
}
