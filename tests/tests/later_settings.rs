//! The operator's settings of the rules, through SQL, and what a listener is told.

use serde_json::{Value as Json, json};
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use workspace_autobuild_tests::by_hand::{on_each_version, on_versions};
use workspace_autobuild_tests::product::{Fields, MINUTE, Template, Workspace};
use workspace_autobuild_tests::{NOTHING, Transition, Version};

const START: &str = "start autostart built";
const DAILY: &str = "CRON_TZ=UTC 0 9 * * *";
const THEN: &str = "2024-02-01 08:00:30+00";

fn stopped<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template.workspace(name).schedule(DAILY).create();
    workspace.build(Transition::Stop).created_at(THEN).create();
    workspace
}

fn running<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template.workspace(name).create();
    workspace
        .build(Transition::Start)
        .created_at(THEN)
        .deadline("2024-02-01 09:00:00+00")
        .create();
    workspace
}

#[test]
fn only_the_rules_that_the_operator_names_act() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let (start, stop) = (stopped(&template, "start"), running(&template, "stop"));
        let tick = "2024-02-01 09:00:00+00";
        for (rules, starts, stops) in [
            ("autostop, autostart", true, true),
            ("autostart", true, false),
            (" autostop ", false, true),
            ("", false, false),
            ("failed,dormancy,delete", false, false),
        ] {
            operator.set("rules", rules);
            let expected = if starts { START } else { NOTHING };
            assert_eq!(operator.outcome(&start, tick), expected, "{rules:?}");
            let expected = if stops {
                "stop autostop built"
            } else {
                NOTHING
            };
            assert_eq!(operator.outcome(&stop, tick), expected, "{rules:?}");
            if !starts {
                // What would be done is said all the same.
                let next = operator.next(&start, tick);
                assert_eq!(next.skip.as_deref(), Some("rule_off"));
                assert!(next.detail.unwrap_or_default().contains("autostart"));
            }
        }
    });
}

#[test]
fn a_name_that_is_no_rule_is_refused() {
    on_versions(&[Version::NEWEST], |_, operator| {
        for rules in ["autostp", "autostop autostart", "autostop, 'delete'", "*"] {
            let error = operator
                .session()
                .simple_query(&format!("SET workspace_autobuild.rules = $r${rules}$r$"))
                .expect_err("no rule");
            assert_eq!(
                error.code().map(|code| code.code()),
                Some("22023"),
                "{rules}"
            );
        }
    });
}

#[test]
fn the_default_rules_delete_nothing() {
    on_versions(&[Version::V2_0_0, Version::NEWEST], |product, operator| {
        let rules = operator.rows("SHOW workspace_autobuild.rules");
        let default = "autostop, autostart, failed, dormancy".to_owned();
        assert_eq!(rules, [[Some(default)]]);
        let ttl = if product.version() < Version::V2_5_0 {
            "locked_ttl"
        } else {
            "time_til_dormant_autodelete"
        };
        let template = product.template("docker").set(ttl, MINUTE).create();
        let workspace = template
            .workspace("dev")
            .dormant_at(THEN)
            .set("deleting_at", THEN)
            .create();
        workspace.build(Transition::Stop).created_at(THEN).create();
        let late = "2025-01-01 00:00:00+00";
        assert_eq!(operator.outcome(&workspace, late), NOTHING);
        assert_eq!(operator.skip(&workspace, late), "rule_off");
        operator.all_rules();
        assert_eq!(
            operator.outcome(&workspace, late),
            "delete autodelete built"
        );
    });
}

#[test]
fn a_start_that_is_too_late_waits_for_the_next_run() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        let at = |tick: &str| operator.outcome(&workspace, tick);
        operator.set("max_start_delay", "1h");
        assert_eq!(at("2024-02-01 09:00:00+00"), START);
        assert_eq!(at("2024-02-01 09:59:00+00"), START);
        assert_eq!(at("2024-02-01 10:00:00+00"), NOTHING);
        let next = operator.next(&workspace, "2024-02-01 10:00:00+00");
        assert_eq!(next.at.as_deref(), Some("2024-02-02 09:00:00.000000"));
        assert_eq!(at("2024-02-02 09:00:00+00"), START);
        operator.set("max_start_delay", "0");
        assert_eq!(at("2024-02-05 23:00:00+00"), START);
        // The largest one is no limit in practice, and no overflow.
        operator.set("max_start_delay", "2147483647");
        assert_eq!(at("2024-02-05 23:00:00+00"), START);
    });
}

#[test]
fn a_stop_is_never_too_late() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        operator.set("max_start_delay", "1s");
        let outcome = operator.outcome(&workspace, "2025-01-01 00:00:00+00");
        assert_eq!(outcome, "stop autostop built");
    });
}

/// The payloads that a tick sends on the extension's own channel.
fn told(product: &workspace_autobuild_tests::Product, tick: impl FnOnce()) -> Vec<Json> {
    let mut listener = product.superuser();
    listener
        .batch_execute("LISTEN workspace_autobuild")
        .expect("LISTEN");
    tick();
    let mut notifications = listener.notifications();
    notifications
        .timeout_iter(Duration::from_secs(1))
        .map(|n| Ok(serde_json::from_str(n.payload()).expect("JSON")))
        .collect()
        .expect("notifications")
}

#[test]
fn a_listener_learns_what_it_takes_to_make_up_for_what_sql_can_not_do() {
    on_versions(&[Version::OLDEST, Version::V2_34_3], |product, operator| {
        let anna = product.user("anna").create();
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .owner(anna)
            .schedule(DAILY)
            .set_if_there("automatic_updates", "always")
            .create();
        workspace.build(Transition::Stop).created_at(THEN).create();
        let second = template.new_version("second").create();
        second.activate();
        let newest = product.version() == Version::NEWEST;
        let mut tasks = Vec::new();
        if newest {
            workspace.task("fix").create();
            workspace.task("dropped").set("deleted_at", THEN).create();
            let id = product.value("SELECT id FROM tasks WHERE deleted_at IS NULL");
            tasks.extend(id);
        }
        let tick = "2024-02-01 09:00:00+00";
        let mut rows = Vec::new();
        // Off by default.
        assert_eq!(
            told(product, || drop(operator.dry_tick(tick))),
            Vec::<Json>::new()
        );
        operator.set("notify_transitions", "on");
        let payloads = told(product, || rows = operator.tick(tick));
        let built = if newest { second.id } else { workspace.version };
        let expected = json!({
            "workspace_id": workspace.id, "owner_id": anna.id,
            "organization_id": workspace.organization, "template_id": template.id,
            "transition": "start", "reason": "autostart", "due_at": "2024-02-01T09:00:00Z",
            "dormant": false, "build_id": rows[0].build_id, "job_id": rows[0].job_id,
            "build_number": 2, "previous_template_version_id": workspace.version,
            "template_version_id": built, "task_ids": tasks,
        });
        assert_eq!(payloads, [expected]);
    });
}

#[test]
fn a_listener_is_told_of_a_mark_and_not_of_what_was_not_made() {
    on_versions(&[Version::V2_34_3], |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", MINUTE)
            .create();
        let unused = template.workspace("unused").create();
        unused.build(Transition::Stop).created_at(THEN).create();
        let broken = product
            .template("broken")
            .version(|version| version.import_failed("boom"))
            .create();
        running(&broken, "blocked");
        operator.set("notify_transitions", "on");
        let mut rows = Vec::new();
        let payloads = told(product, || rows = operator.tick("2024-02-01 09:00:00+00"));
        assert_eq!(rows.len(), 2);
        assert_eq!(payloads.len(), 1);
        let payload = &payloads[0];
        assert_eq!(payload["workspace_id"], json!(unused.id));
        assert_eq!(
            (
                &payload["transition"],
                &payload["dormant"],
                &payload["build_id"]
            ),
            (&json!("dormant"), &json!(true), &Json::Null)
        );
    });
}
