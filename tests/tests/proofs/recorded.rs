//! The templates of `tests/data/dynamic`, imported into a real product: a workspace for each
//! recorded build, started by one tick, has what the product stored, or is blocked.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use workspace_autobuild_tests::autobuild::{RUN, on_versions};
use workspace_autobuild_tests::product::source::archive;
use workspace_autobuild_tests::product::{
    Fields, NewParameter, Template, TemplateVersion, Value, parameter,
};
use workspace_autobuild_tests::{Product, Version};

use super::support::*;

/// A template with what the product made of it; see the README there.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    job_tags: Json,
    import: Import,
    rows: Rows,
    module_files_tar_base64: Option<String>,
    archive: Option<String>,
    reference_walk: Walk,
    resolutions: Vec<Resolution>,
}

#[derive(Deserialize)]
struct Import {
    ok: bool,
}

#[derive(Deserialize)]
struct Walk {
    #[serde(rename = "static")]
    is_static: Option<bool>,
}

#[derive(Deserialize)]
struct Rows {
    template_version_parameters: Vec<Map<String, Json>>,
    template_version_variables: Vec<Map<String, Json>>,
    provisionerd_version: String,
    terraform_values_row: bool,
}

/// A build: what it began with, and what came of it.
#[derive(Deserialize)]
struct Resolution {
    previous: BTreeMap<String, String>,
    build: Option<Json>,
    preset: Option<Json>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    refused: bool,
    tags: Option<Json>,
}

impl Resolution {
    /// A user's build; ours give no values.
    fn is_by_a_user(&self) -> bool {
        self.build.is_some() || self.preset.is_some()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dynamic")
}

fn recorded() -> Vec<Recorded> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the recorded answers");
    serde_json::from_str(&text).expect("their shape")
}

fn text(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::from(text),
        Json::Null => Value::NULL,
        other => Value::from(other.to_string()),
    }
}

fn defined(row: &Map<String, Json>) -> NewParameter {
    let name = row["name"].as_str().expect("a name");
    let others = row.iter().filter(|(key, _)| *key != "name");
    others.fold(parameter(name), |parameter, (key, value)| {
        let value = match key.as_str() {
            "options" => Value::from(value.clone()),
            _ => text(value),
        };
        parameter.set(key, value)
    })
}

/// The files of a template, by their paths in it.
fn files(of: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![of.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(of).expect("below it").to_str();
                let bytes = fs::read(&path).expect("a file");
                found.push((name.expect("a plain name").to_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}

fn imported<'p>(template: &Template<'p>, recorded: &Recorded) -> TemplateVersion<'p> {
    let parameters = recorded.rows.template_version_parameters.iter();
    let version = parameters.fold(template.new_version("recorded"), |version, row| {
        version.parameter(defined(row))
    });
    let version = version.tags(recorded.job_tags.clone()).create();
    let files = files(&folder().join(&recorded.name));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    version.imported_from("application/x-tar", &archive(&files));
    if recorded.rows.terraform_values_row {
        version.terraform_values(&recorded.rows.provisionerd_version);
    }
    if let Some(modules) = &recorded.module_files_tar_base64 {
        version.modules_in_base64(modules);
    }
    for row in &recorded.rows.template_version_variables {
        let field = |key: &str| row[key].as_str().unwrap_or_default();
        version.variable(
            field("name"),
            field("type"),
            field("value"),
            field("default_value"),
        );
    }
    version.activate();
    version
}

/// A workspace for each build that a user did not make, in their order.
fn workspaces(product: &Product, recorded: &Recorded) -> Vec<(uuid::Uuid, usize)> {
    let template = rendered(product, &recorded.name.replace('_', "-"));
    imported(&template, recorded);
    let builds = recorded.resolutions.iter().enumerate();
    builds
        .filter(|(_, build)| !build.is_by_a_user())
        .map(|(number, build)| {
            let values: Vec<(&str, &str)> = build
                .previous
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let workspace = follower(
                &template,
                &format!("{}-{number}", recorded.name.replace('_', "-")),
                &values,
            );
            (workspace.id, number)
        })
        .collect()
}

#[test]
fn every_recorded_build_is_made_as_the_product_made_it_or_is_blocked() {
    let all = recorded();
    let importable = |recorded: &&Recorded| recorded.import.ok && recorded.archive.is_none();
    on_versions(&RENDERING, |product, operator| {
        let version: Version = product.version();
        let mut expected: HashMap<uuid::Uuid, (&Recorded, &Resolution)> = HashMap::new();
        for recorded in all.iter().filter(importable) {
            for (id, number) in workspaces(product, recorded) {
                expected.insert(id, (recorded, &recorded.resolutions[number]));
            }
        }
        let rows = operator.tick(RUN);
        assert_eq!(rows.len(), expected.len(), "{version}: all are due");
        let (mut built, mut refused, mut unknown) = (0, 0, 0);
        for row in &rows {
            let (recorded, build) = expected[&row.workspace_id];
            let name = &recorded.name;
            let code = row.code.as_deref().unwrap_or_default();
            if code == "version_change_dynamic" || code == "version_change_workspace_tags" {
                assert_ne!(recorded.reference_walk.is_static, None, "{name}: {row:?}");
                unknown += 1;
                continue;
            }
            if build.refused {
                assert!(code.starts_with("parameter_"), "{version} {name}: {row:?}");
                refused += 1;
                continue;
            }
            let Some(id) = row.build_id else {
                panic!("{version} {name}: {row:?}");
            };
            let stored: BTreeMap<String, String> = product
                .rows(&format!(
                    "SELECT name, value FROM workspace_build_parameters
                      WHERE workspace_build_id = '{id}'"
                ))
                .into_iter()
                .map(|row| {
                    (
                        row[0].clone().unwrap_or_default(),
                        row[1].clone().unwrap_or_default(),
                    )
                })
                .collect();
            assert_eq!(stored, build.values, "{version} {name}");
            let job = row.job_id.expect("a job");
            let tags = product.by_id("provisioner_jobs", job)["tags"].clone();
            assert_eq!(Some(tags), build.tags, "{version} {name}");
            built += 1;
        }
        let of_static = expected
            .values()
            .filter(|(recorded, _)| recorded.reference_walk.is_static != Some(false))
            .count();
        assert!(
            built + refused >= of_static - of_static / 20,
            "{version}: {built} built, {refused} refused, {unknown} unknown, of {of_static}"
        );
        assert!(
            built > 20 && refused > 5 && unknown > 20,
            "{built} {refused} {unknown}"
        );
    });
}
