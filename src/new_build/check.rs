//! What a parameter's value has to be: the checks of its definition.
//!
//! They are made ready once for each version (options as a set, the pattern compiled)
//! and then applied to the value of every workspace. Applying them never fails on the
//! definition's own faults but reports them as blocks, and only where the product
//! would come upon them too.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};
use serde_json::Value;

use crate::lifecycle::signs::Signs;

use super::codes::{BlockCode, quoted};
use super::inputs::{Block, Definition};
use super::pattern::{Pattern, Unreadable};

const BOOL: &str = "bool";
const NUMBER: &str = "number";
const STRING: &str = "string";
const LIST: &str = "list(string)";
const MULTI_SELECT: &str = "multi-select";

/// The checks of one parameter.
#[derive(Clone, Debug)]
pub(super) struct Check {
    options: Options,
    /// A value that is one of the options is not looked at further.
    options_suffice: bool,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Options {
    None,
    /// The value is one of them.
    One(HashSet<String>),
    /// The value is a list of them.
    Many(HashSet<String>),
    Unreadable,
}

#[derive(Clone, Debug)]
enum Rule {
    None,
    /// The definition has a rule that its type does not allow.
    Misplaced(&'static str),
    Bool,
    List,
    Number {
        min: Option<i32>,
        max: Option<i32>,
    },
    Text(Box<TextRule>),
}

#[derive(Clone, Debug)]
struct TextRule {
    pattern: Result<Pattern, Unreadable>,
    source: String,
    error: String,
}

impl Check {
    pub(super) fn of(definition: &Definition, signs: &Signs) -> Check {
        Check {
            options: Options::of(definition),
            options_suffice: !signs.dynamic,
            rule: Rule::of(definition, signs),
        }
    }

    /// Does any check look at the value?
    pub(super) fn looks_at_value(&self) -> bool {
        !matches!(
            (&self.options, &self.rule),
            (Options::None, Rule::None | Rule::Misplaced(_))
        )
    }

    /// Are the options readable? The product reads them before anything else.
    pub(super) fn options_readable(&self, name: &str) -> Result<(), Block> {
        match self.options {
            Options::Unreadable => Err(BlockCode::ParameterOptionsUnreadable.block(format!(
                "the options of parameter {} are not a JSON array of options",
                quoted(name)
            ))),
            _ => Ok(()),
        }
    }

    /// Applies the checks. `value` gives the value where a check looks at it;
    /// `unchanged`: it is what a build of the same version had.
    pub(super) fn apply<'v>(
        &self,
        name: &str,
        value: impl Fn() -> Result<&'v str, Block>,
        unchanged: bool,
    ) -> Result<(), Block> {
        let chosen = match &self.options {
            Options::None | Options::Unreadable => None,
            Options::One(options) => Some(options.contains(value()?)),
            Options::Many(options) => {
                let elements = elements(name, value()?)?;
                Some(elements.iter().all(|e| options.contains(e.as_ref())))
            }
        };
        if chosen == Some(false) {
            return Err(BlockCode::ParameterNotAnOption.block(format!(
                "the value of parameter {} is not one of its options",
                quoted(name)
            )));
        }
        if chosen.is_some() && self.options_suffice {
            return Ok(());
        }
        match &self.rule {
            Rule::None => Ok(()),
            Rule::Misplaced(what) => Err(BlockCode::ParameterRuleMisplaced.block(format!(
                "parameter {} has a validation by {what}, which its type does not allow",
                quoted(name)
            ))),
            Rule::Bool => match value()? {
                "true" | "false" => Ok(()),
                _ => Err(BlockCode::ParameterNotBool.block(format!(
                    "the value of parameter {} is neither true nor false",
                    quoted(name)
                ))),
            },
            Rule::List => elements(name, value()?).map(|_| ()),
            Rule::Number { min, max } => number(name, value()?, *min, *max),
            Rule::Text(rule) => rule.apply(name, value, unchanged),
        }
    }
}

impl Options {
    fn of(definition: &Definition) -> Options {
        match option_values(definition.options.as_deref().unwrap_or("null")) {
            None => Options::Unreadable,
            Some(values) if values.is_empty() => Options::None,
            Some(values) if definition.kind == LIST && definition.form_type == MULTI_SELECT => {
                Options::Many(values)
            }
            Some(values) => Options::One(values),
        }
    }
}

/// The values of a JSON array of options, as Go reads them: keys in any case, the last
/// one counts; what is missing or null is the empty string.
fn option_values(text: &str) -> Option<HashSet<String>> {
    let options: Option<Vec<Option<serde_json::Map<String, Value>>>> =
        serde_json::from_str(text).ok()?;
    options
        .unwrap_or_default()
        .into_iter()
        .map(|option| {
            let mut chosen = String::new();
            for (key, value) in option.unwrap_or_default() {
                if key.eq_ignore_ascii_case("value") {
                    match value {
                        Value::String(value) => chosen = value,
                        Value::Null => {}
                        _ => return None,
                    }
                }
            }
            Some(chosen)
        })
        .collect()
}

impl Rule {
    fn of(definition: &Definition, signs: &Signs) -> Rule {
        let kind = definition.kind.as_str();
        let monotonic = !definition.validation_monotonic.is_empty();
        let regex = !definition.validation_regex.is_empty();
        let (mut min, mut max) = (definition.validation_min, definition.validation_max);
        if signs.dynamic && !monotonic && !regex && definition.validation_error.is_empty() {
            (min, max) = (None, None);
        }
        let bounded = min.is_some() || max.is_some();
        if !(bounded || regex || monotonic || kind == BOOL || kind == LIST) {
            return Rule::None;
        }
        if bounded && kind != NUMBER {
            return Rule::Misplaced("minimum or maximum");
        }
        if monotonic && kind != NUMBER && signs.dynamic {
            return Rule::Misplaced("monotonic");
        }
        if regex && kind != STRING {
            return Rule::Misplaced("pattern");
        }
        match kind {
            BOOL => Rule::Bool,
            LIST => Rule::List,
            NUMBER => Rule::Number { min, max },
            STRING if regex => Rule::Text(Box::new(TextRule {
                pattern: Pattern::read(&definition.validation_regex),
                source: definition.validation_regex.clone(),
                error: definition.validation_error.clone(),
            })),
            _ => Rule::None,
        }
    }
}

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

/// A decimal integer of 64 bits, sign allowed, within its bounds.
fn number(name: &str, value: &str, min: Option<i32>, max: Option<i32>) -> Result<(), Block> {
    let number: i64 = value.parse().map_err(|_| {
        BlockCode::ParameterNotNumber.block(format!(
            "the value of parameter {} is not a decimal integer of 64 bits",
            quoted(name)
        ))
    })?;
    let bound = match (min, max) {
        (Some(min), _) if number < i64::from(min) => format!("below its minimum {min}"),
        (_, Some(max)) if number > i64::from(max) => format!("above its maximum {max}"),
        _ => return Ok(()),
    };
    Err(BlockCode::ParameterOutOfRange.block(format!(
        "the value of parameter {} is {bound}",
        quoted(name)
    )))
}

impl TextRule {
    fn apply<'v>(
        &self,
        name: &str,
        value: impl Fn() -> Result<&'v str, Block>,
        unchanged: bool,
    ) -> Result<(), Block> {
        let blocked = |code: BlockCode, what: &str| {
            Err(code.block(format!(
                "{what} (parameter {}, pattern {})",
                quoted(name),
                quoted(&self.source)
            )))
        };
        let pattern = match &self.pattern {
            Ok(pattern) => pattern,
            // No proof of a bad value: the product may read it.
            Err(_) if unchanged => return Ok(()),
            Err(why) => {
                return blocked(
                    BlockCode::ParameterPatternUnreadable,
                    &format!("the pattern can't be read here: {why}"),
                );
            }
        };
        if self.error.is_empty() {
            return blocked(
                BlockCode::ParameterPatternWithoutError,
                "the pattern has no error text, which the product rejects",
            );
        }
        match pattern.is_match(value()?) {
            Some(true) => Ok(()),
            Some(false) => blocked(
                BlockCode::ParameterPatternMismatch,
                &format!("the value does not match: {}", quoted(&self.error)),
            ),
            None if unchanged => Ok(()),
            None => blocked(
                BlockCode::ParameterPatternUnreadable,
                "the value is too long to be matched",
            ),
        }
    }
}

/// The elements of a JSON array of strings, as Go reads it: `null` is an empty list, a
/// null element the empty string.
fn elements<'v>(name: &str, value: &'v str) -> Result<Vec<Cow<'v, str>>, Block> {
    // Two passes, since the first knows the whole grammar and the second takes strings
    // that only Go takes: halves of surrogate pairs.
    serde_json::from_str::<IgnoredAny>(value)
        .and_then(|_| serde_json::from_str::<Option<Vec<Option<Element>>>>(value))
        .map(|list| {
            let elements = list.unwrap_or_default().into_iter();
            elements
                .map(|e| e.map_or(Cow::Borrowed(""), |e| e.0))
                .collect()
        })
        .map_err(|_| {
            BlockCode::ParameterNotList.block(format!(
                "the value of parameter {} is not a JSON array of strings",
                quoted(name)
            ))
        })
}

struct Element<'v>(Cow<'v, str>);

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(String::from_utf8_lossy(bytes))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Text).map(Element)
    }
}
