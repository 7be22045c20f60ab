//! Guards 7, 8 and 9: kinds, numbers and validations. Guard 4: null.

use super::written::{Row, names, row, template, with};

#[test]
fn what_is_only_shown_may_refer_to_anything() {
    let shown = "description = data.coder_workspace.me.name\n\
                 display_name = data.coder_workspace_owner.me.name\n\
                 icon = module.none.icon\nstyling = jsonencode({ a = timestamp() })\ndefault = \"\"";
    template(&with(shown)).row(row("p")).is_static();
    let option = "option {\nname = \"A\"\nvalue = \"a\"\nicon = uuid()\ndescription = local.d\n}";
    template(&with(option))
        .row(row("p").required().options(&[("A", "a")]))
        .is_static();
}

#[test]
fn sensitive_is_a_reason_wherever_the_renderer_reads_it() {
    for block in [
        "resource \"x\" \"a\" {\n  count = sensitive(1)\n}",
        "data \"x\" \"a\" {\n  for_each = toset([sensitive(\"a\")])\n}",
        "data \"coder_workspace_preset\" \"a\" {\n  name = local.n\n}\n\
             locals {\n  n = sensitive(\"a\")\n}",
    ] {
        let source = format!("{}{block}", with("default = \"\""));
        let reasons = template(&source).row(row("p")).reasons();
        assert_eq!(reasons, ["main.tf:5: reaches the function sensitive"]);
    }
    // It does not read what else resources are made of.
    let unread = "resource \"x\" \"a\" {\n  password = sensitive(\"a\")\n}";
    let unread = format!("{}{unread}", with("default = \"\""));
    template(&unread).row(row("p")).is_static();
}

#[test]
fn sensitive_is_a_reason_even_where_it_is_only_shown() {
    let shown = "default = \"\"\ndescription = local.d\n}\nlocals {\nd = \"${sensitive(\"x\")}\"";
    let shown = template(&with(shown)).row(row("p"));
    shown.is_unknown("main.tf:4: reaches the function sensitive");
}

#[test]
fn an_order_that_may_be_unknown_is_a_reason() {
    template(&with("default = \"\"\norder = 3"))
        .row(row("p"))
        .is_static();
    let unknown = template(&with("default = \"\"\norder = length(coder_agent.a.id)")).row(row("p"));
    unknown.is_unknown("main.tf:4: refers to coder_agent.a.id");
}

#[test]
fn a_name_must_surely_be_a_text() {
    for name in ["42", "\"${42}\"", "true", "var.n"] {
        let source =
            format!("data \"coder_parameter\" \"p\" {{\nname = {name}\ndefault = \"\"\n}}");
        let source = format!("{source}\nvariable \"n\" {{\n  type = number\n}}");
        let template = template(&source)
            .row(row("42"))
            .variable("n", "number", "42");
        template.is_unknown("main.tf:2: name is not surely a text");
    }
    let typed = "data \"coder_parameter\" \"p\" {\nname = var.n\ndefault = \"\"\n}\n\
                 variable \"n\" {\n  type = string\n}";
    template(typed)
        .row(row("42"))
        .variable("n", "string", "42")
        .is_static();
}

#[test]
fn an_options_name_of_an_open_kind_must_not_read_as_a_number() {
    let source = "locals {\n  all = jsondecode(\"[]\")\n}\n\
                  data \"coder_parameter\" \"p\" {\n  name = \"p\"\n  option {\n    \
                  name = [1, \"a\"][0]\n    value = \"a\"\n  }\n}";
    template(source)
        .row(row("p").required().options(&[("A", "a")]))
        .is_static();
    for made in ["1", "-2.5", "true"] {
        let number = template(source).row(row("p").required().options(&[(made, "a")]));
        number.is_unknown("main.tf:7: an option's name is not surely a text");
    }
}

#[test]
fn a_flag_that_is_set_must_surely_be_a_bool() {
    for key in ["mutable", "ephemeral"] {
        let source = with(&format!("default = \"\"\n{key} = \"true\""));
        let set = |row: crate::template::StoredParameter| {
            row.with(|row| match key {
                "mutable" => row.mutable = true,
                _ => row.definition.ephemeral = true,
            })
        };
        let text = template(&source).row(set(row("p")));
        text.is_unknown(&format!("main.tf:4: {key} is not surely a bool"));
        // What is false is false on both sides.
        template(&source).row(row("p")).is_static();
        let bool = with(&format!("default = \"\"\n{key} = !false"));
        template(&bool).row(set(row("p"))).is_static();
    }
}

#[test]
fn type_and_form_type_are_surely_texts_and_never_null() {
    for (attribute, key) in [
        ("type = null", "type"),
        ("form_type = true ? \"input\" : null", "form_type"),
        ("form_type = 5", "form_type"),
    ] {
        let template = template(&with(&format!("default = \"\"\n{attribute}"))).row(row("p"));
        template.is_unknown(&format!("main.tf:4: {key} is not surely a text"));
    }
}

#[test]
fn a_default_or_value_that_is_a_list_is_a_reason() {
    let list = template(&with("default = [\"a\"]")).row(row("p"));
    list.is_unknown("main.tf:3: default is a list or an object");
    let option = with("option {\nname = \"A\"\nvalue = { a = 1 }\n}");
    let option = template(&option).row(row("p").required().options(&[("A", "a")]));
    option.is_unknown("main.tf:5: an option's value is a list or an object");
}

#[test]
fn a_number_that_the_renderer_writes_otherwise_is_a_reason_unless_it_is_a_text() {
    for number in ["12345678901", "0.00001", "3.14159265358", "-20000000000"] {
        let written = template(&with(&format!("default = {number}"))).row(row("p").default(number));
        written.is_unknown("main.tf:3: a number that the renderer writes otherwise");
        let text = format!("default = \"{number}\"");
        template(&with(&text))
            .row(row("p").default(number))
            .is_static();
        let option = with(&format!("option {{\nname = \"A\"\nvalue = {number}\n}}"));
        let option = template(&option).row(row("p").required().options(&[("A", number)]));
        option.is_unknown("main.tf:5: a number that the renderer writes otherwise");
    }
    for number in ["5", "1.5", "-3", "0.0001", "1234567890"] {
        let written = template(&with(&format!("default = {number}"))).row(row("p").default(number));
        written.is_static();
    }
}

#[test]
fn a_validation_that_the_row_does_not_show_is_a_reason() {
    for empty in ["", "min = null\nregex = null"] {
        let source = with(&format!("default = 1\nvalidation {{\n{empty}\n}}"));
        let hidden = template(&source).row(row("p").number().default("1"));
        hidden.is_unknown("main.tf:4: a validation block that the row does not show");
    }
    let missing = template(&with("default = 1")).row(row("p").default("1").max(3));
    missing.is_unknown("main.tf:1: a row has a validation that the parameter has not");
}

#[test]
fn limits_are_known_whole_numbers_of_32_bits() {
    let stored = || row("p").number().default("1").max(3);
    let limit = |limit: &str| {
        with(&format!(
            "default = 1\ntype = \"number\"\nvalidation {{\nmax = {limit}\n}}"
        ))
    };
    template(&limit("3")).row(stored()).is_static();
    let variable = format!("{}variable \"m\" {{\n  type = number\n}}", limit("var.m"));
    template(&variable)
        .variable("m", "number", "3")
        .row(stored())
        .is_static();
    for wide in ["4294967299", "3.5", "-2147483649"] {
        let wide = template(&limit(wide)).row(stored());
        wide.is_unknown("main.tf:6: max is no whole number of 32 bits");
    }
    for unknown in ["\"3\"", "1 + 2", "true ? 3 : null"] {
        let unknown = template(&limit(unknown)).row(stored());
        unknown.is_unknown("main.tf:6: max is not a known number");
    }
}

#[test]
fn patterns_are_surely_texts_and_there_is_one_validation() {
    let stored = || row("p").with(|row| row.definition.validation_regex = "5".to_owned());
    let number = with("default = \"\"\nvalidation {\nregex = 5\nerror = \"no\"\n}");
    template(&number)
        .row(stored())
        .is_unknown("main.tf:5: regex is not surely a text");
    let two = with(
        "default = \"\"\nvalidation {\nregex = \"5\"\nerror = \"no\"\n}\nvalidation {\nregex = \"5\"\n}",
    );
    template(&two)
        .row(stored())
        .is_unknown("main.tf:8: a second validation block");
}

#[test]
fn what_is_not_known_in_a_parameter_is_a_reason() {
    for (rest, what) in [
        (
            "provider = 1",
            "main.tf:4: an attribute provider in a parameter",
        ),
        (
            "legacy_variable = \"x\"",
            "main.tf:4: an attribute legacy_variable in a parameter",
        ),
        (
            "lifecycle {}",
            "main.tf:4: a block lifecycle in a parameter",
        ),
        (
            "option {\nname = \"A\"\nvalue = \"\"\nx = 1\n}",
            "main.tf:7: an attribute x in an option",
        ),
        (
            "depends_on = [docker_volume.home]",
            "main.tf:4: depends on more than data of coder's",
        ),
    ] {
        let template = template(&with(&format!("default = \"\"\n{rest}"))).row(row("p"));
        let reasons = template.reasons();
        assert!(reasons.contains(&what.to_owned()), "{reasons:?}");
    }
    let on_data = with("default = \"\"\ndepends_on = [data.coder_workspace.me]");
    template(&on_data).row(row("p")).is_static();
}

#[test]
fn a_default_that_is_null_is_optional_without_a_value() {
    for null in [
        "null",
        "var.d",
        "true ? null : \"x\"",
        "lookup({ a = null }, \"a\")",
    ] {
        let source = format!(
            "{}variable \"d\" {{\n  default = null\n}}",
            with(&format!("default = {null}"))
        );
        let main = template("module \"m\" {\n  source = \"./m\"\n}").file("m/main.tf", &source);
        let proved = main.row(row("p").required()).is_static();
        assert_eq!(proved.null_defaults, names(["p"]));
    }
}

#[test]
fn a_null_default_needs_a_literal_name() {
    let source = "data \"coder_parameter\" \"p\" {\n  name = \"${\"p\"}\"\n  default = null\n}";
    let template = template(source).row(row("p").required());
    template.is_unknown("main.tf:3: a default that is null where the name is no literal");
}

#[test]
fn a_local_or_an_output_that_may_be_null_is_a_reason() {
    for null in [
        "null",
        "true ? \"a\" : null",
        "one([])",
        "{ a = null }.a",
        "[\"a\", null][0]",
        "jsondecode(\"null\")",
        "lookup({ a = null }, \"a\", \"b\")",
        "try(null, \"a\")",
    ] {
        let source = format!("{}locals {{\n  d = {null}\n}}", with("default = local.d"));
        let template = template(&source).row(row("p"));
        template.is_unknown("main.tf:3: local.d may be null, which is unknown to the renderer");
    }
    let output = template(&format!(
        "{}module \"m\" {{\n  source = \"./m\"\n}}",
        with("default = module.m.d")
    ));
    let output = output
        .file("m/main.tf", "output \"d\" {\n  value = null\n}")
        .row(row("p"));
    output.is_unknown("main.tf:3: module.m.d may be null, which is unknown to the renderer");
    for sure in [
        "coalesce(null, \"\")",
        "\"${\"\"}${\"\"}\"",
        "join(\",\", [])",
    ] {
        let source = format!("{}locals {{\n  d = {sure}\n}}", with("default = local.d"));
        template(&source).row(row("p")).is_static();
    }
}
