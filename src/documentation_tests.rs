//! The lists in `docs/RULES.md` are those of the code, in its order and its words.
//!
//! `UPDATE_DOCUMENTATION=1 cargo test --no-default-features documentation` writes them.

use std::fs;

use crate::lifecycle::listing;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::tests::ALL_RULES;
use crate::new_build::codes::BlockCode;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/RULES.md");
const END: &str = "<!-- end -->";

/// Compares the list after the marker `name`, or writes it when asked to.
fn check(name: &str, head: &str, rows: impl Iterator<Item = String>) {
    let text = fs::read_to_string(FILE).unwrap();
    let marker = format!("<!-- {name}: written by a test, see src/documentation_tests.rs -->\n");
    let (before, rest) = text.split_once(&marker).expect("the list's marker");
    let (found, after) = rest.split_once(END).expect("the list's end");
    let columns = head.matches('|').count() - 1;
    let rows: String = rows.collect();
    let wanted = format!("{head}\n{}|\n{rows}", "|---".repeat(columns));
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        fs::write(FILE, format!("{before}{marker}{wanted}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, wanted, "the list \"{name}\" of docs/RULES.md");
    }
}

#[test]
fn the_documentation_lists_every_rule_and_code() {
    let rules = listing::rows(|_| true, &ALL_RULES).into_iter().map(|rule| {
        let settings: Vec<String> = rule
            .setting
            .iter()
            .flat_map(|setting| setting.split(", "))
            .filter_map(|setting| setting.split(' ').next())
            .map(|name| format!("`{}`", name.trim_start_matches("workspace_autobuild.")))
            .collect();
        format!(
            "| `{}` | {} | {} | {} |\n",
            rule.rule,
            rule.because,
            settings.join(", "),
            rule.description
        )
    });
    check(
        "rules",
        "| Rule | In force where | Settings | What it does |",
        rules,
    );
    let code = |code: &str, meaning: &str| format!("| `{code}` | {meaning} |\n");
    let skips = Skip::CODES
        .iter()
        .map(|(name, meaning)| code(name, meaning));
    check("skips", "| Code | Meaning |", skips);
    let blocks = BlockCode::ALL.iter().map(|b| code(b.code(), b.meaning()));
    check("blocks", "| Code | Meaning |", blocks);
}

#[test]
fn no_code_is_both_a_skip_and_a_block() {
    for (skip, _) in Skip::CODES {
        assert!(
            BlockCode::ALL.iter().all(|block| block.code() != *skip),
            "{skip}"
        );
    }
}
