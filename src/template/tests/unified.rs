//! Guard 6: what Terraform makes of values that lie side by side. A number beside a text becomes
//! a text in a condition, a list or a map; a count that is a text is 1 to the renderer.

use super::written::{row, template, with};

const NO_NUMBER: &str = "main.tf:3: count is not surely a number";

fn counted(count: &str, rest: &str) -> Vec<String> {
    let source = format!(
        "{}{rest}",
        with(&format!("count = {count}\ndefault = \"\""))
    );
    let template = template(&source)
        .row(row("p"))
        .variable("b", "bool", "true");
    template.reasons()
}

#[test]
fn a_number_beside_a_text_is_surely_no_number() {
    for count in [
        "var.b ? 1 : \"0\"",
        "coalesce(1, \"1\")",
        "tolist([1, \"1\"])[0]",
        "[for x in toset([1, \"b\"]) : x][0]",
        "concat(tolist([1]), tolist([\"b\"]))[0]",
        "tomap({ a = 1, b = \"x\" }).a",
        "tomap({ a = 1, b = \"x\" })[\"a\"]",
        "merge(tomap({ a = 1 }), tomap({ b = \"x\" })).a",
        "lookup(tomap({ a = \"1\" }), \"b\", 1)",
        "tomap(zipmap([\"a\", \"b\"], [1, \"x\"])).a",
        "tolist(flatten([[1], [\"2\"]]))[0]",
        "(var.b ? { a = 1 } : { a = \"1\" }).a",
        "(var.b ? { a = 1 } : { b = \"1\" }).a",
        "(var.b ? [{ a = 1 }] : [{ a = \"1\" }])[0].a",
        "tolist([{ a = 1 }, { a = \"x\" }])[0].a",
        "csvdecode(\"a\\n1\")[0].a",
    ] {
        let reasons = counted(count, "variable \"b\" {\n  type = bool\n}");
        assert_eq!(reasons, [NO_NUMBER], "{count}");
    }
}

#[test]
fn a_declared_type_decides_what_lies_side_by_side() {
    for (kind, given, used) in [
        ("map(any)", "{ a = 1, b = \"x\" }", "var.v.a"),
        ("list(any)", "[1, \"x\"]", "var.v[0]"),
        (
            "list(object({ a = any }))",
            "[{ a = 1 }, { a = \"x\" }]",
            "var.v[0].a",
        ),
        ("string", "1", "var.v"),
        ("map(string)", "{ a = 1 }", "var.v.a"),
    ] {
        let inner = format!(
            "{}variable \"v\" {{\n  type = {kind}\n}}",
            with(&format!("count = {used}\ndefault = \"\""))
        );
        let source = format!("module \"m\" {{\n  source = \"./m\"\n  v = {given}\n}}");
        let typed = template(&source).file("m/main.tf", &inner).row(row("p"));
        typed.is_unknown("m/main.tf:3: count is not surely a number");
    }
    let inner = format!(
        "{}variable \"v\" {{\n  type = number\n}}",
        with("count = var.v\ndefault = \"\"")
    );
    template("module \"m\" {\n  source = \"./m\"\n  v = \"1\"\n}")
        .file("m/main.tf", &inner)
        .row(row("p"))
        .is_static();
}

#[test]
fn a_null_is_found_in_what_functions_make_of_collections() {
    for value in [
        "setproduct([\"a\"], [\"b\", null])[0][1]",
        "regex(\"(a)|(b)\", \"a\")[1]",
        "yamldecode(\"a: null\").a",
        "lookup({ a = \"x\" }, \"b\", null)",
        "one([for x in [\"a\"] : x if x == \"b\"])",
        "[for k, v in { a = null } : v][0]",
        "element([\"a\", null], 0)",
        "merge({ a = \"x\" }, { b = null })[lower(\"A\")]",
        "try({}.a, null)",
    ] {
        let source = format!(
            "{}locals {{\n  x = {value}\n}}",
            with("default = coalesce(local.x, \"x\")")
        );
        let reasons = template(&source).row(row("p")).reasons();
        let what = "main.tf:3: local.x may be null, which is unknown to the renderer";
        assert_eq!(reasons, [what], "{value}");
    }
}
