//! The audit: drift is found, mended and told of.

use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version};

use super::support::*;

fn attached(server: &Server) -> Product {
    let product = Product::with_extension(server, Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspaces(10, Transition::Start)
        .deadline(Value::sql("now() + i * interval '1 hour'"))
        .create();
    attach(&mut product.superuser());
    product
}

/// Ticks with an audit.
fn audit(root: &mut postgres::Client) {
    execute(root, "SELECT pg_sleep(1.1)");
    execute(root, "SET workspace_autobuild.audit_interval = '1s'");
    tick(root);
    execute(root, "RESET workspace_autobuild.audit_interval");
}

#[test]
fn drift_is_mended_and_told_of_until_an_audit_finds_none() {
    let server = Server::options_without_worker().start();
    let product = attached(&server);
    let mut root = product.superuser();
    audit(&mut root);
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
    assert!(!server.log().contains("the last audit"));
    execute(
        &mut root,
        "DELETE FROM autobuild_agenda WHERE due_at < now() + interval '150 minutes';
         UPDATE autobuild_agenda SET due_at = due_at + interval '1 day'
          WHERE due_at > now() + interval '570 minutes';
         UPDATE autobuild_agenda SET due_at = now() + interval '1 second'
          WHERE due_at BETWEEN now() + interval '4 hours' AND now() + interval '5 hours';
         INSERT INTO autobuild_agenda VALUES (gen_random_uuid(), now())",
    );
    audit(&mut root);
    // Two were missing and one late; an early entry and one too many are no drift.
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("3"));
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("10"));
    let late = "SELECT count(*) FROM autobuild_agenda a
                  JOIN workspace_builds b USING (workspace_id) WHERE a.due_at > b.deadline";
    assert_eq!(value(&mut root, late).as_deref(), Some("0"));
    let sentence = "the last audit of the agenda found 3 entries late or missing";
    assert!(server.log().contains(sentence));
    let problem = "SELECT problem FROM autobuild_status";
    let told = value(&mut root, problem).unwrap_or_default();
    assert!(told.contains(sentence), "{told}");
    audit(&mut root);
    let told = value(&mut root, problem).unwrap_or_default();
    assert!(!told.contains("the last audit"), "{told}");
}

#[test]
fn what_marks_are_about_is_no_drift() {
    let product = attached(Server::shared());
    let mut root = product.superuser();
    product.execute("UPDATE workspace_builds SET deadline = deadline - interval '50 minutes'");
    audit(&mut root);
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
}

#[test]
fn neither_what_a_tick_built_itself_nor_a_job_under_way_is_drift() {
    let product = attached(Server::shared());
    let mut root = product.superuser();
    product.execute("UPDATE workspace_builds SET deadline = now() - interval '1 hour'");
    // Built and audited in one transaction.
    audit(&mut root);
    let builds = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    assert_eq!(value(&mut root, builds).as_deref(), Some("10"));
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
    // Were their jobs done, they would be started.
    product.execute(
        "UPDATE workspaces SET autostart_schedule = 'CRON_TZ=UTC 0 * * * *',
                next_start_at = now() + interval '1 hour'",
    );
    audit(&mut root);
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("0"));
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("0"));
}

/// No version of the product's allows NULL there; whoever does gets what 0 means.
#[test]
fn a_pass_finds_workspaces_of_a_template_whose_failure_ttl_is_null() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let template = product.template("docker").create();
    let running = template.workspaces(1, Transition::Start);
    running
        .deadline(Value::sql("now() + interval '1 hour'"))
        .create();
    product.execute("ALTER TABLE templates ALTER COLUMN failure_ttl DROP NOT NULL");
    template.update("failure_ttl", Value::NULL);
    let mut root = product.superuser();
    attach(&mut root);
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("1"));
}

#[test]
fn a_pass_that_finds_nothing_where_there_was_something_is_not_at_its_end() {
    let product = attached(Server::shared());
    let mut root = product.superuser();
    // As for a snapshot that is older than a rewrite of the table: no row, and no error.
    let all = |deleted: bool| {
        format!("UPDATE workspaces SET deleted = {deleted}; DELETE FROM autobuild_marks")
    };
    execute(&mut root, &all(true));
    audit(&mut root);
    assert_eq!(mode(&mut root), "scan");
    execute(&mut root, &all(false));
    build(&mut root);
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("10"));
    // Where there is nothing indeed, that is found out.
    execute(&mut root, &all(true));
    audit(&mut root);
    build(&mut root);
    assert_eq!(progress(&mut root, "entries").as_deref(), Some("0"));
}

#[test]
fn an_audit_is_due_after_its_interval_and_not_before() {
    let product = attached(Server::shared());
    let mut root = product.superuser();
    let audited_at = |root: &mut _| progress(root, "audited_at");
    let first = audited_at(&mut root);
    tick(&mut root);
    assert_eq!(audited_at(&mut root), first);
    audit(&mut root);
    assert_ne!(audited_at(&mut root), first);
}

#[test]
fn changes_without_a_trigger_are_drift() {
    // What nothing can know: a table of another one's, put in place by the catalog.
    let product = attached(Server::shared());
    let mut root = product.superuser();
    execute(
        &mut root,
        "DELETE FROM autobuild_marks;
         UPDATE workspace_builds SET deadline = now() - interval '1 minute';
         DELETE FROM autobuild_marks",
    );
    assert_eq!(
        texts(&mut root, "SELECT * FROM autobuild_preview()").len(),
        0
    );
    audit(&mut root);
    assert_eq!(progress(&mut root, "drift").as_deref(), Some("10"));
    assert_eq!(
        texts(&mut root, "SELECT * FROM autobuild_preview()").len(),
        10
    );
}
