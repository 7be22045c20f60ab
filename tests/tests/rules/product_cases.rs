//! The product's own cases of autostart, autostop and provisioners, mirrored on each of
//! the ten schemas: what happens where the rule has its sign, and that nothing of the
//! rule happens where it has none.

use serde_json::json;
use workspace_autobuild_tests::autobuild::{
    HOURLY, RUN, START, STOP, STOPPED, due_with_region, on_each_version, on_versions, since,
};
use workspace_autobuild_tests::product::{
    Fields, HOUR, MINUTE, NewTemplate, Template, Value, Workspace, parameter,
};
use workspace_autobuild_tests::{NOTHING, Product, Provisioner, Transition, Version};

use super::support::stopped;

/// The deadline of a running workspace.
const DEADLINE: &str = "2024-02-01 12:00:00+00";

/// A workspace that runs until the deadline.
fn running<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .ttl(HOUR)
        .create_started(RUN, DEADLINE)
}

/// What holds from a version on, and what before.
fn from(product: &Product, first: Version, then: &'static str, before: &'static str) -> String {
    let since_then = product.version() >= first;
    if since_then { then } else { before }.to_owned()
}

/// A workspace that was stopped on the template's first version, and the second version,
/// which is the active one and has a new parameter: a required one, or one with a default.
fn updated<'p>(
    template: NewTemplate<'p>,
    required: bool,
) -> (
    Workspace<'p>,
    workspace_autobuild_tests::product::TemplateVersion<'p>,
) {
    let template = template
        .parameter(parameter("region").default("eu"))
        .create();
    let workspace = due_with_region(&template);
    let extra = parameter("size");
    let second = template
        .new_version("second")
        .parameter(parameter("region").default("eu"))
        .parameter(if required {
            extra.set("required", true)
        } else {
            extra.default("small")
        })
        .create();
    second.activate();
    (workspace, second)
}

#[test]
fn a_stopped_workspace_starts_at_its_run() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 10:59:59.999999+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, RUN), START);
        let last = operator.rows(&format!(
            "SELECT rule, passed FROM autobuild_explain('{}', '{RUN}') ORDER BY step DESC LIMIT 1",
            workspace.id
        ));
        assert_eq!(last, [["buildable", "t"].map(|text| Some(text.to_owned()))]);
        operator.tick(RUN);
        let build = workspace.latest_build().read();
        assert_eq!(
            (&build["build_number"], &build["reason"]),
            (&json!(2), &json!("autostart"))
        );
    });
}

#[test]
fn an_old_version_starts_unless_updates_are_asked_for() {
    on_each_version(|product, operator| {
        let (workspace, _) = updated(product.template("docker"), true);
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        let build = workspace.latest_build();
        assert_eq!(
            build.read()["template_version_id"],
            json!(workspace.version)
        );
        assert_eq!(build.read_parameters()["region"], "us");
    });
}

#[test]
fn automatic_updates_start_the_active_version() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let (workspace, second) = updated(product.template("docker"), false);
        workspace.update("automatic_updates", "always");
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        let build = workspace.latest_build();
        assert_eq!(build.read()["template_version_id"], json!(second.id));
        // Carried, and the new one defaulted.
        let parameters = build.read_parameters();
        assert_eq!(
            (parameters["region"].as_str(), parameters["size"].as_str()),
            ("us", "small")
        );
    });
}

#[test]
fn a_new_required_parameter_blocks_the_automatic_update() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let (workspace, _) = updated(product.template("docker"), true);
        workspace.update("automatic_updates", "always");
        let blocked = "start autostart blocked parameter_required";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
        operator.tick(RUN);
        assert_eq!(workspace.builds().len(), 1);
    });
}

#[test]
fn a_suspended_owner_starts_nothing_where_owners_are_asked_for() {
    on_each_version(|product, operator| {
        let dora = product.user("dora").suspended().create();
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .owner(dora)
            .schedule(HOURLY)
            .create_stopped(STOPPED);
        let expected = from(product, Version::V2_5_0, NOTHING, START);
        assert_eq!(operator.outcome(&workspace, RUN), expected);
        if expected == NOTHING {
            assert_eq!(operator.skip(&workspace, RUN), "owner_not_active");
        }
    });
}

#[test]
fn a_running_workspace_stops_at_its_deadline() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 11:59:59+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, DEADLINE), STOP);
        assert_eq!(operator.outcome(&workspace, "2024-02-01 12:01:00+00"), STOP);
    });
}

#[test]
fn a_deadline_within_the_minute_waits_for_the_next_tick() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        let build = workspace.latest_build();
        build.update("deadline", "2024-02-01 12:00:00.000001+00");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 12:00:59.999999+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, "2024-02-01 12:01:00+00"), STOP);
    });
}

#[test]
fn an_extended_workspace_stops_at_its_new_deadline() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        workspace
            .latest_build()
            .update("deadline", "2024-02-01 12:30:00+00");
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 12:01:00+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, "2024-02-01 12:31:00+00"), STOP);
    });
}

#[test]
fn a_suspended_owners_workspace_stops_at_any_tick() {
    on_each_version(|product, operator| {
        let dora = product.user("dora").suspended().create();
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").owner(dora).create();
        workspace
            .build(Transition::Start)
            .created_at(STOPPED)
            .create();
        let expected = from(product, Version::V2_15_0, STOP, NOTHING);
        assert_eq!(
            operator.outcome(&workspace, "1970-01-01 00:00:00+00"),
            expected
        );
        if expected == STOP {
            // It is due at each tick, at the tick.
            let next = operator.next(&workspace, RUN);
            assert_eq!(
                next.next_transition_at.as_deref(),
                Some("2024-02-01T11:00:00+00:00")
            );
        }
    });
}

#[test]
fn a_running_workspace_without_deadline_runs_on() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        workspace
            .latest_build()
            .update("deadline", "0001-01-01 00:00:00+00");
        workspace.update("ttl", Value::NULL);
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 13:00:00+00"),
            NOTHING
        );
        assert_eq!(operator.skip(&workspace, DEADLINE), "no_deadline");
    });
}

#[test]
fn a_start_carries_the_parameters_on() {
    on_each_version(|product, operator| {
        let template = product
            .template("docker")
            .parameter(parameter("region"))
            .create();
        let workspace = due_with_region(&template);
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        assert_eq!(workspace.latest_build().read_parameters()["region"], "us");
    });
}

#[test]
fn a_template_can_forbid_autostart_under_the_licence() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("lab").forbids_autostart().create(), "dev");
        assert_eq!(operator.outcome(&workspace, RUN), NOTHING);
        assert_eq!(operator.skip(&workspace, RUN), "autostart_forbidden");
        operator.set("licensed_rules", "off");
        assert_eq!(operator.outcome(&workspace, RUN), START);
    });
}

#[test]
fn the_templates_ttl_counts_where_users_set_none() {
    on_each_version(|product, operator| {
        let template = product
            .template("lab")
            .set("allow_user_autostop", false)
            .set("default_ttl", HOUR)
            .create();
        let workspace = template.workspace("dev").ttl(30 * MINUTE).create();
        workspace.build(Transition::Start).job_pending().create();
        Provisioner::of(product).at(RUN).work();
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 11:45:00+00"),
            NOTHING
        );
        assert_eq!(operator.outcome(&workspace, "2024-02-01 12:01:00+00"), STOP);
    });
}

#[test]
fn the_active_version_is_required_only_under_the_licence() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let template = product.template("lab").set("require_active_version", true);
        let (workspace, second) = updated(template, false);
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.execute("SAVEPOINT undo");
        for (licensed, version) in [("off", workspace.version), ("on", second.id)] {
            operator.set("licensed_rules", licensed);
            operator.rows(&format!("SELECT * FROM autobuild_tick('{RUN}')"));
            let built = operator.rows(&format!(
                "SELECT template_version_id FROM workspace_builds
                  WHERE workspace_id = '{}' AND build_number = 2",
                workspace.id
            ));
            assert_eq!(
                built,
                [[Some(version.to_string())]],
                "{}",
                product.version()
            );
            operator.execute("ROLLBACK TO undo");
        }
    });
}

#[test]
fn failed_and_unused_workspaces_stay_without_the_licence() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let til_dormant = if product.version() < Version::V2_5_0 {
            "inactivity_ttl"
        } else {
            "time_til_dormant"
        };
        let template = product
            .template("lab")
            .set("failure_ttl", MINUTE)
            .set(til_dormant, MINUTE)
            .create();
        let failed = template.workspace("failed").create();
        failed
            .build(Transition::Start)
            .created_at(STOPPED)
            .job_failed("boom")
            .create();
        let unused = template.workspace("unused").create();
        unused.build(Transition::Start).created_at(STOPPED).create();
        operator.set("licensed_rules", "off");
        for workspace in [&failed, &unused] {
            assert_eq!(
                operator.outcome(workspace, "2024-02-02 00:00:00+00"),
                NOTHING
            );
        }
        operator.set("licensed_rules", "on");
        for workspace in [&failed, &unused] {
            assert_ne!(
                operator.outcome(workspace, "2024-02-02 00:00:00+00"),
                NOTHING
            );
        }
    });
}

#[test]
fn a_prebuilt_workspace_stops_only_once_it_is_claimed() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let pool = product.prebuilds_user().create();
        let workspace = template
            .workspace("prebuilt")
            .owner(pool)
            .create_started(STOPPED, DEADLINE);
        let late = "2024-02-03 00:00:00+00";
        assert_eq!(operator.outcome(&workspace, late), NOTHING);
        assert_eq!(operator.skip(&workspace, late), "prebuild");
        workspace.update("owner_id", product.admin().id);
        assert_eq!(operator.outcome(&workspace, late), STOP);
    });
}

#[test]
fn a_start_needs_a_provisioner_that_was_seen_lately() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        let seen = |ago: &str| {
            if product.version() >= Version::V2_5_0 {
                product.execute(&format!(
                    "UPDATE provisioner_daemons
                        SET last_seen_at = '{RUN}'::timestamptz - interval '{ago}'"
                ));
            }
        };
        seen("91 seconds");
        let blocked = "start autostart blocked no_provisioner";
        let expected = from(product, Version::V2_30_0, blocked, START);
        assert_eq!(operator.outcome(&workspace, RUN), expected);
        seen("80 seconds");
        assert_eq!(operator.outcome(&workspace, RUN), START);
    });
}

#[test]
fn a_tasks_workspace_pauses() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        workspace.task("fix").create();
        let pause = "stop task_auto_pause built";
        let expected = from(product, Version::V2_34_3, pause, STOP);
        assert_eq!(operator.outcome(&workspace, DEADLINE), expected);
    });
}
