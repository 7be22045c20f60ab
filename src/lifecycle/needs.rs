//! What a sign may need of the product's schema, and the sentence that says what of it is
//! there and what is not.

use super::transition::BuildReason;

/// A part of the product's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A column: its table and its name.
    Column(&'static str, &'static str),
    /// A value of the enum `build_reason`.
    Reason(BuildReason),
}

use Part::{Column, Reason};

/// All that a sign needs: of each group one part, which had another name at first.
pub(super) type Needs = &'static [&'static [Part]];

/// The groups of which the schema has no part.
pub(super) fn missing(needs: Needs, has: impl Fn(Part) -> bool) -> Vec<&'static [Part]> {
    needs
        .iter()
        .copied()
        .filter(|group| !group.iter().any(|part| has(*part)))
        .collect()
}

/// Does a schema bring all of it? With a sentence that says what it has or lacks.
pub(super) fn look(needs: Needs, has: impl Fn(Part) -> bool) -> (bool, String) {
    let missing = missing(needs, has);
    let sentence = if needs.is_empty() {
        "It holds on every version of the product.".to_owned()
    } else if missing.is_empty() {
        format!("The schema has {}.", listed(needs))
    } else {
        format!("The schema lacks {}.", listed(&missing))
    };
    (missing.is_empty(), sentence)
}

/// The parts in a sentence, first the columns.
fn listed(groups: &[&[Part]]) -> String {
    let named = |of_reason: bool| -> Vec<String> {
        groups
            .iter()
            .filter(|group| matches!(group.first(), Some(Reason(_))) == of_reason)
            .map(|group| {
                let names: Vec<String> = group.iter().map(Part::to_string).collect();
                names.join(" (at first ") + if names.len() > 1 { ")" } else { "" }
            })
            .collect()
    };
    let (columns, reasons) = (named(false), named(true));
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

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Column(table, column) => write!(f, "{table}.{column}"),
            Reason(value) => f.write_str(value.name()),
        }
    }
}
