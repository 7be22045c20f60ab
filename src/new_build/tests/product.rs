//! What the product makes of a version that it renders by what is stored, or might as well:
//! its rules, said once more and independently of the code.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::pattern::Pattern;
use super::*;

/// A version as it is rendered for a workspace.
pub(super) struct Rendered<'a> {
    case: &'a Case,
    /// Where its source was proved to decide nothing else; `None` where it has only rows.
    proof: Option<&'a Static>,
}

/// `None` where the product looks at more than what is stored, or makes other checks.
pub(super) fn rendered(case: &Case) -> Option<Rendered<'_>> {
    let version = case.version.as_ref()?;
    if !case.signs.dynamic || version.classic_flow != Some(false) {
        return None;
    }
    let proof = match (version.provisionerd_version.as_deref(), &version.proof) {
        (Some("1.6"), Proof::Static(proof)) => Some(proof),
        (Some("1.6"), _) => return None,
        _ => None,
    };
    Some(Rendered { case, proof })
}

impl Rendered<'_> {
    /// Has it neither a default nor a need for a value?
    pub(super) fn is_null(&self, definition: &Definition) -> bool {
        let null = |proof: &Static| proof.null_defaults.contains(&definition.name);
        definition.required && self.proof.is_some_and(null)
    }

    fn last(&self, definition: &Definition) -> Option<&str> {
        let previous = &self.case.previous;
        let row = previous
            .iter()
            .find(|p| p.source == PreviousSource::Build && p.name == definition.name)?;
        // A value that nobody has read may be any.
        Some(match &row.value {
            Some(value) => value,
            None if row.empty => "",
            None => "?",
        })
    }

    /// The value that is stored with the new build; `None` for none, or if it is refused.
    pub(super) fn value<'d>(&'d self, definition: &'d Definition) -> Option<&'d str> {
        match self.last(definition) {
            Some(value) if !definition.ephemeral => Some(value),
            _ if self.proof.is_some() && definition.required => None,
            _ => Some(&definition.default_value),
        }
    }

    /// Does the product take the value of a parameter? `None` if that can't be told here.
    pub(super) fn takes(&self, definition: &Definition) -> Option<bool> {
        let bounded = definition.validation_min.is_some() || definition.validation_max.is_some();
        let rules = [
            &definition.validation_regex,
            &definition.validation_error,
            &definition.validation_monotonic,
        ];
        let validated =
            rules.iter().any(|rule| !rule.is_empty()) || (bounded && self.proof.is_some());
        let text = definition.options.as_deref().unwrap_or("null");
        let options: Option<Vec<Value>> = serde_json::from_str(text).ok()?;
        let options = options.unwrap_or_default();
        let field = |key| {
            let fields = options.iter().map(move |option| option[key].as_str());
            fields
                .map(|text| text.unwrap_or_default().to_owned())
                .collect()
        };
        let (names, values): (BTreeSet<String>, BTreeSet<String>) = (field("name"), field("value"));
        if options.iter().any(|option| !option.is_object()) {
            return None;
        }

        let kind = definition.kind.as_str();
        let many = kind == "list(string)" && definition.form_type == "multi-select";
        let form = match (definition.form_type.as_str(), options.is_empty()) {
            ("", _) => matches!(kind, "string" | "number" | "bool" | "list(string)"),
            ("radio", false) => matches!(kind, "string" | "number" | "bool" | "list(string)"),
            ("multi-select", false) => many,
            ("input", true) => matches!(kind, "string" | "number"),
            ("slider", true) => kind == "number",
            ("switch", true) => kind == "bool",
            ("tag-select", true) => kind == "list(string)",
            _ => false,
        };
        let option_kind = if many { "string" } else { kind };
        if !form
            || names.len() < options.len()
            || values.len() < options.len()
            || !values.iter().all(|value| is_of_type(option_kind, value))
        {
            return Some(false);
        }

        let value = match self.value(definition) {
            Some(value) => value,
            None if !self.is_null(definition) => return Some(false),
            None if !validated => return Some(true),
            None => "",
        };
        let chosen = match list(value) {
            _ if options.is_empty() => true,
            None if many => false,
            Some(list) if many => list.iter().all(|element| values.contains(element)),
            _ => values.contains(value),
        };
        if !chosen || !is_of_type(kind, value) {
            return Some(false);
        }
        if validated {
            self.is_valid(definition, value)
        } else {
            Some(true)
        }
    }

    /// Does it hold against the validation?
    fn is_valid(&self, definition: &Definition, value: &str) -> Option<bool> {
        let (min, max) = (definition.validation_min, definition.validation_max);
        let order = definition.validation_monotonic.as_str();
        let regex = &definition.validation_regex;
        let kind = definition.kind.as_str();
        let misplaced = (kind != "number" && (min.is_some() || max.is_some() || !order.is_empty()))
            || (kind != "string" && !regex.is_empty());
        if misplaced || !matches!(order, "" | "increasing" | "decreasing") {
            return Some(false);
        }
        Some(match kind {
            "bool" => matches!(value, "true" | "false"),
            "number" => {
                let Ok(number) = value.parse::<i64>() else {
                    return Some(false);
                };
                let last = self.last(definition).and_then(|last| last.parse().ok());
                let last = last.unwrap_or(number);
                min.is_none_or(|min| i64::from(min) <= number)
                    && max.is_none_or(|max| number <= i64::from(max))
                    && (order != "increasing" || last <= number)
                    && (order != "decreasing" || number <= last)
            }
            "string" if !regex.is_empty() => {
                let matches = Pattern::read(regex).ok()?.is_match(value)?;
                matches && !definition.validation_error.is_empty()
            }
            _ => true,
        })
    }

    /// The tags of the job; `None` if there are none to be had.
    pub(super) fn tags(&self) -> Option<BTreeMap<String, String>> {
        let version = self.case.version.as_ref()?;
        let imported = version.import.as_ref()?.tags.as_deref()?;
        let imported: Option<BTreeMap<String, Option<String>>> =
            serde_json::from_str(imported).ok()?;
        let mut tags: BTreeMap<String, String> = imported
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .filter(|(_, value)| !value.is_empty() || !self.case.signs.next_start_at)
            .collect();
        if tags.get("scope").is_some_and(|scope| scope == "user") {
            tags.insert("owner".to_owned(), OWNER.to_string());
        } else {
            tags.insert("scope".to_owned(), "organization".to_owned());
            if self.case.signs.empty_owner_tag {
                tags.insert("owner".to_owned(), String::new());
            }
        }
        for (key, value) in self.proof.iter().flat_map(|proof| &proof.tags).flatten() {
            let value = match value {
                TagValue::Literal(text) => text.clone(),
                TagValue::Parameter(name) => {
                    let definition = version.parameters.iter().find(|d| d.name == *name)?;
                    self.value(definition)?.to_owned()
                }
            };
            tags.insert(key.clone(), value);
        }
        Some(tags)
    }
}

fn is_of_type(kind: &str, value: &str) -> bool {
    match kind {
        "number" => is_number(value),
        "bool" => "1 t T true TRUE True 0 f F false FALSE False"
            .split(' ')
            .any(|word| word == value),
        "list(string)" => list(value).is_some(),
        _ => true,
    }
}

fn list(value: &str) -> Option<Vec<String>> {
    let list: Option<Vec<Option<String>>> = serde_json::from_str(value).ok()?;
    let elements = list.unwrap_or_default().into_iter();
    Some(elements.map(Option::unwrap_or_default).collect())
}

/// Does Go's `ParseFloat` take it? Of hexadecimal ones only the form is looked at.
pub(super) fn is_number(text: &str) -> bool {
    static FORMS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        let (d, h) = ("[0-9](?:_?[0-9])*", "[0-9a-f](?:_?[0-9a-f])*");
        [
            "[+-]?inf(?:inity)?|nan".to_owned(),
            format!(r"[+-]?0x(?:_?{h}\.?(?:{h})?|\.{h})p[+-]?{d}"),
            format!(r"[+-]?(?:{d}\.?(?:{d})?|\.{d})(?:e[+-]?{d})?"),
        ]
        .map(|form| Regex::new(&format!(r"(?i)\A(?:{form})\z")).unwrap())
    });
    let finite = || {
        let number: f64 = text.replace('_', "").parse().unwrap();
        number.is_finite()
    };
    let [words, hex, decimal] = &*FORMS;
    words.is_match(text) || hex.is_match(text) || (decimal.is_match(text) && finite())
}
