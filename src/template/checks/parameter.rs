//! What decides on a parameter, attribute by attribute.

use std::collections::BTreeSet;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Attribute;

use super::attribute::{cosmetic, depends_on, no_rewritten_number};
use super::option::{dynamic, option};
use super::rows::Parameter;
use super::validation::{shown, validation};
use crate::template::module::{In, bare};
use crate::template::reach::{Seen, Walk};
use crate::template::shape::Kind;
use crate::template::source::StoredParameter;

/// Attributes that are only shown.
const COSMETIC: [&str; 4] = ["description", "display_name", "icon", "styling"];

/// Notes what speaks against one parameter, given the rows that it may have made. A default
/// that is null is no fault: its name is added to the others.
pub(crate) fn check<'a>(
    walk: &mut Walk<'a>,
    parameter: &Parameter<'a>,
    rows: &[&StoredParameter],
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
            "default" => default(walk, parameter, at, rows, null_defaults, seen),
            key => check_attribute(walk, parameter, at, key, rows, seen),
        }
    }
    if !body.has_attribute("default") && rows.iter().any(|row| !row.definition.required) {
        walk.note(
            seen,
            block.reason("a parameter without a default whose row is not required"),
        );
    }
    let mut validations = 0;
    for inner in body.blocks() {
        let at = block.with(inner);
        match inner.ident.as_str() {
            "option" => option(walk, parameter.place(), at, rows, seen),
            "dynamic" => dynamic(walk, parameter.place(), at, rows, seen),
            "validation" => {
                validations += 1;
                if validations > 1 {
                    walk.note(seen, at.reason("a second validation block"));
                }
                validation(walk, parameter.place(), at, rows, seen);
            }
            kind => walk.note(seen, at.reason(format!("a block {kind} in a parameter"))),
        }
    }
    if validations == 0 && rows.iter().any(|row| shown(row)) {
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
    rows: &[&StoredParameter],
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
    let is_text = matches!(shape.kind, Kind::Text(_));
    match key {
        // Shown only; but where it is an unknown number, the renderer panics.
        "order" => {}
        // Null is an error on both sides.
        "name" if is_text => {}
        "name" => walk.note(seen, at.reason("name is not surely a text")),
        "type" | "form_type" if is_text && !shape.null => {
            let another = |row: &&StoredParameter| match (key, shape.known_text()) {
                ("type", Some(kind)) => *kind != row.definition.kind,
                _ => false,
            };
            if rows.iter().any(another) {
                walk.note(seen, at.reason("the row has another type"));
            }
        }
        "type" | "form_type" => walk.note(seen, at.reason(format!("{key} is not surely a text"))),
        // What is no bool counts as false, to which Terraform may have turned it too.
        "mutable" | "ephemeral" => {
            let is_set = |row: &&StoredParameter| match key {
                "mutable" => row.mutable,
                _ => row.definition.ephemeral,
            };
            if shape.kind != Kind::Bool && rows.iter().any(is_set) {
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
    rows: &[&StoredParameter],
    null_defaults: &mut BTreeSet<String>,
    seen: &mut Seen,
) {
    let (reached, shape) = walk.look(parameter.place(), &at.it.value);
    seen.add(&reached);
    if shape.is_several() {
        walk.note(seen, at.reason("default is a list or an object"));
    }
    for row in rows {
        if !row.definition.required {
            continue;
        }
        // Terraform found null. The renderer takes such a parameter for optional.
        if !shape.null {
            walk.note(seen, at.reason("a default whose row is required"));
        } else if parameter.literal {
            null_defaults.insert(row.definition.name.clone());
        } else {
            walk.note(
                seen,
                at.reason("a default that is null where the name is no literal"),
            );
        }
    }
    let stored = rows.iter().map(|row| row.definition.default_value.as_str());
    no_rewritten_number(walk, at, &shape, stored, seen);
    let written = match bare(&at.it.value) {
        Expression::String(text) => Some(text.as_str()),
        _ => None,
    };
    let another = |row: &&StoredParameter| {
        written.is_some_and(|written| written != row.definition.default_value)
    };
    if rows.iter().any(another) {
        walk.note(seen, at.reason("the row has another default"));
    }
}
