//! The image for Kubernetes: what it holds is all that a server needs. `AUTOBUILD_IMAGE`
//! names the folder that it was unpacked into, `PG_CONFIG` a PostgreSQL without the
//! extension; `scripts/image.sh test` makes both and runs this.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Version, await_until};

fn unpacked() -> PathBuf {
    let image = std::env::var("AUTOBUILD_IMAGE");
    PathBuf::from(image.expect("AUTOBUILD_IMAGE names the unpacked image"))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .map(|name| name.expect("a name"))
        .collect()
}

#[test]
#[ignore = "needs the unpacked image: make test-image"]
fn the_image_holds_the_library_the_scripts_and_the_licences_alone() {
    let image = unpacked();
    let set = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let expected: BTreeSet<String> = set(&["lib", "licenses", "share"]);
    assert_eq!(names(&image), expected);
    let expected: BTreeSet<String> = set(&["workspace-autobuild.so"]);
    assert_eq!(names(&image.join("lib")), expected);
    let expected: BTreeSet<String> = set(&["LICENSE", "crates.txt"]);
    assert_eq!(names(&image.join("licenses")), expected);
    let expected: BTreeSet<String> = set(&["extension"]);
    assert_eq!(names(&image.join("share")), expected);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
    let mut scripts = names(&sources);
    scripts.retain(|name| name.starts_with("workspace-autobuild--"));
    scripts.insert("workspace-autobuild.control".to_owned());
    assert_eq!(names(&image.join("share/extension")), scripts);
}

#[test]
#[ignore = "needs the unpacked image: make test-image"]
fn a_server_that_has_only_the_paths_of_the_image_ticks() {
    let image = unpacked();
    // As CloudNativePG sets them.
    let server = ticking()
        .set(
            "extension_control_path",
            &format!("$system:{}/share", image.display()),
        )
        .set(
            "dynamic_library_path",
            &format!("$libdir:{}/lib", image.display()),
        )
        .start();
    let own = server.installation().extension_dir();
    let found = own.join("workspace-autobuild.control").exists();
    assert!(!found, "{} has the extension itself", own.display());

    let product = Product::install(&server, Version::NEWEST);
    product
        .template("docker")
        .create()
        .workspace("overdue")
        .create_overdue();
    let mut client = product.superuser();
    client
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\"; SELECT autobuild_attach()")
        .expect("CREATE EXTENSION");
    await_until("a stop", SOON, || {
        let sql = "SELECT FROM autobuild_transitions WHERE outcome = 'built'";
        !texts(&mut client, sql).is_empty()
    });
}
