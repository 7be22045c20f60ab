//! What a build writes, compared column by column: job, build, parameters.
//!
//! Each test starts or stops workspaces by a tick by hand and looks at the rows.

#![allow(clippy::indexing_slicing)]

use serde_json::{Value as Json, json};
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    Attempt, NINE, TODAY_AT_NINE, VERSIONS, YESTERDAY, install,
};
use workspace_autobuild_tests::product::{Fields, Value, parameter, quote_literal};
use workspace_autobuild_tests::{Product, Server, Transition, Version};

use super::support::due;

const NO_TIME: &str = "0001-01-01T00:00:00+00:00";

/// The tick's only row.
#[track_caller]
fn only(mut attempts: Vec<Attempt>) -> Attempt {
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

#[track_caller]
fn built(attempt: &Attempt) -> (Uuid, Uuid) {
    assert_eq!(attempt.outcome, "built", "{attempt:?}");
    (
        attempt.build_id.expect("a build"),
        attempt.job_id.expect("a job"),
    )
}

/// A row with every column of its table: the given ones, and NULL or the default for
/// the others.
fn row(product: &Product, table: &str, given: Json) -> Json {
    let mut given = given;
    let columns: Vec<(String, Json)> = product
        .facts()
        .columns_of(table)
        .map(|column| {
            let default = match column.default.as_str() {
                "0" => json!(0),
                "false" => json!(false),
                zero if zero.contains("'0001-01-01 ") => json!(NO_TIME),
                _ => Json::Null,
            };
            let value = match given.get_mut(&column.name) {
                Some(value) => value.take(),
                None => default,
            };
            (column.name.clone(), value)
        })
        .collect();
    columns
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Does the row's `created_at` lie between two readings of the clock?
#[track_caller]
fn written_now(product: &Product, created_at: &Json, before: &str) {
    let created_at = quote_literal(created_at.as_str().expect("a time"));
    let held = product.value(&format!(
        "SELECT {created_at}::timestamptz BETWEEN {} AND clock_timestamp()",
        quote_literal(before)
    ));
    assert_eq!(held.as_deref(), Some("t"), "{created_at} is the clock's");
}

/// Starts and stops one workspace whose every source of a value is told apart, and
/// compares both rows whole.
fn rows_of_a_build(version: Version, transition: Transition) {
    let product = install(version);
    let anna = product.user("anna").create();
    let other = product.new_organization("other").create();
    for organization in [product.organization(), other] {
        product
            .daemon(&organization.id.to_string())
            .set_if_there("organization_id", organization.id)
            .create();
    }
    let file = Uuid::new_v4();
    let template = product
        .template("docker")
        .organization(other)
        .set("provisioner", "echo")
        .version(|version| version.import("file_id", file))
        .create();
    let workspace = template
        .workspace("dev")
        .owner(anna)
        .schedule(NINE)
        .create();
    let earlier = match transition {
        Transition::Start => workspace.build(Transition::Stop).created_at(YESTERDAY),
        _ => workspace
            .build(Transition::Start)
            .created_at(YESTERDAY)
            .deadline(TODAY_AT_NINE),
    };
    let earlier = earlier.number(7).state(b"\x00 state").create();
    let before = product.value("SELECT clock_timestamp()").expect("a time");

    let attempt = only(product.tick(TODAY_AT_NINE));
    let (build_id, job_id) = built(&attempt);
    let reason = match transition {
        Transition::Start => "autostart",
        _ => "autostop",
    };
    assert_eq!(
        attempt,
        Attempt {
            workspace_id: workspace.id,
            transition: transition.name().into(),
            reason: reason.into(),
            due_at: "2024-03-05T09:00:00+00:00".into(),
            outcome: "built".into(),
            code: None,
            build_id: Some(build_id),
            job_id: Some(job_id),
            build_number: Some(8),
            sqlstate: None,
            message: None,
        },
        "{version}"
    );

    let build = workspace.latest_build();
    assert_eq!(build.id, build_id);
    assert_eq!(build.number, 8);
    let written = build.read();
    let created_at = written["created_at"].clone();
    written_now(&product, &created_at, &before);
    let expected = row(
        &product,
        "workspace_builds",
        json!({
            "id": build_id, "created_at": created_at, "updated_at": created_at,
            "workspace_id": workspace.id, "template_version_id": template.version,
            "build_number": 8, "provisioner_state": "\\x00207374617465",
            "initiator_id": anna.id, "transition": transition.name(), "job_id": job_id,
            "reason": reason, "deadline": NO_TIME, "max_deadline": NO_TIME, "daily_cost": 0,
        }),
    );
    assert_eq!(written, expected, "{version}");

    let trace = if product.facts().has_column("provisioner_jobs", "job_status") {
        json!({"baggage": "audit=baggage;ip=127.0.0.1"})
    } else {
        json!({})
    };
    let expected = row(
        &product,
        "provisioner_jobs",
        json!({
            "id": job_id, "created_at": created_at, "updated_at": created_at,
            "initiator_id": anna.id, "organization_id": other.id, "provisioner": "echo",
            "storage_method": "file", "file_id": file, "type": "workspace_build",
            "input": {"workspace_build_id": build_id, "dry_run": false},
            "tags": {"scope": "organization", "owner": ""}, "trace_metadata": trace,
            "job_status": "pending",
        }),
    );
    assert_eq!(build.read_job(), expected, "{version}");
    assert!(build.read_parameters().is_empty());

    // Nothing else of the product's has changed but this.
    assert_eq!(
        earlier.read()["provisioner_state"],
        written["provisioner_state"]
    );
    assert_eq!(workspace.builds().len(), 2);
}

#[test]
fn a_start_writes_job_and_build_with_every_column_as_the_product_would() {
    for version in Version::ALL {
        rows_of_a_build(version, Transition::Start);
    }
}

#[test]
fn a_stop_writes_job_and_build_with_every_column_as_the_product_would() {
    for version in Version::ALL {
        rows_of_a_build(version, Transition::Stop);
    }
}

#[test]
fn the_state_is_carried_on_however_large_and_is_empty_where_there_was_none() {
    for version in VERSIONS {
        let product = install(version);
        let template = product.template("docker").create();
        let large =
            "(SELECT string_agg(sha512(i::text::bytea), '') FROM generate_series(1, 3200) i)";
        for (name, state) in [
            ("large", Value::sql(large)),
            ("empty", Value::from("")),
            ("none", Value::NULL),
        ] {
            let workspace = template.workspace(name).schedule(NINE).create();
            workspace
                .build(Transition::Stop)
                .created_at(YESTERDAY)
                .set("provisioner_state", state)
                .create();
        }
        for attempt in product.tick(TODAY_AT_NINE) {
            built(&attempt);
        }
        let carried = product.rows(
            "SELECT w.name, n.provisioner_state = coalesce(o.provisioner_state, ''),
                    octet_length(n.provisioner_state)
               FROM workspaces w
               JOIN workspace_builds o ON o.workspace_id = w.id AND o.build_number = 1
               JOIN workspace_builds n ON n.workspace_id = w.id AND n.build_number = 2
              ORDER BY w.name",
        );
        let row = |name: &str, length: &str| [name, "t", length].map(|text| Some(text.to_owned()));
        assert_eq!(
            carried,
            [row("empty", "0"), row("large", "204800"), row("none", "0")],
            "{version}"
        );
    }
}

#[test]
fn the_latest_builds_version_is_used_when_the_active_one_moved_on() {
    for version in VERSIONS {
        let product = install(version);
        let template = product
            .template("docker")
            .parameter(parameter("old").default("1"))
            .create();
        let workspace = template
            .workspace("dev")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        template
            .new_version("second")
            .parameter(parameter("new").default("2"))
            .create()
            .activate();
        built(&only(product.tick(TODAY_AT_NINE)));
        let build = workspace.latest_build();
        assert_eq!(build.read()["template_version_id"], json!(template.version));
        let values = build.read_parameters();
        assert_eq!(
            values.into_iter().collect::<Vec<_>>(),
            [("old".into(), "1".into())]
        );
    }
}

#[test]
fn parameters_are_carried_defaulted_and_dropped() {
    for version in VERSIONS {
        let product = install(version);
        let long = "x".repeat(200_000);
        let template = product
            .template("docker")
            .parameter(parameter("required"))
            .parameter(parameter("carried").default("eu"))
            .parameter(parameter("defaulted").default("eu"))
            .parameter(parameter("empty").default("eu"))
            .parameter(parameter("no default").default(""))
            .parameter(
                parameter("number")
                    .kind("number")
                    .default("1")
                    .set("validation_max", 9),
            )
            .parameter(parameter("quote's \"name\" \\").default("eu"))
            .parameter(parameter("long").default("eu"));
        let workspace = due(
            template,
            &[
                ("required", "given"),
                ("carried", "us"),
                ("empty", ""),
                ("number", "7"),
                ("quote's \"name\" \\", "it's \\ \"so\"\n\u{1F980}"),
                ("long", &long),
                ("left the version", "gone"),
            ],
        );
        built(&only(product.tick(TODAY_AT_NINE)));
        let expected = [
            ("required", "given"),
            ("carried", "us"),
            ("defaulted", "eu"),
            ("empty", ""),
            ("no default", ""),
            ("number", "7"),
            ("quote's \"name\" \\", "it's \\ \"so\"\n\u{1F980}"),
            ("long", &long),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            workspace.latest_build().read_parameters(),
            expected.into_iter().collect(),
            "{version}"
        );
    }
}

#[test]
fn a_legacy_value_counts_as_the_previous_one_where_there_is_none() {
    for version in Version::ALL {
        let product = install(version);
        let legacy = product.facts().has_table("parameter_values")
            && product
                .facts()
                .has_column("template_version_parameters", "legacy_variable_name");
        if !legacy {
            continue;
        }
        let named = |name: &str, of: &str| parameter(name).set("legacy_variable_name", of);
        let template = product
            .template("docker")
            .parameter(named("from_legacy", "old_region"))
            .parameter(named("both", "old_size"))
            .parameter(named("neither", "old_none").default("eu"))
            .parameter(named("nameless", "").default("eu"));
        let workspace = due(template, &[("both", "from the build")]);
        workspace.legacy_value("old_region", "us");
        workspace.legacy_value("old_size", "from legacy");
        workspace.legacy_value("", "nobody's");
        built(&only(product.tick(TODAY_AT_NINE)));
        let expected = [
            ("from_legacy", "us"),
            ("both", "from the build"),
            ("neither", "eu"),
            ("nameless", "eu"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            workspace.latest_build().read_parameters(),
            expected.into_iter().collect(),
            "{version}"
        );
    }
    let oldest = Product::install(Server::shared(), Version::OLDEST);
    assert!(
        oldest.facts().has_table("parameter_values"),
        "one of them has it"
    );
}

#[test]
fn the_newest_schema_writes_the_preset_that_fits_best() {
    let product = install(Version::V2_34_3);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .parameter(parameter("size").default("s"))
        .create();
    let version = template.first_version();
    version.preset("everyone's", &[]);
    version.preset("american", &[("region", "us")]);
    let best = version.preset("both", &[("region", "us"), ("size", "s")]);
    version.preset("other", &[("region", "us"), ("size", "l")]);
    let workspace = template.workspace("dev").schedule(NINE).create();
    workspace
        .build(Transition::Stop)
        .created_at(YESTERDAY)
        .parameter("region", "us")
        .create();
    built(&only(product.tick(TODAY_AT_NINE)));
    let build = workspace.latest_build().read();
    assert_eq!(build["template_version_preset_id"], json!(best.id));
}

#[test]
fn scope_and_owner_tags_are_set_and_the_others_stay() {
    let cases = [
        (
            json!({"scope": "user"}),
            Some(json!({"scope": "user", "owner": "OWNER"})),
        ),
        (
            json!({"scope": "user", "owner": "x", "gpu": "1"}),
            Some(json!({"scope": "user", "owner": "OWNER", "gpu": "1"})),
        ),
        (json!({"scope": "team", "owner": "x"}), None),
        (json!({"owner": "x"}), None),
        (json!({}), None),
        (json!(null), None),
        (json!({"scope": "organization", "owner": ""}), None),
        (
            json!({"scope": "organization", "gpu": null, "empty": "", "a b": "c"}),
            None,
        ),
    ];
    for version in Version::ALL {
        let product = install(version);
        let facts = product.facts();
        let sets_owner = facts.has_column("provisioner_daemons", "api_version");
        let drops_empty = facts.has_column("workspaces", "next_start_at");
        let takes_null = product
            .facts()
            .columns_of("provisioner_jobs")
            .any(|column| column.name == "tags" && column.kind == "jsonb");
        let anna = product.user("anna").create();
        let mut expected = Vec::new();
        for (n, (import, user)) in cases.iter().enumerate() {
            if import.is_null() && !takes_null {
                continue;
            }
            // Some provisioner takes it, whatever the rule for tags.
            product
                .daemon(&format!("takes {n}"))
                .tags(import.clone())
                .create();
            let template = product
                .template(&format!("t{n}"))
                .version(|version| version.tags(import.clone()))
                .create();
            let workspace = template
                .workspace(&format!("w{n}"))
                .owner(anna)
                .schedule(NINE)
                .create_stopped(YESTERDAY);
            let tags = match user {
                Some(tags) => tags.to_string().replace("OWNER", &anna.id.to_string()),
                None => organization_tags(import, sets_owner, drops_empty).to_string(),
            };
            let tags: Json = tags.parse().expect("JSON");
            expected.push((workspace.id, tags));
        }
        let attempts = product.tick(TODAY_AT_NINE);
        assert_eq!(attempts.len(), expected.len(), "{version}");
        for (workspace, tags) in expected {
            let attempt = attempts
                .iter()
                .find(|attempt| attempt.workspace_id == workspace)
                .expect("a row");
            if attempt.code.as_deref() == Some("no_provisioner") {
                panic!("{version}: {attempt:?}");
            }
            let (_, job) = built(attempt);
            let job = product.by_id("provisioner_jobs", job);
            assert_eq!(job["tags"], tags, "{version}");
        }
    }
}

/// What becomes of an import job's tags that are not of scope `user`.
fn organization_tags(import: &Json, sets_owner: bool, drops_empty: bool) -> Json {
    let mut tags = serde_json::Map::new();
    for (name, value) in import.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if !(drops_empty && value.is_empty()) {
            tags.insert(name.clone(), json!(value));
        }
    }
    tags.insert("scope".into(), json!("organization"));
    if sets_owner {
        tags.insert("owner".into(), json!(""));
    }
    tags.into()
}
