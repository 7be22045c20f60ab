//! Workspace tags.

use std::collections::BTreeMap;

use super::written::{Row, Written, row, template, with};
use crate::new_build::inputs::TagValue;

const PARAMETER: &str =
    "data \"coder_parameter\" \"p\" {\n  name = \"pool\"\n  default = \"a\"\n}\n";

fn tagged(tags: &str) -> Written {
    let source = format!("{PARAMETER}data \"coder_workspace_tags\" \"t\" {{\n  tags = {tags}\n}}");
    template(&source).row(row("pool").default("a"))
}

fn literals<const N: usize>(tags: [(&str, &str); N]) -> Vec<BTreeMap<String, TagValue>> {
    let tags = tags.map(|(key, value)| (key.to_owned(), TagValue::Literal(value.to_owned())));
    vec![BTreeMap::from(tags)]
}

#[test]
fn literals_are_texts_numbers_with_ten_digits_and_bools_and_null_is_left_out() {
    let tags = tagged(
        "{\na = \"x\"\n\"b c\" = 1.5\nd = 123456789012\ne = -0.00002\nf = true\ng = null\nh = (2)\ni = 0\n}",
    );
    let expected = [
        ("a", "x"),
        ("b c", "1.5"),
        ("d", "1.23456789e+11"),
        ("e", "-2e-05"),
        ("f", "true"),
        ("h", "2"),
        ("i", "0"),
    ];
    assert_eq!(tags.is_static().tags, literals(expected));
}

#[test]
fn a_parameters_value_is_told_by_its_name() {
    for value in [
        "data.coder_parameter.p.value",
        "\"${data.coder_parameter.p.value}\"",
    ] {
        let tags = tagged(&format!("{{ a = {value} }}")).is_static().tags;
        let value = TagValue::Parameter("pool".to_owned());
        assert_eq!(tags, [BTreeMap::from([("a".to_owned(), value)])]);
    }
}

#[test]
fn everything_else_is_a_reason() {
    for value in [
        "\"${data.coder_parameter.p.value}-x\"",
        "\"no\\u0000text\"",
        "data.coder_parameter.p.name",
        "data.coder_parameter.q.value",
        "data.coder_parameter.p.value.x",
        "data.coder_workspace.me.name",
        "lower(\"X\")",
        "local.a",
        "var.a",
        "1e-400",
        "-1e-400",
        "0.0",
        "[\"a\"]",
        "{ a = 1 }",
        "\"$${a}\"",
        "\"e\u{301}\"",
        "true ? \"a\" : \"b\"",
    ] {
        let what = "main.tf:6: tag a is neither a literal nor a parameter's sure value";
        tagged(&format!("{{ a = {value} }}")).is_unknown(what);
    }
    for key in [
        "(data.coder_parameter.p.value)",
        "\"${data.coder_parameter.p.value}\"",
        "(\"a\")",
        "\"e\u{301}\"",
    ] {
        tagged(&format!("{{ {key} = \"x\" }}")).is_unknown("main.tf:6: a tag's name is no literal");
    }
    for tags in ["merge({ a = 1 }, {})", "null", "local.tags"] {
        tagged(tags).is_unknown("main.tf:5: tags are not written as an object");
    }
}

#[test]
fn a_parameter_that_may_have_no_value_is_a_reason() {
    let tags =
        "data \"coder_workspace_tags\" \"t\" {\n  tags = { a = data.coder_parameter.p.value }\n}\n";
    let what = "main.tf:2: tag a is neither a literal nor a parameter's sure value";
    let null = template(&format!("{tags}{}", with("default = null"))).row(row("p").required());
    null.is_unknown(what);
    let counted = template(&format!("{tags}{}", with("default = \"\"\ncount = 1"))).row(row("p"));
    counted.is_unknown(what);
    let required = template(&format!("{tags}{}", with(""))).row(row("p").required());
    required.is_static();
}

#[test]
fn blocks_come_in_order_the_roots_first_and_share_no_key() {
    let source = "data \"coder_workspace_tags\" \"a\" {\n  tags = { a = 1 }\n}\nmodule \"m\" {\n  source = \"./m\"\n}";
    let inner = "data \"coder_workspace_tags\" \"a\" {\n  tags = { b = 2 }\n}";
    let tags = template(source).file("m/main.tf", inner).is_static().tags;
    assert_eq!(
        tags,
        [literals([("a", "1")]), literals([("b", "2")])].concat()
    );
    let same = template(source).file("m/main.tf", &inner.replace("b =", "a ="));
    same.is_unknown("m/main.tf:1: tag a is in two blocks");
}

#[test]
fn tags_that_may_be_there_more_or_less_than_once_are_a_reason() {
    for count in ["count = 1", "for_each = toset([\"a\"])"] {
        let source =
            format!("data \"coder_workspace_tags\" \"a\" {{\n  tags = {{ a = 1 }}\n  {count}\n}}");
        template(&source).is_unknown("main.tf:1: tags that may be there more or less than once");
    }
    let source = "data \"coder_workspace_tags\" \"a\" {\n  tags = { a = 1 }\n  \
                  count = data.coder_workspace.me.start_count\n}\ndata \"coder_workspace\" \"me\" {}";
    template(source).is_static();
    let called = "module \"m\" {\n  source = \"./m\"\n  count = 1\n}";
    let inner = "data \"coder_workspace_tags\" \"a\" {\n  tags = { b = 2 }\n}";
    let called = template(called).file("m/main.tf", inner);
    called.is_unknown("m/main.tf:1: tags that may be there more or less than once");
}
