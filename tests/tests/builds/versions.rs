//! Which version a start takes and what comes of its parameters, tags, preset and task
//! rows; what only the product can evaluate is blocked with its code.

#![allow(clippy::indexing_slicing)]

use serde_json::{Value as Json, json};
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    HOURLY, RUN, START, STOP, STOPPED, on_each_version, on_versions, since,
};
use workspace_autobuild_tests::product::{
    Fields, NewParameter, NewTemplate, NewVersion, TemplateVersion, Workspace, parameter,
};
use workspace_autobuild_tests::{Product, Transition, Version};

/// Defines `region` anew.
type NewRegion = fn() -> NewParameter;
/// Says how the import of a version ended.
type Import = fn(NewVersion<'_>) -> NewVersion<'_>;

/// A workspace stopped on the template's first version, with a value of `region`, that
/// follows its template's active version; and that version.
fn following<'p>(
    template: NewTemplate<'p>,
    second: impl FnOnce(NewVersion<'p>) -> NewVersion<'p>,
) -> (Workspace<'p>, TemplateVersion<'p>) {
    let template = template.parameter(parameter("region")).create();
    let workspace = template
        .workspace("dev")
        .schedule(HOURLY)
        .set("automatic_updates", "always")
        .create();
    workspace
        .build(Transition::Stop)
        .created_at(STOPPED)
        .parameter("region", "us")
        .create();
    let second = second(template.new_version("second")).create();
    second.activate();
    (workspace, second)
}

/// What the new build wrote: its version and its parameters.
fn built(workspace: &Workspace<'_>) -> (Json, Vec<(String, String)>) {
    let build = workspace.latest_build();
    assert_eq!(build.number, 2);
    let version = build.read()["template_version_id"].clone();
    (version, build.read_parameters().into_iter().collect())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_change_of_version_carries_defaults_and_drops_parameters() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let template = product
            .template("docker")
            .parameter(parameter("gone").default("x"));
        let (workspace, second) = following(template, |version| {
            version
                .parameter(parameter("region"))
                .parameter(parameter("size").default("small"))
                .parameter(parameter("once").default("no").set("ephemeral", true))
        });
        operator.tick(RUN);
        let parameters = vec![
            pair("once", "no"),
            pair("region", "us"),
            pair("size", "small"),
        ];
        assert_eq!(built(&workspace), (json!(second.id), parameters));
    });
}

#[test]
fn a_value_that_the_new_version_refuses_blocks() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let cases: [(&str, NewRegion, &str); 3] = [
            (
                "options",
                || parameter("region").options(&["eu"]),
                "parameter_not_an_option",
            ),
            (
                "regex",
                || parameter("region").regex("^eu", "no"),
                "parameter_pattern_mismatch",
            ),
            (
                "bool",
                || parameter("region").kind("bool"),
                "parameter_not_bool",
            ),
        ];
        for (name, define, code) in cases {
            let template = product.template(name);
            let (workspace, _) = following(template, |version| version.parameter(define()));
            let blocked = format!("start autostart blocked {code}");
            assert_eq!(operator.outcome(&workspace, RUN), blocked);
            // The message names the parameter, never its value.
            let message = operator.next(&workspace, RUN).detail.unwrap_or_default();
            assert!(
                message.contains("region") && !message.contains("us"),
                "{message}"
            );
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn a_stop_takes_the_old_version_whatever_is_active() {
    on_each_version(|product, operator| {
        let template = product
            .template("docker")
            .set_if_there("require_active_version", true)
            .create();
        let workspace = template
            .workspace("dev")
            .set_if_there("automatic_updates", "always")
            .create_started(STOPPED, RUN);
        let second = template.new_version("second").parameter(parameter("new"));
        second.create().activate();
        assert_eq!(operator.outcome(&workspace, RUN), STOP);
        operator.tick(RUN);
        assert_eq!(built(&workspace).0, json!(workspace.version));
    });
}

#[test]
fn an_active_version_that_can_not_be_built_blocks_with_its_code() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let cases: [(&str, Import, &str); 3] = [
            ("pending", |v| v.import_pending(), "import_job_pending"),
            (
                "failed",
                |version| version.import_failed("boom"),
                "import_job_failed",
            ),
            ("canceled", |v| v.import_canceled(), "import_job_canceled"),
        ];
        for (name, define, code) in cases {
            let (workspace, _) = following(product.template(name), |version| {
                define(version.parameter(parameter("region")))
            });
            let blocked = format!("start autostart blocked {code}");
            assert_eq!(operator.outcome(&workspace, RUN), blocked);
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn what_only_the_product_can_evaluate_blocks_a_change_of_version() {
    on_versions(&since(Version::V2_25_0), |product, operator| {
        let dynamic = product
            .template("dynamic")
            .set("use_classic_parameter_flow", false);
        let (workspace, second) =
            following(dynamic, |version| version.parameter(parameter("region")));
        // Rendered by a daemon that keeps nothing for later: as classic.
        assert_eq!(operator.outcome(&workspace, RUN), START);
        second.terraform_values("1.5");
        assert_eq!(operator.outcome(&workspace, RUN), START);
        product.execute("DELETE FROM template_version_terraform_values");
        second.terraform_values("1.6");
        let blocked = "start autostart blocked version_change_dynamic";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
        let detail = operator.next(&workspace, RUN).detail.unwrap_or_default();
        assert!(detail.contains("once the owner has updated"), "{detail}");
        workspace.update("deleted", true);
    });
    on_versions(&since(Version::V2_15_0), |product, operator| {
        let (workspace, second) = following(product.template("tagged"), |version| {
            version.parameter(parameter("region"))
        });
        second.workspace_tag("gpu", "data.coder_parameter.region.value");
        let blocked = "start autostart blocked version_change_workspace_tags";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
    });
}

#[test]
fn the_same_dynamic_version_copies_the_rows_it_had() {
    on_versions(&since(Version::V2_25_0), |product, operator| {
        let template = product
            .template("dynamic")
            .set("use_classic_parameter_flow", false)
            .parameter(parameter("region").options(&["eu"]))
            .parameter(parameter("once").default("no").set("ephemeral", true))
            .create();
        template.first_version().terraform_values("1.6");
        let workspace = template.workspace("dev").schedule(HOURLY).create();
        workspace
            .build(Transition::Stop)
            .created_at(STOPPED)
            .parameter("region", "none of the options")
            .parameter("rendered", "only when asked")
            .parameter("once", "yes")
            .create();
        operator.tick(RUN);
        let parameters = vec![
            pair("once", "no"),
            pair("region", "none of the options"),
            pair("rendered", "only when asked"),
        ];
        assert_eq!(built(&workspace), (json!(workspace.version), parameters));
    });
}

#[test]
fn the_same_version_with_workspace_tags_takes_the_latest_jobs_tags() {
    on_versions(&since(Version::V2_15_0), |product, operator| {
        let template = product.template("tagged").create();
        template.first_version().workspace_tag("gpu", "\"1\"");
        let workspace = template.workspace("dev").schedule(HOURLY).create();
        let tags = json!({"scope": "organization", "owner": "", "gpu": "1"});
        workspace
            .build(Transition::Stop)
            .created_at(STOPPED)
            .job("tags", tags.clone())
            .create();
        operator.tick(RUN);
        assert_eq!(workspace.latest_build().read_job()["tags"], tags);
    });
}

#[test]
fn the_preset_with_most_matching_parameters_is_named() {
    on_versions(&since(Version::V2_25_0), |product, operator| {
        let template = product
            .template("docker")
            .parameter(parameter("region"))
            .parameter(parameter("size"))
            .create();
        let version = template.first_version();
        version.preset("any", &[]);
        version.preset("region", &[("region", "us")]);
        let both = version.preset("both", &[("region", "us"), ("size", "big")]);
        version.preset("more", &[("region", "us"), ("size", "big"), ("zone", "a")]);
        let workspace = template.workspace("dev").schedule(HOURLY).create();
        workspace
            .build(Transition::Stop)
            .created_at(STOPPED)
            .parameter("region", "us")
            .parameter("size", "big")
            .create();
        operator.tick(RUN);
        let preset = &workspace.latest_build().read()["template_version_preset_id"];
        let expected = if product.version() >= Version::V2_30_0 {
            json!(both.id)
        } else {
            Json::Null
        };
        assert_eq!(*preset, expected, "{}", product.version());
    });
}

/// The rows of `task_workspace_apps` as (task's name, build number).
fn task_rows(product: &Product) -> Vec<Vec<Option<String>>> {
    product.rows(
        "SELECT k.name, a.workspace_build_number FROM task_workspace_apps a
           JOIN tasks k ON k.id = a.task_id
          WHERE workspace_agent_id IS NULL AND workspace_app_id IS NULL",
    )
}

#[test]
fn a_tasks_workspace_gets_its_row_and_a_deleted_tasks_only_the_reason() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").create();
        let [fixed, deleted, plain] = ["fixed", "deleted", "plain"]
            .map(|name| template.workspace(name).create_started(STOPPED, RUN));
        fixed.task("fix").create();
        deleted.task("dropped").set("deleted_at", STOPPED).create();
        operator.tick(RUN);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(task_rows(product), [[text("fix"), text("2")]]);
        let pauses = product.version() >= Version::V2_34_3;
        let pause = if pauses {
            "task_auto_pause"
        } else {
            "autostop"
        };
        for (workspace, reason) in [(&fixed, pause), (&deleted, pause), (&plain, "autostop")] {
            assert_eq!(workspace.latest_build().read()["reason"], json!(reason));
        }
    });
}

#[test]
fn a_workspace_has_one_row_for_its_task_whatever_was_there() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create_started(STOPPED, RUN);
        for (n, name) in ["first", "second"].into_iter().enumerate() {
            let id = Uuid::from_u128(n as u128 + 1);
            workspace.task(name).set("id", id).create();
        }
        // A row for the build to come, of whatever made it.
        product.execute(
            "INSERT INTO task_workspace_apps
                    (task_id, workspace_build_number, workspace_agent_id, workspace_app_id)
             SELECT id, 2, gen_random_uuid(), gen_random_uuid() FROM tasks WHERE name = 'first'",
        );
        operator.tick(RUN);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(task_rows(product), [[text("first"), text("2")]]);
        let rows = product.rows("SELECT FROM task_workspace_apps");
        assert_eq!(rows.len(), 1);
        // And where nothing was, one as well.
        workspace
            .build(Transition::Start)
            .created_at(STOPPED)
            .deadline(RUN)
            .create();
        operator.tick(RUN);
        assert_eq!(
            task_rows(product),
            [[text("first"), text("2")], [text("first"), text("4")]]
        );
    });
}

#[test]
fn the_start_of_a_task_needs_no_licence() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .schedule(HOURLY)
            .create_stopped(STOPPED);
        workspace.task("fix").create();
        operator.set("licensed_rules", "off");
        assert_eq!(operator.outcome(&workspace, RUN), START);
    });
}

#[test]
fn a_tasks_start_and_dormancy_keep_their_own_reasons() {
    on_versions(&[Version::V2_34_3], |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", 1)
            .create();
        let start = template
            .workspace("start")
            .schedule(HOURLY)
            .set("last_used_at", RUN)
            .create_stopped(STOPPED);
        let unused = template.workspace("unused").create();
        unused.build(Transition::Start).created_at(STOPPED).create();
        start.task("start").create();
        unused.task("unused").create();
        assert_eq!(operator.outcome(&start, RUN), START);
        assert_eq!(operator.outcome(&unused, RUN), "stop dormancy built");
    });
}

#[test]
fn a_failed_tasks_workspace_pauses_too() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").set("failure_ttl", 1).create();
        let workspace = template.workspace("dev").create();
        workspace
            .build(Transition::Start)
            .created_at(STOPPED)
            .job_failed("boom")
            .create();
        workspace.task("fix").create();
        let pauses = product.version() >= Version::V2_34_3;
        let expected = if pauses {
            "stop task_auto_pause built"
        } else {
            STOP
        };
        assert_eq!(operator.outcome(&workspace, RUN), expected);
    });
}
