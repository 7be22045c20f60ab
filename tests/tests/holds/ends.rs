//! From when to when something is held, to the microsecond, and what is made at the end.

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{
    HOURLY, NOTHING, START, STOP, STOPPED, install, on_each_version,
};
use workspace_autobuild_tests::product::{Fields, Value};

use super::support::*;

#[test]
fn a_tick_is_in_a_hold_from_its_first_instant_on_and_no_longer_at_its_end() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    for (starts_at, ends_at, expected) in [
        ("12:00:00", "12:05:00", NOTHING),
        ("12:00:00.000001", "12:05:00", STOP),
        ("11:00:00", "12:00:00.000001", NOTHING),
        ("11:00:00", "12:00:00", STOP),
    ] {
        forget(&operator);
        hold(
            &operator,
            &format!(
                "'all', starts_at => '2024-02-01 {starts_at}+00', ends_at => '2024-02-01 {ends_at}+00'"
            ),
        );
        for at in [NOON, "2024-02-01 12:00:59.999999+00"] {
            let outcome = operator.outcome(&workspace, at);
            assert_eq!(outcome, expected, "[{starts_at}, {ends_at}) at {at}");
        }
    }
}

#[test]
fn previews_say_what_is_held_why_and_when_it_is_made() {
    on_each_version(|product, operator| {
        let workspace = overdue(&product.template("docker").create(), "dev");
        let number = hold(
            operator,
            "'all', NULL, '2024-02-01 11:00+00', '2024-02-02 06:30+00', reason => 'maintenance'",
        );
        let next = operator.next(&workspace, NOON);
        assert_eq!(next.transition.as_deref(), Some("stop"));
        assert_eq!(next.reason.as_deref(), Some("autostop"));
        assert_eq!(next.next_transition_at, shown("02T06:30:00"));
        assert_eq!(
            (next.due, next.skip_reason.as_deref()),
            (false, Some("held"))
        );
        let detail = next.detail.unwrap_or_default();
        assert!(
            detail.contains("maintenance") && detail.contains(&format!("hold {number}")),
            "{detail}"
        );
        let steps = operator.rows(&format!(
            "SELECT rule, passed FROM autobuild_explain('{}', '{NOON}') WHERE rule = 'hold'",
            workspace.id
        ));
        assert_eq!(steps, [[Some("hold".to_owned()), Some("f".to_owned())]]);
        let upcoming = |horizon: &str| {
            operator.rows(&format!(
                "SELECT transition, due, next_transition_at = '2024-02-02 06:30+00'
                   FROM autobuild_upcoming('{horizon}', '{NOON}')"
            ))
        };
        let row = ["stop", "f", "t"].map(|text| Some(text.to_owned()));
        assert_eq!(upcoming("24 hours"), [row]);
        assert!(upcoming("1 hour").is_empty());
        assert_eq!(operator.outcome(&workspace, "2024-02-02 06:30+00"), STOP);
    });
}

#[test]
fn without_an_end_nothing_is_said_of_when() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    hold(&operator, "'all', starts_at => '2024-02-01 11:00+00'");
    let next = operator.next(&workspace, NOON);
    assert_eq!(next.next_transition_at, None);
    assert_eq!(next.skip_reason.as_deref(), Some("held"));
    assert_eq!(operator.outcome(&workspace, "2034-02-01 12:00+00"), NOTHING);
    counted_upcoming(&operator, "0");
}

#[track_caller]
fn counted_upcoming(operator: &workspace_autobuild_tests::Operator<'_>, count: &str) {
    let rows = operator.rows(&format!(
        "SELECT count(*) FROM autobuild_upcoming('99 years', '{NOON}')"
    ));
    assert_eq!(rows, [[Some(count.to_owned())]]);
}

#[test]
fn at_the_end_no_start_is_made_that_was_missed_and_every_stop() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let stopped: Vec<_> = (0..5)
            .map(|n| {
                let workspace = template.workspace(&format!("stopped-{n}"));
                workspace.schedule(HOURLY).create_stopped(STOPPED)
            })
            .collect();
        let running: Vec<_> = (0..5)
            .map(|n| overdue(&template, &format!("running-{n}")))
            .collect();
        hold(
            operator,
            "'all', NULL, '2024-02-01 10:30+00', '2024-02-01 18:30+00'",
        );
        let ids = |at: &str| {
            let made = operator.dry_tick(at);
            made.iter()
                .map(|made| made.workspace_id)
                .collect::<Vec<_>>()
        };
        assert!(ids("2024-02-01 18:29:59+00").is_empty());
        let mut stops = ids("2024-02-01 18:30+00");
        stops.sort_unstable();
        let mut expected: Vec<_> = running.iter().map(|one| one.id).collect();
        expected.sort_unstable();
        assert_eq!(stops, expected);
        let next = operator.next(&stopped[0], "2024-02-01 18:30+00");
        assert_eq!(next.next_transition_at, shown("01T19:00:00"));
        assert_eq!((next.due, next.skip_reason), (false, None));
        // Ticks made in the hold and after it forget nothing of it.
        assert!(operator.tick("2024-02-01 18:29+00").is_empty());
        assert_eq!(operator.tick("2024-02-01 18:59+00").len(), 5);
        assert_eq!(operator.outcome(&stopped[0], "2024-02-01 19:00+00"), START);
    });
}

#[test]
fn missed_starts_are_made_up_for_if_that_is_set_however_late_a_start_may_be() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let workspace = template.workspace("dev");
        // Once a day, and so missed for the day.
        let workspace = workspace
            .schedule("CRON_TZ=UTC 0 11 * * *")
            .create_stopped(STOPPED);
        hold(
            operator,
            "'all', NULL, '2024-02-01 10:30+00', '2024-02-01 18:30+00'",
        );
        operator.set("missed_starts", "make_up");
        for delay in ["0", "10min"] {
            operator.set("max_start_delay", delay);
            assert_eq!(operator.outcome(&workspace, "2024-02-01 18:29+00"), NOTHING);
            assert_eq!(operator.outcome(&workspace, "2024-02-01 18:30+00"), START);
            assert_eq!(operator.outcome(&workspace, "2024-02-01 18:39+00"), START);
        }
        assert_eq!(operator.outcome(&workspace, "2024-02-01 18:40+00"), NOTHING);
        operator.set("missed_starts", "drop");
        operator.set("max_start_delay", "0");
        assert_eq!(operator.outcome(&workspace, "2024-02-01 18:30+00"), NOTHING);
    });
}

#[test]
fn holds_add_up_and_the_last_end_counts() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    for (from, to) in [
        ("11:00", "13:00"),
        ("12:30", "14:00"),
        ("14:00", "15:00"),
        ("15:01", "16:00"),
    ] {
        hold(
            &operator,
            &format!("'all', NULL, '2024-02-01 {from}+00', '2024-02-01 {to}+00'"),
        );
    }
    let at = |at: &str| operator.next(&workspace, at).next_transition_at;
    assert_eq!(at(NOON), shown("01T15:00:00"));
    assert_eq!(operator.outcome(&workspace, "2024-02-01 15:00+00"), STOP);
    assert_eq!(operator.outcome(&workspace, "2024-02-01 15:01+00"), NOTHING);
}

#[test]
fn a_hold_recurs_by_its_rule_in_its_zone() {
    let product = install(Version::NEWEST);
    let workspace = overdue(&product.template("docker").create(), "dev");
    let operator = product.operator();
    // Nights in Berlin, the first of them on the second of January.
    hold(
        &operator,
        "'all', NULL, '2024-01-02 18:00 Europe/Berlin', '2024-01-03 07:00 Europe/Berlin',
         recurrence => 'TZID=Europe/Berlin;FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR'",
    );
    for (at, expected) in [
        ("2024-02-01 17:00+01", STOP),
        ("2024-02-01 18:00+01", NOTHING),
        ("2024-02-02 06:59+01", NOTHING),
        ("2024-02-02 07:00+01", STOP),
        // Sunday; and Monday evening, by summer time.
        ("2024-02-04 20:00+01", STOP),
        ("2024-07-01 17:59+02", STOP),
        ("2024-07-01 18:00+02", NOTHING),
    ] {
        assert_eq!(operator.outcome(&workspace, at), expected, "{at}");
    }
}

#[test]
fn nobody_is_reminded_of_a_deadline_at_which_the_stop_is_held() {
    let product = install(Version::NEWEST);
    product.add_notices();
    let template = product
        .template("docker")
        .set("time_til_autostop_notify", 1_800_000_000_000_i64)
        .create();
    let workspace = template
        .workspace("dev")
        .create_started(STOPPED, Value::sql("timestamptz '2024-02-01 12:20+00'"));
    let operator = product.operator();
    operator.set("notify_owners", "on");
    operator.set("access_url", "https://coder.example.com");
    let reminded = |at: &str| {
        let sql = format!(
            "SELECT 1 FROM autobuild_upcoming('1 minute', '{at}')
              WHERE workspace_id = '{}' AND transition = 'remind' AND due",
            workspace.id
        );
        !operator.rows(&sql).is_empty()
    };
    assert!(reminded(NOON));
    hold(
        &operator,
        "'all', NULL, '2024-02-01 12:20+00', '2024-02-01 12:21+00'",
    );
    assert!(!reminded(NOON));
    forget(&operator);
    hold(
        &operator,
        "'all', NULL, '2024-02-01 11:00+00', '2024-02-01 12:20+00'",
    );
    assert!(reminded(NOON));
}
