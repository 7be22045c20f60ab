//! The walls of the house: which room may name which, and where no file may name another
//! that names it.
//!
//! Read from the sources themselves: `use crate::`, `use super::` and such paths in code.
//! Comments, strings and files of tests don't count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, the lowest first: a room may name those below it, and none beside or above.
/// A new room of `src` needs its place here.
const FLOORS: &[&[&str]] = &[
    &["instant", "sqlstate", "columns"],
    &["schedule"],
    &["lifecycle"],
    &["holds"],
    &["forecast", "new_build", "messages", "page"],
    &["template"],
    &["server"],
    &["settings"],
    &["product"],
    &["proofs"],
    &["decision"],
    &["ledger"],
    &["agenda"],
    &["executor"],
    &["worker"],
    &["api"],
];

/// Rooms that compile without PostgreSQL, whole or, where files are named, these files.
const PURE: &[&str] = &[
    "instant.rs",
    "sqlstate.rs",
    "columns.rs",
    "schedule/",
    "lifecycle/",
    "holds/",
    "forecast/",
    "new_build/",
    "messages/",
    "page/",
    "template/",
    "decision/agreement.rs",
    "decision/attempt.rs",
    "decision/brakes.rs",
    "decision/due.rs",
    "decision/pieces.rs",
    "decision/planned.rs",
    "decision/report.rs",
    "decision/turn.rs",
    "ledger/back_off.rs",
    "worker/roster.rs",
    "worker/slot.rs",
    "worker/state.rs",
    "worker/text.rs",
];

/// Rooms that need the server, whole.
const OF_THE_SERVER: &[&str] = &[
    "server", "settings", "product", "proofs", "agenda", "executor", "api",
];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "server/",
    "settings/",
    "worker/",
    "agenda/capture/",
    "api/schedules.rs",
];

/// A file of `src` without its module of tests.
struct File {
    /// From `src`.
    path: String,
    text: String,
    /// The text without comments and strings.
    code: String,
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let files = paths.into_iter().filter_map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let of_tests = name.contains("tests") || name.starts_with("schedule/test_zones");
        let of_tests = of_tests || name == "api/in_server.rs" || name == "lib.rs";
        (!of_tests).then(|| {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            File {
                path: name.to_owned(),
                text: text.to_owned(),
                code: code(text),
            }
        })
    });
    files.collect()
}

/// A text without comments and strings.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").unwrap() + 2
        } else if rest.starts_with("'\"'") {
            3
        } else if first == '"' {
            string_length(rest)
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Every path that begins with `crate`, `super` or a module of the file's own, one for each
/// leaf of a `use`, in full.
fn paths(file: &File) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let own = file.code.split("mod ").skip(1);
    let own = own.filter_map(|text| text.split_once(';').map(|(name, _)| format!("{name}::")));
    let roots = ["crate::", "super::"].map(str::to_owned).into_iter();
    for root in roots.chain(own) {
        for (at, _) in file.code.match_indices(&root) {
            let before = file.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut above = module(&file.path);
            let mut rest = &file.code[at..];
            if let Some(after) = rest.strip_prefix("crate::") {
                above.clear();
                rest = after;
            }
            while let Some(after) = rest.strip_prefix("super::") {
                above.pop();
                rest = after;
            }
            leaves(rest, &above, &mut found);
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`, below `above`.
fn leaves(text: &str, above: &[String], found: &mut BTreeSet<Vec<String>>) {
    let mut path = above.to_vec();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut begun) = (0, 0);
            for (at, letter) in list.char_indices() {
                match letter {
                    '{' => depth += 1,
                    ',' if depth == 0 => {
                        leaves(&list[begun..at], &path, found);
                        begun = at + 1;
                    }
                    '}' if depth == 0 => {
                        leaves(&list[begun..at], &path, found);
                        return;
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            return;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !name.is_empty() && name != "self" {
            path.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(after) => rest = after,
            None => break,
        }
    }
    found.insert(path);
}

/// The module that a file is.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The files that each file names.
fn arrows(files: &[File]) -> BTreeMap<&str, BTreeSet<&str>> {
    let by_module: BTreeMap<Vec<String>, &str> = files
        .iter()
        .map(|file| (module(&file.path), file.path.as_str()))
        .collect();
    files
        .iter()
        .map(|file| {
            let named = paths(file).into_iter().filter_map(|path| {
                (1..=path.len())
                    .rev()
                    .find_map(|length| by_module.get(&path[..length]).copied())
            });
            let others = named.filter(|named| *named != file.path).collect();
            (file.path.as_str(), others)
        })
        .collect()
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("src/{room} is on no floor: give it its place in FLOORS"))
}

fn is_pure(path: &str) -> bool {
    PURE.iter()
        .any(|pure| path == *pure || pure.ends_with('/') && path.starts_with(pure))
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_room_names_one_beside_or_above_it() {
    let files = sources();
    let mut faults = Vec::new();
    for (file, others) in arrows(&files) {
        for other in others {
            let (from, to) = (room(file), room(other));
            if from != to && floor(to) >= floor(from) {
                faults.push(format!(
                    "src/{file} names src/{other}, which is no floor below it"
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn no_two_files_name_each_other_by_whatever_way() {
    let files = sources();
    let arrows = arrows(&files);
    let mut faults = Vec::new();
    for start in arrows.keys() {
        let mut reached = BTreeSet::new();
        let mut open = vec![*start];
        while let Some(file) = open.pop() {
            for other in &arrows[file] {
                if other == start {
                    faults.push(format!("src/{start} comes back to itself by src/{file}"));
                }
                if reached.insert(*other) {
                    open.push(other);
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn every_file_is_part_of_the_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    let mut faults = Vec::new();
    for path in paths {
        let is_front = path.ends_with("mod.rs");
        let module = if is_front {
            path.parent().unwrap()
        } else {
            &path
        };
        let name = module.file_stem().unwrap().to_str().unwrap();
        let folder = module.parent().unwrap();
        if name == "lib" {
            continue;
        }
        let fronts = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let named = fronts.filter(|file| file.is_file()).any(|file| {
            let text = fs::read_to_string(&file).unwrap();
            text.contains(&format!("mod {name};")) || text.contains(&format!("\"{name}.rs\""))
        });
        if !named {
            faults.push(format!("{} is named by no `mod`", path.display()));
        }
    }
    none(&faults);
}

#[test]
fn the_pure_rooms_name_neither_the_server_nor_what_needs_it() {
    let files = sources();
    let arrows = arrows(&files);
    for file in files.iter().filter(|file| is_pure(&file.path)) {
        for word in ["pgrx", "pg_sys"] {
            assert!(!file.code.contains(word), "src/{} names {word}", file.path);
        }
        for other in &arrows[file.path.as_str()] {
            assert!(
                !OF_THE_SERVER.contains(&room(other)),
                "src/{} names src/{other}, which needs the server",
                file.path
            );
        }
    }
}

#[test]
fn what_is_unsafe_stands_where_it_may() {
    let mut faults = Vec::new();
    for file in sources() {
        let allowed = UNSAFE.iter().any(|room| file.path.starts_with(room));
        let words = file
            .code
            .split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let found = words.filter(|word| *word == "unsafe").count();
        if !allowed && found > 0 {
            faults.push(format!("src/{} has unsafe code", file.path));
        }
    }
    none(&faults);
}

#[test]
fn a_sqlstate_is_written_out_in_one_file_only() {
    for file in sources()
        .into_iter()
        .filter(|file| file.path != "sqlstate.rs")
    {
        for (line, n) in file.text.lines().zip(1..) {
            let code = line.split("//").next().unwrap();
            for literal in code.split('"').skip(1).step_by(2) {
                let state = literal.len() == 5
                    && literal
                        .bytes()
                        .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
                    && literal.bytes().next().is_some_and(|b| b.is_ascii_digit());
                assert!(!state, "src/{}:{n} writes out {literal}", file.path);
            }
        }
    }
}

/// What holds from a version on is written as "none of the older ones": a list of the newer
/// ones would silently leave out the next.
#[test]
fn a_condition_on_the_servers_version_names_all_up_to_one_and_never_the_newest() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let features = manifest.lines().filter_map(|line| line.split_once(" = ["));
    let versions: Vec<&str> = features.filter_map(|(name, _)| version(name)).collect();
    let (newest, older) = versions.split_last().unwrap();
    let mut faults = Vec::new();
    for file in sources() {
        for condition in file.text.split("cfg").skip(1) {
            let condition = condition.split([']', ';', '{']).next().unwrap();
            let named: Vec<&str> = condition.split('"').filter_map(version).collect();
            if !older.starts_with(&named) {
                faults.push(format!(
                    "src/{} asks for PostgreSQL {}: name all versions from {older:?} up to the \
                     last without it, in `not(any(...))` where newer ones are meant, and not {newest}",
                    file.path,
                    named.join(", ")
                ));
            }
        }
    }
    none(&faults);
}

/// The number in `pg15`.
fn version(feature: &str) -> Option<&str> {
    let number = feature.strip_prefix("pg")?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(number)
}

#[test]
fn the_walls_are_read_as_rust_reads_them() {
    let file = File {
        path: "a/b/mod.rs".to_owned(),
        text: String::new(),
        code: code(
            "use crate::x::{y, z::{self, W}}; // crate::no\n use super::c::D;\n \
             let s = \"crate::no\"; super::super::e::f(); crate::g::H",
        ),
    };
    let found: Vec<String> = paths(&file).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        ["a::c::D", "e::f", "g::H", "x::y", "x::z", "x::z::W"]
    );
}

#[test]
fn the_architecture_page_names_every_room_in_at_most_400_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    assert!(page.lines().count() <= 400);
    for room in FLOORS.iter().copied().flatten() {
        let named = page.contains(&format!("`{room}`")) || page.contains(&format!("`{room}.rs`"));
        assert!(named, "docs/ARCHITECTURE.md has no line for src/{room}");
    }
}
