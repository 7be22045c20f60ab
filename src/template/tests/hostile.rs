//! Sources that are written to break a walk: none panics, and each comes to an end.

use std::time::{Duration, Instant};

use super::written::{Written, row, template, with};

/// A version takes 250 ms at most; on a machine that does more than this it may be longer, and
/// with code that is not optimised ten times as long.
const LONG: Duration = match cfg!(debug_assertions) {
    true => Duration::from_secs(10),
    false => Duration::from_secs(1),
};

fn ends(template: &Written) -> Vec<String> {
    let begun = Instant::now();
    let reasons = template.reasons();
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    assert!((1..=20).contains(&reasons.len()));
    reasons
}

/// Locals, each of the one before, by this.
fn locals(count: usize, of: impl Fn(&str) -> String) -> String {
    let lines = (1..count).map(|at| format!("  x{at} = {}\n", of(&format!("local.x{}", at - 1))));
    let lines: String = lines.collect();
    let last = with(&format!("default = jsonencode(local.x{})", count - 1));
    format!("{last}locals {{\n  x0 = \"\"\n{lines}}}")
}

#[test]
fn a_value_that_doubles_with_each_local_stays_small() {
    let doubled = locals(24, |of| {
        format!("{{ a = {of}, b = {of}, c = [{of}, {of}] }}")
    });
    let reasons = template(&doubled).row(row("p")).proved();
    drop(reasons);
    let longer = locals(200, |of| format!("{{ a = {of}, b = {of} }}"));
    ends(&template(&longer).row(row("p")));
}

#[test]
fn long_chains_and_deep_nesting_end_with_a_reason() {
    ends(&template(&locals(5_000, str::to_owned)).row(row("p")));
    let deep = locals(24, |of| format!("{}{of}{}", "[".repeat(20), "]".repeat(20)));
    let reasons = ends(&template(&deep).row(row("p")));
    assert!(reasons[0].contains("nest too deep"), "{reasons:?}");
}

#[test]
fn many_calls_of_modules_end_with_a_reason() {
    let calls = (0..60).map(|at| format!("module \"m{at}\" {{\n  source = \"./m\"\n}}\n"));
    let calls: String = calls.collect();
    let inner = calls.replace("./m", "../n");
    let many = template(&calls)
        .file("m/main.tf", &inner)
        .file("n/main.tf", &with("default = \"\""))
        .row(row("p"));
    let reasons = ends(&many);
    assert!(reasons[0].contains("too many calls"), "{reasons:?}");
}

#[test]
fn a_walk_has_an_end() {
    // Each of many calls looks at a long list.
    let list = "1,".repeat(2_000);
    let reasons = ends(&called(190, &with(&format!("default = [{list}][0]"))));
    let what = "there is more in the source than is looked through".to_owned();
    assert!(reasons.contains(&what), "{reasons:?}");
}

#[test]
fn many_rows_and_many_options_are_looked_at_once() {
    let options: String = (0..3_000)
        .map(|at| format!("option {{\nname = \"{at}x\"\nvalue = {at}\n}}\n"))
        .collect();
    let stored: Vec<(String, String)> = (0..3_000)
        .map(|at| (format!("{at}x"), at.to_string()))
        .collect();
    let stored: Vec<(&str, &str)> = stored
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let source = with(&format!("default = uuid()\n{options}"));
    use super::written::Row;
    ends(&template(&source).row(row("p").options(&stored)));
}

#[test]
fn a_long_name_is_not_told_in_full() {
    let name = "x".repeat(5_000);
    let reasons = ends(&template(&with(&format!("default = {name}.{name}"))).row(row("p")));
    assert!(reasons[0].len() < 300);
}

#[test]
fn twenty_reasons_are_told_in_order_of_file_and_line() {
    let many: String = (0..50)
        .map(|at| {
            format!(
                "data \"coder_parameter\" \"p{at}\" {{\nname = \"p{at}\"\ndefault = uuid()\n}}\n"
            )
        })
        .collect();
    let reasons = template(&many)
        .file("a.tf", &with("default = bcrypt(\"x\")"))
        .reasons();
    assert_eq!(reasons.len(), 20);
    assert_eq!(reasons[0], "a.tf:1: parameter p has no row");
}

/// Many calls of a module, in which everything is looked at for each.
fn called(times: usize, inner: &str) -> Written {
    let calls = (0..times).map(|at| format!("module \"m{at}\" {{\n  source = \"./m\"\n}}\n"));
    let calls: String = calls.collect();
    template(&calls).file("m/main.tf", inner)
}

#[test]
fn many_parameters_in_many_modules_end_with_a_reason() {
    let many = (0..4_000).map(|at| {
        format!(
            "data \"coder_parameter\" \"p{at}\" {{\n  name = \"p{at}\"\n  default = uuid()\n}}\n"
        )
    });
    ends(&called(199, &many.collect::<String>()));
}

#[test]
fn many_tags_in_many_modules_end_with_a_reason() {
    let many = (0..5_000).map(|at| {
        format!("data \"coder_workspace_tags\" \"t{at}\" {{\n  tags = {{ a = 1 }}\n}}\n")
    });
    ends(&called(199, &many.collect::<String>()));
}

#[test]
fn many_options_in_many_modules_end_with_a_reason() {
    let many = (0..2_500).map(|at| format!("option {{\nname = \"{at}\"\nvalue = uuid()\n}}\n"));
    ends(&called(199, &with(&many.collect::<String>())));
}

#[test]
fn many_outputs_that_are_reached_as_a_whole_end_with_a_reason() {
    let outputs: String = (0..1_000)
        .map(|at| format!("output \"o{at}\" {{\n  value = local.x\n}}\n"))
        .collect();
    let reasons: String = (0..30)
        .map(|at| format!("data.coder_workspace.me.a{at},\n"))
        .collect();
    let inner = format!("{outputs}locals {{\n  x = [{reasons}]\n}}");
    let many: String = (0..1_000).map(|_| "module.m0[0],\n").collect();
    let called = called(1, &inner).file("b.tf", &with(&format!("default = [{many}]")));
    ends(&called.row(row("p")));
}

#[test]
fn many_references_to_a_local_with_many_reasons_end() {
    let reasons: String = (0..30)
        .map(|at| format!("data.coder_workspace.me.a{at},\n"))
        .collect();
    let many: String = (0..15_000).map(|_| "local.x,\n").collect();
    let locals = format!("locals {{\n  x = [{reasons}]\n}}\n");
    ends(&template(&format!("{locals}{}", with(&format!("default = [{many}]")))).row(row("p")));
}

#[test]
fn many_variables_of_a_large_type_end_with_a_reason() {
    let attributes: String = (0..200)
        .map(|at| format!("a{at} = list(string)\n"))
        .collect();
    let variables: String = (0..10)
        .map(|at| {
            format!(
                "variable \"v{at}\" {{\n  type = object({{\n{attributes}}})\n  default = null\n}}\n"
            )
        })
        .collect();
    let parameters: String = (0..10)
        .map(|at| format!("data \"coder_parameter\" \"p{at}\" {{\n  name = \"p{at}\"\n  default = var.v{at}.a1[0]\n}}\n"))
        .collect();
    ends(&called(190, &format!("{variables}{parameters}")));
}
