//! Proofs about templates' sources.
//!
//! An input is a template as text: a line `@@ file PATH` begins a file, `@@ module PATH` one of
//! the module archive; `@@ folder PATH` and `@@ module_folder PATH` are folders; below
//! `@@ parameter` and `@@ variable` stands a stored row in JSON. An input that begins with `t`
//! or `z` and a NUL is an archive itself, tar or zip.

use serde::Deserialize;
use serde_json::Value;
use tar::{Builder, EntryType, Header};
use workspace_autobuild::new_build::inputs::{Definition, TagValue};
use workspace_autobuild::template::{Proved, Source, StoredParameter, Variable, prove};

/// No reason is longer: two cut texts.
const LONG: usize = 4200;
/// Shorter values may stand in a sentence by chance.
const TELLING: usize = 8;

/// A template with its stored rows.
pub fn template(data: &[u8]) {
    match data {
        [b't', 0, archive @ ..] => proved(archive, "application/x-tar", &Rows::default(), b""),
        [b'z', 0, archive @ ..] => proved(archive, "application/zip", &Rows::default(), b""),
        _ => {
            let text = String::from_utf8_lossy(data);
            let (archive, modules, rows) = read(&text);
            proved(&archive, "application/x-tar", &rows, &modules);
        }
    }
}

#[derive(Default)]
struct Rows {
    parameters: Vec<StoredParameter>,
    variables: Vec<Variable>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    default_value: String,
    value: String,
    required: bool,
    mutable: bool,
    ephemeral: bool,
    options: Value,
    validation_regex: String,
    validation_error: String,
    validation_min: Option<i32>,
    validation_max: Option<i32>,
    validation_monotonic: String,
    form_type: String,
}

impl Row {
    fn parameter(self) -> StoredParameter {
        StoredParameter {
            definition: Definition {
                name: self.name,
                kind: self.kind,
                default_value: self.default_value,
                required: self.required,
                ephemeral: self.ephemeral,
                options: (!self.options.is_null()).then(|| self.options.to_string()),
                validation_regex: self.validation_regex,
                validation_error: self.validation_error,
                validation_min: self.validation_min,
                validation_max: self.validation_max,
                validation_monotonic: self.validation_monotonic,
                form_type: self.form_type,
                legacy_variable_name: String::new(),
            },
            mutable: self.mutable,
        }
    }

    fn variable(self) -> Variable {
        Variable {
            name: self.name,
            kind: self.kind,
            value: self.value,
            default_value: self.default_value,
        }
    }
}

/// The template's archive, that of its modules, and the rows.
fn read(text: &str) -> (Vec<u8>, Vec<u8>, Rows) {
    let mut archive = Builder::new(Vec::new());
    let mut modules = Builder::new(Vec::new());
    let mut rows = Rows::default();
    for section in text.split("@@ ").skip(1) {
        let (head, content) = section.split_once('\n').unwrap_or((section, ""));
        let (kind, path) = head.split_once(' ').unwrap_or((head, ""));
        match kind {
            "file" => append(&mut archive, path, EntryType::Regular, content),
            "folder" => append(&mut archive, path, EntryType::Directory, ""),
            "module" => append(&mut modules, path, EntryType::Regular, content),
            "module_folder" => append(&mut modules, path, EntryType::Directory, ""),
            "parameter" => {
                let row = serde_json::from_str::<Row>(content);
                rows.parameters.extend(row.map(Row::parameter));
            }
            "variable" => {
                let row = serde_json::from_str::<Row>(content);
                rows.variables.extend(row.map(Row::variable));
            }
            _ => {}
        }
    }
    let bytes = |builder: Builder<Vec<u8>>| builder.into_inner().expect("written to memory");
    (bytes(archive), bytes(modules), rows)
}

fn append(builder: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, content: &str) {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let name = &mut header.as_old_mut().name;
    for (to, from) in name.iter_mut().zip(path.bytes()) {
        *to = from;
    }
    header.set_cksum();
    let appended = builder.append(&header, content.as_bytes());
    appended.expect("written to memory");
}

/// What holds for every proof.
fn proved(archive: &[u8], mimetype: &str, rows: &Rows, modules: &[u8]) {
    let source = Source {
        archive,
        mimetype,
        modules: (!modules.iter().all(|byte| *byte == 0)).then_some(modules),
        parameters: &rows.parameters,
        variables: &rows.variables,
    };
    let proved = prove(&source);
    assert_eq!(proved, prove(&source), "another time another answer");
    match proved {
        Proved::Unknown(reasons) => {
            assert!(!reasons.is_empty());
            for reason in reasons {
                assert!(reason.line.is_none() || reason.file.is_some(), "{reason:?}");
                assert_ne!(reason.line, Some(0), "{reason:?}");
                let text = reason.to_string();
                assert!(text.len() < LONG, "{text}");
                assert!(!text.chars().any(char::is_control), "{text:?}");
                for value in values(rows) {
                    assert!(!text.contains(value) || named(value, rows), "{text}");
                }
            }
        }
        Proved::Static(found) => {
            for name in &found.null_defaults {
                let row = rows
                    .parameters
                    .iter()
                    .find(|row| row.definition.name == *name);
                assert!(row.expect("a stored parameter").definition.required);
            }
            for value in found.tags.iter().flat_map(|block| block.values()) {
                if let TagValue::Parameter(name) = value {
                    assert!(
                        rows.parameters
                            .iter()
                            .any(|row| row.definition.name == *name)
                    );
                }
            }
        }
    }
}

/// What no reason shows.
fn values(rows: &Rows) -> impl Iterator<Item = &str> {
    let variables = rows.variables.iter();
    let variables = variables.flat_map(|row| [&row.value, &row.default_value]);
    let parameters = rows
        .parameters
        .iter()
        .map(|row| &row.definition.default_value);
    let values = variables.chain(parameters).map(String::as_str);
    values.filter(|value| value.len() >= TELLING)
}

/// Is it, or a part of it, also a name?
fn named(value: &str, rows: &Rows) -> bool {
    let parameters = rows.parameters.iter().map(|row| &row.definition.name);
    let variables = rows.variables.iter().map(|row| &row.name);
    let mut names = parameters.chain(variables);
    names.any(|name| name.contains(value) || value.contains(name.as_str()))
}
