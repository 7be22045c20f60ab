//! Steps of the recipes in CONTRIBUTING.md that neither the compiler nor another test
//! asks for. Read from the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::columns::COLUMNS;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The files in and below a folder whose names end so, without install and upgrade scripts.
fn texts(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(project(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let name = path.to_str().unwrap();
        if path.is_dir() {
            texts.extend(self::texts(name, ending));
        } else if name.ends_with(ending) && !name.contains("--") {
            texts.push(text(name));
        }
    }
    texts
}

/// The text as far as a character that is in no name.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// The SQL functions that everyone may execute: they read as their caller.
const FOR_EVERYONE: [&str; 13] = [
    "autobuild_explain",
    "autobuild_forecast",
    "autobuild_hold_times",
    "autobuild_list_rules",
    "autobuild_list_unreadable",
    "autobuild_next_transition",
    "autobuild_preview",
    "autobuild_ready",
    "autobuild_report",
    "autobuild_schedule_next",
    "autobuild_upcoming",
    "autobuild_version_check",
    "autobuild_worker_status",
];

#[test]
fn an_sql_function_pins_its_path_and_is_not_for_everyone_unless_that_is_meant() {
    let sql = texts("sql", ".sql").concat();
    let mut count = 0;
    for file in texts("src/api", ".rs") {
        for function in file.split("#[pg_extern").skip(1) {
            let (attributes, rest) = function.split_once("fn ").expect("a function");
            if attributes.contains("sql = false") {
                continue;
            }
            count += 1;
            let renamed = attributes.split_once("name = \"");
            let name = name(renamed.map_or(rest, |(_, own)| own));
            assert!(
                attributes.contains("#[search_path(pg_catalog, pg_temp)]"),
                "{name} does not pin its search_path"
            );
            let revoked = ["ALL", "EXECUTE"]
                .map(|right| format!("REVOKE {right} ON FUNCTION @extschema@.{name}("))
                .iter()
                .any(|statement| sql.contains(statement));
            assert_ne!(
                revoked,
                FOR_EVERYONE.contains(&name),
                "{name}: REVOKE it from PUBLIC in its SQL file, or list it here"
            );
        }
    }
    assert!(count >= 18, "only {count} functions were found");
}

#[test]
fn the_reference_lists_every_setting() {
    let reference = text("docs/REFERENCE.md");
    let (_, list) = reference.split_once("\n## Settings\n").expect("the list");
    let (list, _) = list.split_once("\n## ").expect("its end");
    let listed: String = list
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next())
        .collect();
    let settings = text("src/settings/register.rs");
    let mut count = 0;
    for setting in settings.split("c\"workspace_autobuild.").skip(1).map(name) {
        count += 1;
        assert!(
            listed.contains(&format!("`{setting}`")),
            "docs/REFERENCE.md does not list {setting}"
        );
    }
    assert!(count >= 18, "only {count} settings were found");
}

/// Facts no change of which brings a transition forward: ids that never change, what only
/// says how something is built, and of what an owner was told.
const UNWATCHED: [&str; 12] = [
    "provisioner_jobs.id",
    "templates.active_version_id",
    "templates.id",
    "templates.organization_id",
    "templates.require_active_version",
    "users.id",
    "workspace_builds.id",
    // With the deadline.
    "workspace_builds.notified_autostop_deadline",
    "workspace_builds.template_version_id",
    "workspaces.automatic_updates",
    "workspaces.id",
    "workspaces.organization_id",
];

#[test]
fn a_fact_is_watched_unless_it_is_known_to_bring_nothing_forward() {
    let facts = text("src/product/facts.rs");
    let (_, list) = facts.split_once("\nselect! {").expect("the list");
    let (list, _) = list.split_once("\n}").expect("its end");
    let mut count = 0;
    for column in COLUMNS {
        let path = format!("{}::{}", column.table, column.name.to_uppercase());
        if !list
            .match_indices(&path)
            .any(|(at, _)| name(&list[at + column.table.len() + 2..]) == column.name.to_uppercase())
        {
            continue;
        }
        count += 1;
        assert_ne!(
            column.watched.is_some(),
            UNWATCHED.contains(&column.to_string().as_str()),
            "{column}: say in src/columns.rs how it is watched, or list it here"
        );
    }
    assert!(count >= 25, "only {count} facts were found");
}

#[test]
fn a_column_is_in_the_tables_of_the_tests_and_in_all_versions_if_it_is_required() {
    let list = text("tests/data/schema/columns.csv");
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    for column in COLUMNS.iter().filter(|column| column.table != "licenses") {
        let of_it =
            |row: &&Vec<&str>| row[0] == column.table && column.names().any(|name| name == row[1]);
        let rows: Vec<_> = rows.iter().filter(of_it).collect();
        assert!(
            !rows.is_empty(),
            "{column} is not in tests/data/schema/columns.csv"
        );
        let from_the_first = rows.iter().any(|row| row[row.len() - 2] == "2023-06");
        assert!(
            from_the_first || !column.required,
            "{column} is required, but not every version has it"
        );
    }
}
