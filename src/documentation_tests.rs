//! The lists in `docs/RULES.md` are those of the code, in its order and its words; the table
//! in `docs/PERFORMANCE.md` is what was measured; the pages are wrapped, lead somewhere, and
//! are found from the README.
//!
//! `UPDATE_DOCUMENTATION=1 cargo test --no-default-features documentation` writes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lifecycle::listing;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::tests::ALL_RULES;
use crate::new_build::codes::BlockCode;

const RULES: &str = "docs/RULES.md";
const END: &str = "<!-- end -->";

/// Compares the list of a page after the marker `name`, or writes it when asked to.
fn check(page: &str, name: &str, head: &str, rows: impl Iterator<Item = String>) {
    let file = project(page);
    let text = fs::read_to_string(&file).unwrap();
    let marker = format!("<!-- {name}: written by a test, see src/documentation_tests.rs -->\n");
    let (before, rest) = text.split_once(&marker).expect("the list's marker");
    let (found, after) = rest.split_once(END).expect("the list's end");
    let rows: String = rows.collect();
    let wanted = format!("{head}\n{rows}");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        fs::write(file, format!("{before}{marker}{wanted}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, wanted, "the list \"{name}\" of {page}");
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
        RULES,
        "rules",
        "| Rule | In force where | Settings | What it does |\n|---|---|---|---|",
        rules,
    );
    let code = |code: &str, meaning: &str| format!("| `{code}` | {meaning} |\n");
    let skips = Skip::CODES
        .iter()
        .map(|(name, meaning)| code(name, meaning));
    let head = "| Code | Meaning |\n|---|---|";
    check(RULES, "skips", head, skips);
    let blocks = BlockCode::ALL.iter().map(|b| code(b.code(), b.meaning()));
    check(RULES, "blocks", head, blocks);
}

/// Three digits that matter, as `make bench` prints them.
fn number(value: &serde_json::Value) -> String {
    let value = value.as_f64().expect("a number");
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// What a run of `make bench` wrote is kept in `bench/results.json`; the picture of the page
/// is drawn from it, too (`scripts/pictures.py`).
#[test]
fn the_table_of_costs_is_what_was_measured() {
    let results = fs::read_to_string(project("bench/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    let lines = results["results"].as_array().expect("results");
    assert!(lines.len() > 50);
    let lines = lines.iter().map(|line| {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let workspaces = line["workspaces"].as_u64().filter(|&n| n > 0);
        let ratios = line["ratios"].as_array().expect("ratios").iter();
        let ratios =
            ratios.map(|of| format!("{} {}", number(&of["ratio"]), of["to"].as_str().unwrap()));
        let ratios = ratios.collect::<Vec<_>>().join(", ");
        format!(
            "| {} | {} | {} | {} {} | {} | {} | {} | {ratios} |\n",
            workspaces.map_or_else(String::new, |n| n.to_string()),
            text("what"),
            text("how"),
            number(&line["median"]),
            text("unit"),
            number(&line["least"]),
            number(&line["most"]),
            line["n"],
        )
    });
    let head = "| workspaces | what | how | median | least | most | n | ratio |\n\
                |---:|---|---|---:|---:|---:|---:|---|";
    check("docs/PERFORMANCE.md", "costs", head, lines);
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

#[test]
fn the_page_on_monitoring_lists_every_alert() {
    let rules = fs::read_to_string(project("monitoring/alerts.yaml")).unwrap();
    // Of which database, server or transition, and how many, an alert says itself.
    let labels = regex::Regex::new(r" (in database )?\(?\{\{ \$labels\.\w+ \}\}\)?").unwrap();
    let after = |text: &str, name: &str, end: char| {
        let (_, rest) = text.split_once(name).expect(name);
        let text = rest.split(end).next().unwrap_or_default().trim_matches('"');
        let text = labels.replace_all(text, "");
        text.replace("{{ $value }}", "N").replace('|', "\\|")
    };
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10);
    let rows = alerts.into_iter().map(|alert| {
        format!(
            "| `{}` | {} | {} | {} |\n",
            alert.lines().next().unwrap_or_default(),
            after(alert, "severity: ", '}'),
            after(alert, "summary: ", '\n'),
            after(alert, "description: ", '\n')
        )
    });
    check(
        "docs/MONITORING.md",
        "alerts",
        "| Alert | Severity | When | What to do |\n|---|---|---|---|",
        rows,
    );
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

/// Every page, from the project's root.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(project("docs"))
        .unwrap()
        .map(|entry| Path::new("docs").join(entry.unwrap().file_name()))
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
    pages.extend(others.map(PathBuf::from));
    pages.sort();
    pages
}

fn project(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn a_page_is_wrapped_at_100_columns() {
    let long: Vec<String> = pages()
        .iter()
        .map(|page| {
            (
                page,
                long_lines(&fs::read_to_string(project(page)).unwrap()),
            )
        })
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

/// A page's lines without its code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// The targets of a page's links and pictures, those on the web left out.
fn targets(page: &str) -> Vec<&str> {
    let links = prose(page).flat_map(|line| line.split("](").skip(1));
    links
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.starts_with("https://"))
        .collect()
}

/// What a page's headings are called in a link, as GitHub and mdBook have it.
fn anchors(page: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    prose(page)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let anchor: String = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            let times = seen.entry(anchor.clone()).or_default();
            *times += 1;
            match *times {
                1 => anchor,
                n => format!("{anchor}-{}", n - 1),
            }
        })
        .collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        if part == ".." {
            assert!(plain.pop(), "{} leaves the project", path.display());
        } else if part != "." {
            plain.push(part);
        }
    }
    plain
}

/// Where a link leads, from the project's root, and the heading that it names.
fn destination<'t>(page: &Path, target: &'t str) -> (PathBuf, Option<&'t str>) {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let beside = page.parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() {
        page.to_owned()
    } else {
        plain(&beside.join(path))
    };
    (path, anchor)
}

#[test]
fn a_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut count = 0;
    let mut lost = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(project(&page)).unwrap();
        for target in targets(&text) {
            count += 1;
            let (path, anchor) = destination(&page, target);
            let there = match fs::read_to_string(project(&path)) {
                Ok(page) => anchor.is_none_or(|it| anchors(&page).iter().any(|known| known == it)),
                Err(_) => project(&path).exists(),
            };
            if !there {
                lost.push(format!("{}: {target}", page.display()));
            }
        }
    }
    // What is named without a link; the log of changes tells of pages that are gone.
    let mention = regex::Regex::new(r"\bdocs/[A-Z-]+\.md\b").unwrap();
    let mut texts = pages();
    texts.retain(|page| page != Path::new("CHANGELOG.md"));
    texts.push(PathBuf::from("monitoring/alerts.yaml"));
    for page in texts {
        let text = fs::read_to_string(project(&page)).unwrap();
        for named in mention.find_iter(&text).map(|found| found.as_str()) {
            if !project(named).exists() {
                lost.push(format!("{}: {named}", page.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(count >= 60, "only {count} links were found");
}

/// `make docs` makes the book's table of contents from it (`scripts/docs.sh`).
#[test]
fn the_readme_lists_every_page_once() {
    let readme = fs::read_to_string(project("README.md")).unwrap();
    let (_, list) = readme
        .split_once("\n## Pages, by question\n")
        .expect("the list");
    let (list, _) = list.split_once("\n## ").expect("its end");
    let mut listed: Vec<PathBuf> = targets(list).into_iter().map(PathBuf::from).collect();
    listed.sort();
    let mut pages = pages();
    pages.retain(|page| page != Path::new("README.md"));
    pages.sort();
    pages.dedup();
    assert_eq!(listed, pages);
}

#[test]
fn links_and_headings_are_found_as_people_see_them() {
    let page = "# A `b_c`, d?\n\
                [one](x.md#a) ![two](../y.svg) [three](https://example.com)\n\
                ```sh\n# [no](link)\n```\n\
                ## Again\n### Again\n";
    assert_eq!(targets(page), ["x.md#a", "../y.svg"]);
    assert_eq!(anchors(page), ["a-b_c-d", "again", "again-1"]);
    let leads = |target| destination(Path::new("docs/A.md"), target);
    assert_eq!(leads("../x.md#a"), (PathBuf::from("x.md"), Some("a")));
    assert_eq!(leads("#a"), (PathBuf::from("docs/A.md"), Some("a")));
    assert_eq!(leads("p/b.svg"), (PathBuf::from("docs/p/b.svg"), None));
}
