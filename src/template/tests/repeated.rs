//! Guard 6: count, for_each and dynamic.

use super::written::{Row, Written, row, template, with};

const WORKSPACE: &str = "data \"coder_workspace\" \"me\" {}\n";

fn counted(count: &str) -> Written {
    let source = with(&format!("default = \"\"\ncount = {count}"));
    template(&format!("{source}{WORKSPACE}")).row(row("p"))
}

#[test]
fn a_count_is_surely_a_number() {
    for count in [
        "1",
        "true ? 1 : 0",
        "length([1])",
        "1 * 1",
        "signum(2)",
        "local.n",
    ] {
        counted(count)
            .file("b.tf", "locals {\n  n = 1\n}")
            .is_static();
    }
    for count in [
        "\"1\"",
        "true ? 1 : \"0\"",
        "[1, \"\"][0]",
        "var.n",
        "true ? 1 : null",
    ] {
        let counted = counted(count)
            .file("b.tf", "variable \"n\" {}")
            .variable("n", "", "1");
        counted.is_unknown("main.tf:4: count is not surely a number");
    }
    let typed = counted("var.n").file("b.tf", "variable \"n\" {\n  type = number\n}");
    typed.variable("n", "number", "1").is_static();
}

#[test]
fn a_block_that_may_be_missing_needs_no_row() {
    let source = with("default = \"\"\ncount = 0");
    template(&source).is_static();
}

#[test]
fn start_count_is_one_instance_alone_or_under_a_condition() {
    let start = "data.coder_workspace.me.start_count";
    for count in [
        start.to_owned(),
        format!("({start})"),
        format!("true ? {start} : 0"),
        format!("length([]) == 0 ? 0 : {start}"),
    ] {
        counted(&count).is_static();
    }
    for count in [
        format!("{start} * 2"),
        format!("{start} + 1"),
        format!("true ? {start} : 1"),
        format!("local.{}", "n"),
    ] {
        let reasons = counted(&count)
            .file("b.tf", &format!("locals {{\n  n = {start}\n}}"))
            .reasons();
        assert!(
            reasons
                .iter()
                .any(|reason| reason.contains("refers to data.")),
            "{reasons:?}"
        );
    }
    let other = counted("data.coder_workspace.other.start_count");
    assert!(!other.reasons().is_empty());
}

#[test]
fn the_index_of_a_start_count_is_not_known() {
    let source = format!(
        "data \"coder_parameter\" \"p\" {{\n  name = \"p${{count.index}}\"\n  default = \"\"\n  \
         count = COUNT\n}}\n{WORKSPACE}"
    );
    let known = source.replace("COUNT", "1");
    template(&known).row(row("p0")).is_static();
    let start = source.replace("COUNT", "data.coder_workspace.me.start_count");
    let start = template(&start).row(row("p0"));
    start.is_unknown("main.tf:2: count.index, which the renderer doesn't know");
}

#[test]
fn an_early_guess_of_how_many_there_are_may_stay() {
    for (count, what) in [
        ("try(1, 2)", "try or can"),
        ("can(1) ? 1 : 0", "try or can"),
        ("local.n", "try or can"),
        ("module.m.n", "a module's output"),
        (
            "try(1, 0) == 1 ? data.coder_workspace.me.start_count : 0",
            "try or can",
        ),
    ] {
        let counted = counted(count)
            .file(
                "b.tf",
                "locals {\n  n = try(1, 2) == 1 ? 1 : 0\n}\nmodule \"m\" {\n  source = \"./m\"\n}",
            )
            .file("m/main.tf", "output \"n\" {\n  value = 1\n}");
        let reasons = counted.reasons();
        let what = format!("main.tf:4: count reaches {what}: an early guess may stay");
        assert!(reasons.contains(&what), "{count}: {reasons:?}");
    }
}

fn each(each: &str) -> Written {
    let source = "data \"coder_parameter\" \"p\" {\n  name = \"p-${each.key}\"\n  \
                  default = each.value\n  for_each = EACH\n}";
    let source = source.replace("EACH", each);
    template(&source)
        .row(row("p-a").default("a"))
        .row(row("p-b").default("b"))
}

#[test]
fn a_for_each_holds_no_null_at_any_depth() {
    for values in [
        "toset([\"a\", \"b\"])",
        "{ a = \"a\", b = \"b\" }",
        "true ? toset([\"a\"]) : toset([])",
    ] {
        each(values).is_static();
    }
    for values in [
        "{ a = null }",
        "{ a = tostring(null) }",
        "jsondecode(\"{}\")",
        "{ a = one([]) }",
    ] {
        each(values).is_unknown("main.tf:4: for_each may hold a null");
    }
}

#[test]
fn a_for_each_reaches_no_guess_and_nothing_that_differs() {
    for (values, what) in [
        (
            "try({}, {})",
            "for_each reaches try or can: an early guess may stay",
        ),
        (
            "toset([data.coder_workspace.me.name])",
            "refers to data.coder_workspace.me.name",
        ),
    ] {
        let reasons = each(values).reasons();
        assert!(
            reasons.contains(&format!("main.tf:4: {what}")),
            "{reasons:?}"
        );
    }
    let both = with("default = \"\"\ncount = 1\nfor_each = toset([\"a\"])");
    let both = template(&both).row(row("p")).reasons();
    assert_eq!(both, ["main.tf:5: both count and for_each"]);
}

fn dynamic(rest: &str) -> Written {
    let source = with(&format!("dynamic \"option\" {{\n{rest}\n}}"));
    template(&source).row(row("p").required().options(&[("A", "a"), ("B", "b")]))
}

const CONTENT: &str = "content {\nname = upper(option.value)\nvalue = option.value\n}";

#[test]
fn dynamic_options_have_no_null_element() {
    for values in [
        "[\"a\", \"b\"]",
        "toset([\"a\", \"b\"])",
        "[for x in [\"a\", \"b\"] : x]",
        "[]",
    ] {
        dynamic(&format!("for_each = {values}\n{CONTENT}")).is_static();
    }
    for values in [
        "[\"a\", null]",
        "jsondecode(\"[]\")",
        "[for x in [null] : x]",
    ] {
        let null = dynamic(&format!("for_each = {values}\n{CONTENT}"));
        null.is_unknown("main.tf:4: an element of a dynamic block may be null");
    }
}

#[test]
fn a_null_in_an_element_of_dynamic_options_is_no_fault() {
    let content =
        "content {\nname = option.value.name\nvalue = option.key\nicon = option.value.icon\n}";
    let values = "{ a = { name = \"A\", icon = null }, b = { name = \"B\", icon = null } }";
    dynamic(&format!("for_each = {values}\n{content}")).is_static();
}

#[test]
fn dynamic_options_may_have_an_iterator() {
    let content = "content {\nname = upper(it.value)\nvalue = it.value\n}";
    dynamic(&format!(
        "for_each = [\"a\", \"b\"]\niterator = it\n{content}"
    ))
    .is_static();
    let outer = dynamic(&format!("for_each = [\"a\"]\niterator = it\n{CONTENT}")).reasons();
    assert!(outer[0].contains("refers to option.value"), "{outer:?}");
    let taken = dynamic(&format!("for_each = [\"a\"]\niterator = var\n{CONTENT}")).reasons();
    assert!(
        taken[0].contains("an attribute iterator in a dynamic block"),
        "{taken:?}"
    );
}

#[test]
fn dynamic_options_reach_no_guess() {
    let guess = dynamic(&format!("for_each = try([\"a\"], [])\n{CONTENT}"));
    guess.is_unknown("main.tf:4: dynamic reaches try or can: an early guess may stay");
}

#[test]
fn what_a_dynamic_option_is_made_of_may_not_differ() {
    let content = "content {\nname = data.coder_workspace.me.name\nvalue = option.value\n}";
    let differs = dynamic(&format!("for_each = [\"a\"]\n{content}"));
    differs.is_unknown("main.tf:6: refers to data.coder_workspace.me.name");
}

#[test]
fn other_dynamic_blocks_are_reasons() {
    let source = with("default = \"\"\ndynamic \"validation\" {\nfor_each = [1]\ncontent {}\n}");
    let template = template(&source).row(row("p"));
    template.is_unknown("main.tf:4: a dynamic block for something else than options");
    dynamic("for_each = []").is_unknown("main.tf:3: a dynamic block that is not understood");
    dynamic(CONTENT).is_unknown("main.tf:3: a dynamic block that is not understood");
}
