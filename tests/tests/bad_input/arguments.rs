//! Bad input: each is a clear error (SQLSTATE, what was seen, a hint) or a defined
//! answer, and never ends the session.

use postgres::Client;
use serde_json::{Value as Json, json};
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    NINE, TODAY_AT_NINE, YESTERDAY, counted, install, next_transition, preview, records, refusal,
    refused, tick, try_tick,
};
use workspace_autobuild_tests::product::{Fields, quote_literal};
use workspace_autobuild_tests::{Transition, Version};

#[test]
fn an_unknown_workspace_is_p0002_and_null_gives_no_row() {
    for version in [Version::OLDEST, Version::NEWEST] {
        let product = install(version);
        let mut session = product.superuser();
        let id = Uuid::new_v4();
        for function in ["autobuild_next_transition", "autobuild_explain"] {
            let sql = format!("SELECT * FROM {function}('{id}')");
            refused(&mut session, &sql, "P0002", &id.to_string());
            for args in ["NULL", &format!("'{id}', NULL"), "NULL, NULL"] {
                counted(
                    &mut session,
                    &format!("SELECT * FROM {function}({args})"),
                    "0",
                );
            }
        }
        for call in [
            "autobuild_upcoming(NULL)",
            "autobuild_upcoming('1 day', NULL)",
            "autobuild_preview(NULL)",
            "autobuild_tick(NULL)",
            "autobuild_schedule_next(NULL)",
            "autobuild_schedule_next('0 9 * * *', NULL)",
            "autobuild_schedule_next('0 9 * * *', now(), NULL)",
        ] {
            counted(&mut session, &format!("SELECT * FROM {call}"), "0");
        }
        // By its EXECUTE grant alone NULL asks for no role.
        counted(&mut session, "SELECT * FROM autobuild_grant(NULL)", "0");
    }
}

#[test]
fn texts_that_are_no_schedules_are_refused_at_any_length_with_a_short_message() {
    let product = install(Version::V2_10_0);
    let mut session = product.superuser();
    let template = product.template("docker").create();
    let controls: String = (1u8..32).map(char::from).collect();
    let bad = [
        String::new(),
        "x".repeat(100_000),
        "1,".repeat(50_000),
        "CRON_TZ=".to_owned() + &"x".repeat(100_000) + " 0 9 * * *",
        "0 9 * * ".to_owned() + &"9".repeat(100_000),
        "* ".repeat(50_000),
        controls.clone(),
        format!("CRON_TZ={controls} 0 9 * * *"),
        "0 9 * * \u{7f}".to_owned(),
        "\u{202e}\u{feff}".repeat(100),
        "CRON_TZ=UTC".to_owned(),
        "%s %n '; DROP TABLE workspaces; --".to_owned(),
    ];
    for (n, text) in bad.iter().enumerate() {
        let literal = quote_literal(text);
        let sql = format!("SELECT * FROM autobuild_schedule_next({literal})");
        let error = refused(&mut session, &sql, "22023", "schedule");
        assert!(
            !error.message.chars().any(|c| c.is_control()),
            "no control character is passed on: {error:?}"
        );
        let checked: Vec<Json> = records(
            &mut session,
            &format!("SELECT valid, error FROM autobuild_schedule_check({literal})"),
        );
        assert_eq!(checked[0]["valid"], json!(false));
        assert_eq!(
            error.message,
            format!(
                "invalid schedule: {}",
                checked[0]["error"].as_str().expect("a text")
            )
        );
        if text.is_empty() {
            continue;
        }
        // A stored one is a reason, never an error, and holds nobody up.
        let workspace = template
            .workspace(&format!("w{n}"))
            .schedule(text)
            .create_stopped(YESTERDAY);
        let next = next_transition(&mut session, workspace.id, TODAY_AT_NINE);
        assert_eq!(
            next.skip_reason.as_deref(),
            Some("schedule_invalid"),
            "{next:?}"
        );
        assert!(next.detail.is_some_and(|detail| detail.len() < 1000));
    }
    // A long one that can be read is read.
    let long = format!("CRON_TZ=UTC {}0 9 * * *", "0,".repeat(50_000));
    let workspace = template
        .workspace("long")
        .schedule(&long)
        .create_stopped(YESTERDAY);
    let attempts = tick(&mut session, TODAY_AT_NINE);
    assert_eq!(attempts.len(), 1, "only the good one");
    assert_eq!(attempts[0].workspace_id, workspace.id);
    assert_eq!(attempts[0].outcome, "built");
}

#[test]
fn a_count_of_runs_may_be_anything_but_negative() {
    let product = install(Version::OLDEST);
    let mut session = product.superuser();
    let next =
        |count: &str| format!("SELECT autobuild_schedule_next('* * * * *', '2024-01-01', {count})");
    counted(&mut session, &next("0"), "0");
    for count in ["-1", "-2147483648"] {
        refused(&mut session, &next(count), "22023", count);
    }
    // Rows come one by one, so a LIMIT ends it.
    counted(
        &mut session,
        &format!("{} LIMIT 5", next("1000000000")),
        "5",
    );
    counted(
        &mut session,
        &format!("{} LIMIT 5", next("2147483647")),
        "5",
    );
    // Asked for all of them, it can be canceled.
    session
        .batch_execute("SET statement_timeout = '200ms'")
        .expect("a setting");
    let all = format!("SELECT count(*) FROM ({}) q", next("2147483647"));
    assert_eq!(refusal(&mut session, &all).sqlstate, "57014");
    // There are only so many years.
    let last = "SELECT autobuild_schedule_next('0 9 * * *', '294276-12-30', 1000)";
    counted(&mut session, last, "2");
}

/// The calls that take a time, with `{}` for it.
pub(crate) const AT: [&str; 6] = [
    "SELECT * FROM autobuild_next_transition('ID', {})",
    "SELECT * FROM autobuild_explain('ID', {})",
    "SELECT * FROM autobuild_upcoming('1 day', {})",
    "SELECT * FROM autobuild_preview({})",
    "SELECT * FROM autobuild_schedule_next('0 9 * * *', {})",
    "SELECT * FROM autobuild_tick({})",
];

#[test]
fn an_infinite_time_is_refused_and_the_ends_of_time_are_answered() {
    for version in [Version::V2023_06, Version::V2_10_0, Version::V2_34_3] {
        let product = install(version);
        let template = product
            .template("docker")
            .set_if_there("failure_ttl", 1)
            .create();
        let stopped = template
            .workspace("stopped")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        let failed = template.workspace("failed").schedule(NINE).create();
        let build = failed.build(Transition::Start).created_at(YESTERDAY);
        build.job_failed("boom").create();
        let running = template.workspace("running").create();
        let build = running.build(Transition::Start).created_at(YESTERDAY);
        build.deadline(TODAY_AT_NINE).create();
        let mut session = product.superuser();
        session
            .batch_execute("SET default_transaction_isolation = 'repeatable read'")
            .expect("a setting");
        for workspace in [stopped, failed, running] {
            for call in AT {
                let call = call.replace("ID", &workspace.id.to_string());
                for (at, seen) in [("'infinity'", "infinity"), ("'-infinity'", "-infinity")] {
                    refused(&mut session, &call.replace("{}", at), "22023", seen);
                }
                for at in [
                    "'4714-11-24 00:00:00+00 BC'",
                    "'4713-01-01 00:00:00.000001+00 BC'",
                    "'0001-01-01 00:00:00+00'",
                    "'294276-12-31 23:59:59.999999+00'",
                ] {
                    let sql = format!(
                        "BEGIN; SELECT count(*) FROM ({}) q; ROLLBACK",
                        call.replace("{}", at)
                    );
                    if let Err(error) = session.batch_execute(&sql) {
                        panic!("{version} {call} at {at}: {error:?}");
                    }
                }
            }
        }
        // At the end of time everything is due; what is written gets the clock's time.
        if product
            .facts()
            .has_column("provisioner_daemons", "last_seen_at")
        {
            product.execute("UPDATE provisioner_daemons SET last_seen_at = 'infinity'");
        }
        let end = "294276-12-31 23:59:59.999999+00";
        let foretold = preview(&mut session, end);
        let attempts = tick(&mut session, end);
        assert_eq!(foretold.len(), attempts.len());
        assert!(attempts.len() >= 2, "{version}: {attempts:?}");
        assert!(
            attempts.iter().any(|attempt| attempt.outcome == "built"),
            "{attempts:?}"
        );
        let clock = product.value(
            "SELECT bool_and(created_at BETWEEN now() - interval '1 hour' AND now())
               FROM workspace_builds WHERE build_number = 2",
        );
        assert_eq!(clock.as_deref(), Some("t"), "{version}");
        assert_eq!(tick(&mut session, "4714-11-24 00:00:00+00 BC"), []);
    }
}

#[test]
fn a_horizon_may_be_anything_but_negative() {
    let product = install(Version::V2_34_3);
    let template = product.template("docker").create();
    template
        .workspace("dev")
        .schedule(NINE)
        .create_stopped(YESTERDAY);
    let mut session = product.superuser();
    let upcoming = |horizon: &str| {
        format!("SELECT * FROM autobuild_upcoming('{horizon}', '2024-03-05 08:30:00+00')")
    };
    for horizon in ["-1 microsecond", "-178000000 years", "1 day -25 hours"] {
        refused(&mut session, &upcoming(horizon), "22023", "horizon");
    }
    counted(&mut session, &upcoming("0"), "0");
    counted(&mut session, &upcoming("29 minutes 59.999999 seconds"), "0");
    for horizon in [
        "30 minutes",
        "178000000 years",
        "2147483647 days 9223372036854775807 us",
    ] {
        counted(&mut session, &upcoming(horizon), "1");
    }
}

#[test]
fn infinite_times_in_the_products_rows_have_a_defined_answer() {
    for version in [Version::V2023_06, Version::V2_10_0, Version::V2_34_3] {
        let product = install(version);
        let template = product.template("docker").create();
        let running = |name: &str, deadline: &str| {
            let workspace = template.workspace(name).create();
            let build = workspace.build(Transition::Start).created_at(YESTERDAY);
            build.deadline(deadline).create();
            workspace.id
        };
        let stopped = |name: &str, created_at: &str| {
            let workspace = template.workspace(name).schedule(NINE).create();
            let build = workspace.build(Transition::Stop).created_at(YESTERDAY);
            build.set("created_at", created_at).create();
            workspace.id
        };
        let never = running("deadline never", "infinity");
        let always = running("deadline always", "-infinity");
        let future = stopped("of the future", "infinity");
        let past = stopped("of the past", "-infinity");
        let mut session = product.superuser();
        let next = |session: &mut Client, id| next_transition(session, id, TODAY_AT_NINE);
        let stop = next(&mut session, never);
        assert!(
            !stop.due && stop.transition.as_deref() == Some("stop"),
            "{version}: {stop:?}"
        );
        assert!(next(&mut session, always).due, "{version}");
        let skipped = next(&mut session, future);
        assert_eq!(
            skipped.skip_reason.as_deref(),
            Some("schedule_never_runs"),
            "{version}: {skipped:?}"
        );
        assert!(next(&mut session, past).due, "{version}");
        let foretold = preview(&mut session, TODAY_AT_NINE);
        let attempts = tick(&mut session, TODAY_AT_NINE);
        assert_eq!(foretold.len(), attempts.len());
        let built: Vec<Uuid> = attempts
            .iter()
            .map(|attempt| attempt.workspace_id)
            .collect();
        assert_eq!(built, [always, past], "{version}");
        assert!(
            attempts.iter().all(|attempt| attempt.outcome == "built"),
            "{attempts:?}"
        );
    }
}

#[test]
fn numbers_at_their_limits_in_the_products_rows_are_no_panic() {
    for version in [Version::V2_10_0, Version::V2_34_3] {
        let product = install(version);
        for (n, limit) in [i64::MAX, i64::MIN].into_iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .set("default_ttl", limit)
                .set("failure_ttl", limit)
                .set("time_til_dormant", limit)
                .set("time_til_dormant_autodelete", limit)
                .set("autostart_block_days_of_week", 32767)
                .create();
            let failed = template
                .workspace(&format!("failed {n}"))
                .ttl(limit)
                .create();
            let build = failed.build(Transition::Start).created_at(YESTERDAY);
            build.job_failed("boom").create();
            template
                .workspace(&format!("blocked {n}"))
                .schedule(NINE)
                .create_stopped(YESTERDAY);
            let last = template.workspace(&format!("last number {n}")).create();
            let build = last.build(Transition::Start).created_at(YESTERDAY);
            build.number(i32::MAX).deadline(TODAY_AT_NINE).create();
            template
                .workspace(&format!("odd times {n}"))
                .set("last_used_at", "-infinity")
                .set("deleting_at", "infinity")
                .dormant_at("infinity")
                .create_stopped(YESTERDAY);
        }
        let mut session = product.superuser();
        session
            .batch_execute(
                "SET workspace_autobuild.rules = 'autostop, autostart, failed, dormancy, delete'",
            )
            .expect("a setting");
        let before = product.build_rows();
        for at in [TODAY_AT_NINE, "294276-12-31 23:59:59+00"] {
            let attempts = try_tick(&mut session, at).expect("a tick");
            for attempt in &attempts {
                // The number after the last one can't be had: someone has it already.
                assert_ne!(
                    attempt.sqlstate.as_deref(),
                    Some("XX000"),
                    "{version}: {attempt:?}"
                );
            }
            if at == TODAY_AT_NINE {
                assert!(
                    attempts.iter().all(|a| a.outcome != "built"),
                    "{version}: {attempts:?}"
                );
                assert_eq!(product.build_rows(), before);
            }
        }
    }
}
