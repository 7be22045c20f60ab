//! The buttons of a message.
//!
//! They stand in the product's row of the notice, as the text of JSON with places to be filled
//! in: the product's address, the user's name, a label. The places are filled first and the
//! text is read as JSON then, as in the product: a name with a quote breaks the text, and then
//! there is no message.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::access_url::AccessUrl;

/// Why a message can't be written as the product would write it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Untold {
    /// The notice's row has NULL for actions.
    #[error("its row of notification_templates has no actions")]
    NoActions,
    /// The actions name the product's address, which is not set.
    #[error("its actions need the product's address: workspace_autobuild.access_url is not set")]
    NoAccessUrl,
    /// The actions have a place that can't be filled in here.
    #[error("its actions have {{{{{0}}}}}, which only the product can fill in")]
    Place(String),
    /// A place in the actions does not end.
    #[error("its actions have {{{{ without }}}}")]
    Open,
    /// Filled in, the actions are no JSON list of labels and addresses.
    #[error("its actions, filled in, are no JSON list of labels and urls: {0}")]
    Json(String),
}

/// The actions of a message, as its payload has them.
///
/// `template` is `notification_templates.actions` as text.
pub fn actions(
    template: Option<&str>,
    access_url: Option<&AccessUrl>,
    username: &str,
    labels: &Map<String, Value>,
) -> Result<Value, Untold> {
    let template = template.ok_or(Untold::NoActions)?;
    let filled = fill(template, |place| match place {
        "base_url" => Ok(access_url.ok_or(Untold::NoAccessUrl)?.as_str()),
        ".UserUsername" => Ok(username),
        _ => {
            let label = place.strip_prefix(".Labels.").filter(|name| is_name(name));
            let name = label.ok_or_else(|| Untold::Place(place.to_owned()))?;
            Ok(labels.get(name).and_then(Value::as_str).unwrap_or(NO_VALUE))
        }
    })?;
    let list = serde_json::from_str(&filled).map_err(|error| Untold::Json(error.to_string()))?;
    let Value::Array(list) = list else {
        return Err(Untold::Json("it is no list".to_owned()));
    };
    list.iter().map(action).collect()
}

/// What the product writes for a label that there is not.
const NO_VALUE: &str = "<no value>";

/// A text with its places filled in.
fn fill<'a>(
    template: &str,
    value: impl Fn(&str) -> Result<&'a str, Untold>,
) -> Result<String, Untold> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, after) = after.split_once("}}").ok_or(Untold::Open)?;
        filled.push_str(before);
        filled.push_str(value(place.trim_matches(' '))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Can it be the name of a label in a template?
fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && letters.all(|c| c.is_alphanumeric() || c == '_')
}

/// A list's element, reduced to what the product keeps of it.
fn action(element: &Value) -> Result<Value, Untold> {
    let element = element
        .as_object()
        .ok_or_else(|| Untold::Json("an element of it is no object".to_owned()))?;
    let text = |key: &str| match element.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) if text.contains('\0') => {
            Err(Untold::Json(format!("a {key} has a zero byte")))
        }
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Untold::Json(format!("a {key} of it is no text"))),
    };
    Ok(json!({"label": text("label")?, "url": text("url")?}))
}
