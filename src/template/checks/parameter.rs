//! What decides on a parameter, attribute by attribute.

use std::collections::BTreeSet;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Attribute;

use super::attribute::{cosmetic, depends_on, no_rewritten_number};
use super::option::{dynamic, option};
use super::rows::Parameter;
use super::stored::Stored;
use super::validation::validation;
use crate::template::module::{In, bare};
use crate::template::reach::{Seen, Walk};
use crate::template::shape::Kind;

/// Attributes that are only shown.
const COSMETIC: [&str; 4] = ["description", "display_name", "icon", "styling"];

/// Notes what speaks against one parameter, given the rows that it may have made. A default
/// that is null is no fault: its name is added to the others.
pub(crate) fn check<'a>(
    walk: &mut Walk<'a>,
    parameter: &Parameter<'a>,
    stored: &Stored<'_>,
    null_defaults: &mut BTreeSet<String>,
    seen: &mut Seen,
) {
    let block = parameter.block;
    let body = &block.it.body;
    walk.check_repeated(parameter.call, block, seen);
    if !body.has_attribute("name") {
        walk.note(seen, block.reason("a parameter has no name"));
    }
    for attribute in body.attributes() {
        let at = block.with(attribute);
        match attribute.key.as_str() {
            "default" => default(walk, parameter, at, stored, null_defaults, seen),
            key => check_attribute(walk, parameter, at, key, stored, seen),
        }
    }
    if !body.has_attribute("default") && stored.optional {
        walk.note(
            seen,
            block.reason("a parameter without a default whose row is not required"),
        );
    }
    let mut validations = 0;
    for inner in body.blocks() {
        if !walk.stopped.is_empty() {
            return;
        }
        let at = block.with(inner);
        match inner.ident.as_str() {
            "option" => option(walk, parameter.place(), at, stored, seen),
            "dynamic" => dynamic(walk, parameter.place(), at, stored, seen),
            "validation" => {
                validations += 1;
                if validations > 1 {
                    walk.note(seen, at.reason("a second validation block"));
                }
                validation(walk, parameter.place(), at, stored, seen);
            }
            kind => walk.note(seen, at.reason(format!("a block {kind} in a parameter"))),
        }
    }
    if validations == 0 && stored.validated {
        walk.note(
            seen,
            block.reason("a row has a validation that the parameter has not"),
        );
    }
}

fn check_attribute<'a>(
    walk: &mut Walk<'a>,
    parameter: &Parameter<'a>,
    at: In<'a, Attribute>,
    key: &str,
    stored: &Stored<'_>,
    seen: &mut Seen,
) {
    if matches!(key, "count" | "for_each") {
        return;
    }
    if key == "depends_on" {
        depends_on(walk, at, seen);
        return;
    }
    let (reached, shape) = walk.look(parameter.place(), &at.it.value);
    if COSMETIC.contains(&key) {
        cosmetic(walk, at, &reached, seen);
        return;
    }
    seen.add(&reached);
    // What is unknown already is of no kind.
    if !reached.reasons.is_empty() {
        return;
    }
    let is_text = matches!(shape.kind, Kind::Text(_));
    match key {
        // Shown only; but where it is an unknown number, the renderer panics.
        "order" => {}
        // Null is an error on both sides.
        "name" if is_text => {}
        "name" => walk.note(seen, at.reason("name is not surely a text")),
        "type" | "form_type" if is_text && !shape.null => {
            let another = |kind: &str| stored.kinds.iter().any(|known| *known != kind);
            if key == "type" && shape.known_text().is_some_and(|kind| another(&kind)) {
                walk.note(seen, at.reason("the row has another type"));
            }
        }
        "type" | "form_type" => walk.note(seen, at.reason(format!("{key} is not surely a text"))),
        // What is no bool counts as false, to which Terraform may have turned it too.
        "mutable" | "ephemeral" => {
            let is_set = match key {
                "mutable" => stored.mutable,
                _ => stored.ephemeral,
            };
            if shape.kind != Kind::Bool && is_set {
                walk.note(seen, at.reason(format!("{key} is not surely a bool")));
            }
        }
        key => walk.note(
            seen,
            at.reason(format!("an attribute {key} in a parameter")),
        ),
    }
}

fn default<'a>(
    walk: &mut Walk<'a>,
    parameter: &Parameter<'a>,
    at: In<'a, Attribute>,
    stored: &Stored<'_>,
    null_defaults: &mut BTreeSet<String>,
    seen: &mut Seen,
) {
    let (reached, shape) = walk.look(parameter.place(), &at.it.value);
    seen.add(&reached);
    if shape.is_several() {
        walk.note(seen, at.reason("default is a list or an object"));
    }
    if stored.required {
        // Terraform found null. The renderer takes such a parameter for optional.
        match &parameter.name {
            _ if !shape.null => walk.note(seen, at.reason("a default whose row is required")),
            Some(name) if parameter.literal => {
                null_defaults.insert(name.to_string());
            }
            _ => {
                let what = "a default that is null where the name is no literal";
                walk.note(seen, at.reason(what));
            }
        }
    }
    no_rewritten_number(walk, at, &shape, stored.rewritten_default, seen);
    // Escaped signs of templates are left to the import.
    if let Expression::String(written) = bare(&at.it.value)
        && !written.contains(['$', '%'])
        && stored
            .defaults
            .iter()
            .any(|stored| *stored != written.as_str())
    {
        walk.note(seen, at.reason("the row has another default"));
    }
}
