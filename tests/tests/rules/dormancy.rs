//! Dormancy and deletion: when each is due, to the microsecond, and what is written; on
//! the schemas that have the rule, and nothing on those that haven't.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{HOURLY, STOP, on_each_version, on_versions, since};
use workspace_autobuild_tests::product::{Fields, HOUR, MINUTE, NewTemplate, Workspace};
use workspace_autobuild_tests::{NOTHING, Product, Transition, Version};

use super::support::{THEN, after};

/// The template's columns under the names that the version has.
fn til_dormant(product: &Product) -> &'static str {
    if product.version() < Version::V2_5_0 {
        "inactivity_ttl"
    } else {
        "time_til_dormant"
    }
}

fn til_delete(product: &Product) -> &'static str {
    if product.version() < Version::V2_5_0 {
        "locked_ttl"
    } else {
        "time_til_dormant_autodelete"
    }
}

/// The reason of the rule dormancy.
fn dormancy(product: &Product) -> &'static str {
    if product.version() < Version::V2_5_0 {
        "autolock"
    } else {
        "dormancy"
    }
}

/// What holds from v2.0.0 on; before, there is none of these rules.
fn today(product: &Product, then: impl Into<String>) -> String {
    if product.version() >= Version::V2_0_0 {
        then.into()
    } else {
        NOTHING.to_owned()
    }
}

/// A workspace last used at [`THEN`], with one build of then.
fn used<'p>(template: NewTemplate<'p>, build: Transition) -> Workspace<'p> {
    let workspace = template
        .create()
        .workspace("dev")
        .set("last_used_at", THEN)
        .create();
    workspace.build(build).created_at(THEN).create();
    workspace
}

/// A dormant workspace that is to be deleted at [`THEN`].
fn dying<'p>(product: &'p Product, template: NewTemplate<'p>) -> Workspace<'p> {
    let template = template.set_if_there(til_delete(product), MINUTE).create();
    let mut workspace = template
        .workspace("dying")
        .set_if_there("deleting_at", THEN);
    if product.version() >= Version::V2_0_0 {
        workspace = workspace.dormant_at(THEN);
    }
    let workspace = workspace.create();
    workspace.build(Transition::Stop).created_at(THEN).create();
    workspace
}

/// The row of `workspaces`.
fn read(product: &Product, workspace: &Workspace<'_>) -> Json {
    product.by_id("workspaces", workspace.id)
}

#[test]
fn a_running_workspace_that_nobody_uses_is_stopped_and_marked() {
    on_each_version(|product, operator| {
        let template = product
            .template("docker")
            .set_if_there(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Start);
        let stop = today(product, format!("stop {} built", dormancy(product)));
        assert_eq!(operator.outcome(&workspace, &after("10:01")), NOTHING);
        assert_eq!(operator.outcome(&workspace, &after("10:02")), stop);
        operator.tick(&after("10:02"));
        let row = read(product, &workspace);
        if product.version() == Version::OLDEST {
            assert_eq!(workspace.builds().len(), 1);
            return;
        }
        let build = workspace.latest_build().read();
        assert_eq!(
            build["reason"],
            json!(dormancy(product)),
            "{}",
            product.version()
        );
        // The mark is of the build's own clock reading, and it is the only change.
        assert_eq!(row[product.dormant_column()], build["created_at"]);
        let used_at = row["last_used_at"].as_str().unwrap_or_default();
        assert!(used_at.starts_with("2024-02-01T10:00:00"), "{used_at}");
        assert_eq!(row["deleting_at"], Json::Null);
        assert_eq!(row["updated_at"], json!("2024-01-01T00:00:00+00:00"));
        assert_eq!(operator.outcome(&workspace, &after("12:00")), NOTHING);
    });
}

#[test]
fn a_stopped_workspace_that_nobody_uses_is_only_marked() {
    on_each_version(|product, operator| {
        let template = product
            .template("docker")
            .set_if_there(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Stop);
        let mark = today(product, format!("dormant {} built", dormancy(product)));
        assert_eq!(operator.outcome(&workspace, &after("10:02")), mark);
        let rows = operator.tick(&after("10:02"));
        assert_eq!(workspace.builds().len(), 1);
        if product.version() >= Version::V2_0_0 {
            let ids = (rows[0].build_id, rows[0].job_id, rows[0].build_number);
            assert_eq!(ids, (None, None, None));
            assert_ne!(
                read(product, &workspace)[product.dormant_column()],
                Json::Null
            );
        }
    });
}

#[test]
fn dormancy_is_due_after_the_nanosecond_and_not_at_it() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Stop);
        let mark = format!("dormant {} built", dormancy(product));
        let ttl = |nanoseconds: i64| {
            product.execute(&format!(
                "UPDATE templates SET {} = {nanoseconds}",
                til_dormant(product)
            ));
        };
        // The tick at 10:01 is exactly a minute after.
        for (nanoseconds, expected) in [
            (MINUTE, NOTHING),
            (MINUTE - 1, mark.as_str()),
            (MINUTE - 1000, mark.as_str()),
            (MINUTE + 1, NOTHING),
        ] {
            ttl(nanoseconds);
            assert_eq!(
                operator.outcome(&workspace, &after("10:01")),
                expected,
                "{nanoseconds}"
            );
        }
        ttl(MINUTE);
        workspace.update("last_used_at", "2024-02-01 09:59:59.999999");
        assert_eq!(operator.outcome(&workspace, &after("10:01")), mark);
    });
}

#[test]
fn a_mark_says_when_the_workspace_is_deleted_in_milliseconds() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        for (n, (ttl, expected)) in [
            (HOUR + 1_999_999, Some("01:00:00.001")),
            (999_999, Some("00:00:00")),
            (0, None),
            (-HOUR, None),
        ]
        .into_iter()
        .enumerate()
        {
            let template = product
                .template(&format!("t{n}"))
                .set(til_dormant(product), MINUTE)
                .set(til_delete(product), ttl)
                .create();
            let workspace = template.workspace(&format!("dev{n}")).create_stopped(THEN);
            operator.tick(&after("10:02"));
            let found = product.value(&format!(
                "SELECT deleting_at - {} FROM workspaces WHERE id = '{}'",
                product.dormant_column(),
                workspace.id
            ));
            assert_eq!(found.as_deref(), expected, "{} {ttl}", product.version());
        }
    });
}

#[test]
fn the_mark_and_the_build_are_one_transaction() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Start);
        operator.tick(&after("10:02"));
        let same = product.value(&format!(
            "SELECT count(DISTINCT x.xmin::text) FROM (
                SELECT xmin FROM workspaces WHERE id = '{id}'
                UNION ALL SELECT xmin FROM workspace_builds
                           WHERE workspace_id = '{id}' AND build_number = 2
                UNION ALL SELECT j.xmin FROM provisioner_jobs j
                  JOIN workspace_builds b ON b.job_id = j.id
                 WHERE b.workspace_id = '{id}' AND b.build_number = 2) x",
            id = workspace.id
        ));
        // Of one subtransaction, the one that wrote the batch.
        assert_eq!(same.as_deref(), Some("1"));
    });
}

#[test]
fn what_a_trigger_makes_of_the_workspace_because_of_the_build_takes_nothing_back() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Start);
        product.execute(
            "CREATE FUNCTION uses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                UPDATE workspaces SET last_used_at = now() WHERE id = NEW.workspace_id;
                RETURN NULL;
             END $$;
             CREATE TRIGGER uses AFTER INSERT ON workspace_builds
                FOR EACH ROW EXECUTE FUNCTION uses()",
        );
        let rows = operator.tick(&after("10:02"));
        assert_eq!(
            rows[0].to_string(),
            format!("stop {} built", dormancy(product))
        );
        assert_ne!(
            read(product, &workspace)[product.dormant_column()],
            Json::Null
        );
    });
}

#[test]
fn where_the_build_is_refused_there_is_no_mark() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Start);
        product.execute(&format!(
            "ALTER TABLE workspace_builds ADD CHECK (workspace_id <> '{}' OR build_number < 2)",
            workspace.id
        ));
        let rows = operator.tick(&after("10:02"));
        assert_eq!(
            rows[0].to_string(),
            format!("stop {} failed 23514", dormancy(product))
        );
        assert_eq!(
            read(product, &workspace)[product.dormant_column()],
            Json::Null
        );
    });
}

#[test]
fn a_use_at_the_same_time_is_neither_lost_nor_overwritten() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Stop);
        // The use is committed after the tick's snapshot: the tick must not mark.
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT 1 FROM workspaces");
        workspace.update("last_used_at", "2024-02-01 11:59:30");
        let error = operator
            .session()
            .simple_query("SELECT autobuild_tick('2024-02-01 12:00:00+00')")
            .expect_err("a use since the snapshot");
        assert_eq!(error.code().map(|code| code.code()), Some("40001"));
        operator.execute("ROLLBACK");
        assert_eq!(operator.tick(&after("12:00")), []);
        assert_eq!(
            read(product, &workspace)[product.dormant_column()],
            Json::Null
        );

        // The use comes while the tick's mark is not committed yet: it waits, and stays.
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT * FROM autobuild_tick('2024-02-01 13:00:00+00')");
        let mut user = product.connect();
        let id = workspace.id;
        let used = std::thread::spawn(move || {
            user.execute(
                "UPDATE workspaces SET last_used_at = '2024-02-01 12:59:30' WHERE id = $1",
                &[&id],
            )
        });
        workspace_autobuild_tests::await_until(
            "the use waits for the mark",
            std::time::Duration::from_secs(20),
            || {
                let waiting = "SELECT FROM pg_stat_activity
                                WHERE datname = current_database() AND wait_event_type = 'Lock'";
                !product.rows(waiting).is_empty()
            },
        );
        operator.execute("COMMIT");
        assert_eq!(used.join().expect("a thread").expect("an update"), 1);
        let row = read(product, &workspace);
        let used_at = row["last_used_at"].as_str().unwrap_or_default();
        assert!(used_at.starts_with("2024-02-01T12:59:30"), "{used_at}");
        assert_ne!(row[product.dormant_column()], Json::Null);
    });
}

#[test]
fn a_dormant_workspace_does_not_start_and_does_not_stop() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product.template("docker").create();
        let stopped = template
            .workspace("stopped")
            .schedule(HOURLY)
            .dormant_at(THEN)
            .create_stopped(THEN);
        let running = template
            .workspace("running")
            .dormant_at(THEN)
            .create_started(THEN, THEN);
        for workspace in [&stopped, &running] {
            assert_eq!(operator.outcome(workspace, &after("12:00")), NOTHING);
            assert_eq!(operator.skip(workspace, &after("12:00")), "dormant");
        }
    });
}

#[test]
fn a_dormant_workspace_is_deleted_after_its_time_where_the_operator_adds_the_rule() {
    on_each_version(|product, operator| {
        let workspace = dying(product, product.template("docker"));
        assert_eq!(operator.outcome(&workspace, &after("12:00")), NOTHING);
        if product.version() >= Version::V2_0_0 {
            assert_eq!(operator.skip(&workspace, &after("12:00")), "rule_off");
        }
        operator.all_rules();
        let delete = today(product, "delete autodelete built");
        assert_eq!(operator.outcome(&workspace, THEN), NOTHING);
        assert_eq!(operator.outcome(&workspace, &after("10:01")), delete);
        if product.version() == Version::OLDEST {
            return;
        }
        workspace.update("deleting_at", "2024-02-01 09:59:59.999999+00");
        assert_eq!(operator.outcome(&workspace, THEN), delete);
        operator.tick(&after("10:02"));
        let build = workspace.latest_build().read();
        assert_eq!(build["transition"], json!("delete"));
        assert_eq!(build["reason"], json!("autodelete"));
        // The product's job server marks it deleted when the job is done.
        assert_eq!(read(product, &workspace)["deleted"], json!(false));
    });
}

#[test]
fn deletion_needs_the_templates_ttl_and_the_licence() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        operator.all_rules();
        let workspace = dying(product, product.template("docker"));
        operator.set("licensed_rules", "off");
        assert_eq!(operator.outcome(&workspace, &after("12:00")), NOTHING);
        operator.set("licensed_rules", "on");
        product.execute(&format!("UPDATE templates SET {} = 0", til_delete(product)));
        assert_eq!(operator.outcome(&workspace, &after("12:00")), NOTHING);
    });
}

#[test]
fn a_failed_delete_waits_for_a_day_where_jobs_have_a_status() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        operator.all_rules();
        let workspace = dying(product, product.template("docker"));
        let failed = workspace
            .build(Transition::Delete)
            .created_at(THEN)
            .job_failed("boom")
            .create();
        let delete = "delete autodelete built";
        let waits = product.version() >= Version::V2_5_0;
        let early = if waits { NOTHING } else { delete };
        assert_eq!(operator.outcome(&workspace, &after("11:00")), early);
        // A day to the microsecond: after it, not at it.
        let day = "2024-02-02 10:00:00+00";
        assert_eq!(operator.outcome(&workspace, day), early);
        assert_eq!(
            operator.outcome(&workspace, "2024-02-02 10:01:00+00"),
            delete
        );
        failed.update_job("completed_at", "2024-02-01 09:59:59.999999+00");
        assert_eq!(operator.outcome(&workspace, day), delete);
        // Both the cancel and the end must be a day ago, at first only the end.
        failed.update_job("canceled_at", "2024-02-01 10:00:00+00");
        let both = product.version() >= Version::V2_20_0;
        let then = if both { NOTHING } else { delete };
        assert_eq!(operator.outcome(&workspace, day), then);
        assert_eq!(
            operator.outcome(&workspace, "2024-02-02 11:00:00+00"),
            delete
        );
    });
}

#[test]
fn without_its_end_a_failed_delete_waits_from_the_cancel_and_without_either_for_ever() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        operator.all_rules();
        let workspace = dying(product, product.template("docker"));
        let failed = workspace
            .build(Transition::Delete)
            .created_at(THEN)
            .job_running()
            .job_failed("boom")
            .create();
        let late = "2025-02-01 10:00:00+00";
        assert_eq!(operator.outcome(&workspace, late), NOTHING);
        assert_eq!(operator.skip(&workspace, late), "build_in_progress");
        failed.update_job("canceled_at", THEN);
        let day = "2024-02-02 10:00:00+00";
        assert_eq!(operator.outcome(&workspace, day), NOTHING);
        let delete = "delete autodelete built";
        assert_eq!(
            operator.outcome(&workspace, "2024-02-02 10:01:00+00"),
            delete
        );
    });
}

#[test]
fn a_mark_waits_for_no_build_that_is_under_way() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product
            .template("docker")
            .set(til_dormant(product), MINUTE)
            .create();
        let workspace = template
            .workspace("dev")
            .schedule("CRON_TZ=UTC 0 12 * * *")
            .set("last_used_at", THEN)
            .create();
        let build = workspace
            .build(Transition::Stop)
            .created_at(THEN)
            .job_pending()
            .create();
        let mark = format!("dormant {} built", dormancy(product));
        let outcome = |tick: &str| operator.outcome(&workspace, &after(tick));
        assert_eq!(outcome("10:01"), NOTHING, "used a minute ago");
        assert_eq!(outcome("10:02"), mark, "pending");
        build.update_job("started_at", THEN);
        assert_eq!(outcome("10:02"), mark, "running");
        build.update_job("canceled_at", THEN);
        assert_eq!(outcome("10:02"), mark, "canceling");
        // A start that is due comes before the mark and waits for the build.
        assert_eq!(outcome("12:00"), NOTHING);
        assert_eq!(
            operator.skip(&workspace, &after("12:00")),
            "build_in_progress"
        );
        operator.tick(&after("10:02"));
        let row = read(product, &workspace);
        assert_ne!(row[product.dormant_column()], Json::Null);
        assert_eq!(workspace.builds().len(), 1);
    });
}

#[test]
fn a_job_with_an_error_holds_nothing_up_where_jobs_have_a_status() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product
            .template("docker")
            .set(til_dormant(product), MINUTE)
            .create();
        let workspace = template.workspace("dev").set("last_used_at", THEN).create();
        workspace
            .build(Transition::Start)
            .created_at(THEN)
            .job_running()
            .job_failed("boom")
            .create();
        let expected = if product.version() >= Version::V2_5_0 {
            format!("stop {} built", dormancy(product))
        } else {
            NOTHING.to_owned()
        };
        assert_eq!(operator.outcome(&workspace, &after("10:02")), expected);
    });
}

#[test]
fn a_mark_forgets_the_next_start() {
    on_versions(&since(Version::V2_20_0), |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", MINUTE)
            .create();
        let workspace = template
            .workspace("dev")
            .schedule(HOURLY)
            .set("next_start_at", "2024-02-01 11:00:00+00")
            .create_stopped(THEN);
        operator.tick(&after("10:05"));
        let row = read(product, &workspace);
        assert_ne!(row["dormant_at"], Json::Null);
        assert_eq!(row["next_start_at"], Json::Null);
        operator.tick(&after("10:06"));
        assert_eq!(read(product, &workspace)["next_start_at"], Json::Null);
    });
}

#[test]
fn the_first_rule_that_applies_wins() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        // Due for the deadline and for dormancy: the deadline wins, and no mark is made.
        let template = product.template("docker").set(til_dormant(product), MINUTE);
        let workspace = used(template, Transition::Start);
        workspace.latest_build().update("deadline", THEN);
        assert_eq!(operator.outcome(&workspace, &after("12:00")), STOP);
        operator.tick(&after("12:00"));
        assert_eq!(
            read(product, &workspace)[product.dormant_column()],
            Json::Null
        );
        // Where autostop is left out, dormancy is next.
        let other = product
            .template("other")
            .set(til_dormant(product), MINUTE)
            .create();
        let other = other.workspace("other").create_started(THEN, THEN);
        operator.set("rules", "dormancy");
        let mark = format!("stop {} built", dormancy(product));
        assert_eq!(operator.outcome(&other, &after("12:00")), mark);
    });
}
