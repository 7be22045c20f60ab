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
        .env(
            "PGRX_PG_CONFIG_PATH",
            Installation::find().bin().join("pg_config"),
        )
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

/// The script that CREATE EXTENSION runs here is the one that is checked in: written anew,
/// it is put there, too.
fn check_install_script() {
    let version = column(
        &mut Server::shared().client(SUPERUSER),
        "SELECT default_version FROM pg_available_extensions WHERE name = 'workspace-autobuild'",
    );
    let version = version.first().expect("a version");
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
    let name = format!("workspace-autobuild--{version}.sql");
    check(&format!("sql/{name}"), &made, |found, wanted| {
        pieces(found) == pieces(wanted)
    });
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        let installed = Installation::find().extension_dir().join(&name);
        fs::write(&installed, &made).unwrap_or_else(|e| panic!("{}: {e}", installed.display()));
    }
}

#[test]
fn the_install_script_is_what_the_code_generates() {
    check_install_script();
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
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        check_install_script();
    }
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

const REFERENCE: &str = "docs/REFERENCE.md";

/// A cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn heading_and_table(title: &str, said: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("### `{title}`\n\n{said}\n");
    if !rows.is_empty() {
        text += "\n";
        text += &line(head.iter().map(|&name| name.to_owned()).collect());
        text += &format!("{}|\n", "|---".repeat(head.len()));
        text.extend(rows.iter().map(|row| line(row.clone())));
    }
    text
}

/// Who may do it, as the catalog has it.
const WHO: &str = "coalesce(nullif(concat_ws(', ', CASE WHEN {acl} LIKE '{=%' OR {acl} LIKE '%,=%' OR {acl} IS NULL {public} THEN 'everyone' END,
            CASE WHEN {acl} LIKE '%pg_monitor=%' THEN '`pg_monitor`' END), ''), 'superusers, the owner of the extension, and whom they grant it')";

fn who(acl: &str, public_without: bool) -> String {
    WHO.replace("{acl}", &format!("{acl}::text"))
        .replace("{public}", &format!("AND {public_without}"))
}

/// The parts of the reference: a list's name, and its text.
fn reference(client: &mut Client) -> [(&'static str, String); 4] {
    let rows = |client: &mut Client, sql: &str| -> Vec<Vec<String>> {
        let rows = texts(client, sql);
        let plain = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
        rows.into_iter().map(|row| plain(row).collect()).collect()
    };
    let mut settings =
        "| Setting | Default | Values | For one database | Meaning |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in rows(
        client,
        "SELECT format('`%s`', replace(name, 'workspace_autobuild.', '')),
                CASE WHEN boot_val = '' THEN 'empty' ELSE format('`%s`', boot_val ||
                    CASE WHEN boot_val <> '0' THEN coalesce(unit, '') ELSE '' END) END,
                CASE vartype WHEN 'enum' THEN (SELECT string_agg(format('`%s`', value), ', ') FROM unnest(enumvals) value)
                             WHEN 'bool' THEN '`on`, `off`' WHEN 'string' THEN 'text'
                             ELSE CASE WHEN max_val = '2147483647' THEN format('from %s', min_val)
                                       ELSE format('%s to %s', min_val, max_val) END || coalesce(' ' || unit, '') END,
                CASE context WHEN 'superuser' THEN 'yes' ELSE 'no' END,
                concat_ws(' ', short_desc, nullif(extra_desc, ''))
           FROM pg_settings WHERE name LIKE 'workspace\\_autobuild.%' ORDER BY name",
    ) {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        settings += &format!("| {} |\n", cells.join(" | "));
    }

    // What a view or a trigger calls is no function for people.
    let functions = rows(
        client,
        &format!(
            "SELECT proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                    obj_description(p.oid, 'pg_proc'), {}
               FROM pg_proc p
              WHERE proname LIKE 'autobuild\\_%' AND prorettype <> 'trigger'::regtype
                AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
                                 WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = p.oid)
              ORDER BY proname",
            who("proacl", true)
        ),
    );
    let functions: Vec<String> = functions
        .iter()
        .map(|row| {
            let [name, arguments, result, comment, who] = row.as_slice() else {
                panic!("five columns");
            };
            let said = format!(
                "{comment}\n\n```text\n{name}({arguments})\n  -> {result}\n```\n\nWho may call it: {who}."
            );
            heading_and_table(name, &said, &[], &[])
        })
        .collect();

    let mut relations = |kind: &str| {
        let found = rows(
            client,
            &format!(
                "SELECT relname, obj_description(oid, 'pg_class'), {who}
                   FROM pg_class WHERE relname LIKE 'autobuild\\_%' AND relkind = '{kind}' ORDER BY relname",
                who = who("relacl", false)
            ),
        );
        let mut text = Vec::new();
        for row in found {
            let [name, comment, who] = row.as_slice() else {
                panic!("three columns");
            };
            let columns = rows(
                client,
                &format!(
                    "SELECT format('`%s`', attname), format_type(atttypid, atttypmod), col_description(attrelid, attnum)
                       FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped
                      ORDER BY attnum"
                ),
            );
            let columns: Vec<Vec<String>> = columns
                .into_iter()
                .map(|row| row.iter().map(|text| cell(text)).collect())
                .collect();
            // Nobody else's business: what it is, and no more.
            let columns = if kind == "r" && who.starts_with("superusers") {
                Vec::new()
            } else {
                columns
            };
            let said = format!("{comment}\n\nWho may read it: {who}.");
            text.push(heading_and_table(
                name,
                &said,
                &["Column", "Type", "Meaning"],
                &columns,
            ));
        }
        text.join("\n")
    };
    let (views, tables) = (relations("v"), relations("r"));
    [
        ("settings", settings),
        ("functions", functions.join("\n")),
        ("views", views),
        ("tables", tables),
    ]
}

#[test]
fn the_reference_is_what_the_catalog_has() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let mut page = fs::read_to_string(project(REFERENCE)).expect(REFERENCE);
    for (name, text) in reference(&mut product.superuser()) {
        let marker =
            format!("<!-- {name}: written by a test, see tests/tests/harness/interface.rs -->\n");
        let (before, rest) = page.split_once(&marker).expect("the list's marker");
        let (_, after) = rest.split_once("<!-- end -->").expect("the list's end");
        page = format!("{before}{marker}\n{text}\n<!-- end -->{after}");
    }
    check(REFERENCE, &page, |found, wanted| found == wanted);
}
