//! Schedules through SQL: every recorded case, the zones of the server's list, CHECK.

use std::fs;
use std::io::Write;

use postgres::Client;
use workspace_autobuild_tests::autobuild::refusal;
use workspace_autobuild_tests::product::{quote_literal, texts};

use super::support::without_product;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cron_vectors.csv");
const CHECK: &str =
    "SELECT valid, timezone, cron, description, error FROM autobuild_schedule_check";

#[test]
fn every_recorded_case_is_answered_as_recorded() {
    let mut session = without_product("vectors");
    session
        .batch_execute(
            "CREATE TEMP TABLE vectors (id text PRIMARY KEY, schedule text NOT NULL,
                 after_utc timestamptz, next_utc text NOT NULL, reference_next_utc text)",
        )
        .expect("a table");
    // The server's CSV reader keeps an empty quoted text apart from NULL, as the file does.
    let mut writer = session
        .copy_in("COPY vectors FROM STDIN (FORMAT csv, HEADER, FORCE_NOT_NULL (schedule))")
        .expect("COPY");
    writer
        .write_all(&fs::read(VECTORS).expect("the vectors"))
        .expect("COPY");
    assert_eq!(writer.finish().expect("COPY"), 6271);
    let wrong = texts(
        &mut session,
        "WITH answered AS (
             SELECT v.*, CASE
                 WHEN NOT (autobuild_schedule_check(schedule)).valid THEN 'refused'
                 ELSE coalesce((SELECT to_char(next AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
                                  FROM autobuild_schedule_next(schedule, after_utc) AS next), 'zero')
                 END AS answer
               FROM vectors v)
         SELECT id, schedule, after_utc, next_utc, answer FROM answered
          WHERE answer IS DISTINCT FROM next_utc ORDER BY id",
    );
    assert!(wrong.is_empty(), "{} of 6271: {wrong:#?}", wrong.len());
    // What is refused is so by both functions, with the same words.
    session
        .batch_execute(
            "DO $$
             DECLARE v record; refused int := 0;
             BEGIN
                 FOR v IN SELECT schedule, (autobuild_schedule_check(schedule)).error
                            FROM vectors WHERE next_utc = 'refused' LOOP
                     BEGIN
                         PERFORM autobuild_schedule_next(v.schedule);
                         RAISE EXCEPTION 'was not refused: %', v.schedule;
                     EXCEPTION WHEN invalid_parameter_value THEN
                         IF SQLERRM <> 'invalid schedule: ' || v.error THEN
                             RAISE EXCEPTION '% is not %', SQLERRM, v.error;
                         END IF;
                         refused := refused + 1;
                     END;
                 END LOOP;
                 IF refused < 500 THEN RAISE EXCEPTION 'only % are refused', refused; END IF;
             END $$",
        )
        .expect("all are refused");
}

#[test]
fn the_next_run_agrees_with_at_time_zone_in_every_zone_of_the_server() {
    let mut session = without_product("zones");
    // By the definition: the first minute after, whose wall clock is the schedule's. A name
    // that is an abbreviation as well (`MET`) means that to AT TIME ZONE, a fixed offset;
    // for a schedule it is the zone, as for the setting TimeZone.
    session
        .batch_execute(
            "CREATE FUNCTION wall_clock(at timestamptz, zone text, abbreviation boolean) RETURNS time
                 LANGUAGE plpgsql AS $$
             BEGIN
                 IF NOT abbreviation THEN RETURN (at AT TIME ZONE zone)::time; END IF;
                 PERFORM set_config('timezone', zone, true);
                 RETURN at::timestamp::time;
             END $$",
        )
        .expect("a function");
    let wrong = texts(
        &mut session,
        "WITH zones AS (
             SELECT name, ts.after,
                    EXISTS (SELECT FROM pg_timezone_abbrevs a WHERE a.abbrev = name) AS abbreviation
               FROM pg_timezone_names,
                    LATERAL (SELECT timestamptz '1975-01-01 00:00:00+00' + interval '1 second'
                                    * ((hashtext(name || n)::bigint + 2147483648) % 1900000000) AS after
                               FROM generate_series(1, 2) AS n) AS ts
              WHERE (autobuild_schedule_check('CRON_TZ=' || name || ' 0 0 * * *')).valid)
         SELECT name, extract(epoch FROM after), extract(epoch FROM next), extract(epoch FROM due)
           FROM zones,
                LATERAL (SELECT (SELECT autobuild_schedule_next(
                             'CRON_TZ=' || name || ' 30 2,14 * * *', after)) AS next) AS answer,
                LATERAL (SELECT min(minute) AS due
                           FROM generate_series(date_trunc('minute', after) + interval '1 minute',
                                                after + interval '2 days', '1 minute') AS minute
                          WHERE wall_clock(minute, name, abbreviation) IN ('02:30', '14:30')) AS expected
          WHERE next IS DISTINCT FROM due",
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    let names = texts(
        &mut session,
        "SELECT count(*) > 400 FROM pg_timezone_names
          WHERE (autobuild_schedule_check('CRON_TZ=' || name || ' 0 0 * * *')).valid",
    );
    assert_eq!(names, [[Some("t".to_owned())]]);
}

#[test]
fn names_that_the_server_takes_beyond_ianas_are_refused() {
    let mut session = without_product("names");
    // Of the server's own list only what a system adds to IANA's is refused.
    let refused = texts(
        &mut session,
        "SELECT name FROM pg_timezone_names
          WHERE NOT (autobuild_schedule_check('CRON_TZ=' || name || ' 0 9 * * *')).valid
            AND name !~ '^(posix|right|SystemV)/' AND name NOT IN ('posixrules', 'localtime', 'Factory')",
    );
    assert!(refused.is_empty(), "{refused:?}");
    let accepted = texts(
        &mut session,
        "SELECT name FROM pg_timezone_names
          WHERE (autobuild_schedule_check('CRON_TZ=' || name || ' 0 9 * * *')).valid
            AND name ~ '^(posix|right)/|^posixrules$|^localtime$'",
    );
    assert!(accepted.is_empty(), "{accepted:?}");
    for name in [
        "EST5",
        "CET-1",
        "EDT",
        "UTC+3",
        "+05:00",
        "-8",
        "posix/UTC",
        "posix/Europe/Berlin",
        "right/UTC",
        "posixrules",
        "localtime",
        "Local",
        "us/central",
        "europe/berlin",
        "utc",
        "EUROPE/BERLIN",
        "Europe/Berlin/",
        "../UTC",
        "/UTC",
        "Europe//Berlin",
        "Europe",
        "<+03>-3",
        "EST5EDT,M3.2.0,M11.1.0",
        "Nowhere/City",
        "\u{e9}",
        "CRON_TZ=UTC",
        "Europe/Berl\u{131}n",
    ] {
        let text = quote_literal(&format!("CRON_TZ={name} 0 9 * * *"));
        let refused = refusal(
            &mut session,
            &format!("SELECT autobuild_schedule_next({text})"),
        );
        assert_eq!(refused.sqlstate, "22023", "{name}: {refused:?}");
        assert!(refused.message.contains("zone"), "{name}: {refused:?}");
        assert!(refused.hint.contains("CRON_TZ="), "{refused:?}");
        let checked = texts(&mut session, &format!("{CHECK}({text})"));
        assert_eq!(checked[0][0].as_deref(), Some("f"), "{name}");
    }
    for name in [
        "EST5EDT",
        "Etc/GMT+5",
        "GMT+0",
        "US/Central",
        "UTC",
        "Europe/Berlin",
    ] {
        let text = quote_literal(&format!("CRON_TZ={name} 0 9 * * *"));
        let checked = texts(&mut session, &format!("{CHECK}({text})"));
        assert_eq!(checked[0][0].as_deref(), Some("t"), "{name}: {checked:?}");
        assert_eq!(checked[0][1].as_deref(), Some(name));
        assert_eq!(checked[0][2].as_deref(), Some("0 9 * * *"));
        assert_eq!(checked[0][4], None);
    }
}

#[test]
fn the_next_runs_are_rows_in_order_from_one_call() {
    let mut session = without_product("runs");
    let runs = |session: &mut Client, sql: &str| -> Vec<String> {
        texts(session, sql)
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    };
    assert_eq!(
        runs(
            &mut session,
            "SELECT to_char(r, 'Dy HH24:MI') FROM autobuild_schedule_next(
                 'CRON_TZ=UTC 30 9 * * 1-5', '2024-01-05 09:30:00+00', 3) AS r"
        ),
        ["Mon 09:30", "Tue 09:30", "Wed 09:30"]
    );
    // Both passes of an autumn night, in order.
    assert_eq!(
        runs(
            &mut session,
            "SELECT r AT TIME ZONE 'UTC' FROM autobuild_schedule_next(
                 'CRON_TZ=America/New_York 30 1 * * *', '2024-11-03 00:00:00+00', 3) AS r"
        ),
        [
            "2024-11-03 05:30:00",
            "2024-11-03 06:30:00",
            "2024-11-04 06:30:00"
        ]
    );
    // Where the clock had seconds, runs are cut to the minute; each is there once.
    assert_eq!(
        runs(
            &mut session,
            "SELECT r AT TIME ZONE 'UTC' FROM autobuild_schedule_next(
                 'CRON_TZ=Africa/Monrovia 30 9 * * *', '1970-06-01 00:00:00+00', 3) AS r"
        ),
        [
            "1970-06-01 10:14:00",
            "1970-06-02 10:14:00",
            "1970-06-03 10:14:00"
        ]
    );
    assert_eq!(
        runs(
            &mut session,
            "SELECT count(*) FROM autobuild_schedule_next(', 9 * * *', now(), 5)"
        ),
        ["0"]
    );
    assert_eq!(
        runs(
            &mut session,
            "SELECT count(*) FROM autobuild_schedule_next('0 9 * * *') AS r WHERE r > now()"
        ),
        ["1"]
    );
}

#[test]
fn a_check_constraint_keeps_bad_schedules_out_and_lets_null_in() {
    let mut session = without_product("checks");
    session
        .batch_execute(
            "CREATE TABLE plans (schedule text CHECK ((autobuild_schedule_check(schedule)).valid));
             INSERT INTO plans VALUES (NULL), ('0 9 * * 1-5'), ('CRON_TZ=Europe/Berlin 0 9 * * *')",
        )
        .expect("valid ones");
    for bad in [
        "",
        "0 9 * * 7",
        "@daily",
        "CRON_TZ=EST5 0 9 * * *",
        "0 9 1 * *",
    ] {
        let insert = format!("INSERT INTO plans VALUES ({})", quote_literal(bad));
        assert_eq!(refusal(&mut session, &insert).sqlstate, "23514", "{bad}");
    }
    let checked = texts(&mut session, &format!("{CHECK}(NULL)"));
    assert_eq!(checked, [vec![None; 5]]);
    let checked = texts(&mut session, &format!("{CHECK}('30 9 * * MON-FRY')"));
    assert_eq!(checked[0][0].as_deref(), Some("f"));
    let error = checked[0][4].clone().expect("what is wrong");
    assert!(
        error.contains("day of week") && error.contains("FRY"),
        "{error}"
    );
}
