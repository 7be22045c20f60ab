//! An order in which a number's values must follow each other.

use crate::lifecycle::signs::Signs;

use super::codes::{BlockCode, quoted};
use super::inputs::{Block, Definition};
use super::kind::NUMBER;

/// An order in which a number's values must follow each other (`validation_monotonic`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    increasing: bool,
    /// A last value that is no number is refused, as the product did at first; else it
    /// is in no order.
    strict: bool,
}

impl Order {
    pub(super) fn of(definition: &Definition, signs: &Signs) -> Option<Order> {
        let increasing = match definition.validation_monotonic.as_str() {
            _ if definition.kind != NUMBER => return None,
            "increasing" => true,
            "decreasing" => false,
            _ => return None,
        };
        Some(Order {
            increasing,
            strict: !signs.dynamic,
        })
    }

    /// Compares a default with the last value.
    pub(super) fn check(self, name: &str, last: &str, default: &str) -> Result<(), Block> {
        let Ok(default) = default.parse::<i64>() else {
            return Ok(());
        };
        let seen = match last.parse::<i64>() {
            Ok(last) if self.increasing && default < last => "is below the last value",
            Ok(last) if !self.increasing && default > last => "is above the last value",
            Err(_) if self.strict && !last.is_empty() => {
                "can't be compared with the last value, which is not a number"
            }
            _ => return Ok(()),
        };
        Err(BlockCode::ParameterNotMonotonic.block(format!(
            "parameter {} may only {}, and its default {seen}; the owner can set another value \
            on the workspace's parameters page in the product",
            quoted(name),
            if self.increasing {
                "increase"
            } else {
                "decrease"
            },
        )))
    }
}
