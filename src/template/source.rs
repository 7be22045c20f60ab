//! What a proof is made from.

use crate::new_build::inputs::Definition;

/// A version as the product's tables hold it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// `files.data` of the import job: the template's archive.
    pub archive: &'a [u8],
    /// `files.mimetype` of it.
    pub mimetype: &'a str,
    /// `files.data` of `template_version_terraform_values.cached_module_files`; `None` for
    /// NULL.
    pub modules: Option<&'a [u8]>,
    /// The rows of `template_version_parameters`.
    pub parameters: &'a [StoredParameter],
    /// The rows of `template_version_variables`.
    pub variables: &'a [Variable],
}

/// A row of `template_version_parameters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredParameter {
    /// What builds are checked by.
    pub definition: Definition,
    /// `mutable`.
    pub mutable: bool,
}

/// A row of `template_version_variables`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `name`.
    pub name: String,
    /// `type`; the product stores `string`, `number`, `bool`, another type or nothing.
    pub kind: String,
    /// `value`; a secret may be in it, so no message shows it.
    pub value: String,
    /// `default_value`.
    pub default_value: String,
}
