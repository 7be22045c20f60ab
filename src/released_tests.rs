//! What was released stays as it was: databases have it, and upgrade scripts begin there.

use std::fs;

/// The scripts of released versions, with the sum over their bytes.
const RELEASED: &[(&str, u64)] = &[("workspace-autobuild--0.1.0.sql", 0xa0bb_1a04_733d_3141)];

/// FNV-1a: told apart is what changes by accident.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_released_script_never_changes() {
    for &(name, released) in RELEASED {
        let file = format!("{}/sql/{name}", env!("CARGO_MANIFEST_DIR"));
        let found = sum(&fs::read(&file).unwrap_or_else(|e| panic!("{file}: {e}")));
        assert_eq!(
            found, released,
            "sql/{name} was released ({found:#x} now): what is to change in databases that have it goes into an upgrade script"
        );
    }
}

#[test]
fn the_control_file_names_the_version_that_the_code_is_of() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/workspace-autobuild.control");
    let control = fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
    let version = concat!("default_version = '", env!("CARGO_PKG_VERSION"), "'");
    assert!(control.lines().any(|line| line == version), "{control}");
}

#[test]
fn an_upgrade_script_leads_to_the_version_that_the_code_is_of() {
    let current = env!("CARGO_PKG_VERSION");
    for &(name, _) in RELEASED {
        let Some(version) = name
            .strip_prefix("workspace-autobuild--")
            .and_then(|name| name.strip_suffix(".sql"))
        else {
            panic!("{name} is no install script");
        };
        let script = format!("sql/workspace-autobuild--{version}--{current}.sql");
        let path = format!("{}/{script}", env!("CARGO_MANIFEST_DIR"));
        assert!(
            version == current || fs::exists(&path).unwrap_or(false),
            "there is no {script}"
        );
    }
}

/// PGXN shows and installs what META.json says.
#[test]
fn the_metadata_for_pgxn_is_of_the_version_that_the_code_is_of() {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = fs::read_to_string(format!("{root}/META.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let current = env!("CARGO_PKG_VERSION");
    assert_eq!(metadata["version"], current, "META.json");
    let provided = &metadata["provides"]["workspace-autobuild"];
    assert_eq!(provided["version"], current, "META.json, provides");
    let script = format!("sql/workspace-autobuild--{current}.sql");
    assert_eq!(provided["file"], script, "META.json, provides");
    for file in [&provided["file"], &provided["docfile"]] {
        let file = file.as_str().unwrap();
        let found = fs::exists(format!("{root}/{file}")).unwrap_or(false);
        assert!(found, "META.json names {file}, which is not there");
    }
}

#[test]
fn the_manifest_for_kubernetes_names_the_version_that_the_code_is_of() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes/cluster.yaml");
    let manifest = fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
    let current = env!("CARGO_PKG_VERSION");
    for line in [
        format!("reference: REGISTRY/workspace-autobuild:{current}-18"),
        format!("version: \"{current}\""),
    ] {
        assert!(
            manifest.contains(&line),
            "kubernetes/cluster.yaml lacks {line}"
        );
    }
}
