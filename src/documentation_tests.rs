//! The lists in `docs/RULES.md` are those of the code, in its order and its words; the
//! pages are wrapped.
//!
//! `UPDATE_DOCUMENTATION=1 cargo test --no-default-features documentation` writes them.

use std::fs;
use std::path::Path;

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

const COLUMNS: usize = 100;

/// The numbers of the lines of prose that are longer than `COLUMNS`. Tables, code, the
/// targets of links and what a test writes have no width.
fn long_lines(page: &str) -> Vec<usize> {
    let mut long = Vec::new();
    let (mut fenced, mut generated) = (false, false);
    // Indented code begins after a blank line; deeper text of a list does not.
    let (mut after_blank, mut indented) = (true, false);
    for (number, line) in (1..).zip(page.lines()) {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        generated = (generated || line.contains(": written by a test")) && line != END;
        let blank = line.trim().is_empty();
        indented = line.starts_with("    ") && (indented || after_blank) || indented && blank;
        after_blank = blank;
        let free = fence || fenced || generated || indented || line.starts_with('|');
        if !free && without_targets(line).chars().count() > COLUMNS {
            long.push(number);
        }
    }
    long
}

/// A line without the targets of its links: `[text](target)` is `[text]`.
fn without_targets(line: &str) -> String {
    let mut parts = line.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(']');
        text.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    text
}

#[test]
fn a_page_is_wrapped_at_100_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(pages.len() >= 7, "{pages:?}");
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "monitoring/README.md",
        "src/worker/README.md",
    ];
    pages.extend(others.map(|name| root.join(name)));
    let long: Vec<String> = pages
        .iter()
        .map(|page| (page, long_lines(&fs::read_to_string(page).unwrap())))
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(page, lines)| format!("{}: lines {lines:?}", page.display()))
        .collect();
    assert!(long.is_empty(), "over {COLUMNS} columns: {long:#?}");
}

#[test]
fn only_prose_has_a_width() {
    let long = "word ".repeat(COLUMNS);
    let link = format!("[text](https://example.com/{})", "x".repeat(COLUMNS));
    for free in [
        format!("| {long} |"),
        format!("```\n{long}\n```"),
        format!("text:\n\n    code\n\n    {long}"),
        link,
        format!("<!-- a: written by a test -->\n{long}\n{END}"),
    ] {
        assert!(long_lines(&free).is_empty(), "{free}");
    }
    assert_eq!(long_lines(&format!("```\n```\n{long}")), [3]);
    assert_eq!(long_lines(&format!("- item\n    {long}")), [2]);
    assert_eq!(
        long_lines(&format!("    code\n\n{long}\n{END}\n- {long}")),
        [3, 5]
    );
}
