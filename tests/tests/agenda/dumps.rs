//! A dump and its restored copy.

use std::process::Stdio;

use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version};

use super::support::*;

/// Dumps a database and restores it into a new one of the same server.
fn copied(server: &Server, product: &Product, to: &str) {
    let installation = server.installation();
    let connection = |command: &mut std::process::Command, database: &str| {
        command
            .args(["-h", &server.folder().display().to_string()])
            .args(["-p", &server.address().port.to_string()])
            .args(["-U", "postgres", "-d", database]);
    };
    server.create_database(to, "product");
    let mut dump = installation.command("pg_dump");
    connection(&mut dump, product.database());
    let mut dump = dump
        .arg("--format=custom")
        .stdout(Stdio::piped())
        .spawn()
        .expect("pg_dump runs");
    let mut restore = installation.command("pg_restore");
    connection(&mut restore, to);
    let output = restore
        .arg("--exit-on-error")
        .stdin(dump.stdout.take().expect("a pipe"))
        .output()
        .expect("pg_restore runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(dump.wait().expect("pg_dump ends").success());
}

#[test]
fn a_restored_copy_has_its_triggers_and_builds_its_agenda_by_itself() {
    let server = Server::shared();
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspaces(10, Transition::Start)
        .deadline(Value::sql("now() + i * interval '1 hour'"))
        .create();
    let mut root = product.superuser();
    attach(&mut root);
    copied(server, &product, "agenda_copy");
    let mut copy = server.client("agenda_copy");
    let triggers = "SELECT tgname, tgrelid::regclass::text, tgenabled, tgtype FROM pg_trigger
                     WHERE tgname LIKE 'autobuild%' ORDER BY 2, 1";
    assert_eq!(texts(&mut copy, triggers), texts(&mut root, triggers));
    assert_eq!(texts(&mut copy, triggers).len(), 10);
    assert_eq!(
        value(&mut copy, "SELECT autobuild_attach()").as_deref(),
        Some("f")
    );
    assert_eq!(mode(&mut copy), "scan");
    build(&mut copy);
    assert_eq!(progress(&mut copy, "entries").as_deref(), Some("10"));
    execute(&mut copy, "DROP EXTENSION \"workspace-autobuild\"");
    assert_eq!(texts(&mut copy, triggers).len(), 0);
}
