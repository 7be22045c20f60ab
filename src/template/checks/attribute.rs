//! What must hold of single attributes, whatever block they are in.

use hcl_edit::expr::{Expression, TraversalOperator};
use hcl_edit::structure::Attribute;

use crate::template::module::{In, bare};
use crate::template::number::is_written_otherwise;
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

/// A number becomes a text with ten digits in the renderer, with all of them in Terraform.
pub(super) fn no_rewritten_number<'t>(
    walk: &mut Walk<'_>,
    at: In<'_, Attribute>,
    shape: &Shape,
    mut stored: impl Iterator<Item = &'t str>,
    seen: &mut Seen,
) {
    if !matches!(shape.kind, Kind::Text(_)) && stored.any(is_written_otherwise) {
        walk.note(
            seen,
            at.reason("a number that the renderer writes otherwise"),
        );
    }
}
