//! The buttons of a message: what is put into the texts of the product's rows.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::messages::actions::{Untold, actions};

/// The actions of a row, for a user and labels.
fn buttons(row: &str, username: &str, labels: &[(&str, &str)]) -> Result<Value, Untold> {
    let labels = labels.iter();
    let labels: Map<String, Value> = labels
        .map(|(key, text)| ((*key).to_owned(), Value::from(*text)))
        .collect();
    actions(Some(row), Some(&url()), username, &labels)
}

#[test]
fn the_slash_at_the_end_of_the_address_stays() {
    let slash = AccessUrl::parse("https://x/").unwrap();
    let filled = actions(
        Some(r#"[{"label":"","url":"{{base_url}}/@{{.UserUsername}}"}]"#),
        Some(&slash),
        "ada",
        &Map::new(),
    );
    assert_eq!(filled, Ok(json!([{"label": "", "url": "https://x//@ada"}])));
}

#[test]
fn a_button_is_reduced_to_label_and_url() {
    let row = r#"[{"url": "u", "icon": "i", "more": [1]}, {"label": null}]"#;
    assert_eq!(
        buttons(row, "ada", &[]),
        Ok(json!([{"label": "", "url": "u"}, {"label": "", "url": ""}]))
    );
    assert_eq!(buttons("[]", "ada", &[]), Ok(json!([])));
}

#[test]
fn a_name_is_put_in_before_the_text_is_read_as_json() {
    let row = r#"[{"label": "{{.Labels.name}}", "url": ""}]"#;
    let label = |name| {
        let buttons = buttons(row, "ada", &[("name", name)])?;
        Ok::<Value, Untold>(buttons[0]["label"].clone())
    };
    assert_eq!(label("dev"), Ok(json!("dev")));
    assert_eq!(label("a b/ä?&<"), Ok(json!("a b/ä?&<")));
    assert_eq!(label(r"\u0041"), Ok(json!("A")));
    for name in ["a\"b", "a\\", "a\nb", "\u{1}"] {
        assert!(matches!(label(name), Err(Untold::Json(_))), "{name:?}");
    }
    // The server keeps no zero byte.
    assert!(matches!(label(r"\u0000"), Err(Untold::Json(_))));
}

#[test]
fn a_name_is_never_taken_for_a_template() {
    let row = r#"[{"label": "{{.Labels.name}}", "url": "{{.UserUsername}}"}]"#;
    let name = "{{.UserUsername}}{{base_url}}{{x";
    assert_eq!(
        buttons(row, "{{.Labels.name}}", &[("name", name)]),
        Ok(json!([{"label": name, "url": "{{.Labels.name}}"}]))
    );
}

#[test]
fn without_the_address_only_a_notice_that_does_not_name_it_is_told() {
    let told = |row| actions(Some(row), None, "ada", &Map::new());
    assert_eq!(
        told(r#"[{"url": "{{base_url}}"}]"#),
        Err(Untold::NoAccessUrl)
    );
    assert!(told(r#"[{"url": "/@{{.UserUsername}}"}]"#).is_ok());
}

#[test]
fn what_the_product_alone_could_fill_in_is_not_told() {
    for place in [
        "app_name",
        "if .Labels.name",
        "- base_url",
        ".Labels",
        ".Labels.a.b",
        ".Labels.1",
        ".Labels.a | upper",
        "/* base_url */",
        "",
    ] {
        let row = format!(r#"[{{"label": "", "url": "{{{{{place}}}}}"}}]"#);
        let untold = buttons(&row, "ada", &[]).unwrap_err();
        assert_eq!(untold, Untold::Place(place.to_owned()));
        assert!(untold.to_string().contains(&format!("{{{{{place}}}}}")));
    }
    assert_eq!(
        buttons(r#"[{"url": "{{base_url"}]"#, "ada", &[]),
        Err(Untold::Open)
    );
    for row in ["", "[", "{}", "null", "[1]", r#"[{"url": 1}]"#, "[] []"] {
        assert!(
            matches!(buttons(row, "ada", &[]), Err(Untold::Json(_))),
            "{row}"
        );
    }
    assert_eq!(
        actions(None, Some(&url()), "ada", &Map::new()),
        Err(Untold::NoActions)
    );
}

proptest! {
    #[test]
    fn no_text_of_a_row_makes_it_panic(row in "[\\[\\]{}\":,.a-zL ]{0,40}", name in "\\PC{0,8}") {
        let _ = buttons(&row, &name, &[("name", &name)]);
    }
}
