//! What can't be built is refused whole: no job, no build, no parameter is written, and
//! `autobuild_blocked` says why. And who is told of what was built.

#![allow(clippy::indexing_slicing)]

use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{
    Attempt, TODAY_AT_NINE, VERSIONS, install, next_transition, records,
};
use workspace_autobuild_tests::product::{
    Fields, NewParameter, NewVersion, Value, Workspace, parameter,
};
use workspace_autobuild_tests::{Product, Version};

use super::support::due;

/// Ticks: the only row is blocked with this code, nothing of the product's is written,
/// and every other function says the same.
#[track_caller]
fn refused(product: &Product, workspace: &Workspace<'_>, code: &str) -> Attempt {
    let version = product.version();
    let before = product.build_rows();
    let mut attempts = product.tick(TODAY_AT_NINE);
    assert_eq!(attempts.len(), 1, "{version} {code}: {attempts:?}");
    let attempt = attempts.remove(0);
    assert_eq!(attempt.workspace_id, workspace.id, "{version}");
    assert_eq!(attempt.outcome, "blocked", "{version} {code}: {attempt:?}");
    assert_eq!(
        attempt.code.as_deref(),
        Some(code),
        "{version}: {attempt:?}"
    );
    assert_eq!((attempt.build_id, attempt.job_id), (None, None));
    assert!(attempt.message.is_some(), "{version} {code} has a sentence");
    assert_eq!(
        product.build_rows(),
        before,
        "{version} {code}: nothing is written"
    );

    let mut superuser = product.superuser();
    let blocked: Vec<Json> = records(
        &mut superuser,
        &format!(
            "SELECT transition, reason, outcome, code, sqlstate, message, attempts,
                    next_attempt_at - last_attempt_at = interval '1 minute' AS in_a_minute
               FROM autobuild_blocked WHERE workspace_id = '{}'",
            workspace.id
        ),
    );
    assert_eq!(
        blocked,
        [json!({
            "transition": "start", "reason": "autostart", "outcome": "blocked", "code": code,
            "sqlstate": null, "message": attempt.message, "attempts": 1, "in_a_minute": true,
        })],
        "{version}"
    );
    let next = next_transition(&mut superuser, workspace.id, TODAY_AT_NINE);
    assert_eq!(
        next.transition.as_deref(),
        Some("start"),
        "{version} {code}"
    );
    assert!(next.due);
    assert_eq!(next.skip_reason.as_deref(), Some(code));
    assert_eq!(next.detail, attempt.message);
    let last: Vec<Json> = records(
        &mut superuser,
        &format!(
            "SELECT rule, passed, observed FROM autobuild_explain('{}', '{TODAY_AT_NINE}')
              ORDER BY step DESC LIMIT 1",
            workspace.id
        ),
    );
    assert_eq!(last[0]["rule"], json!("buildable"), "{version}: {last:?}");
    assert_eq!(last[0]["passed"], json!(false));
    let observed = last[0]["observed"].as_str().expect("a sentence");
    assert!(observed.contains(code), "{observed}");
    attempt
}

/// The workspace leaves the scene, for the next case's.
fn out_of_the_way(workspace: &Workspace<'_>) {
    workspace.update("deleted", true);
}

#[test]
fn a_value_that_the_definition_refuses_leaves_nothing_behind() {
    type Case = (&'static str, fn() -> NewParameter, Option<&'static str>);
    let cases: [Case; 13] = [
        ("parameter_required", || parameter("p"), None),
        ("parameter_empty", || parameter("p"), Some("")),
        (
            "parameter_not_an_option",
            || parameter("p").options(&["a", "b"]),
            Some("c"),
        ),
        (
            "parameter_not_bool",
            || parameter("p").kind("bool"),
            Some("TRUE"),
        ),
        (
            "parameter_not_list",
            || parameter("p").kind("list(string)"),
            Some("[1]"),
        ),
        (
            "parameter_not_number",
            || {
                parameter("p")
                    .kind("number")
                    .set("validation_monotonic", "increasing")
            },
            Some("1.5"),
        ),
        (
            "parameter_out_of_range",
            || {
                let number = parameter("p")
                    .kind("number")
                    .set("validation_error", "small");
                number.set("validation_min", 1).set("validation_max", 9)
            },
            Some("10"),
        ),
        (
            "parameter_pattern_mismatch",
            || parameter("p").regex("^a+$", "only a"),
            Some("ab"),
        ),
        (
            "parameter_pattern_without_error",
            || parameter("p").regex("^a+$", ""),
            Some("a"),
        ),
        (
            "parameter_rule_misplaced",
            || {
                let number = parameter("p").kind("bool").set("validation_error", "e");
                number.set("validation_max", 9)
            },
            Some("true"),
        ),
        (
            "parameter_options_unreadable",
            || parameter("p").set("options", json!({"value": "a"})),
            Some("a"),
        ),
        (
            "parameter_not_an_option",
            || parameter("p").default("x").options(&["a"]),
            None,
        ),
        (
            "parameter_not_an_option",
            || parameter("p").default("x").options(&["a"]),
            Some(""),
        ),
    ];
    for version in VERSIONS {
        let product = install(version);
        for (n, (code, definition, value)) in cases.iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .parameter(parameter("fine").default("1"))
                .parameter(definition());
            let values: Vec<(&str, &str)> = value.iter().map(|value| ("p", *value)).collect();
            let workspace = due(template, &values);
            let attempt = refused(&product, &workspace, code);
            let message = attempt.message.unwrap_or_default();
            assert!(message.contains("\"p\""), "names the parameter: {message}");
            out_of_the_way(&workspace);
        }
    }
}

#[test]
fn a_message_never_shows_a_parameters_value() {
    let product = install(Version::NEWEST);
    let secret = "s3cr3t-t0ken";
    let template = product
        .template("docker")
        .parameter(parameter("p").regex("^a+$", "only a"));
    let workspace = due(template, &[("p", secret)]);
    let attempt = refused(&product, &workspace, "parameter_pattern_mismatch");
    assert!(!format!("{attempt:?}").contains(secret), "{attempt:?}");
    let history = product
        .superuser()
        .query_one(
            "SELECT coalesce(string_agg(t::text, ''), '') FROM autobuild_transitions t",
            &[],
        )
        .expect("history");
    assert!(!history.get::<_, String>(0).contains(secret));
}

#[test]
fn an_import_that_is_not_complete_and_good_is_refused() {
    type Import = for<'p> fn(NewVersion<'p>) -> NewVersion<'p>;
    let cases: [(&str, Import); 5] = [
        ("import_job_pending", |v| v.import_pending()),
        ("import_job_pending", |v| {
            v.import("completed_at", Value::NULL)
        }),
        ("import_job_failed", |v| v.import_failed("main.tf: no")),
        ("import_job_canceled", |v| v.import_canceled()),
        ("import_job_failed", |v| {
            v.import_canceled().import_failed("no")
        }),
    ];
    for version in VERSIONS {
        let product = install(version);
        for (n, (code, import)) in cases.iter().enumerate() {
            let template = product.template(&format!("t{n}")).version(import);
            let workspace = due(template, &[]);
            refused(&product, &workspace, code);
            out_of_the_way(&workspace);
        }
        // An error text that is empty is none.
        let fine = product.template("fine").version(|v| v.import_failed(""));
        due(fine, &[]);
        let attempts = product.tick(TODAY_AT_NINE);
        assert_eq!(attempts[0].outcome, "built", "{version}: {attempts:?}");
    }
}

#[test]
fn a_version_that_is_not_the_templates_own_or_without_import_job_is_refused() {
    for version in VERSIONS {
        let product = install(version);
        let other = product.template("other").create();
        let workspace = due(product.template("docker"), &[]);
        workspace
            .latest_build()
            .update("template_version_id", other.version);
        refused(&product, &workspace, "version_of_other_template");
        out_of_the_way(&workspace);

        let workspace = due(product.template("jobless"), &[]);
        // The active version's own job is still there for the provisioner's tags.
        let template = product.value(&format!(
            "SELECT template_id FROM workspaces WHERE id = '{}'",
            workspace.id
        ));
        let old = uuid::Uuid::new_v4();
        product.execute(&format!(
            "INSERT INTO template_versions
             SELECT (jsonb_populate_record(v, jsonb_build_object('id', '{old}',
                        'name', 'old', 'job_id', gen_random_uuid()))).*
               FROM template_versions v WHERE template_id = '{}'",
            template.expect("a template")
        ));
        workspace.latest_build().update("template_version_id", old);
        refused(&product, &workspace, "import_job_missing");
    }
}

#[test]
fn a_mended_block_is_built_and_forgotten() {
    let product = install(Version::V2_10_0);
    let template = product
        .template("docker")
        .version(|v| v.import_failed("no"));
    let workspace = due(template, &[]);
    refused(&product, &workspace, "import_job_failed");
    let attempts = product.tick(TODAY_AT_NINE);
    assert_eq!(attempts[0].outcome, "blocked", "by hand no back-off counts");
    let mut superuser = product.superuser();
    let tried: Vec<Json> = records(&mut superuser, "SELECT attempts FROM autobuild_blocked");
    assert_eq!(tried, [json!({"attempts": 2})]);
    product.execute("UPDATE provisioner_jobs SET error = NULL");
    assert_eq!(product.tick(TODAY_AT_NINE)[0].outcome, "built");
    let left: Vec<Json> = records(&mut superuser, "SELECT 1 AS n FROM autobuild_blocked");
    assert!(left.is_empty(), "{left:?}");
    let history: Vec<Json> = records(
        &mut superuser,
        "SELECT outcome, code FROM autobuild_transitions ORDER BY transition_id",
    );
    let blocked = json!({"outcome": "blocked", "code": "import_job_failed"});
    assert_eq!(
        history,
        [
            blocked.clone(),
            blocked,
            json!({"outcome": "built", "code": null})
        ]
    );
}

/// What is waiting on a session that listens.
fn postings(client: &mut postgres::Client) -> Vec<Json> {
    let mut payloads: Vec<String> = client
        .notifications()
        .timeout_iter(Duration::from_millis(300))
        .map(|notification| Ok(notification.payload().to_owned()))
        .collect()
        .expect("notifications");
    payloads.sort();
    payloads
        .iter()
        .map(|payload| payload.parse().expect("JSON"))
        .collect()
}

#[test]
fn daemons_are_told_once_for_each_distinct_payload() {
    for version in [Version::V2_5_0, Version::V2_10_0, Version::V2_34_3] {
        let product = install(version);
        let mut listener = product.connect();
        listener
            .batch_execute("LISTEN provisioner_job_posted")
            .expect("LISTEN");
        let gpu = json!({"scope": "organization", "owner": "", "gpu": "1"});
        product.daemon("gpu").tags(gpu.clone()).create();
        for n in 0..3 {
            due(product.template(&format!("plain {n}")), &[]);
        }
        // Of another provisioner: a daemon that has only this one is to hear of it.
        let echo = product.template("echo").set("provisioner", "echo");
        due(echo.version(|version| version.tags(gpu.clone())), &[]);
        let template = product.template("gpu").version(|v| v.tags(gpu.clone()));
        due(template, &[]);
        let broken = product
            .template("broken")
            .version(|v| v.import_failed("no"));
        due(broken, &[]);
        assert_eq!(product.tick(TODAY_AT_NINE).len(), 6);
        let organization = product.organization().id;
        let mut told = postings(&mut listener);
        told.sort_by_key(|posting| {
            let tags = posting["tags"].as_object().map(serde_json::Map::len);
            (posting["type"] != "echo", tags)
        });
        // Tags are compared as what is written.
        let tags = |job: &str| -> Json {
            let job = product.value(&format!(
                "SELECT tags FROM provisioner_jobs
                  WHERE type = 'workspace_build' AND started_at IS NULL AND tags ? 'gpu' = {job}
                  LIMIT 1"
            ));
            job.expect("a job").parse().expect("JSON")
        };
        let posting = |kind: &str, gpu: &str| json!({"organization_id": organization, "type": kind, "tags": tags(gpu)});
        assert_eq!(
            told,
            [
                posting("echo", "true"),
                posting("terraform", "false"),
                posting("terraform", "true")
            ],
            "{version}"
        );
    }
}

#[test]
fn nobody_is_told_with_notify_jobs_off_or_of_a_tick_that_is_rolled_back() {
    let product = install(Version::V2_10_0);
    let mut listener = product.connect();
    listener
        .batch_execute("LISTEN provisioner_job_posted")
        .expect("LISTEN");
    due(product.template("docker"), &[]);
    let mut superuser = product.superuser();
    superuser
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             SELECT * FROM autobuild_tick('{TODAY_AT_NINE}');
             ROLLBACK;
             SET workspace_autobuild.notify_jobs = off"
        ))
        .expect("a tick that is rolled back");
    let attempts = workspace_autobuild_tests::autobuild::tick(&mut superuser, TODAY_AT_NINE);
    assert_eq!(attempts.len(), 1);
    assert_eq!(postings(&mut listener), [] as [Json; 0]);
}
