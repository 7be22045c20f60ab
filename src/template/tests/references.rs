//! Guard 3: variables. Guard 5: chains of locals. Guard 10: functions. And references.

use super::written::{Row, row, template, with};

fn reaches(expression: &str) -> super::written::Written {
    template(&with(&format!("default = {expression}"))).row(row("p"))
}

#[test]
fn what_differs_from_build_to_build_is_a_reason_that_names_it() {
    for (expression, what) in [
        (
            "data.coder_workspace_owner.me.email",
            "data.coder_workspace_owner.me.email",
        ),
        (
            "data.coder_workspace_owner.me.groups[0]",
            "data.coder_workspace_owner.me.groups",
        ),
        (
            "upper(data.coder_workspace.me.name)",
            "data.coder_workspace.me.name",
        ),
        (
            "\"${data.coder_parameter.q.value}-x\"",
            "data.coder_parameter.q.value",
        ),
        ("data.coder_parameter.q[0].value", "data.coder_parameter.q"),
        ("[for a in data.http.x.body : a][0]", "data.http.x.body"),
        (
            "true ? \"a\" : coder_agent.main.token",
            "coder_agent.main.token",
        ),
        ("path.module", "path.module"),
        ("terraform.workspace", "terraform.workspace"),
        ("self.id", "self.id"),
        ("each.key", "each.key"),
        ("something", "something"),
        ("<<-E\n  ${coder_agent.a.id}\n  E", "coder_agent.a.id"),
        (
            "\"%{ if coder_agent.a.id == \"\" }a%{ endif }\"",
            "coder_agent.a.id",
        ),
        (
            "\"%{ for x in coder_agent.a.env }${x}%{ endfor }\"",
            "coder_agent.a.env",
        ),
        ("{ (coder_agent.a.id) = \"a\" }.b", "coder_agent.a.id"),
        ("{ a = \"\" }[coder_agent.a.id]", "coder_agent.a.id"),
        ("-coder_agent.a.id", "coder_agent.a.id"),
        ("1 + coder_agent.a.id", "coder_agent.a.id"),
        (
            "[for x in [\"a\"] : x if coder_agent.a.id][0]",
            "coder_agent.a.id",
        ),
        ("[\"a\"][*][coder_agent.a.id][0]", "coder_agent.a.id"),
    ] {
        let reasons = reaches(expression).reasons();
        let what = format!("main.tf:3: refers to {what}");
        let later = what.replace(":3:", ":4:");
        assert!(
            reasons.contains(&what) || reasons.contains(&later),
            "{expression}: {reasons:?}"
        );
    }
}

#[test]
fn a_reference_is_followed_through_locals_variables_arguments_and_outputs() {
    let source = "module \"a\" {\n  source = \"./a\"\n  x = local.y\n}\n\
                  locals {\n  y = \"${data.coder_workspace_owner.me.name}\"\n}\n\
                  module \"b\" {\n  source = \"./b\"\n  z = module.a.o\n}";
    let inner = format!("variable \"z\" {{}}\n{}", with("default = var.z"));
    let template = template(source)
        .file(
            "a/main.tf",
            "variable \"x\" {}\noutput \"o\" {\n  value = lower(var.x)\n}",
        )
        .file("b/main.tf", &inner)
        .row(row("p"));
    template.is_unknown("main.tf:6: refers to data.coder_workspace_owner.me.name");
}

#[test]
fn names_of_for_are_no_references() {
    reaches("[for v in [\"a\"] : v][0]").is_static();
    reaches("[for k, v in { a = \"b\" } : \"${k}${v}\"][0]").is_static();
    reaches("{ for k, v in { a = \"b\" } : k => v... if v != \"\" }.a[0]").is_static();
    reaches("\"%{ for x in [\"a\"] }${x}%{ endfor }\"").is_static();
    // Outside they mean nothing.
    let outside = reaches("[for v in [\"a\"] : v][0] + v").reasons();
    assert_eq!(outside, ["main.tf:3: refers to v"]);
}

#[test]
fn what_is_not_there_is_a_reason() {
    reaches("local.x").is_unknown("main.tf:3: refers to local.x, which is not there");
    reaches("var.x").is_unknown("main.tf:3: refers to var.x, which is not there");
    reaches("module.x.y").is_unknown("main.tf:3: refers to module x, which is not there");
}

#[test]
fn functions_that_are_not_pure_or_not_in_both_are_reasons() {
    for name in [
        "uuid",
        "timestamp",
        "plantimestamp",
        "bcrypt",
        "templatefile",
        "templatestring",
        "fileexists",
        "filebase64",
        "filesha256",
        "fileset",
        "abspath",
        "pathexpand",
        "sensitive",
        "ephemeralasnull",
        "rsadecrypt",
        "base64gzip",
        "provider::x::y",
        "nothing",
    ] {
        reaches(&format!("{name}(\"x\")")).is_unknown(&format!("main.tf:3: function {name}"));
    }
}

#[test]
fn pure_functions_are_static() {
    for call in [
        "jsonencode([\"a\"])",
        "try(\"a\", \"b\")",
        "coalesce(\"\", \"b\")",
        "substr(\"abc\", 0, 1)",
        "join(\",\", sort(keys({ a = 1 })))",
        "format(\"%s\", 1)",
        "nonsensitive(\"a\")",
        "tostring(startswith(\"a\", \"b\"))",
        "merge({ a = \"b\" }, {}).a",
        "can(1) ? \"a\" : \"b\"",
        "element(concat([[\"a\"], [\"b\"]]...), 0)",
        "replace(\"a\", \"/b/\", \"c\")",
        "tostring(max([1, 2]...))",
        "base64encode(\"a\")",
        "one([\"a\"])",
        "uuidv5(\"dns\", \"x\")",
    ] {
        reaches(call).is_static();
    }
}

#[test]
fn a_file_is_static_if_it_is_the_roots_and_there() {
    for call in [
        "file(\"a.txt\")",
        "file(\"${path.module}/a.txt\")",
        "trimspace(file(\"a.txt\"))",
    ] {
        reaches(call).file("a.txt", "a").is_static();
        let what = "main.tf:3: function file, but for a file of the root's that its archive has";
        reaches(call).is_unknown(what);
    }
    for call in [
        "file(\"./a.txt\")",
        "file(\"${path.root}/a.txt\")",
        "file(\"/a.txt\")",
        "file(\"x/../a.txt\")",
    ] {
        assert_eq!(
            reaches(call).file("a.txt", "a").reasons().len(),
            1,
            "{call}"
        );
    }
    let module = template("module \"m\" {\n  source = \"./m\"\n}")
        .file("m/main.tf", &with("default = file(\"a.txt\")"))
        .file("a.txt", "a")
        .file("m/a.txt", "a")
        .row(row("p"));
    let what = "m/main.tf:3: function file, but for a file of the root's that its archive has";
    module.is_unknown(what);
}

#[test]
fn what_is_decoded_of_a_file_is_null_only_where_it_says_so() {
    let source = with("default = local.all.name");
    let source = format!("{source}locals {{\n  all = jsondecode(file(\"a.json\"))\n}}");
    template(&source)
        .file("a.json", "{\"name\": \"x\"}")
        .row(row("p"))
        .is_static();
    let null = template(&source).file("a.json", "null").row(row("p"));
    null.is_unknown("main.tf:3: local.all may be null, which is unknown to the renderer");
}

fn chain(length: usize) -> String {
    let links = (1..length).map(|at| format!("  x{at} = local.x{}\n", at - 1));
    let links: String = links.collect();
    format!(
        "{}locals {{\n  x0 = \"\"\n{links}}}",
        with(&format!("default = local.x{}", length - 1))
    )
}

#[test]
fn a_chain_of_locals_is_followed_for_24_links() {
    template(&chain(24)).row(row("p")).is_static();
    let long = template(&chain(25)).row(row("p"));
    long.is_unknown("main.tf:3: local.x24 ends a chain of locals longer than 24");
}

#[test]
fn a_circle_is_a_reason() {
    let source = format!(
        "{}locals {{\n  a = local.b\n  b = local.a\n}}",
        with("default = local.a")
    );
    let reasons = template(&source).row(row("p")).reasons();
    assert!(
        reasons
            .iter()
            .any(|reason| reason.ends_with("local.a refers to itself")),
        "{reasons:?}"
    );
}

#[test]
fn local_id_is_overwritten_where_there_are_two_locals_blocks() {
    let one = format!("{}locals {{\n  id = \"\"\n}}\n", with("default = local.id"));
    template(&one).row(row("p")).is_static();
    let two = template(&one).file("b.tf", "locals {}").row(row("p"));
    let what = "local.id, which the renderer overwrites where there are two locals blocks";
    two.is_unknown(&format!("main.tf:3: {what}"));
}

#[test]
fn an_early_guess_of_try_may_leave_keys_in_an_object() {
    let source = |value: &str| {
        format!(
            "{}locals {{\n  a = {{}}\n  b = {value}\n}}",
            with("default = jsonencode(local.b)")
        )
    };
    let guess = template(&source("try(local.a, { x = 1 })")).row(row("p"));
    guess.is_unknown("main.tf:7: local.b, whose keys may stay from an early guess of try");
    template(&source("try({}, { x = 1 })"))
        .row(row("p"))
        .is_static();
    template(&source("tostring(try(local.a, \"\"))"))
        .row(row("p"))
        .is_static();
}

fn variable(declared: &str) -> super::written::Written {
    let source = format!(
        "{}variable \"v\" {{\n{declared}\n}}",
        with("default = var.v")
    );
    template(&source).row(row("p").default("x"))
}

#[test]
fn a_variable_has_a_row_with_a_value() {
    variable("type = string")
        .variable("v", "string", "x")
        .is_static();
    variable("").variable("v", "", "x").is_static();
    variable("").is_unknown("main.tf:5: variable v has no row");
}

#[test]
fn the_empty_text_where_there_is_another_default_is_a_reason() {
    let given = variable("default = \"x\"").variable_with_default("v", "", "", "x");
    let what = "was given the empty text, for which the renderer takes the default";
    given.is_unknown(&format!("main.tf:5: variable v {what}"));
}

#[test]
fn where_no_variable_has_a_value_the_environment_may_give_one() {
    let none = variable("default = \"\"").variable("v", "", "");
    let what = "has no value, nor has any other: the product's environment may give it one";
    none.is_unknown(&format!("main.tf:5: variable v {what}"));
    variable("default = \"\"")
        .variable("v", "", "")
        .variable("w", "", "a")
        .is_static();
}

#[test]
fn a_value_that_does_not_convert_is_a_reason_even_if_nothing_refers_to_it() {
    for (kind, value, what) in [
        ("number", "ten", "has a value that is no plain number"),
        ("bool", "yes", "has a value that is no bool"),
        ("list(string)", "a, b", "has a value that is no JSON"),
        ("list(string)", "null", "has a value that is null"),
        (
            "list(string)",
            "[\"${x}\"]",
            "has a value with a sign of templates in it",
        ),
    ] {
        let odd = template(&with("default = \"\""))
            .row(row("p"))
            .variable("v", kind, value);
        odd.is_unknown(&format!("variable v {what}"));
    }
    let fine = template(&with("default = \"\"")).row(row("p"));
    let fine = fine
        .variable("a", "number", "-1.5")
        .variable("b", "bool", "T");
    fine.variable("c", "map(string)", "{\"a\": \"b\"}")
        .is_static();
}

#[test]
fn a_type_that_is_not_understood_is_a_reason() {
    for kind in ["\"string\"", "list", "dictionary", "object([])", "set()"] {
        let odd = variable(&format!("type = {kind}")).variable("v", "string", "x");
        odd.is_unknown("main.tf:6: the type of variable v is not understood");
    }
}

#[test]
fn no_reason_shows_a_value() {
    let secret = variable("type = number").variable("v", "number", "hunter2");
    assert!(!secret.reasons().join("\n").contains("hunter2"));
    let secret = variable("type = list(string)").variable("v", "list(string)", "hunter2");
    assert!(!secret.reasons().join("\n").contains("hunter2"));
}
