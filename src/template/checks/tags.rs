//! Workspace tags: what can be told of them without computing.

use std::collections::{BTreeMap, BTreeSet};

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey, TraversalOperator, UnaryOperator};
use hcl_edit::structure::Block;
use hcl_edit::template::Element;

use super::rows::{Parameter, Rows};
use crate::new_build::inputs::TagValue;
use crate::template::module::{In, bare};
use crate::template::number::ten_digits;
use crate::template::proved::Reason;
use crate::template::reach::{Repeated, Seen, Walk};

/// Blocks of tags, all together.
const MOST: usize = 100;

/// What tags need to know of parameters.
pub(crate) struct Known<'k, 'a> {
    pub(crate) parameters: &'k [Parameter<'a>],
    pub(crate) rows: &'k Rows<'a>,
    pub(crate) null_defaults: &'k BTreeSet<String>,
}

/// The tags of all modules that are called, block by block, the root's first.
pub(crate) fn tags<'a>(
    walk: &mut Walk<'a>,
    known: &Known<'_, 'a>,
    seen: &mut Seen,
) -> Vec<BTreeMap<String, TagValue>> {
    let mut all: Vec<BTreeMap<String, TagValue>> = Vec::new();
    let mut keys = BTreeSet::new();
    for call in 0..walk.tree.calls.len() {
        let Some(module) = walk.module(call) else {
            continue;
        };
        for (_, block) in module.tags() {
            if all.len() >= MOST || !walk.count(1) {
                walk.stop(Reason::of_rows(
                    "there are more tags than are looked through",
                ));
                return all;
            }
            if !walk.is_called_once(call) || !walk.is_once(call, block) {
                walk.note(
                    seen,
                    block.reason("tags that may be there more or less than once"),
                );
            }
            let tags = of_block(walk, known, call, block, seen);
            for key in tags.keys() {
                if !keys.insert(key.clone()) {
                    walk.note(seen, block.reason(format!("tag {key} is in two blocks")));
                }
            }
            all.push(tags);
        }
    }
    all
}

fn of_block<'a>(
    walk: &mut Walk<'a>,
    known: &Known<'_, 'a>,
    call: usize,
    block: In<'a, Block>,
    seen: &mut Seen,
) -> BTreeMap<String, TagValue> {
    let body = &block.it.body;
    let mut tags = BTreeMap::new();
    if let Some(inner) = body.blocks().next() {
        walk.note(seen, block.with(inner).reason("a block in tags"));
    }
    for attribute in body.attributes() {
        let key = attribute.key.as_str();
        if !matches!(key, "tags" | "count" | "for_each") {
            let what = format!("an attribute {key} beside tags");
            walk.note(seen, block.with(attribute).reason(what));
        }
    }
    let written = body
        .get_attribute("tags")
        .map(|tags| (tags, bare(&tags.value)));
    let Some((attribute, Expression::Object(object))) = written else {
        walk.note(seen, block.reason("tags are not written as an object"));
        return tags;
    };
    for (key, value) in object.iter() {
        let at = block.with(value.expr());
        let Some(key) = literal_key(key) else {
            walk.note(seen, at.reason("a tag's name is no literal"));
            continue;
        };
        let value = match literal(value.expr()) {
            Some(None) => continue,
            Some(Some(literal)) => Some(TagValue::Literal(literal)),
            None => {
                walk.count(u32::try_from(known.parameters.len()).unwrap_or(u32::MAX));
                parameter(known, call, value.expr()).map(TagValue::Parameter)
            }
        };
        let Some(value) = value else {
            let what = format!("tag {key} is neither a literal nor a parameter's sure value");
            walk.note(seen, at.reason(what));
            continue;
        };
        if tags.insert(key, value).is_some() {
            walk.note(seen, block.with(attribute).reason("a tag is there twice"));
        }
    }
    tags
}

fn literal_key(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(Expression::String(text)) => plain(text.as_str()),
        ObjectKey::Expression(_) => None,
    }
}

/// A text without signs that mean something in a template, or would if they weren't escaped.
/// Letters beyond ASCII may be composed anew by the product; a NUL is in no text of the
/// database.
fn plain(text: &str) -> Option<String> {
    let special = ["${", "%{", "$$", "%%", "\0"];
    let special = special.iter().any(|sign| text.contains(sign));
    (!special && text.is_ascii()).then(|| text.to_owned())
}

/// The text of a literal; `Some(None)` for null, which is left out.
fn literal(expression: &Expression) -> Option<Option<String>> {
    Some(match bare(expression) {
        Expression::Null(_) => None,
        Expression::Bool(yes) => Some(yes.value().to_string()),
        Expression::String(text) => Some(plain(text.as_str())?),
        Expression::Number(number) => {
            let value = number.value().as_f64()?;
            // What is too small for the parser is nought to it, and not to the product.
            let digits = number.span().map(|span| span.len());
            if value == 0.0 && digits != Some(1) {
                return None;
            }
            Some(ten_digits(value))
        }
        Expression::UnaryOp(operation) => {
            let Expression::Number(number) = bare(&operation.expr) else {
                return None;
            };
            let number = number.value().as_f64()?;
            if *operation.operator.value() != UnaryOperator::Neg || number == 0.0 {
                return None;
            }
            Some(ten_digits(-number))
        }
        _ => return None,
    })
}

/// The name of the parameter whose value it is, if that has a value in every build.
fn parameter(known: &Known<'_, '_>, call: usize, expression: &Expression) -> Option<String> {
    let mut expression = bare(expression);
    if let Expression::StringTemplate(template) = expression {
        let mut elements = template.iter();
        let (Some(Element::Interpolation(only)), None) = (elements.next(), elements.next()) else {
            return None;
        };
        expression = bare(&only.expr);
    }
    let Expression::Traversal(traversal) = expression else {
        return None;
    };
    let mut names = traversal
        .operators
        .iter()
        .map(|operator| match operator.value() {
            TraversalOperator::GetAttr(name) => Some(name.as_str()),
            _ => None,
        });
    let (kind, label) = (names.next()??, names.next()??);
    let (attribute, end) = (names.next()??, names.next());
    let Expression::Variable(root) = &traversal.expr else {
        return None;
    };
    if (root.as_str(), kind, attribute) != ("data", "coder_parameter", "value") || end.is_some() {
        return None;
    }
    let mut found = known.parameters.iter();
    let found = found.find(|found| found.call == call && found.label == label)?;
    let name = found.name.as_deref()?;
    let sure = found.literal
        && found.once
        && found.repeated == Repeated::Once
        && known.rows.has(name)
        && !known.null_defaults.contains(name);
    sure.then(|| name.to_owned())
}
