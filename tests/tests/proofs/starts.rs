//! Starts onto versions whose source was looked at.

use serde_json::json;
use workspace_autobuild_tests::Transition;
use workspace_autobuild_tests::autobuild::{RUN, START, on_versions};
use workspace_autobuild_tests::product::{Fields, parameter};

use super::support::*;

#[test]
fn a_start_onto_a_static_version_carries_defaults_and_drops_values() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("size", "s"), ("gone", "x")]);
        let newcomer = follower(&template, "new", &[]);
        let version = pushed(&template, STATIC, |version| version.parameter(size()));
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        assert_eq!(values(&workspace), [pair("size", "s")]);
        assert_eq!(values(&newcomer), [pair("size", "m")]);
        let built = workspace.latest_build().read();
        assert_eq!(built["template_version_id"], json!(version.id));
    });
}

#[test]
fn a_value_that_the_new_version_no_longer_takes_blocks() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("size", "xl")]);
        pushed(&template, STATIC, |version| version.parameter(size()));
        let blocked = "start autostart blocked parameter_not_an_option";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
        let detail = operator.next(&workspace, RUN).detail.unwrap_or_default();
        assert!(
            detail.contains("size") && !detail.contains("xl"),
            "{detail}"
        );
    });
}

#[test]
fn a_start_of_the_same_static_version_is_checked_and_rid_of_what_is_gone() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let version = pushed(&template, STATIC, |version| version.parameter(size()));
        let good = stopped(
            &template,
            version.id,
            "good",
            &[("size", "s"), ("gone", "x")],
        );
        let bad = stopped(&template, version.id, "bad", &[("size", "xl")]);
        let blocked = "start autostart blocked parameter_not_an_option";
        assert_eq!(operator.outcome(&bad, RUN), blocked);
        operator.tick(RUN);
        assert_eq!(values(&good), [pair("size", "s")]);
    });
}

#[test]
fn what_the_source_varies_blocks_with_file_and_line() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("mail", "b@example.com")]);
        pushed(&template, OF_THE_OWNER, |version| version.parameter(mail()));
        let blocked = "start autostart blocked version_change_dynamic";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
        let detail = operator.next(&workspace, RUN).detail.unwrap_or_default();
        let seen = "main.tf:4: refers to data.coder_workspace_owner.me.email";
        assert!(detail.contains(seen), "{detail}");
    });
}

#[test]
fn prove_templates_off_leaves_such_starts_to_the_product() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("size", "s")]);
        pushed(&template, STATIC, |version| version.parameter(size()));
        operator.set("prove_templates", "off");
        let blocked = "start autostart blocked version_change_dynamic";
        assert_eq!(operator.outcome(&workspace, RUN), blocked);
        operator.reset();
        assert_eq!(operator.outcome(&workspace, RUN), START);
    });
}

#[test]
fn tags_in_the_source_are_put_onto_the_job() {
    const TAGGED: &str = r#"
data "coder_workspace_tags" "where" {
  tags = {
    zone = "eu"
    size = data.coder_parameter.size.value
  }
}
"#;
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("size", "s")]);
        let source = format!("{STATIC}{TAGGED}");
        let version = pushed(&template, &source, |version| version.parameter(size()));
        // What the classic flow would read; it decides nothing here.
        version.workspace_tag("zone", "\"us\"");
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        let tags = workspace.latest_build().read_job()["tags"].clone();
        let wanted = json!({"scope": "organization", "owner": "", "zone": "eu", "size": "s"});
        assert_eq!(tags, wanted);
    });
}

#[test]
fn a_version_without_any_source_file_has_no_parameters() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "echo");
        let workspace = follower(&template, "dev", &[("left", "x")]);
        let version = template.new_version("pushed").create();
        version.source(&[("0.plan.protobuf", "")]);
        version.activate();
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        assert_eq!(values(&workspace), []);
    });
}

#[test]
fn an_archive_that_is_missing_or_unreadable_blocks() {
    on_versions(&RENDERING, |product, operator| {
        for (name, archive) in [
            ("missing", None),
            ("empty", Some("")),
            ("junk", Some("junk")),
        ] {
            let template = rendered(product, name);
            let workspace = follower(&template, "dev", &[]);
            let version = template.new_version("pushed").create();
            version.terraform_values("1.18");
            if let Some(bytes) = archive {
                version.imported_from("application/x-tar", bytes.as_bytes());
            }
            version.activate();
            let blocked = "start autostart blocked version_change_dynamic";
            assert_eq!(operator.outcome(&workspace, RUN), blocked, "{name}");
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn a_version_that_the_product_renders_by_its_rows_needs_no_source() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let workspace = follower(&template, "dev", &[("gpu", "1")]);
        let version = template
            .new_version("pushed")
            .parameter(
                parameter("gpu")
                    .kind("bool")
                    .set_if_there("form_type", "checkbox"),
            )
            .parameter(parameter("asked"))
            .create();
        version.activate();
        for provisioner in [None, Some("1.5")] {
            if let Some(version_of_it) = provisioner {
                version.terraform_values(version_of_it);
            }
            assert_eq!(operator.outcome(&workspace, RUN), START, "{provisioner:?}");
        }
        operator.tick(RUN);
        assert_eq!(values(&workspace), [pair("asked", ""), pair("gpu", "1")]);
    });
}

#[test]
fn a_stop_of_a_static_version_is_resolved_like_a_start() {
    on_versions(&RENDERING, |product, operator| {
        let template = rendered(product, "docker");
        let version = pushed(&template, STATIC, |version| version.parameter(size()));
        let workspace = template.workspace("dev").create();
        workspace
            .build(Transition::Start)
            .version(version.id)
            .deadline(RUN)
            .parameter("size", "s")
            .parameter("gone", "x")
            .create();
        assert_eq!(operator.outcome(&workspace, RUN), "stop autostop built");
        operator.tick(RUN);
        assert_eq!(values(&workspace), [pair("size", "s")]);
    });
}
