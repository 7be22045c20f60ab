//! The values of the root's variables, as the renderer takes them from their rows.

use super::number::is_plain_number;
use super::proved::Reason;
use super::shape::{Kind, Shape};
use super::source::Variable;

/// All values together.
const ALL: usize = 1 << 20;

/// Longer values are not looked at.
const LONGEST: usize = 1 << 16;

/// Words that the product reads as bool.
const BOOLS: [&str; 12] = [
    "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
];

/// What the renderer is given for a variable.
pub(super) enum Value {
    Given(Shape),
    /// Nothing: the default in the source counts.
    NotGiven,
}

/// What the renderer is given for a row, or what is wrong with it.
pub(super) fn of_row(row: &Variable) -> Result<Value, &'static str> {
    if row.value.is_empty() && !row.default_value.is_empty() {
        return Err("was given the empty text, for which the renderer takes the default");
    }
    if row.value.is_empty() {
        return Ok(Value::NotGiven);
    }
    Ok(Value::Given(match row.kind.as_str() {
        "" | "string" => Shape::this_text(&row.value),
        "number" if is_plain_number(&row.value) => Shape::of(Kind::Number(row.value.parse().ok())),
        "bool" if BOOLS.contains(&row.value.as_str()) => Shape::of(Kind::Bool),
        "number" => return Err("has a value that is no plain number"),
        "bool" => return Err("has a value that is no bool"),
        _ if row.value.len() > LONGEST => {
            return Err("has a value longer than is looked through");
        }
        // Terraform reads them as HCL, to which they are more than text.
        _ if row.value.contains("${") || row.value.contains("%{") => {
            return Err("has a value with a sign of templates in it");
        }
        _ => match serde_json::from_str(&row.value) {
            Ok(serde_json::Value::Null) => return Err("has a value that is null"),
            Ok(value) => Shape::of_json(&value),
            Err(_) => return Err("has a value that is no JSON"),
        },
    }))
}

pub(super) fn is_not_given(row: &Variable) -> bool {
    row.value.is_empty() && row.default_value.is_empty()
}

/// A value that does not convert makes every render fail, whether it is used or not.
pub(super) fn unreadable(rows: &[Variable]) -> impl Iterator<Item = Reason> + '_ {
    let too_many = rows.iter().map(|row| row.value.len()).sum::<usize>() > ALL;
    let too_many =
        too_many.then(|| Reason::of_rows("variables have more bytes than are looked through"));
    let rows = if too_many.is_some() { &[] } else { rows };
    let unreadable = rows.iter().filter(|row| !row.value.is_empty());
    let unreadable = unreadable.filter_map(|row| {
        let problem = of_row(row).err()?;
        Some(Reason::of_rows(format!("variable {} {problem}", row.name)))
    });
    unreadable.chain(too_many)
}
