//! Parameters' blocks and rows, which must match one to one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;

use super::stored::Stored;
use crate::template::module::{In, bare};
use crate::template::proved::Reason;
use crate::template::reach::{Place, Repeated, Seen, Walk};
use crate::template::source::StoredParameter;

/// Parameters, all together.
const MOST: usize = 2_000;

/// A parameter's block in a module that is called.
pub(crate) struct Parameter<'a> {
    pub(crate) call: usize,
    /// What the source calls the block.
    pub(crate) label: &'a str,
    pub(crate) block: In<'a, Block>,
    pub(crate) repeated: Repeated,
    /// Its name, where it is known.
    pub(crate) name: Option<Rc<str>>,
    /// Is the name written out in the block?
    pub(crate) literal: bool,
    /// Is it there, and only once?
    pub(crate) once: bool,
}

impl<'a> Parameter<'a> {
    /// Where its attributes stand.
    pub(super) fn place<'s>(&'s self) -> Place<'a, 's> {
        Place {
            call: self.call,
            file: self.block.file,
            repeated: &self.repeated,
            named: None,
        }
    }
}

/// The parameters of all modules that are called.
pub(crate) fn parameters<'a>(walk: &mut Walk<'a>) -> Vec<Parameter<'a>> {
    let mut found = Vec::new();
    for call in 0..walk.tree.calls.len() {
        let Some(module) = walk.module(call) else {
            continue;
        };
        let once = walk.is_called_once(call);
        for (label, block) in module.parameters() {
            if found.len() >= MOST || !walk.count(1) {
                walk.stop(Reason::of_rows(
                    "there are more parameters than are looked through",
                ));
                return found;
            }
            let mut parameter = Parameter {
                call,
                label,
                block,
                repeated: walk.repeated(call, block),
                name: None,
                literal: false,
                once: once && walk.is_once(call, block),
            };
            if let Some(name) = block.it.body.get_attribute("name") {
                parameter.literal = matches!(bare(&name.value), Expression::String(_));
                parameter.name = walk.look(parameter.place(), &name.value).1.known_text();
            }
            found.push(parameter);
        }
    }
    found
}

/// What rows say, by their names.
pub(crate) struct Rows<'a> {
    by_name: BTreeMap<&'a str, Stored<'a>>,
    none: Stored<'a>,
    /// What all rows say that only a block without a known name may have made.
    open: Stored<'a>,
}

impl<'a> Rows<'a> {
    /// What the rows say that a block may have made.
    pub(crate) fn of(&self, parameter: &Parameter<'_>) -> &Stored<'a> {
        match &parameter.name {
            Some(name) => self.by_name.get(&**name).unwrap_or(&self.none),
            None => &self.open,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

/// Puts blocks and rows together; what doesn't match speaks against a proof.
pub(crate) fn matched<'a>(
    walk: &mut Walk<'_>,
    parameters: &[Parameter<'_>],
    stored: &'a [StoredParameter],
    seen: &mut Seen,
) -> Rows<'a> {
    let mut by_name: BTreeMap<&str, Stored<'_>> = BTreeMap::new();
    for row in stored {
        by_name.entry(&row.definition.name).or_default().add(row);
    }
    if by_name.len() < stored.len() {
        walk.note(seen, Reason::of_rows("two rows have one name"));
    }
    let mut names = BTreeSet::new();
    for parameter in parameters {
        let Some(name) = &parameter.name else {
            continue;
        };
        if !names.insert(&**name) {
            let what = format!("parameter {name} is in two blocks");
            walk.note(seen, parameter.block.reason(what));
        }
        if parameter.once && !by_name.contains_key(&**name) {
            let what = format!("parameter {name} has no row");
            walk.note(seen, parameter.block.reason(what));
        }
    }
    let open: Vec<&StoredParameter> = stored
        .iter()
        .filter(|row| !names.contains(row.definition.name.as_str()))
        .collect();
    let unnamed = || {
        parameters
            .iter()
            .filter(|parameter| parameter.name.is_none())
    };
    let (least, all_once) = (
        unnamed().filter(|parameter| parameter.once).count(),
        unnamed().all(|parameter| parameter.once),
    );
    if open.len() < least {
        let what = "there are fewer rows than parameters in the source";
        walk.note(seen, Reason::of_rows(what));
    }
    if all_once && open.len() > least {
        for row in &open {
            let what = format!("the row of parameter {} has no block", row.definition.name);
            walk.note(seen, Reason::of_rows(what));
        }
    }
    let mut any = Stored::default();
    open.into_iter().for_each(|row| any.add(row));
    Rows {
        by_name,
        none: Stored::default(),
        open: any,
    }
}
