//! The validation block of a parameter.

use hcl_edit::structure::Block;

use super::stored::Stored;
use crate::template::module::In;
use crate::template::reach::{Place, Seen, Walk};
use crate::template::shape::Kind;

pub(super) fn validation<'a>(
    walk: &mut Walk<'a>,
    place: Place<'a, '_>,
    block: In<'a, Block>,
    stored: &Stored<'_>,
    seen: &mut Seen,
) {
    // An empty block still makes numbers whole and bools exact.
    if stored.unvalidated {
        walk.note(
            seen,
            block.reason("a validation block that the row does not show"),
        );
    }
    if let Some(inner) = block.it.body.blocks().next() {
        walk.note(seen, block.with(inner).reason("a block in a validation"));
    }
    for attribute in block.it.body.attributes() {
        let at = block.with(attribute);
        let (reached, shape) = walk.look(place, &attribute.value);
        seen.add(&reached);
        // What is unknown already is of no kind.
        if !reached.reasons.is_empty() {
            continue;
        }
        match attribute.key.as_str() {
            _ if shape.kind == Kind::Null => {}
            key @ ("min" | "max") => match shape.known_number() {
                None => walk.note(seen, at.reason(format!("{key} is not a known number"))),
                Some(number) if !is_small(number) => {
                    let what = format!("{key} is no whole number of 32 bits");
                    walk.note(seen, at.reason(what));
                }
                Some(_) => {}
            },
            key @ ("regex" | "error" | "monotonic") => {
                if !matches!(shape.kind, Kind::Text(_)) {
                    walk.note(seen, at.reason(format!("{key} is not surely a text")));
                }
            }
            key => walk.note(
                seen,
                at.reason(format!("an attribute {key} in a validation")),
            ),
        }
    }
}

/// Rows keep whole numbers of 32 bits; the renderer has more.
fn is_small(number: f64) -> bool {
    number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number)
}
