//! Templates that are written in a test: files, rows, and the proof of both.

use std::collections::{BTreeMap, BTreeSet};

use crate::new_build::inputs::{Definition, Static};
use crate::template::{Proved, Reason, Source, StoredParameter, Variable, prove};

/// A template with its rows.
#[derive(Default)]
pub(super) struct Written {
    files: Vec<(String, String)>,
    modules: Option<Vec<(String, String)>>,
    parameters: Vec<StoredParameter>,
    variables: Vec<Variable>,
}

/// A template with this as its `main.tf`.
pub(super) fn template(main: &str) -> Written {
    Written::default().file("main.tf", main)
}

/// A row of a text parameter whose default is the empty text.
pub(super) fn row(name: &str) -> StoredParameter {
    StoredParameter {
        mutable: false,
        definition: Definition {
            name: name.to_owned(),
            kind: "string".to_owned(),
            default_value: String::new(),
            required: false,
            ephemeral: false,
            options: None,
            validation_regex: String::new(),
            validation_error: String::new(),
            validation_min: None,
            validation_max: None,
            validation_monotonic: String::new(),
            form_type: "input".to_owned(),
            legacy_variable_name: String::new(),
        },
    }
}

/// What tests change of a row.
pub(super) trait Row: Sized {
    fn with(self, change: impl FnOnce(&mut StoredParameter)) -> Self;

    fn default(self, default: &str) -> Self {
        self.with(|row| row.definition.default_value = default.to_owned())
    }

    fn number(self) -> Self {
        self.with(|row| row.definition.kind = "number".to_owned())
    }

    fn required(self) -> Self {
        self.with(|row| row.definition.required = true)
    }

    fn mutable(self) -> Self {
        self.with(|row| row.mutable = true)
    }

    fn max(self, max: i32) -> Self {
        self.with(|row| row.definition.validation_max = Some(max))
    }

    fn options(self, options: &[(&str, &str)]) -> Self {
        let options = options.iter();
        let options: Vec<serde_json::Value> = options
            .map(|(name, value)| serde_json::json!({"name": name, "value": value}))
            .collect();
        self.with(|row| row.definition.options = Some(serde_json::Value::from(options).to_string()))
    }
}

impl Row for StoredParameter {
    fn with(mut self, change: impl FnOnce(&mut StoredParameter)) -> Self {
        change(&mut self);
        self
    }
}

impl Written {
    pub(super) fn file(mut self, path: &str, text: &str) -> Written {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A remote module with this as its `main.tf`.
    pub(super) fn remote(mut self, key: &str, text: &str) -> Written {
        let modules = self.modules.get_or_insert_default();
        modules.push((key.to_owned(), text.to_owned()));
        self
    }

    pub(super) fn row(mut self, row: StoredParameter) -> Written {
        self.parameters.push(row);
        self
    }

    pub(super) fn variable(self, name: &str, kind: &str, value: &str) -> Written {
        self.variable_with_default(name, kind, value, value)
    }

    pub(super) fn variable_with_default(
        mut self,
        name: &str,
        kind: &str,
        value: &str,
        default: &str,
    ) -> Written {
        self.variables.push(Variable {
            name: name.to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
            default_value: default.to_owned(),
        });
        self
    }

    pub(super) fn proved(&self) -> Proved {
        let modules = self.modules.as_ref().map(|modules| {
            let listed: Vec<serde_json::Value> = modules
                .iter()
                .map(|(key, _)| {
                    serde_json::json!({"Key": key, "Dir": format!(".terraform/modules/{key}")})
                })
                .collect();
            let list = serde_json::json!({ "Modules": listed }).to_string();
            let mut files = vec![(".terraform/modules/modules.json".to_owned(), list)];
            for (key, text) in modules {
                files.push((format!(".terraform/modules/{key}/main.tf"), text.clone()));
            }
            packed(&files)
        });
        prove(&Source {
            archive: &packed(&self.files),
            mimetype: "application/x-tar",
            modules: modules.as_deref(),
            parameters: &self.parameters,
            variables: &self.variables,
        })
    }

    pub(super) fn is_static(&self) -> Static {
        match self.proved() {
            Proved::Static(proved) => proved,
            Proved::Unknown(reasons) => panic!("unknown: {}", told(&reasons).join("; ")),
        }
    }

    /// What is told of why it is unknown.
    pub(super) fn reasons(&self) -> Vec<String> {
        match self.proved() {
            Proved::Static(_) => panic!("static"),
            Proved::Unknown(reasons) => told(&reasons),
        }
    }

    /// It is unknown for this alone.
    pub(super) fn is_unknown(&self, reason: &str) {
        assert_eq!(self.reasons(), [reason]);
    }
}

fn told(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(ToString::to_string).collect()
}

/// A tar of these files, with an entry for each folder.
pub(super) fn packed(files: &[(String, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for (path, text) in files {
        for (at, _) in path.match_indices('/') {
            if folders.insert(&path[..=at]) {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                tar.append_data(&mut header, &path[..=at], &[][..]).unwrap();
            }
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A parameter `p` with this as what follows its name.
pub(super) fn with(rest: &str) -> String {
    format!("data \"coder_parameter\" \"p\" {{\n  name = \"p\"\n{rest}\n}}\n")
}

/// The names of null defaults.
pub(super) fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    BTreeMap::from(names.map(|name| (name.to_owned(), ())))
        .into_keys()
        .collect()
}
