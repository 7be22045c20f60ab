//! What a sign may need of the product's schema, and the sentence that says what of it is
//! there and what is not.

use std::fmt;

use crate::columns::Column;

use super::transition::BuildReason;

/// A part of the product's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A column, by whichever of its names.
    Column(Column),
    /// A value of the enum `build_reason`.
    Reason(BuildReason),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Column(column) => column.fmt(f),
            Part::Reason(value) => f.write_str(value.name()),
        }
    }
}

/// What a sign needs; any of its names will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A column.
    Column(Column),
    /// A value of the enum `build_reason`, today's first.
    Reason(&'static [BuildReason]),
}

impl Need {
    /// The parts of which one must be there.
    pub(super) fn parts(self) -> Vec<Part> {
        match self {
            Need::Column(column) => vec![Part::Column(column)],
            Need::Reason(values) => values.iter().copied().map(Part::Reason).collect(),
        }
    }

    pub(super) fn is_met(self, has: impl Fn(Part) -> bool) -> bool {
        self.parts().into_iter().any(has)
    }
}

impl fmt::Display for Need {
    /// By today's name, and the first where it had another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = match self {
            Need::Column(column) => column
                .names()
                .map(|name| format!("{}.{name}", column.table))
                .collect(),
            Need::Reason(values) => values.iter().map(|value| value.name().to_owned()).collect(),
        };
        f.write_str(&names.join(" (at first "))?;
        f.write_str(if names.len() > 1 { ")" } else { "" })
    }
}

/// Does a schema bring all of it? With a sentence that says what it has or lacks.
pub(super) fn look(needs: &[Need], has: impl Fn(Part) -> bool) -> (bool, String) {
    let missing: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|need| !need.is_met(&has))
        .collect();
    let sentence = if needs.is_empty() {
        "It holds on every version of the product.".to_owned()
    } else if missing.is_empty() {
        format!("The schema has {}.", listed(needs))
    } else {
        format!("The schema lacks {}.", listed(&missing))
    };
    (missing.is_empty(), sentence)
}

/// Needs in a sentence, first the columns.
fn listed(needs: &[Need]) -> String {
    let named = |of_columns: bool| -> Vec<String> {
        needs
            .iter()
            .filter(|need| matches!(need, Need::Column(_)) == of_columns)
            .map(Need::to_string)
            .collect()
    };
    let (columns, reasons) = (named(true), named(false));
    let mut parts = Vec::new();
    if !columns.is_empty() {
        let many = if columns.len() > 1 { "s" } else { "" };
        parts.push(format!("the column{many} {}", and(&columns)));
    }
    if !reasons.is_empty() {
        let many = if reasons.len() > 1 { "s" } else { "" };
        parts.push(format!(
            "the value{many} {} of the enum build_reason",
            and(&reasons)
        ));
    }
    parts.join(", and ")
}

/// `a, b and c`.
fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
