//! What must hold of single attributes, whatever block they are in.

use hcl_edit::expr::{Expression, TraversalOperator};
use hcl_edit::structure::Attribute;

use crate::template::module::{In, bare};
use crate::template::reach::{Seen, Walk};
use crate::template::shape::{Kind, Shape};

/// What is only shown may refer to anything, but for `sensitive()`, at which the renderer
/// panics wherever it is.
pub(super) fn cosmetic(
    walk: &mut Walk<'_>,
    at: In<'_, Attribute>,
    reached: &Seen,
    seen: &mut Seen,
) {
    if reached.sensitive {
        walk.note(seen, at.reason("reaches the function sensitive"));
    }
}

/// Terraform reads a data source later, after the import, if it depends on resources.
pub(crate) fn depends_on<'a>(walk: &mut Walk<'a>, at: In<'a, Attribute>, seen: &mut Seen) {
    let on_data = |expression: &Expression| match bare(expression) {
        Expression::Traversal(traversal) => {
            let first = traversal.operators.first().map(|operator| operator.value());
            matches!(&traversal.expr, Expression::Variable(root) if root.as_str() == "data")
                && matches!(first, Some(TraversalOperator::GetAttr(kind))
                    if kind.as_str().starts_with("coder_"))
        }
        _ => false,
    };
    let all = match bare(&at.it.value) {
        Expression::Array(values) => values.iter().all(on_data),
        _ => false,
    };
    if !all {
        walk.note(seen, at.reason("depends on more than data of coder's"));
    }
}

/// A number becomes a text with ten digits in the renderer, with all of them in Terraform: is
/// there a row that shows it?
pub(super) fn no_rewritten_number(
    walk: &mut Walk<'_>,
    at: In<'_, Attribute>,
    shape: &Shape,
    rewritten: bool,
    seen: &mut Seen,
) {
    if !matches!(shape.kind, Kind::Text(_)) && rewritten {
        walk.note(
            seen,
            at.reason("a number that the renderer writes otherwise"),
        );
    }
}
