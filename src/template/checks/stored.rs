//! What rows say of the parameter that a block makes.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::template::number::{is_plain_number, is_written_otherwise};
use crate::template::source::StoredParameter;

/// What the row of a block says, or what any of the rows says that it may have made.
#[derive(Debug, Default)]
pub(crate) struct Stored<'a> {
    /// A row is required.
    pub(super) required: bool,
    /// A row is not required.
    pub(super) optional: bool,
    pub(super) mutable: bool,
    pub(super) ephemeral: bool,
    pub(super) kinds: BTreeSet<&'a str>,
    pub(super) defaults: BTreeSet<&'a str>,
    /// A default is a number that the renderer writes otherwise.
    pub(super) rewritten_default: bool,
    /// The options can't be read.
    pub(super) unreadable: bool,
    /// An option's name may have been made of a number or a bool.
    pub(super) made_name: bool,
    /// An option's value is a number that the renderer writes otherwise.
    pub(super) rewritten_value: bool,
    /// A row shows a validation.
    pub(super) validated: bool,
    /// A row shows none.
    pub(super) unvalidated: bool,
}

/// An option as a row has it.
#[derive(Deserialize)]
struct StoredOption {
    name: String,
    value: String,
}

impl<'a> Stored<'a> {
    pub(super) fn add(&mut self, row: &'a StoredParameter) {
        let definition = &row.definition;
        self.required |= definition.required;
        self.optional |= !definition.required;
        self.mutable |= row.mutable;
        self.ephemeral |= definition.ephemeral;
        self.kinds.insert(&definition.kind);
        self.defaults.insert(&definition.default_value);
        self.rewritten_default |= is_written_otherwise(&definition.default_value);
        let options: Option<Vec<StoredOption>> = match &definition.options {
            Some(options) => serde_json::from_str(options).unwrap_or_else(|_| {
                self.unreadable = true;
                None
            }),
            None => None,
        };
        for option in options.unwrap_or_default() {
            let (name, value) = (&*option.name, &*option.value);
            self.made_name |= is_plain_number(name) || matches!(name, "true" | "false");
            self.rewritten_value |= is_written_otherwise(value);
        }
        let texts = [
            &definition.validation_regex,
            &definition.validation_error,
            &definition.validation_monotonic,
        ];
        let validated = definition.validation_min.is_some()
            || definition.validation_max.is_some()
            || texts.iter().any(|text| !text.is_empty());
        self.validated |= validated;
        self.unvalidated |= !validated;
    }
}
