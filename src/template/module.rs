//! The blocks of one folder of the source, by what they are.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Attribute, Block, BlockLabel, Body};

use super::file::File;
use super::proved::Reason;

/// Kinds of blocks at the top of a file, and how many labels each has. A file with another is
/// dropped whole by the renderer, silently; Terraform refuses it, or it is too new to be known.
const TOP: &[(&str, usize)] = &[
    ("terraform", 0),
    ("provider", 1),
    ("variable", 1),
    ("locals", 0),
    ("output", 1),
    ("module", 1),
    ("resource", 2),
    ("data", 2),
    ("moved", 0),
    ("import", 0),
];

/// Something of a file.
#[derive(Debug)]
pub(super) struct In<'a, T> {
    pub(super) file: &'a File,
    pub(super) it: &'a T,
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

impl<'a, T> In<'a, T> {
    /// Something else of the same file.
    pub(super) fn with<U>(self, it: &'a U) -> In<'a, U> {
        In {
            file: self.file,
            it,
        }
    }
}

impl<T: Span> In<'_, T> {
    pub(super) fn reason(&self, what: impl Into<String>) -> Reason {
        self.file.reason(self.it.span(), what)
    }
}

/// A folder's blocks.
#[derive(Debug, Default)]
pub(super) struct Module<'a> {
    pub(super) variables: BTreeMap<&'a str, In<'a, Block>>,
    pub(super) locals: BTreeMap<&'a str, In<'a, Attribute>>,
    pub(super) locals_blocks: usize,
    pub(super) outputs: BTreeMap<&'a str, In<'a, Block>>,
    pub(super) calls: BTreeMap<&'a str, In<'a, Block>>,
    /// Managed resources, by type and name.
    pub(super) resources: BTreeMap<(&'a str, &'a str), In<'a, Block>>,
    /// Data sources, by type and name.
    pub(super) data: BTreeMap<(&'a str, &'a str), In<'a, Block>>,
    /// What makes the folder as a whole unknown.
    pub(super) reasons: Vec<Reason>,
}

/// What a block is called by its first label.
pub(super) fn label(block: &Block, at: usize) -> &str {
    block.labels.get(at).map_or("", |label| match label {
        BlockLabel::Ident(name) => name.as_str(),
        BlockLabel::String(name) => name.as_str(),
    })
}

/// An expression in brackets, without them.
pub(super) fn bare(mut expression: &Expression) -> &Expression {
    while let Expression::Parenthesis(inner) = expression {
        expression = inner.inner();
    }
    expression
}

/// Values that the renderer makes up for a block of AWS, a few more than were seen.
const OF_AWS: [&str; 10] = [
    "account_id",
    "arn",
    "bucket",
    "caller_id",
    "json",
    "name",
    "partition",
    "policy",
    "region",
    "user_id",
];

/// Does the renderer give a call of a module this value of its own? It takes the module's label
/// for the type of a resource.
pub(super) fn is_injected(label: &str, name: &str) -> bool {
    name == "id"
        || label.starts_with("random_")
        || (label.starts_with("aws_") && OF_AWS.contains(&name))
}

/// Does a block have count or for_each?
pub(super) fn is_repeated(block: &Block) -> bool {
    block.body.has_attribute("count") || block.body.has_attribute("for_each")
}

impl<'a> Module<'a> {
    pub(super) fn read(files: &'a [File]) -> Module<'a> {
        let mut module = Module::default();
        for file in files {
            module.add(file, file.body());
        }
        module
    }

    /// Its parameters, in order of the names that the source gives them.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'a str, In<'a, Block>)> + '_ {
        self.data_of("coder_parameter")
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = (&'a str, In<'a, Block>)> + '_ {
        self.data_of("coder_workspace_tags")
    }

    fn data_of(&self, kind: &'static str) -> impl Iterator<Item = (&'a str, In<'a, Block>)> + '_ {
        let chosen = self.data.iter().filter(move |((of, _), _)| *of == kind);
        chosen.map(|((_, name), block)| (*name, *block))
    }

    fn add(&mut self, file: &'a File, body: &'a Body) {
        if let Some(attribute) = body.attributes().next() {
            let what = "an attribute at the top of the file";
            self.reasons.push(file.reason(attribute.span(), what));
        }
        for block in body.blocks() {
            let kind = block.ident.as_str();
            let found = In { file, it: block };
            let Some((_, labels)) = TOP.iter().find(|(known, _)| *known == kind) else {
                let what = format!("a block {kind} at the top of the file");
                self.reasons.push(found.reason(what));
                continue;
            };
            if block.labels.len() != *labels {
                let what = format!("a block {kind} with another number of labels");
                self.reasons.push(found.reason(what));
                continue;
            }
            let (first, second) = (label(block, 0), label(block, 1));
            let replaced = match kind {
                "variable" => self.variables.insert(first, found).is_some(),
                "output" => self.outputs.insert(first, found).is_some(),
                "module" => self.calls.insert(first, found).is_some(),
                "resource" => self.resources.insert((first, second), found).is_some(),
                "data" => self.data.insert((first, second), found).is_some(),
                "locals" => self.add_locals(found),
                _ => false,
            };
            if replaced {
                self.reasons
                    .push(found.reason(format!("{kind} {first} is there twice")));
            }
        }
    }

    fn add_locals(&mut self, block: In<'a, Block>) -> bool {
        self.locals_blocks += 1;
        if let Some(inner) = block.it.body.blocks().next() {
            self.reasons
                .push(block.with(inner).reason("a block in locals"));
        }
        let mut replaced = false;
        for attribute in block.it.body.attributes() {
            let earlier = self
                .locals
                .insert(attribute.key.as_str(), block.with(attribute));
            replaced |= earlier.is_some();
        }
        replaced
    }
}
