//! How holds are listed, imported, released, dumped and forgotten.

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{NOTHING, STOP, STOPPED, install};
use workspace_autobuild_tests::product::{Value, texts};

use super::support::*;

#[test]
fn the_view_says_what_was_given_and_whether_it_holds_now() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let first = hold(&operator, "'all'");
    let second = hold(
        &operator,
        "'all', NULL, now() + interval '1 day', now() + interval '2 days', ARRAY['start'], 'later'",
    );
    let third = hold(
        &operator,
        "'all', NULL, now() - interval '1 hour', now() + interval '1 hour',
         recurrence => 'FREQ=DAILY'",
    );
    assert!(first < second && second < third);
    let rows = operator.rows(
        "SELECT scope, scope_id, transitions, reason, recurrence, holds_now,
                CASE next_change_at WHEN starts_at THEN 'start' WHEN ends_at THEN 'end' END,
                created_by = current_user AND created_at <= now()
           FROM autobuild_holds ORDER BY hold_id",
    );
    let row = |texts: [&str; 8]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(
        rows,
        [
            row(["all", "", "", "", "", "t", "", "t"]),
            row(["all", "", "{start}", "later", "", "f", "start", "t"]),
            row(["all", "", "", "", "FREQ=DAILY", "t", "end", "t"]),
        ]
    );
}

const ICS: &str = "BEGIN:VCALENDAR
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
DTSTART;VALUE=DATE:20230201
RRULE:FREQ=YEARLY
EXDATE;VALUE=DATE:20250201
SUMMARY:Founding day
END:VEVENT
BEGIN:VEVENT
DTSTART:20240202T100000Z
DTEND:20240202T120000Z
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR";

#[test]
fn a_calendar_makes_a_hold_of_each_event() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    let made = operator.rows(&format!("SELECT autobuild_hold_calendar('{ICS}', 'all')"));
    assert_eq!(made, [[Some("1".to_owned())]]);
    let reason = operator.rows("SELECT reason FROM autobuild_holds");
    assert_eq!(reason, [[Some("Founding day".to_owned())]]);
    for (at, expected) in [
        (NOON, NOTHING),
        ("2024-02-01 23:59 Europe/Berlin", NOTHING),
        ("2024-02-02 00:00 Europe/Berlin", STOP),
        ("2024-02-02 11:00+00", STOP),
        ("2025-02-01 12:00 Europe/Berlin", STOP),
        ("2026-02-01 00:00 Europe/Berlin", NOTHING),
    ] {
        assert_eq!(operator.outcome(&workspace, at), expected, "{at}");
    }
}

#[test]
fn a_released_hold_lets_stops_be_made_at_once_and_starts_that_were_missed_stay_so() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let running = template
        .workspace("running")
        .create_started(STOPPED, Value::sql("now() - interval '1 hour'"));
    // It runs each hour, and last did so five minutes ago.
    let minute = product
        .value("SELECT extract(minute FROM now() - interval '5 minutes')::int")
        .expect("a minute");
    let stopped = template
        .workspace("stopped")
        .schedule(&format!("{minute} * * * *"))
        .create_stopped(Value::sql("now() - interval '3 hours'"));
    let operator = product.operator();
    let number = hold(&operator, "'all', NULL, now() - interval '1 day'");
    assert!(operator.tick("now").is_empty());
    let released = |number: &str| operator.rows(&format!("SELECT autobuild_release({number})"));
    assert_eq!(released(&number), [[Some("t".to_owned())]]);
    let next = operator.next(&stopped, "now");
    assert_eq!((next.due, next.skip_reason), (false, None));
    let made = operator.tick("now");
    let made: Vec<_> = made
        .iter()
        .map(|made| (made.workspace_id, made.transition.as_str()))
        .collect();
    assert_eq!(made, [(running.id, "stop")]);
    // Once, and what never was is none.
    assert_eq!(released(&number), [[Some("f".to_owned())]]);
    assert_eq!(released("4711"), [[Some("f".to_owned())]]);
    assert!(operator.rows("SELECT FROM autobuild_holds").is_empty());
}

#[test]
fn a_hold_that_has_ended_is_none_to_release_any_more() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let released = |arguments: &str| {
        let number = hold(&operator, arguments);
        operator.rows(&format!("SELECT autobuild_release({number})"))
    };
    let was = |was: &str| [[Some(was.to_owned())]];
    let ended = "now() - interval '2 hours', now() - interval '1 hour'";
    assert_eq!(released(&format!("'all', NULL, {ended}")), was("f"));
    let again = format!("'all', NULL, {ended}, recurrence => 'FREQ=DAILY'");
    assert_eq!(released(&again), was("t"));
    let coming = "'all', NULL, now() + interval '1 hour', now() + interval '2 hours'";
    assert_eq!(released(coming), was("t"));
    // It stays listed as long as it says which starts were missed.
    let listed = operator.rows("SELECT count(*) FROM autobuild_holds");
    assert_eq!(listed, was("1"));
}

#[test]
fn a_hold_is_forgotten_thirty_days_after_its_end_and_not_before() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let days = |days: i32| format!("now() - interval '{days} days'");
    for ends in [31, 29] {
        let arguments = format!(
            "'all', NULL, {}, {}, reason => 'ended {ends}'",
            days(40),
            days(ends)
        );
        hold(&operator, &arguments);
    }
    for released in [31, 29] {
        let number = hold(
            &operator,
            &format!("'all', NULL, {}, reason => 'released {released}'", days(40)),
        );
        operator.execute(&format!(
            "UPDATE autobuild_holds_made SET released_at = {} WHERE hold_id = {number}",
            days(released)
        ));
    }
    let recurring = format!(
        "'all', NULL, {}, {}, recurrence => 'FREQ=DAILY', reason => 'recurs'",
        days(40),
        days(39)
    );
    hold(&operator, &recurring);
    operator.tick("now");
    let left =
        operator.rows("SELECT string_agg(reason, ', ' ORDER BY hold_id) FROM autobuild_holds_made");
    assert_eq!(left, [[Some("ended 29, released 29, recurs".to_owned())]]);
}

#[test]
fn a_rule_that_can_not_be_read_any_more_holds_from_its_start_on() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    hold(
        &operator,
        "'all', NULL, '2024-02-01 11:00+00', '2024-02-01 11:30+00', recurrence => 'FREQ=DAILY'",
    );
    assert_eq!(operator.outcome(&workspace, NOON), STOP);
    operator.execute("UPDATE autobuild_holds_made SET recurrence = 'TZID=Mars/Olympus;FREQ=DAILY'");
    assert_eq!(operator.outcome(&workspace, NOON), NOTHING);
    let listed = texts(
        &mut operator.session(),
        "SELECT holds_now, next_change_at FROM autobuild_holds",
    );
    assert_eq!(listed, [[Some("t".to_owned()), None]]);
    let problem = || {
        let problem = operator.rows("SELECT problem FROM autobuild_status");
        problem[0][0].clone().unwrap_or_default()
    };
    let told = problem();
    for part in [
        "recurrence of hold 1",
        "Mars/Olympus",
        "autobuild_release(1)",
    ] {
        assert!(told.contains(part), "{told}");
    }
    operator.execute("SELECT autobuild_release(1)");
    assert!(!problem().contains("Mars/Olympus"));
}
