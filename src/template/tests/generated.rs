//! Made up templates: unknown wherever something that decides reaches what varies, and static
//! where all is plain.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::made_up::{Template, Text};
use crate::template::Proved;

/// Templates for each of the two properties.
const CASES: u32 = 1_500;

/// Where a parameter's text may stand that decides.
const DECIDING: usize = 15;
/// Those that decide how often something is there, which outputs of modules must not.
const COUNTED: [usize; 5] = [9, 10, 11, 13, 14];
/// Where it is only shown.
const COSMETIC: usize = 4;

/// Writes a parameter of which one attribute is a text, and its row.
fn decided(template: &mut Template<'_>, module: usize, place: usize, text: &Text) {
    let Text { source, value, .. } = text;
    let plain = "  name = \"n\"\n  default = \"a\"\n";
    match place {
        0 => {
            template.parameter(module, &format!("  name = \"n\"\n  default = {source}\n"));
            template.row("n", value);
        }
        1 => {
            template.parameter(module, &format!("  name = {source}\n  default = \"a\"\n"));
            template.row(value, "a");
        }
        2 => {
            let kind = format!("  type = {source} == \"?\" ? \"number\" : \"string\"\n");
            template.parameter(module, &format!("{plain}{kind}"));
            template.row("n", "a");
        }
        3 | 4 => {
            let name = ["mutable", "ephemeral"][place - 3];
            let line = format!("  mutable = true\n  {name} = {source} != \"?\"\n");
            let line = line.replace("  mutable = true\n  mutable", "  mutable");
            template.parameter(module, &format!("{plain}{line}"));
            let row = template.row("n", "a");
            row.mutable = true;
            row.definition.ephemeral = place == 4;
        }
        5 | 6 => {
            let [name, kept] = match place {
                5 => [source.as_str(), "\"a\""],
                _ => ["\"a\"", source.as_str()],
            };
            let option = format!("  option {{\n    name = {name}\n    value = {kept}\n  }}\n");
            let other = "  option {\n    name = \"other\"\n    value = \"other\"\n  }\n";
            template.parameter(
                module,
                &format!("  name = \"n\"\n  default = \"other\"\n{option}{other}"),
            );
            let row = template.row("n", "other");
            let [name, kept] = match place {
                5 => [value.as_str(), "a"],
                _ => ["a", value.as_str()],
            };
            row.definition.form_type = "radio".to_owned();
            row.definition.options = Some(format!(
                r#"[{{"name":"{name}","value":"{kept}"}},{{"name":"other","value":"other"}}]"#
            ));
        }
        7 | 8 => {
            let [regex, error] = match place {
                7 => [source.as_str(), "\"wrong\""],
                _ => ["\".\"", source.as_str()],
            };
            let block =
                format!("  validation {{\n    regex = {regex}\n    error = {error}\n  }}\n");
            template.parameter(module, &format!("{plain}{block}"));
            let row = template.row("n", "a");
            row.definition.validation_regex = if place == 7 {
                value.clone()
            } else {
                ".".into()
            };
            row.definition.validation_error = if place == 8 {
                value.clone()
            } else {
                "wrong".into()
            };
        }
        9 => {
            let count = format!("  count = {source} == \"?\" ? 0 : 1\n");
            template.parameter(module, &format!("{plain}{count}"));
            template.row("n", "a");
        }
        10 => {
            let each = format!("  for_each = toset([{source}])\n  name = each.value\n");
            template.parameter(module, &format!("{each}  default = \"a\"\n"));
            template.row(value, "a");
        }
        11 => {
            let options = format!(
                "  dynamic \"option\" {{\n    for_each = [{source}]\n    content {{\n      \
                 name = option.value\n      value = option.value\n    }}\n  }}\n"
            );
            template.parameter(module, &format!("  name = \"n\"\n{options}"));
            let row = template.row("n", "");
            row.definition.required = true;
            row.definition.form_type = "radio".to_owned();
            row.definition.options = Some(format!(r#"[{{"name":"{value}","value":"{value}"}}]"#));
        }
        // As an argument of a module, that decides there.
        12 => {
            let (called, _) = template.call(module, source, "");
            template.parameter(called, "  name = \"n\"\n  default = var.given\n");
            template.row("n", value);
        }
        13 => {
            let count = format!("  count = {source} == \"?\" ? 0 : 1\n");
            let (called, _) = template.call(module, "\"a\"", &count);
            template.parameter(called, plain);
            template.row("n", "a");
        }
        _ => {
            let each = format!("  for_each = toset([{source}])\n");
            let (called, _) = template.call(module, "\"a\"", &each);
            template.parameter(called, plain);
            template.row("n", "a");
        }
    }
}

/// Writes a parameter of which one attribute is only shown, and its row.
fn shown(template: &mut Template<'_>, module: usize, place: usize, text: &Text) {
    let attribute = ["description", "display_name", "icon"];
    let line = match attribute.get(place) {
        Some(attribute) => format!("  {attribute} = {}\n", text.source),
        None => format!(
            "  option {{\n    name = \"a\"\n    value = \"a\"\n    icon = {}\n  }}\n",
            text.source
        ),
    };
    template.parameter(
        module,
        &format!("  name = \"shown\"\n  default = \"a\"\n{line}"),
    );
    let row = template.row("shown", "a");
    if place >= attribute.len() {
        row.definition.form_type = "radio".to_owned();
        row.definition.options = Some(r#"[{"name":"a","value":"a"}]"#.to_owned());
    }
}

/// The root, or a module that it calls.
fn module(template: &mut Template<'_>) -> usize {
    match template.choices.of(3) {
        0 => template.call(0, "\"a\"", "").0,
        _ => 0,
    }
}

fn for_all(test: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let choices = prop::collection::vec(any::<u8>(), 0..60);
    runner.run(&choices, |choices| test(&choices)).unwrap();
}

/// A template in which something that decides reaches what varies; or its twin, in which a
/// literal stands there instead. Is it plain but for that?
fn reaching<'a>(choices: &'a [u8], instead: Option<&'a str>) -> (Template<'a>, bool) {
    let mut template = Template::new(choices);
    template.instead = instead;
    let place = template.choices.of(DECIDING);
    let module = module(&mut template);
    let text = template.text(module, true);
    decided(&mut template, module, place, &text);
    let plain = text.plain && !(text.outputs && COUNTED.contains(&place));
    (template, plain)
}

#[test]
fn what_reaches_anything_that_varies_is_never_static_but_its_twin_that_does_not_is() {
    let plain = Cell::new(0);
    for_all(|choices| {
        let (template, _) = reaching(choices, None);
        let proved = template.prove();
        prop_assert!(matches!(proved, Proved::Unknown(_)), "{}", template.shown());
        let (twin, is_plain) = reaching(choices, Some("a"));
        if is_plain {
            plain.set(plain.get() + 1);
            let proved = twin.prove();
            prop_assert!(
                matches!(proved, Proved::Static(_)),
                "{proved:?}\n{}",
                twin.shown()
            );
        }
        Ok(())
    });
    assert!(plain.get() > CASES / 4, "{} twins were plain", plain.get());
}

#[test]
fn what_is_plain_is_static_whatever_its_pictures_and_sentences_reach() {
    let plain = Cell::new(0);
    for_all(|choices| {
        let mut template = Template::new(choices);
        let place = template.choices.of(DECIDING);
        let module = module(&mut template);
        let text = template.text(module, false);
        let picture = template.choices.of(COSMETIC);
        let varying = template.text(module, true);
        decided(&mut template, module, place, &text);
        shown(&mut template, module, picture, &varying);
        // An argument that is new each time takes their evaluations from other modules.
        let crowded = varying.outputs;
        if text.plain && !(text.outputs && COUNTED.contains(&place)) && !crowded {
            plain.set(plain.get() + 1);
            let proved = template.prove();
            prop_assert!(
                matches!(proved, Proved::Static(_)),
                "{proved:?}\n{}",
                template.shown()
            );
        }
        Ok(())
    });
    assert!(plain.get() > CASES / 4, "{} cases were plain", plain.get());
}
