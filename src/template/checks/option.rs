//! Options of a parameter.

use std::collections::BTreeMap;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;
use serde::Deserialize;

use super::attribute::{cosmetic, no_rewritten_number};
use crate::template::module::{In, bare, label};
use crate::template::number::is_plain_number;
use crate::template::reach::{Named, Place, Seen, Walk};
use crate::template::shape::{Kind, Shape};
use crate::template::source::StoredParameter;

/// An option as a row has it.
#[derive(Deserialize)]
struct Stored {
    name: String,
    value: String,
}

fn stored(rows: &[&StoredParameter]) -> Option<Vec<Stored>> {
    let mut all = Vec::new();
    for row in rows {
        let Some(options) = &row.definition.options else {
            continue;
        };
        let options: Option<Vec<Stored>> = serde_json::from_str(options).ok()?;
        all.extend(options.unwrap_or_default());
    }
    Some(all)
}

/// One option.
pub(super) fn option<'a>(
    walk: &mut Walk<'a>,
    place: Place<'a, '_>,
    block: In<'a, Block>,
    rows: &[&StoredParameter],
    seen: &mut Seen,
) {
    let Some(stored) = stored(rows) else {
        walk.note(seen, block.reason("a row's options are no list of options"));
        return;
    };
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
                let made = |text: &str| is_plain_number(text) || matches!(text, "true" | "false");
                let is_text = match shape.kind {
                    Kind::Text(_) | Kind::Null => true,
                    Kind::Any => !stored.iter().any(|option| made(&option.name)),
                    _ => false,
                };
                if !is_text {
                    walk.note(seen, at.reason("an option's name is not surely a text"));
                }
            }
            "value" => {
                seen.add(&reached);
                if shape.is_several() {
                    walk.note(seen, at.reason("an option's value is a list or an object"));
                }
                let values = stored.iter().map(|option| option.value.as_str());
                no_rewritten_number(walk, at, &shape, values, seen);
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
    rows: &[&StoredParameter],
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
            ("iterator", Expression::Variable(name)) => iterator = name.as_str(),
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
    if shape.null || (element.null && shape.at_most() != Some(0)) {
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
    option(walk, place, block.with(content), rows, seen);
}
