//! Sources that are written to break a walk: none panics, and each comes to an end.

use std::time::{Duration, Instant};

use super::written::{Written, row, template, with};

/// Long for a machine that does more than this, with code that is not optimised.
const LONG: Duration = Duration::from_secs(10);

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
    // Each of many parameters looks at a long list, which is walked each time.
    let list = "1,".repeat(2_000);
    let many = (0..300).map(|at| {
        format!("data \"coder_parameter\" \"p{at}\" {{\n  name = \"p{at}\"\n  default = [{list}][0]\n}}\n")
    });
    let many: String = many.collect();
    ends(&template(&many));
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
