//! What is started and stopped, and when.

use std::collections::HashMap;

use serde_json::Value as Json;
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    NINE, TODAY_AT_EIGHT, TODAY_AT_NINE, VERSIONS, YESTERDAY, install, next_transition, preview,
    records,
};
use workspace_autobuild_tests::product::{
    Fields, HOUR, NewBuild, NewWorkspace, Template, Value, Workspace, texts,
};
use workspace_autobuild_tests::{Product, Transition, Version};

/// What a tick did, in short: transition, reason and time of each, or nothing.
#[track_caller]
fn moves(product: &Product, at: &str) -> Vec<(String, String, String)> {
    product
        .tick(at)
        .into_iter()
        .map(|attempt| {
            assert_eq!(attempt.outcome, "built", "{attempt:?}");
            (attempt.transition, attempt.reason, attempt.due_at)
        })
        .collect()
}

#[track_caller]
fn nothing(product: &Product, at: &str) {
    let before = product.build_rows();
    assert_eq!(moves(product, at), [], "{} at {at}", product.version());
    assert_eq!(product.build_rows(), before);
}

fn start(due_at: &str) -> (String, String, String) {
    ("start".into(), "autostart".into(), due_at.into())
}

fn stop(due_at: &str) -> (String, String, String) {
    ("stop".into(), "autostop".into(), due_at.into())
}

fn stopped<'p>(template: &Template<'p>, name: &str, schedule: &str, at: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .schedule(schedule)
        .create_stopped(at)
}

fn running<'p>(template: &Template<'p>, name: &str, deadline: &str) -> Workspace<'p> {
    template.workspace(name).create_started(YESTERDAY, deadline)
}

#[test]
fn a_start_and_a_stop_on_every_version_of_the_schema() {
    for version in Version::ALL {
        let product = install(version);
        let template = product.template("docker").create();
        stopped(&template, "dev", NINE, YESTERDAY);
        running(&template, "web", TODAY_AT_NINE);
        let expected = [
            stop("2024-03-05T09:00:00+00:00"),
            start("2024-03-05T09:00:00+00:00"),
        ];
        assert_eq!(moves(&product, TODAY_AT_NINE), expected, "{version}");
        nothing(&product, "2024-03-06 09:00:00+00");
    }
}

#[test]
fn a_start_is_made_on_schedule_and_not_a_minute_before() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        stopped(&template, "dev", NINE, YESTERDAY);
        nothing(&product, "2024-03-05 08:59:00+00");
        nothing(&product, "2024-03-05 08:59:59.999999+00");
        assert_eq!(
            moves(&product, TODAY_AT_NINE),
            [start("2024-03-05T09:00:00+00:00")],
            "{version}"
        );
    }
}

#[test]
fn a_missed_start_is_made_on_the_first_tick_after_unless_it_is_too_late() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        stopped(&template, "dev", NINE, YESTERDAY);
        let mut superuser = product.superuser();
        superuser
            .batch_execute("SET workspace_autobuild.max_start_delay = '2h'")
            .expect("a setting");
        // A look only: on newer schemas a tick would write the next run down.
        assert_eq!(preview(&mut superuser, "2024-03-05 11:00:00+00"), []);
        assert_eq!(preview(&mut superuser, "2024-03-05 10:59:00+00").len(), 1);
        assert_eq!(
            moves(&product, "2024-03-05 20:17:00+00"),
            [start("2024-03-05T09:00:00+00:00")],
            "{version}"
        );
    }
}

#[test]
fn starts_of_one_minute_are_spread_and_every_preview_says_where_each_has_its_place() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        for n in 0..20 {
            stopped(&template, &format!("dev-{n}"), NINE, YESTERDAY);
        }
        let mut superuser = product.superuser();
        superuser
            .batch_execute(
                "SET workspace_autobuild.spread_starts = '5min';
                 SET default_transaction_isolation = 'repeatable read'",
            )
            .expect("two settings");
        let mut rows = |sql: &str| texts(&mut superuser, sql);
        let said = rows(
            "SELECT w.id, n.next_transition_at FROM workspaces w,
                    autobuild_next_transition(w.id, '2024-03-05 09:00:00+00') n ORDER BY 1",
        );
        let listed = rows(
            "SELECT workspace_id, next_transition_at
               FROM autobuild_upcoming('1 hour', '2024-03-05 09:00:00+00') ORDER BY 1",
        );
        assert_eq!(said.len(), 20, "{version}");
        assert_eq!(said, listed, "{version}");
        // They are random ids: that all have one place is less likely than a broken machine.
        let places: std::collections::BTreeSet<_> = said.iter().map(|row| &row[1]).collect();
        assert!(places.len() > 1, "{version}: {places:?}");
        let mut made = Vec::new();
        for minute in 0..=5 {
            let at = format!("2024-03-05 09:0{minute}:00+00");
            made.extend(rows(&format!(
                "SELECT workspace_id, timestamptz '{at}' FROM autobuild_tick('{at}')
                  WHERE outcome = 'built'"
            )));
        }
        made.sort();
        assert_eq!(
            made, said,
            "{version}: each at its place, none after the window"
        );
    }
}

#[test]
fn a_stop_is_made_at_the_deadline_and_never_before() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        running(&template, "dev", "2024-03-05 10:30:00.000001+00");
        nothing(&product, "2024-03-05 10:29:00+00");
        // The tick is cut down to the minute, the deadline is not.
        nothing(&product, "2024-03-05 10:30:00+00");
        nothing(&product, "2024-03-05 10:30:59.999999+00");
        assert_eq!(
            moves(&product, "2024-03-05 10:31:00+00"),
            [stop("2024-03-05T10:30:00.000001+00:00")],
            "{version}"
        );
        running(&template, "on the minute", "2024-03-05 10:30:00+00");
        assert_eq!(
            moves(&product, "2024-03-05 10:30:00+00"),
            [stop("2024-03-05T10:30:00+00:00")],
            "{version}"
        );
    }
}

#[test]
fn an_extended_deadline_wins_and_an_unset_one_stops_nothing() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        let extended = running(&template, "extended", TODAY_AT_NINE);
        let unset = running(&template, "unset", TODAY_AT_NINE);
        extended
            .latest_build()
            .update("deadline", "2024-03-05 12:00:00+00");
        unset
            .latest_build()
            .update("deadline", "0001-01-01 00:00:00+00");
        nothing(&product, TODAY_AT_NINE);
        nothing(&product, "2024-03-05 11:59:00+00");
        assert_eq!(
            moves(&product, "2024-03-05 12:00:00+00"),
            [stop("2024-03-05T12:00:00+00:00")],
            "{version}"
        );
    }
}

#[test]
fn a_ttl_that_is_changed_or_unset_after_the_build_moves_no_deadline() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        for (name, ttl) in [("unset", Value::NULL), ("longer", Value::from(99 * HOUR))] {
            let workspace = template
                .workspace(name)
                .ttl(HOUR)
                .create_started(TODAY_AT_EIGHT, TODAY_AT_NINE);
            workspace.update("ttl", ttl);
        }
        nothing(&product, "2024-03-05 08:59:00+00");
        let expected = stop("2024-03-05T09:00:00+00:00");
        assert_eq!(
            moves(&product, TODAY_AT_NINE),
            [expected.clone(), expected],
            "{version}"
        );
    }
}

#[test]
fn workspaces_that_no_rule_is_for_stay_untouched_and_the_reason_is_told() {
    type Say = for<'p> fn(NewWorkspace<'p>) -> NewWorkspace<'p>;
    type Build = for<'p> fn(NewBuild<'p>) -> NewBuild<'p>;
    let stop = Transition::Stop;
    let start = Transition::Start;
    let cases: [(&str, Transition, Say, Build); 13] = [
        (
            "not_running",
            start,
            |w| w,
            |b| b.deadline(TODAY_AT_NINE).job_running(),
        ),
        ("no_deadline", start, |w| w.schedule(NINE), |b| b),
        ("no_deadline", start, |w| w.ttl(HOUR), |b| b),
        ("no_schedule", stop, |w| w, |b| b),
        ("no_schedule", stop, |w| w.schedule(""), |b| b),
        (
            "schedule_invalid",
            stop,
            |w| w.schedule("0 9 * * MON-FRY"),
            |b| b,
        ),
        (
            "schedule_invalid",
            stop,
            |w| w.schedule("TZ=UTC 0 9 * * *"),
            |b| b,
        ),
        (
            "schedule_never_runs",
            stop,
            |w| w.schedule(", 9 * * *"),
            |b| b,
        ),
        (
            "deleted",
            stop,
            |w| w.schedule(NINE).set("deleted", true),
            |b| b,
        ),
        (
            "deleted",
            start,
            |w| w.set("deleted", true),
            |b| b.deadline(TODAY_AT_NINE),
        ),
        (
            "build_in_progress",
            stop,
            |w| w.schedule(NINE),
            |b| b.job_pending(),
        ),
        (
            "build_in_progress",
            stop,
            |w| w.schedule(NINE),
            |b| b.job_canceling(),
        ),
        (
            "delete_build",
            Transition::Delete,
            |w| w.schedule(NINE),
            |b| b,
        ),
    ];
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        let mut expected = HashMap::new();
        for (n, (code, transition, say, build)) in cases.iter().enumerate() {
            let workspace = say(template.workspace(&format!("w{n}"))).create();
            build(workspace.build(*transition).created_at(YESTERDAY)).create();
            // A running job is one reason, whatever the build.
            let code = if *code == "not_running" {
                "build_in_progress"
            } else {
                code
            };
            expected.insert(workspace.id, code);
        }
        let never_built = template.workspace("never built").schedule(NINE).create();
        expected.insert(never_built.id, "no_build");
        let prebuilds = product.prebuilds_user().create();
        for transition in [start, stop] {
            let name = format!("prebuild {}", transition.name());
            let workspace = template
                .workspace(&name)
                .owner(prebuilds)
                .schedule(NINE)
                .create();
            workspace
                .build(transition)
                .created_at(YESTERDAY)
                .deadline(TODAY_AT_NINE)
                .create();
            expected.insert(workspace.id, "prebuild");
        }
        let forbids = product.template("forbids").forbids_autostart().create();
        let forbidden = stopped(&forbids, "forbidden", NINE, YESTERDAY);
        expected.insert(forbidden.id, "autostart_forbidden");
        if product.facts().has_column("workspaces", "dormant_at") {
            let workspace = template
                .workspace("dormant")
                .schedule(NINE)
                .dormant_at(YESTERDAY)
                .create();
            workspace.build(stop).created_at(YESTERDAY).create();
            expected.insert(workspace.id, "dormant");
        }

        nothing(&product, TODAY_AT_NINE);
        let mut superuser = product.superuser();
        assert_eq!(preview(&mut superuser, TODAY_AT_NINE), []);
        for (workspace, code) in expected {
            let next = next_transition(&mut superuser, workspace, TODAY_AT_NINE);
            assert_eq!(
                next.skip_reason.as_deref(),
                Some(code),
                "{version}: {next:?}"
            );
            assert!(!next.due && next.transition.is_none() && next.next_transition_at.is_none());
            assert!(next.detail.is_some_and(|detail| !detail.is_empty()));
        }
        let upcoming: Vec<Json> = records(
            &mut superuser,
            &format!("SELECT * FROM autobuild_upcoming('10 years', '{TODAY_AT_NINE}')"),
        );
        assert_eq!(upcoming, [] as [Json; 0], "{version}");
    }
}

#[test]
fn a_failed_build_stops_the_rules_and_a_canceled_one_does_not() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        let failed = template.workspace("failed").schedule(NINE).create();
        let build = failed.build(Transition::Stop).created_at(YESTERDAY);
        build.job_failed("boom").create();
        nothing(&product, TODAY_AT_NINE);
        let canceled = template.workspace("canceled").schedule(NINE).create();
        let build = canceled.build(Transition::Stop).created_at(YESTERDAY);
        build.job_canceled().create();
        let made = product.tick(TODAY_AT_NINE);
        let made: Vec<Uuid> = made.iter().map(|attempt| attempt.workspace_id).collect();
        assert_eq!(made, [canceled.id], "{version}");
    }
}

#[test]
fn schedules_run_in_their_own_zone_across_its_shifts() {
    // Schedule, when the workspace stopped, when it starts.
    let cases = [
        (
            "30 9 * * 1-5",
            "2024-01-05 09:29:59.999999+00",
            "2024-01-05 09:30:00+00",
        ),
        (
            "CRON_TZ=America/New_York 30 2 * * *",
            "2024-03-09 12:00:00+00",
            "2024-03-11 06:30:00+00",
        ),
        (
            "CRON_TZ=America/New_York 30 1 * * *",
            "2024-11-03 05:30:00+00",
            "2024-11-03 06:30:00+00",
        ),
        (
            "CRON_TZ=Asia/Kolkata 0 9 * * *",
            "2024-01-05 00:00:00+00",
            "2024-01-05 03:30:00+00",
        ),
        (
            "CRON_TZ=US/Central 0 9 * * 1",
            "2024-01-05 00:00:00+00",
            "2024-01-08 15:00:00+00",
        ),
        (
            "CRON_TZ=Australia/Lord_Howe 0 9 * * *",
            "2024-06-30 22:30:00+00",
            "2024-07-01 22:30:00+00",
        ),
    ];
    for version in [Version::OLDEST, Version::NEWEST] {
        let product = install(version);
        let template = product.template("docker").create();
        for (n, (schedule, stopped_at, run)) in cases.iter().enumerate() {
            let workspace = stopped(&template, &format!("w{n}"), schedule, stopped_at);
            let before = product
                .value(&format!("SELECT timestamptz '{run}' - interval '1 minute'"))
                .expect("a time");
            nothing(&product, &before);
            let attempts = product.tick(run);
            assert_eq!(attempts.len(), 1, "{version} {schedule}");
            assert_eq!(attempts[0].workspace_id, workspace.id);
            let same = product.value(&format!(
                "SELECT '{}' = timestamptz '{run}'",
                attempts[0].due_at
            ));
            assert_eq!(same.as_deref(), Some("t"), "{schedule}: {:?}", attempts[0]);
        }
    }
}
