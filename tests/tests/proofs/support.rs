//! A workspace that follows its template to a version with a source.

use serde_json::json;
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{HOURLY, STOPPED};
use workspace_autobuild_tests::product::{
    Fields, NewParameter, NewVersion, Template, TemplateVersion, Workspace, parameter,
};
use workspace_autobuild_tests::{Product, Transition, Version};

/// The versions that render templates at each build.
pub const RENDERING: [Version; 4] = [
    Version::V2_25_0,
    Version::V2_30_0,
    Version::V2_34_3,
    Version::V2026_06,
];

/// A source with one parameter, whose row is [`size`].
pub const STATIC: &str = r#"
data "coder_parameter" "size" {
  name    = "size"
  type    = "string"
  default = "m"
  mutable = true
  option {
    name  = "Small"
    value = "s"
  }
  option {
    name  = "Medium"
    value = "m"
  }
}
"#;

/// A source whose parameter has another default for each owner, on line 4.
pub const OF_THE_OWNER: &str = r#"
data "coder_workspace_owner" "me" {}
data "coder_parameter" "mail" {
  default = data.coder_workspace_owner.me.email
  name    = "mail"
  type    = "string"
  mutable = true
}
"#;

/// The parameter of [`STATIC`].
pub fn size() -> NewParameter {
    parameter("size")
        .default("m")
        .set(
            "options",
            json!([{"name": "Small", "value": "s"}, {"name": "Medium", "value": "m"}]),
        )
        .set_if_there("form_type", "radio")
}

/// The parameter of [`OF_THE_OWNER`].
pub fn mail() -> NewParameter {
    parameter("mail")
        .default("a@example.com")
        .set_if_there("form_type", "input")
}

/// A template that the product renders at each build.
#[track_caller]
pub fn rendered<'p>(product: &'p Product, name: &str) -> Template<'p> {
    product
        .template(name)
        .set("use_classic_parameter_flow", false)
        .create()
}

/// A workspace that follows its template, stopped on the first version with these values.
#[track_caller]
pub fn follower<'p>(template: &Template<'p>, name: &str, values: &[(&str, &str)]) -> Workspace<'p> {
    stopped(template, template.version, name, values)
}

/// The same, stopped on this version.
#[track_caller]
pub fn stopped<'p>(
    template: &Template<'p>,
    version: Uuid,
    name: &str,
    values: &[(&str, &str)],
) -> Workspace<'p> {
    let workspace = template
        .workspace(name)
        .schedule(HOURLY)
        .set("automatic_updates", "always")
        .create();
    let build = workspace.build(Transition::Stop).created_at(STOPPED);
    let mut build = build.version(version);
    for (name, value) in values {
        build = build.parameter(name, value);
    }
    build.create();
    workspace
}

/// A new active version with this source.
#[track_caller]
pub fn pushed<'p>(
    template: &Template<'p>,
    source: &str,
    say: impl FnOnce(NewVersion<'p>) -> NewVersion<'p>,
) -> TemplateVersion<'p> {
    let version = say(template.new_version("pushed")).create();
    version.source(&[("main.tf", source)]);
    version.activate();
    version
}

/// The parameters of the latest build, by name.
#[track_caller]
pub fn values(workspace: &Workspace<'_>) -> Vec<(String, String)> {
    let build = workspace.latest_build();
    assert_eq!(build.number, 2, "it was built");
    build.read_parameters().into_iter().collect()
}

pub fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
