//! Templates with what the product made of each: never static where a render differed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::new_build::inputs::{Definition, TagValue};
use crate::template::{Proved, Source, StoredParameter, Variable, prove};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dynamic")
}

fn expected() -> Vec<Value> {
    let text = fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The archive of a template, with an entry for each folder if `form` doesn't say otherwise.
fn archive(name: &str, form: Option<&str>) -> Vec<u8> {
    fn add(tar: &mut tar::Builder<Vec<u8>>, root: &Path, path: &Path, form: Option<&str>) {
        let mut inside: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        inside.sort_by_key(|entry| entry.path());
        for entry in inside {
            let path = entry.path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let name = if form == Some("dot_slash") {
                format!("./{name}")
            } else {
                name
            };
            let mut header = tar::Header::new_gnu();
            if path.is_dir() {
                if form != Some("no_directories") {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{name}/"), &[][..])
                        .unwrap();
                }
                add(tar, root, &path, form);
            } else {
                let content = fs::read(&path).unwrap();
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, name, &*content).unwrap();
            }
        }
    }
    let root = folder().join(name);
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, &root, &root, form);
    tar.into_inner().unwrap()
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap().to_owned()
}

fn parameter(row: &Value) -> StoredParameter {
    let options = &row["options"];
    let whole = |name: &str| {
        row[name]
            .as_i64()
            .map(|number| i32::try_from(number).unwrap())
    };
    StoredParameter {
        mutable: row["mutable"].as_bool().unwrap(),
        definition: Definition {
            name: text(row, "name"),
            kind: text(row, "type"),
            default_value: text(row, "default_value"),
            required: row["required"].as_bool().unwrap(),
            ephemeral: row["ephemeral"].as_bool().unwrap(),
            options: (!options.is_null()).then(|| options.to_string()),
            validation_regex: text(row, "validation_regex"),
            validation_error: text(row, "validation_error"),
            validation_min: whole("validation_min"),
            validation_max: whole("validation_max"),
            validation_monotonic: text(row, "validation_monotonic"),
            form_type: text(row, "form_type"),
            legacy_variable_name: String::new(),
        },
    }
}

fn variable(row: &Value) -> Variable {
    Variable {
        name: text(row, "name"),
        kind: text(row, "type"),
        value: text(row, "value"),
        default_value: text(row, "default_value"),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = alphabet.iter().position(|known| *known == letter).unwrap();
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

fn proved(template: &Value) -> Proved {
    let rows = &template["rows"];
    let list = |name: &str| rows[name].as_array().unwrap().iter();
    let parameters: Vec<_> = list("template_version_parameters").map(parameter).collect();
    let variables: Vec<_> = list("template_version_variables").map(variable).collect();
    let modules = template["module_files_tar_base64"].as_str().map(base64);
    prove(&Source {
        archive: &archive(
            template["name"].as_str().unwrap(),
            template["archive"].as_str(),
        ),
        mimetype: "application/x-tar",
        modules: modules.as_deref(),
        parameters: &parameters,
        variables: &variables,
    })
}

#[test]
fn a_template_of_which_a_render_differs_from_the_rows_is_never_static() {
    for template in expected() {
        let agree = template["renders_agree"] == true && template["stored_agree"] == true;
        // The product renders this one by its rows, whatever its source.
        let by_rows = template["reference_walk"]["static"].is_null();
        if !agree && !by_rows {
            let proved = proved(&template);
            assert!(matches!(proved, Proved::Unknown(_)), "{}", template["name"]);
        }
    }
}

#[test]
fn what_another_walk_calls_static_is_static_with_the_same_null_defaults_and_tags() {
    let mut others = Vec::new();
    for template in expected() {
        let reference = &template["reference_walk"];
        if reference["static"] != true {
            continue;
        }
        match proved(&template) {
            Proved::Static(proved) => {
                let named = reference["null_defaults"].as_array().into_iter().flatten();
                let named: BTreeSet<String> = named
                    .map(|name| name.as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(proved.null_defaults, named, "{}", template["name"]);
                let evaluated = reference["tags"] == "evaluated";
                assert_eq!(!proved.tags.is_empty(), evaluated, "{}", template["name"]);
            }
            Proved::Unknown(reasons) => {
                let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                others.push(format!("{}: {}", template["name"], told.join("; ")));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn what_another_walk_calls_unknown_is_unknown_and_says_where() {
    let mut elsewhere = Vec::new();
    for template in expected() {
        let reference = &template["reference_walk"];
        if reference["static"] != false {
            continue;
        }
        let Proved::Unknown(reasons) = proved(&template) else {
            panic!("{} is static", template["name"]);
        };
        let file = reference["file"].as_str().unwrap();
        let line = reference["line"].as_u64().filter(|line| *line > 0);
        let found = reasons.iter().any(|reason| {
            reason.file.as_deref() == Some(file) && reason.line.map(u64::from) == line
        });
        if !found {
            elsewhere.push(template["name"].as_str().unwrap().to_owned());
        }
    }
    // Ours names the attribute or the block, not the parameter or the use; a missing folder at
    // the call; a chain at its end.
    let known = [
        "image_variable_empty",
        "locals_long",
        "number_account",
        "number_tiny",
        "kind_mutable_text",
        "kind_validation_empty",
        "module_id",
        "module_no_directories",
        "module_remote_missing",
        "tags_merge",
    ];
    assert_eq!(elsewhere, known);
}

#[test]
fn tags_are_those_that_the_product_gives_its_jobs() {
    let mut compared = 0;
    for template in expected() {
        if template["reference_walk"]["tags"] != "evaluated" {
            continue;
        }
        let Proved::Static(proved) = proved(&template) else {
            panic!("{} is unknown", template["name"]);
        };
        for resolution in template["resolutions"].as_array().unwrap() {
            let Some(tags) = resolution["tags"].as_object() else {
                continue;
            };
            for (key, value) in proved.tags.iter().flatten() {
                let value = match value {
                    TagValue::Literal(text) => text.as_str(),
                    TagValue::Parameter(name) => resolution["values"][name].as_str().unwrap(),
                };
                assert_eq!(tags[key], value, "{} {key}", template["name"]);
                compared += 1;
            }
        }
    }
    assert!(compared >= 3, "{compared}");
}
