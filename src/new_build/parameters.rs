//! The parameters of a new build: where each value comes from, and whether it holds.
//!
//! In the classic flow the version's definitions rule: one row for each, checked. In the
//! dynamic flow the product renders parameters from the template's own files. Where the stored
//! definitions are all that comes of them, they are resolved by these as the product would;
//! where they may not be, the latest build's rows are copied.

use std::collections::{HashMap, HashSet};

use crate::lifecycle::signs::Signs;

use super::check::{Check, Validation};
use super::codes::{BlockCode, quoted};
use super::inputs::{Block, Definition, PreviousSource, PreviousValue, ValueSource};
use super::order::Order;

/// A definition with its checks made ready.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    legacy_name: String,
    default_value: String,
    required: bool,
    /// It may have no value at all.
    null_default: bool,
    ephemeral: bool,
    check: Check,
    order: Option<Order>,
}

/// A row to be written, with what is known of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) source: ValueSource,
    value: KnownValue<'a>,
}

#[derive(Clone, Copy, Debug)]
enum KnownValue<'a> {
    Default(&'a str),
    Previous(&'a PreviousValue),
}

impl<'a> Row<'a> {
    /// The value, or a block where it was not read.
    pub(super) fn value(&self) -> Result<&'a str, Block> {
        match self.value {
            KnownValue::Default(value) => Ok(value),
            KnownValue::Previous(PreviousValue {
                value: Some(value), ..
            }) => Ok(value),
            KnownValue::Previous(PreviousValue { empty: true, .. }) => Ok(""),
            KnownValue::Previous(_) => Err(BlockCode::ParameterValueNotRead.block(format!(
                "the value of parameter {} was not read",
                quoted(self.name)
            ))),
        }
    }

    fn is_empty(&self) -> bool {
        match self.value {
            KnownValue::Default(value) => value.is_empty(),
            KnownValue::Previous(previous) => match &previous.value {
                Some(value) => value.is_empty(),
                None => previous.empty,
            },
        }
    }
}

/// A workspace's previous values, by where they stand and name.
pub(super) struct Previous<'a> {
    rows: &'a [PreviousValue],
    by_name: HashMap<(PreviousSource, &'a str), &'a PreviousValue>,
}

impl<'a> Previous<'a> {
    pub(super) fn of(rows: &'a [PreviousValue]) -> Previous<'a> {
        let mut by_name = HashMap::with_capacity(rows.len());
        for row in rows {
            by_name
                .entry((row.source, row.name.as_str()))
                .or_insert(row);
        }
        Previous { rows, by_name }
    }

    fn get(&self, source: PreviousSource, name: &str) -> Option<&'a PreviousValue> {
        self.by_name.get(&(source, name)).copied()
    }
}

impl Parameter {
    /// By the product's own checks.
    pub(super) fn classic(definition: Definition, signs: &Signs) -> Parameter {
        let check = Check::classic(&definition, signs);
        Parameter::of(definition, signs, check)
    }

    /// Of a version that the product renders by its stored definitions alone. It then looks
    /// at no minimum or maximum that stands alone, and takes a missing value for the stored
    /// default, whether there is one or not.
    pub(super) fn stored(definition: Definition, signs: &Signs) -> Parameter {
        let check = Check::of_provider(&definition, Validation::NotByBoundsAlone);
        Parameter {
            required: false,
            legacy_name: String::new(),
            ..Parameter::of(definition, signs, check)
        }
    }

    /// Of a version whose stored definitions are all that comes of its source. A default that
    /// is null makes it optional there, while its row says required.
    pub(super) fn proved(definition: Definition, null_default: bool, signs: &Signs) -> Parameter {
        let check = Check::of_provider(&definition, Validation::Any);
        Parameter {
            required: definition.required && !null_default,
            null_default: definition.required && null_default,
            legacy_name: String::new(),
            ..Parameter::of(definition, signs, check)
        }
    }

    fn of(definition: Definition, signs: &Signs, check: Check) -> Parameter {
        Parameter {
            check,
            order: Order::of(&definition, signs),
            name: definition.name,
            legacy_name: definition.legacy_variable_name,
            default_value: definition.default_value,
            required: definition.required,
            null_default: false,
            ephemeral: definition.ephemeral,
        }
    }

    /// The names by which the previous value is found where something looks at it: a check
    /// of what is carried (`checked`). An ephemeral one is never carried, but compared: with
    /// the default's place in an order, and where the tags that are copied (`tagged`) may
    /// depend on it.
    pub(super) fn names_looked_at(
        &self,
        checked: bool,
        tagged: bool,
    ) -> impl Iterator<Item = &str> {
        let carried = !self.ephemeral && checked && self.check.looks_at_value();
        let compared = self.ephemeral && (tagged || self.order.is_some());
        // Only of the legacy name does an empty one mean that there is none.
        let legacy = Some(self.legacy_name.as_str()).filter(|name| carried && !name.is_empty());
        std::iter::once(self.name.as_str())
            .filter(move |_| carried || compared)
            .chain(legacy)
    }

    fn row<'a>(&'a self, source: ValueSource, value: KnownValue<'a>) -> Row<'a> {
        Row {
            name: &self.name,
            source,
            value,
        }
    }

    fn default_row(&self) -> Row<'_> {
        self.row(
            ValueSource::Default,
            KnownValue::Default(&self.default_value),
        )
    }

    /// The previous value that counts, if any: an ephemeral parameter has none.
    fn previous_row<'a>(&'a self, previous: &Previous<'a>) -> Option<Row<'a>> {
        if self.ephemeral {
            return None;
        }
        if let Some(row) = previous.get(PreviousSource::Build, &self.name) {
            return Some(self.row(ValueSource::Build, KnownValue::Previous(row)));
        }
        if self.legacy_name.is_empty() {
            return None;
        }
        previous
            .get(PreviousSource::Legacy, &self.legacy_name)
            .map(|row| self.row(ValueSource::Legacy, KnownValue::Previous(row)))
    }

    fn or_default<'a>(&'a self, previous: Option<Row<'a>>) -> Result<Row<'a>, Block> {
        match previous {
            Some(row) => Ok(row),
            None if self.required => Err(BlockCode::ParameterRequired.block(format!(
                "parameter {} is required and has no previous value; the owner can set one on \
                the workspace's parameters page in the product",
                quoted(&self.name)
            ))),
            None => Ok(self.default_row()),
        }
    }

    fn classic_row<'a>(
        &'a self,
        previous: &Previous<'a>,
        same_version: bool,
    ) -> Result<Row<'a>, Block> {
        self.check.definition_holds(&self.name)?;
        let row = self.or_default(self.previous_row(previous))?;
        // What is not required may be empty, and the checks then look at the default.
        let looked_at = match row.is_empty() {
            true if self.required => {
                return Err(BlockCode::ParameterEmpty.block(format!(
                    "parameter {} is required and its value is empty",
                    quoted(&self.name)
                )));
            }
            true => self.default_row(),
            false => row,
        };
        let unchanged = same_version && row.source == ValueSource::Build;
        self.check
            .apply(&self.name, || looked_at.value(), unchanged)?;
        self.check_order(previous)?;
        Ok(row)
    }

    /// What the product makes of it, by the provider's checks; no row for what has no value.
    fn resolved_row<'a>(
        &'a self,
        previous: &Previous<'a>,
        same_version: bool,
    ) -> Result<Option<Row<'a>>, Block> {
        self.check.definition_holds(&self.name)?;
        let row = match self.previous_row(previous) {
            None if self.null_default => {
                if self.check.looks_at_absence() {
                    self.check.apply(&self.name, || Ok(""), false)?;
                }
                return Ok(None);
            }
            row => self.or_default(row)?,
        };
        let unchanged = same_version && row.source == ValueSource::Build;
        self.check.apply(&self.name, || row.value(), unchanged)?;
        self.check_order(previous)?;
        Ok(Some(row))
    }

    /// What is carried keeps its place; an ephemeral parameter's default may go back from
    /// what the latest build had.
    fn check_order(&self, previous: &Previous<'_>) -> Result<(), Block> {
        let last = previous.get(PreviousSource::Build, &self.name);
        match (self.order, last) {
            (Some(order), Some(last)) if self.ephemeral => {
                let last = self.row(ValueSource::Build, KnownValue::Previous(last));
                order.check(&self.name, last.value()?, &self.default_value)
            }
            _ => Ok(()),
        }
    }
}

/// One row for each parameter of the version, checked; rows whose name left it are dropped.
pub(super) fn classic<'a>(
    parameters: &'a [Parameter],
    previous: &Previous<'a>,
    same_version: bool,
) -> Result<Vec<Row<'a>>, Block> {
    parameters
        .iter()
        .map(|parameter| parameter.classic_row(previous, same_version))
        .collect()
}

/// As the product resolves the parameters of a version whose stored definitions are all that
/// decides: a row for each that has a value, checked, also if nothing has changed; rows whose
/// name left the version are dropped.
pub(super) fn resolved<'a>(
    parameters: &'a [Parameter],
    previous: &Previous<'a>,
    same_version: bool,
) -> Result<Vec<Row<'a>>, Block> {
    parameters
        .iter()
        .filter_map(|parameter| parameter.resolved_row(previous, same_version).transpose())
        .collect()
}

/// The first row whose value is not that of the latest build's row of its name.
pub(super) fn changed<'r, 'a>(
    rows: &'r [Row<'a>],
    previous: &Previous<'a>,
) -> Result<Option<&'r Row<'a>>, Block> {
    for row in rows.iter().filter(|row| row.source != ValueSource::Build) {
        let Some(last) = previous.get(PreviousSource::Build, row.name) else {
            return Ok(Some(row));
        };
        let last = Row {
            value: KnownValue::Previous(last),
            ..*row
        };
        if last.value()? != row.value()? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The latest build's rows, also those that the stored definitions do not know; ephemeral
/// ones get their default, as does a defined one that has no row.
pub(super) fn copied<'a>(
    parameters: &'a [Parameter],
    previous: &Previous<'a>,
) -> Result<Vec<Row<'a>>, Block> {
    let mut rows = parameters
        .iter()
        .map(|parameter| {
            let carried = previous
                .get(PreviousSource::Build, &parameter.name)
                .filter(|_| !parameter.ephemeral)
                .map(|row| parameter.row(ValueSource::Build, KnownValue::Previous(row)));
            let row = parameter.or_default(carried)?;
            parameter.check_order(previous)?;
            Ok(row)
        })
        .collect::<Result<Vec<_>, Block>>()?;
    let mut named: HashSet<&str> = rows.iter().map(|row| row.name).collect();
    for row in previous.rows {
        if row.source == PreviousSource::Build && named.insert(&row.name) {
            rows.push(Row {
                name: &row.name,
                source: ValueSource::Build,
                value: KnownValue::Previous(row),
            });
        }
    }
    Ok(rows)
}
