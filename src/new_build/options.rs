//! The options of a parameter: the values among which a choice is made.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::inputs::Definition;
use super::kind::{self, BOOL, LIST, NUMBER, STRING};

const MULTI_SELECT: &str = "multi-select";

/// What a value is compared with.
#[derive(Clone, Debug)]
pub(super) enum Options {
    None,
    /// The value is one of them.
    One(HashSet<String>),
    /// The value is a list of them.
    Many(HashSet<String>),
    Unreadable,
}

impl Options {
    pub(super) fn of(definition: &Definition) -> Options {
        let Some(choices) = choices(definition) else {
            return Options::Unreadable;
        };
        if choices.is_empty() {
            return Options::None;
        }
        let values = choices.into_iter().map(|choice| choice.value).collect();
        if is_multi_select(definition) {
            Options::Many(values)
        } else {
            Options::One(values)
        }
    }
}

/// One option.
#[derive(Default)]
struct Choice {
    name: String,
    value: String,
}

fn is_multi_select(definition: &Definition) -> bool {
    definition.kind == LIST && definition.form_type == MULTI_SELECT
}

/// A JSON array of options, as Go reads it: keys in any case, the last one counts; what is
/// missing or null is the empty string.
fn choices(definition: &Definition) -> Option<Vec<Choice>> {
    let text = definition.options.as_deref().unwrap_or("null");
    let options: Option<Vec<Option<Map<String, Value>>>> = serde_json::from_str(text).ok()?;
    let options = options.unwrap_or_default().into_iter();
    options
        .map(|option| {
            let mut choice = Choice::default();
            for (key, value) in option.unwrap_or_default() {
                let field = match key.to_ascii_lowercase().as_str() {
                    "name" => &mut choice.name,
                    "value" => &mut choice.value,
                    _ => continue,
                };
                match value {
                    Value::String(value) => *field = value,
                    Value::Null => {}
                    _ => return None,
                }
            }
            Some(choice)
        })
        .collect()
}

/// What the provider does not take of a parameter's type, form type and options, whatever
/// its value is. No import lets such a version through.
pub(super) fn fault(definition: &Definition) -> Option<&'static str> {
    let choices = choices(definition)?;
    let forms: &[&str] = match (definition.kind.as_str(), choices.is_empty()) {
        (STRING | NUMBER, false) => &["radio", "dropdown"],
        (BOOL, false) => &["radio"],
        (LIST, false) => &["radio", MULTI_SELECT],
        (STRING, true) => &["input", "textarea"],
        (NUMBER, true) => &["input", "slider"],
        (BOOL, true) => &["checkbox", "switch"],
        (LIST, true) => &["tag-select"],
        _ => return Some("a type that the product does not know"),
    };
    // Without a form type the first one is taken.
    let form = definition.form_type.as_str();
    if !form.is_empty() && !forms.contains(&form) {
        return Some("a form type that does not go with its type and options");
    }
    let (mut names, mut values) = (HashSet::new(), HashSet::new());
    for choice in &choices {
        let fits = match definition.kind.as_str() {
            NUMBER => kind::is_number(&choice.value),
            BOOL => kind::is_bool(&choice.value),
            LIST if !is_multi_select(definition) => kind::elements(&choice.value).is_some(),
            _ => true,
        };
        if !fits {
            return Some("an option that is not of its type");
        }
        if !names.insert(&choice.name) || !values.insert(&choice.value) {
            return Some("two options of the same name or value");
        }
    }
    None
}
