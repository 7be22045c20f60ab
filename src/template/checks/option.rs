//! Options of a parameter.

use std::collections::BTreeMap;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;

use super::attribute::{cosmetic, no_rewritten_number};
use super::stored::Stored;
use crate::template::module::{In, bare, label};
use crate::template::reach::{Named, Place, Seen, Walk};
use crate::template::shape::{Kind, Shape};

/// Names that mean something already.
const TAKEN: [&str; 9] = [
    "var",
    "local",
    "module",
    "data",
    "each",
    "count",
    "path",
    "self",
    "terraform",
];

/// One option.
pub(super) fn option<'a>(
    walk: &mut Walk<'a>,
    place: Place<'a, '_>,
    block: In<'a, Block>,
    stored: &Stored<'_>,
    seen: &mut Seen,
) {
    if stored.unreadable {
        walk.note(seen, block.reason("a row's options are no list of options"));
        return;
    }
    if let Some(inner) = block.it.body.blocks().next() {
        walk.note(seen, block.with(inner).reason("a block in an option"));
    }
    for attribute in block.it.body.attributes() {
        let at = block.with(attribute);
        let (reached, shape) = walk.look(place, &attribute.value);
        match attribute.key.as_str() {
            "description" | "icon" => cosmetic(walk, at, &reached, seen),
            "name" => {
                seen.add(&reached);
                // Where Terraform made a text of a number or a bool, the renderer refuses.
                let is_text = match shape.kind {
                    Kind::Text(_) | Kind::Null => true,
                    Kind::Any => !stored.made_name,
                    _ => false,
                };
                if !is_text && reached.reasons.is_empty() {
                    walk.note(seen, at.reason("an option's name is not surely a text"));
                }
            }
            "value" => {
                seen.add(&reached);
                if shape.is_several() {
                    walk.note(seen, at.reason("an option's value is a list or an object"));
                }
                no_rewritten_number(walk, at, &shape, stored.rewritten_value, seen);
            }
            key => walk.note(seen, at.reason(format!("an attribute {key} in an option"))),
        }
    }
}

/// Options that are made of a collection.
pub(super) fn dynamic<'a>(
    walk: &mut Walk<'a>,
    place: Place<'a, '_>,
    block: In<'a, Block>,
    stored: &Stored<'_>,
    seen: &mut Seen,
) {
    let body = &block.it.body;
    if label(block.it, 0) != "option" || block.it.labels.len() != 1 {
        walk.note(
            seen,
            block.reason("a dynamic block for something else than options"),
        );
        return;
    }
    let mut iterator = "option";
    for attribute in body.attributes() {
        match (attribute.key.as_str(), bare(&attribute.value)) {
            ("for_each", _) => {}
            ("iterator", Expression::Variable(name)) if !TAKEN.contains(&name.as_str()) => {
                iterator = name.as_str();
            }
            (key, _) => {
                let what = format!("an attribute {key} in a dynamic block");
                walk.note(seen, block.with(attribute).reason(what));
            }
        }
    }
    let (mut blocks, each) = (body.blocks(), body.get_attribute("for_each"));
    let (Some(content), None, Some(each)) = (blocks.next(), blocks.next(), each) else {
        walk.note(seen, block.reason("a dynamic block that is not understood"));
        return;
    };
    if content.ident.as_str() != "content" {
        walk.note(seen, block.reason("a dynamic block that is not understood"));
        return;
    }
    let (reached, shape) = walk.look(place, &each.value);
    let at = block.with(&each.value);
    walk.no_guess(at, "dynamic", &reached, seen);
    let element = shape.element();
    let null = shape.null || (element.null && shape.at_most() != Some(0));
    if null && reached.reasons.is_empty() {
        walk.note(seen, at.reason("an element of a dynamic block may be null"));
    }
    let key = match shape.kind {
        Kind::Object(_) => Shape::text(),
        _ => Shape::of(Kind::Any),
    };
    let named = Named {
        name: iterator,
        shape: Shape::object(BTreeMap::from([
            ("key".into(), key),
            ("value".into(), element),
        ])),
        outer: place.named,
    };
    let place = Place {
        named: Some(&named),
        ..place
    };
    option(walk, place, block.with(content), stored, seen);
}
