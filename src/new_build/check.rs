//! What a parameter's value has to be: the checks of its definition.
//!
//! They are made ready once for each version (options as a set, the pattern compiled)
//! and then applied to the value of every workspace. Applying them never fails on the
//! definition's own faults but reports them as blocks, and only where the product
//! would come upon them too.
//!
//! The product has two sets of them: its own, for classic parameters ([`Check::classic`]),
//! and those of the Terraform provider, for dynamic ones ([`Check::of_provider`]).

use crate::lifecycle::signs::Signs;

use super::codes::{BlockCode, quoted};
use super::inputs::{Block, Definition};
use super::kind::{self, BOOL, LIST, NUMBER, STRING};
use super::options::{self, Options};
use super::pattern::{Pattern, Unreadable};

/// The checks of one parameter.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// What the provider never takes, whatever the value is.
    fault: Option<&'static str>,
    options: Options,
    /// A value that is one of the options is not looked at further.
    options_suffice: bool,
    rule: Rule,
    /// There are rules for the value, and they hold for one that is not there, too: it is
    /// the empty string to them.
    validated: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    None,
    /// The definition has a rule that its type does not allow.
    Misplaced(&'static str),
    /// What Go reads as a bool.
    AnyBool,
    /// `true` or `false`.
    Bool,
    List,
    /// What Go reads as a number.
    AnyNumber,
    /// An integer of 64 bits.
    Integer {
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

/// Where the provider finds a rule for the value in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validation {
    /// In any of the five columns.
    Any,
    /// Not in the minimum and maximum alone.
    NotByBoundsAlone,
}

impl Check {
    /// The checks of a classic parameter.
    pub(super) fn classic(definition: &Definition, signs: &Signs) -> Check {
        Check {
            fault: None,
            options: Options::of(definition),
            options_suffice: !signs.dynamic,
            rule: Rule::classic(definition, signs),
            validated: false,
        }
    }

    /// The provider's checks.
    pub(super) fn of_provider(definition: &Definition, validation: Validation) -> Check {
        let validated = is_validated(definition, validation);
        Check {
            fault: options::fault(definition).or_else(|| unknown_order(definition)),
            options: Options::of(definition),
            options_suffice: false,
            rule: if validated {
                Rule::of_validation(definition)
            } else {
                Rule::of_type(definition)
            },
            validated,
        }
    }

    /// Does any check look at the value?
    pub(super) fn looks_at_value(&self) -> bool {
        !matches!(
            (&self.options, &self.rule),
            (Options::None, Rule::None | Rule::Misplaced(_))
        )
    }

    /// Do the checks hold for a parameter without a value?
    pub(super) fn looks_at_absence(&self) -> bool {
        self.validated
    }

    /// Is the definition one that can be checked by? The product looks at that before
    /// anything else.
    pub(super) fn definition_holds(&self, name: &str) -> Result<(), Block> {
        if let Options::Unreadable = self.options {
            return Err(BlockCode::ParameterOptionsUnreadable.block(format!(
                "the options of parameter {} are not a JSON array of options",
                quoted(name)
            )));
        }
        match self.fault {
            Some(what) => Err(BlockCode::ParameterDefinitionInvalid.block(format!(
                "parameter {} has {what}, which the product rejects; its template needs a \
                 version that defines it otherwise",
                quoted(name)
            ))),
            None => Ok(()),
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
            Options::Many(options) => match kind::elements(value()?) {
                Some(elements) => Some(elements.iter().all(|e| options.contains(e.as_ref()))),
                None => return Err(not_a_list(name)),
            },
        };
        if chosen == Some(false) {
            return Err(of_value(
                BlockCode::ParameterNotAnOption,
                name,
                "is not one of its options",
            ));
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
            Rule::AnyBool if kind::is_bool(value()?) => Ok(()),
            Rule::AnyBool => Err(of_value(BlockCode::ParameterNotBool, name, "is not a bool")),
            Rule::Bool => match value()? {
                "true" | "false" => Ok(()),
                _ => Err(of_value(
                    BlockCode::ParameterNotBool,
                    name,
                    "is neither true nor false",
                )),
            },
            Rule::List => match kind::elements(value()?) {
                Some(_) => Ok(()),
                None => Err(not_a_list(name)),
            },
            Rule::AnyNumber if kind::is_number(value()?) => Ok(()),
            Rule::AnyNumber => Err(of_value(
                BlockCode::ParameterNotNumber,
                name,
                "is not a number",
            )),
            Rule::Integer { min, max } => integer(name, value()?, *min, *max),
            Rule::Text(rule) => rule.apply(name, value, unchanged),
        }
    }
}

/// A block for what a value is. Its owner can set another.
fn of_value(code: BlockCode, name: &str, what: &str) -> Block {
    code.block(format!(
        "the value of parameter {} {what}; the owner can set another on the workspace's \
         parameters page in the product",
        quoted(name)
    ))
}

fn not_a_list(name: &str) -> Block {
    of_value(
        BlockCode::ParameterNotList,
        name,
        "is not a JSON array of strings",
    )
}

/// Does the provider find a rule for the value?
fn is_validated(definition: &Definition, validation: Validation) -> bool {
    let bounded = definition.validation_min.is_some() || definition.validation_max.is_some();
    !definition.validation_regex.is_empty()
        || !definition.validation_error.is_empty()
        || !definition.validation_monotonic.is_empty()
        || (bounded && validation == Validation::Any)
}

fn unknown_order(definition: &Definition) -> Option<&'static str> {
    match definition.validation_monotonic.as_str() {
        "" | "increasing" | "decreasing" => None,
        _ => Some("a monotonic rule that is neither increasing nor decreasing"),
    }
}

impl Rule {
    fn classic(definition: &Definition, signs: &Signs) -> Rule {
        let kind = definition.kind.as_str();
        let monotonic = !definition.validation_monotonic.is_empty();
        let regex = !definition.validation_regex.is_empty();
        let (mut min, mut max) = (definition.validation_min, definition.validation_max);
        if signs.dynamic && !is_validated(definition, Validation::NotByBoundsAlone) {
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
        Rule::strict(definition, min, max)
    }

    /// Where the provider finds a rule for the value.
    fn of_validation(definition: &Definition) -> Rule {
        let kind = definition.kind.as_str();
        let (min, max) = (definition.validation_min, definition.validation_max);
        if (min.is_some() || max.is_some()) && kind != NUMBER {
            return Rule::Misplaced("minimum or maximum");
        }
        if !definition.validation_monotonic.is_empty() && kind != NUMBER {
            return Rule::Misplaced("monotonic");
        }
        if !definition.validation_regex.is_empty() && kind != STRING {
            return Rule::Misplaced("pattern");
        }
        Rule::strict(definition, min, max)
    }

    /// Where the provider finds none.
    fn of_type(definition: &Definition) -> Rule {
        match definition.kind.as_str() {
            BOOL => Rule::AnyBool,
            LIST => Rule::List,
            NUMBER => Rule::AnyNumber,
            _ => Rule::None,
        }
    }

    fn strict(definition: &Definition, min: Option<i32>, max: Option<i32>) -> Rule {
        match definition.kind.as_str() {
            BOOL => Rule::Bool,
            LIST => Rule::List,
            NUMBER => Rule::Integer { min, max },
            STRING if !definition.validation_regex.is_empty() => Rule::Text(Box::new(TextRule {
                pattern: Pattern::read(&definition.validation_regex),
                source: definition.validation_regex.clone(),
                error: definition.validation_error.clone(),
            })),
            _ => Rule::None,
        }
    }
}

/// A decimal integer of 64 bits, sign allowed, within its bounds.
fn integer(name: &str, value: &str, min: Option<i32>, max: Option<i32>) -> Result<(), Block> {
    let Ok(number) = value.parse::<i64>() else {
        return Err(of_value(
            BlockCode::ParameterNotNumber,
            name,
            "is not a decimal integer of 64 bits",
        ));
    };
    let bound = match (min, max) {
        (Some(min), _) if number < i64::from(min) => format!("is below its minimum {min}"),
        (_, Some(max)) if number > i64::from(max) => format!("is above its maximum {max}"),
        _ => return Ok(()),
    };
    Err(of_value(BlockCode::ParameterOutOfRange, name, &bound))
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
