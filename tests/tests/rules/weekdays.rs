//! Blocked weekdays and `next_start_at`: which run starts a workspace, and when the empty
//! column is filled in and when it must stay empty.

use workspace_autobuild_tests::autobuild::{
    HOURLY, NINE, RUN, START, STOPPED, on_each_version, on_versions, since,
};
use workspace_autobuild_tests::product::{Fields, HOUR, Template, Value, Workspace, parameter};
use workspace_autobuild_tests::{NOTHING, Product, Provisioner, Transition, Version};

/// The blocked days as the template keeps them: bit 0 is Monday.
const WEEKEND: i32 = 0b110_0000;
const ALL_DAYS: i32 = 0b111_1111;

/// A workspace of the template that was stopped at a time.
fn stopped_at<'p>(template: &Template<'p>, name: &str, schedule: &str, at: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .schedule(schedule)
        .create_stopped(at)
}

/// `next_start_at` in UTC.
fn next_start_at(product: &Product, workspace: &Workspace<'_>) -> Option<String> {
    product.value(&format!(
        "SELECT to_char(next_start_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
           FROM workspaces WHERE id = '{}'",
        workspace.id
    ))
}

#[test]
fn only_the_days_that_are_not_blocked_start_a_workspace() {
    // Chicago, 20:00; built the day before; the tick is five seconds late.
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let evening = "CRON_TZ=America/Chicago 0 20 * * *";
        // Thursday evening in Chicago is Friday in UTC.
        for (blocked, expected) in [(ALL_DAYS & !0b000_1000, START), (0b000_1000, NOTHING)] {
            let template = product
                .template(&format!("blocks {blocked}"))
                .set("autostart_block_days_of_week", blocked)
                .create();
            let built = "2024-02-01 02:30:00+00";
            let workspace = stopped_at(&template, &format!("dev{blocked}"), evening, built);
            let tick = "2024-02-02 02:00:05+00";
            assert_eq!(operator.outcome(&workspace, tick), expected);
        }
    });
}

#[test]
fn a_weekend_that_is_blocked_starts_nothing() {
    on_each_version(|product, operator| {
        let template = product
            .template("office")
            .set_if_there("autostart_block_days_of_week", WEEKEND)
            .create();
        // Friday, 2 February 2024.
        let workspace = stopped_at(&template, "dev", NINE, "2024-02-02 10:00:00+00");
        let at = |tick: &str| operator.outcome(&workspace, tick);
        let version = product.version();
        let (saturday, monday) = match version {
            // Nothing is blocked.
            _ if version < Version::V2_5_0 => (START, START),
            // Only the first run counts, and it is on a Saturday.
            _ if version < Version::V2_20_0 => (NOTHING, NOTHING),
            _ => (NOTHING, START),
        };
        assert_eq!(at("2024-02-03 09:00:00+00"), saturday);
        assert_eq!(at("2024-02-04 09:00:00+00"), saturday);
        assert_eq!(at("2024-02-05 08:59:00+00"), saturday);
        assert_eq!(at("2024-02-05 09:00:00+00"), monday);
        if version >= Version::V2_5_0 && version < Version::V2_20_0 {
            let skip = operator.skip(&workspace, "2024-02-05 09:00:00+00");
            assert_eq!(skip, "run_blocked");
        }
        if version >= Version::V2_5_0 {
            // Without the licence no day is blocked.
            operator.set("licensed_rules", "off");
            assert_eq!(at("2024-02-03 09:00:00+00"), START);
        }
    });
}

#[test]
fn the_search_goes_on_to_the_same_weekday_a_week_later() {
    // Monday 1 January 2024, 10:00; 9:00 on workdays; only Mondays allowed.
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let template = product
            .template("office")
            .set("autostart_block_days_of_week", ALL_DAYS & !1)
            .create();
        let workdays = "CRON_TZ=UTC 0 9 * * 1-5";
        let workspace = stopped_at(&template, "dev", workdays, "2024-01-01 10:00:00+00");
        let next = operator.next(&workspace, "2024-01-01 10:00:00+00");
        assert_eq!(
            next.next_transition_at.as_deref(),
            Some("2024-01-08T09:00:00+00:00")
        );
        assert_eq!(
            operator.outcome(&workspace, "2024-01-08 08:59:00+00"),
            NOTHING
        );
        assert_eq!(
            operator.outcome(&workspace, "2024-01-08 09:00:00+00"),
            START
        );
    });
}

#[test]
fn a_week_without_an_allowed_run_is_a_reason_and_no_loop() {
    on_each_version(|product, operator| {
        let blocking = |name: &str, days: i32| {
            product
                .template(name)
                .set_if_there("autostart_block_days_of_week", days)
                .create()
        };
        let nights = "CRON_TZ=UTC 0 3 * * 6";
        let cases = [
            (blocking("never", ALL_DAYS), NINE, "all_days_blocked"),
            (blocking("workdays", WEEKEND), nights, "no_allowed_run"),
            (
                blocking("a", 0),
                "CRON_TZ=UTC 0 9 * * MON-FRY",
                "schedule_invalid",
            ),
            (
                blocking("b", 0),
                "CRON_TZ=Nowhere/Here 0 9 * * *",
                "schedule_invalid",
            ),
            (
                blocking("c", 0),
                "CRON_TZ=UTC , * * * *",
                "schedule_never_runs",
            ),
        ];
        let version = product.version();
        for (n, (template, schedule, code)) in cases.into_iter().enumerate() {
            let workspace = stopped_at(&template, &format!("dev{n}"), schedule, STOPPED);
            let late = "2024-03-01 00:00:00+00";
            let blocks = n < 2;
            let expected = match code {
                "no_allowed_run" if version < Version::V2_20_0 => "run_blocked",
                code => code,
            };
            if blocks && version < Version::V2_5_0 {
                assert_eq!(
                    operator.outcome(&workspace, late),
                    START,
                    "{version} {schedule}"
                );
            } else {
                assert_eq!(
                    operator.outcome(&workspace, late),
                    NOTHING,
                    "{version} {schedule}"
                );
                assert_eq!(operator.skip(&workspace, late), expected, "{version}");
            }
            if version >= Version::V2_20_0 {
                operator.tick(late);
                assert_eq!(next_start_at(product, &workspace), None);
            }
        }
    });
}

#[test]
fn a_start_waits_for_next_start_at_where_it_is() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let workspace = stopped_at(&product.template("docker").create(), "dev", HOURLY, STOPPED);
        // Later than the run: the later one counts.
        workspace.update("next_start_at", "2024-02-01 13:00:00+00");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 12:59:59+00"),
            NOTHING
        );
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 13:00:00+00"),
            START
        );
        // Earlier than the run: the run counts.
        workspace.update("next_start_at", "2024-02-01 10:30:00+00");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 10:59:00+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, RUN), START);
    });
}

#[test]
fn a_new_schedule_empties_next_start_at_and_the_tick_fills_it() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let workspace = stopped_at(&product.template("docker").create(), "dev", HOURLY, STOPPED);
        workspace.update("next_start_at", RUN);
        workspace.update("autostart_schedule", NINE);
        assert_eq!(next_start_at(product, &workspace), None);
        assert_eq!(operator.tick("2024-02-01 10:30:00+00"), []);
        let filled = next_start_at(product, &workspace);
        assert_eq!(filled.as_deref(), Some("2024-02-02 09:00:00"));
    });
}

#[test]
fn next_start_at_is_filled_in_together_with_a_start_or_a_stop() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let template = product.template("docker").create();
        let start = stopped_at(&template, "start", HOURLY, STOPPED);
        let stop = template
            .workspace("stop")
            .schedule(NINE)
            .ttl(HOUR)
            .create_started(STOPPED, RUN);
        assert_eq!(operator.tick(RUN).len(), 2);
        let start = next_start_at(product, &start);
        assert_eq!(start.as_deref(), Some("2024-02-01 12:00:00"));
        let stop = next_start_at(product, &stop);
        assert_eq!(stop.as_deref(), Some("2024-02-02 09:00:00"));
    });
}

#[test]
fn a_start_that_is_not_made_leaves_next_start_at_empty() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let strict = product
            .template("strict")
            .parameter(parameter("team").set("required", true));
        let blocked = stopped_at(&strict.create(), "blocked", HOURLY, STOPPED);
        let docker = product.template("docker").create();
        let first = stopped_at(&docker, "first", HOURLY, "2024-02-01 09:00:30+00");
        let held_back = stopped_at(&docker, "held back", HOURLY, STOPPED);
        operator.set("max_builds_per_tick", "1");
        let rows = operator.tick(RUN);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(next_start_at(product, &blocked), None);
        assert_eq!(next_start_at(product, &held_back), None);
        assert!(next_start_at(product, &first).is_some());
        // The next tick makes up for it.
        let rows = operator.tick("2024-02-01 11:01:00+00");
        assert!(
            rows.iter()
                .any(|row| row.workspace_id == held_back.id && row.outcome == "built")
        );
        if product.version() >= Version::V2_30_0 {
            let waiting = stopped_at(&docker, "waiting", HOURLY, STOPPED);
            product.remove_daemons();
            operator.set("max_builds_per_tick", "0");
            operator.tick("2024-02-01 11:02:00+00");
            assert_eq!(next_start_at(product, &waiting), None);
            product.daemon("again").create();
            assert_eq!(operator.outcome(&waiting, "2024-02-01 11:59:00+00"), START);
        }
    });
}

#[test]
fn next_start_at_is_filled_in_only_for_whom_the_product_would() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let template = product.template("docker").create();
        let (dora, tick) = (
            product.user("dora").suspended().create(),
            "2024-02-01 10:30:00+00",
        );
        let stopped = |name: &str| template.workspace(name).schedule(HOURLY);
        let dormant = stopped("dormant").dormant_at(STOPPED).create();
        let suspended = stopped("suspended").owner(dora).create();
        let unscheduled = template.workspace("unscheduled").create();
        for workspace in [&dormant, &suspended, &unscheduled] {
            workspace
                .build(Transition::Stop)
                .created_at(STOPPED)
                .create();
        }
        let failed = stopped("failed").create();
        failed
            .build(Transition::Stop)
            .created_at(STOPPED)
            .job_failed("boom")
            .create();
        let running = stopped("running").create();
        running
            .build(Transition::Start)
            .created_at(STOPPED)
            .create();
        let busy = stopped("busy").create();
        busy.build(Transition::Stop).job_pending().create();
        let plain = stopped("plain").create();
        plain.build(Transition::Stop).created_at(STOPPED).create();
        operator.set("rules", "autostop");
        operator.tick(tick);
        // The operator leaves starts to someone else.
        assert_eq!(next_start_at(product, &plain), None);
        operator.reset();
        operator.tick(tick);
        assert!(next_start_at(product, &plain).is_some());
        for workspace in [&dormant, &suspended, &unscheduled, &failed, &running, &busy] {
            assert_eq!(next_start_at(product, workspace), None);
        }
    });
}

#[test]
fn a_tick_fills_in_no_more_than_a_batch_by_hand() {
    on_versions(&[Version::V2_20_0, Version::NEWEST], |product, operator| {
        let template = product.template("docker").create();
        template
            .workspaces(70, Transition::Stop)
            .schedule(HOURLY)
            .created_at(STOPPED)
            .create();
        operator.set("batch_size", "30");
        for filled in ["30", "60", "70", "70"] {
            operator.tick("2024-02-01 10:30:00+00");
            let found = product.value("SELECT count(next_start_at) FROM workspaces");
            assert_eq!(found.as_deref(), Some(filled));
        }
    });
}

#[test]
fn a_newer_next_start_at_or_schedule_is_never_overwritten() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let template = product.template("docker").create();
        let edited = stopped_at(&template, "edited", HOURLY, STOPPED);
        let other = stopped_at(&template, "other", HOURLY, STOPPED);
        // The tick's snapshot precedes the product's write.
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT 1 FROM workspaces");
        edited.update("next_start_at", "2024-02-01 20:00:00+00");
        let rows = operator.rows("SELECT * FROM autobuild_tick('2024-02-01 10:30:00+00')");
        assert_eq!(rows.len(), 0);
        operator.execute("COMMIT");
        let kept = next_start_at(product, &edited);
        assert_eq!(kept.as_deref(), Some("2024-02-01 20:00:00"));
        let filled = next_start_at(product, &other);
        assert_eq!(filled.as_deref(), Some("2024-02-01 11:00:00"));
    });
}

#[test]
fn a_tick_waits_for_no_row_that_it_would_only_fill_in() {
    on_versions(&[Version::V2_20_0, Version::NEWEST], |product, operator| {
        let template = product.template("docker").create();
        let held = stopped_at(&template, "held", HOURLY, STOPPED);
        let free = stopped_at(&template, "free", HOURLY, STOPPED);
        let mut writer = product.connect();
        let mut write = writer.transaction().expect("a transaction");
        write
            .execute(
                "UPDATE workspaces SET last_used_at = now() WHERE id = $1",
                &[&held.id],
            )
            .expect("an update");
        // It would wait for ever.
        operator.set("lock_timeout", "0");
        operator.execute("SET statement_timeout = '20s'");
        operator.tick("2024-02-01 10:30:00+00");
        assert!(next_start_at(product, &free).is_some());
        assert_eq!(next_start_at(product, &held), None);
        write.commit().expect("a commit");
        operator.tick("2024-02-01 10:31:00+00");
        assert!(next_start_at(product, &held).is_some());
    });
}

#[test]
fn the_ttl_counts_from_a_run_that_comes_before_its_end() {
    // Completed on a Wednesday at 21:45, twelve hours, and a run at 9:00 between.
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .schedule("CRON_TZ=UTC 0 9 * * 1-5")
            .ttl(12 * HOUR)
            .create();
        workspace.build(Transition::Start).job_pending().create();
        Provisioner::of(product)
            .at(Value::from("2024-02-07 21:45:00+00"))
            .work();
        let next = operator
            .next(&workspace, "2024-02-07 22:00:00+00")
            .next_transition_at;
        let expected = if product.version() >= Version::V2_15_0 {
            "2024-02-08T21:00:00+00:00"
        } else {
            "2024-02-08T09:45:00+00:00"
        };
        assert_eq!(next.as_deref(), Some(expected), "{}", product.version());
    });
}
