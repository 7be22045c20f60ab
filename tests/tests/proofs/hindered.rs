//! What stands in the way of a proof: it keeps nothing else from being proved and built.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{HOURLY, RUN, START, STOPPED, install};
use workspace_autobuild_tests::product::{Template, execute, value};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Version, await_until};

use super::support::*;

/// Whoever tries to keep a proof of its active version has an error.
fn refused(client: &mut Client, template: &Template<'_>) {
    execute(
        client,
        &format!(
            "DO $$ BEGIN EXECUTE
               (SELECT format('ALTER TABLE autobuild_proofs ADD CHECK
                               (template_version_id <> %L)', active_version_id)
                  FROM templates WHERE id = '{}'); END $$",
            template.id
        ),
    );
}

#[test]
fn a_tag_that_no_column_can_hold_blocks_its_own_starts_alone() {
    const NUL: &str = r#"
data "coder_workspace_tags" "where" {
  tags = { zone = "a\u0000b" }
}
"#;
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    let source = format!("{STATIC}{NUL}");
    pushed(&template, &source, |version| version.parameter(size()));
    let stays = template
        .workspace("stays")
        .schedule(HOURLY)
        .create_stopped(STOPPED);
    let blocked = "start autostart blocked version_change_dynamic";
    assert_eq!(operator.outcome(&workspace, RUN), blocked);
    assert_eq!(operator.outcome(&stays, RUN), START);
    operator.tick(RUN);
    assert_eq!(stays.builds().len(), 2);
}

#[test]
fn a_tick_by_hand_builds_what_needs_no_proof_while_a_migration_is_at_the_files() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    pushed(&template, STATIC, |version| version.parameter(size()));
    let stays = template
        .workspace("stays")
        .schedule(HOURLY)
        .create_stopped(STOPPED);
    let mut migration = product.superuser();
    for table in ["files", "template_version_variables"] {
        execute(
            &mut migration,
            &format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        );
        let rows = operator.tick(RUN);
        let codes: Vec<_> = rows.iter().map(|row| row.code.as_deref()).collect();
        assert!(codes.contains(&Some("version_unproved")), "{rows:#?}");
        execute(&mut migration, "COMMIT");
    }
    assert_eq!(stays.builds().len(), 2);
    assert_eq!(operator.outcome(&workspace, RUN), START);
    operator.tick(RUN);
    assert_eq!(workspace.builds().len(), 2);
}

#[test]
fn a_version_that_can_not_be_looked_at_keeps_no_other_from_being_built_by_hand() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let torn = rendered(&product, "torn");
    let not_built = follower(&torn, "torn", &[("size", "s")]);
    pushed(&torn, STATIC, |version| version.parameter(size()));
    refused(&mut product.superuser(), &torn);
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    pushed(&template, STATIC, |version| version.parameter(size()));
    let rows = operator.tick(RUN);
    assert_eq!(rows.len(), 2);
    assert_eq!(workspace.builds().len(), 2);
    assert_eq!(not_built.builds().len(), 1);
    let row = rows.iter().find(|row| row.workspace_id == not_built.id);
    let code = row.and_then(|row| row.code.as_deref());
    assert_eq!(code, Some("version_unproved"));
}

#[test]
fn a_version_that_can_not_be_looked_at_keeps_the_worker_from_no_other() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    execute(&mut client, "SELECT autobuild_pause('until all is there')");
    for name in ["one", "two", "three"] {
        let template = rendered(&product, name);
        pushed(&template, STATIC, |version| version.parameter(size()));
        if name == "one" {
            refused(&mut client, &template);
        }
    }
    execute(&mut client, "SELECT autobuild_resume()");
    let kept = "SELECT count(*) FROM autobuild_proofs";
    await_until("the others are proved", SOON, || {
        value(&mut client, kept).as_deref() == Some("2")
    });
    let told = "SELECT last_error FROM autobuild_status";
    await_until("it is told of the one", SOON, || {
        value(&mut client, told).is_some_and(|error| error.contains("could not be proved"))
    });
}
