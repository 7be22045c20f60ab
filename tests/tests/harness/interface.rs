//! What is checked in of the SQL interface is what the code makes: the install script of
//! the version that is being worked on, and the register `sql/interface.txt`.
//!
//! `UPDATE_DOCUMENTATION=1 cargo test -p workspace-autobuild-tests --test harness interface`
//! writes both, after `make build`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::Client;
use tempfile::TempDir;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::SUPERUSER;
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::{Product, Server, Version};

const RENEW: &str = "A change of the interface stands in CHANGELOG.md and in an upgrade script. Then \
    UPDATE_DOCUMENTATION=1 cargo test -p workspace-autobuild-tests --test harness interface \
    writes this file anew";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compares, or writes when asked to.
fn check(path: &str, wanted: &str, same: impl Fn(&str, &str) -> bool) {
    let file = project(path);
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        fs::write(&file, wanted).unwrap_or_else(|e| panic!("{path}: {e}"));
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (here, there) = (lines(&found), lines(wanted));
    assert!(
        same(&found, wanted),
        "{path} is not what the code makes. Only there: {:#?}; only in the code: {:#?}. {RENEW}",
        here.difference(&there).collect::<Vec<_>>(),
        there.difference(&here).collect::<Vec<_>>()
    );
}

/// What the code that is installed generates.
fn generated() -> String {
    let file = TempDir::with_prefix("autobuild-").expect("a folder");
    let file = file.path().join("generated.sql");
    let major = format!("pg{}", Installation::find().major());
    let output = Command::new("cargo")
        .current_dir(project("."))
        .args([
            "pgrx",
            "schema",
            &major,
            "--skip-build",
            "--no-default-features",
        ])
        .args(["--features", &major, "--out"])
        .arg(&file)
        .output()
        .expect("cargo runs");
    fs::read_to_string(&file).unwrap_or_else(|e| {
        panic!(
            "{e}: cargo pgrx schema said: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

#[test]
fn the_install_script_is_what_the_code_generates() {
    let version = &texts(
        &mut Server::shared().client(SUPERUSER),
        "SELECT default_version FROM pg_available_extensions WHERE name = 'workspace-autobuild'",
    )[0][0];
    let version = version.as_deref().expect("a version");
    // Where in the code a piece stands is of no interest.
    let made: String = generated()
        .lines()
        .filter(|line| {
            !line.starts_with("-- src/") && !line.starts_with("-- workspace_autobuild::")
        })
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    // Nor is the order of the pieces, as long as each comes after what it needs.
    let pieces = |text: &str| -> BTreeSet<String> {
        text.split("/* <begin connected objects> */")
            .map(|piece| piece.trim().to_owned())
            .collect()
    };
    check(
        &format!("sql/workspace-autobuild--{version}.sql"),
        &made,
        |found, wanted| pieces(found) == pieces(wanted),
    );
}

/// The catalog's part of the register.
const CATALOG: [(&str, &str); 4] = [
    (
        "Functions",
        "SELECT format('%s(%s) -> %s', proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid))
           FROM pg_proc p WHERE proname LIKE 'autobuild%' ORDER BY proname",
    ),
    (
        "Views",
        "SELECT format('%s(%s)', relname, string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)),
                                                      ', ' ORDER BY attnum))
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
          WHERE relname LIKE 'autobuild%' AND relkind = 'v' GROUP BY relname ORDER BY relname",
    ),
    (
        "Tables",
        "SELECT format('%s(%s)', relname, string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod),
                                                               CASE WHEN attnotnull THEN 'not null' END),
                                                      ', ' ORDER BY attnum))
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
          WHERE relname LIKE 'autobuild%' AND relkind = 'r' GROUP BY relname ORDER BY relname",
    ),
    (
        "Settings",
        "SELECT concat_ws(' ', name, vartype, NULLIF(concat_ws(' to ', min_val, max_val), ''), array_to_string(enumvals, ' | '),
                          unit, context, 'default', quote_literal(boot_val))
           FROM pg_settings WHERE name LIKE 'workspace_autobuild.%' ORDER BY name",
    ),
];

fn section(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
    format!("\n{title}\n\n{lines}")
}

fn column(client: &mut Client, sql: &str) -> Vec<String> {
    texts(client, sql).into_iter().flatten().flatten().collect()
}

/// The first column of a list in docs/RULES.md, which a test of its own compares with the
/// code.
fn codes(list: &str) -> Vec<String> {
    let text = fs::read_to_string(project("docs/RULES.md")).expect("docs/RULES.md");
    let (_, rest) = text
        .split_once(&format!("<!-- {list}: written by a test"))
        .expect("the list");
    let (list, _) = rest.split_once("<!-- end -->").expect("its end");
    list.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_register_of_the_sql_interface_is_what_the_catalog_has() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let mut client = product.superuser();
    let mut register =
        "The SQL interface, written by a test (tests/tests/harness/interface.rs).\n".to_owned();
    for (title, sql) in CATALOG {
        register += &section(title, column(&mut client, sql));
    }
    for (title, list) in [
        ("Rules", "rules"),
        ("Skip codes", "skips"),
        ("Block codes", "blocks"),
    ] {
        register += &section(title, codes(list));
    }
    check("sql/interface.txt", &register, |found, wanted| {
        found == wanted
    });
}
