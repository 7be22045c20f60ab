//! When proofs are made, by whom, and what is kept of them.

use workspace_autobuild_tests::autobuild::{HOURLY, RUN, START, STOPPED, install};
use workspace_autobuild_tests::product::{Fields, Template, Value, Workspace, execute, value};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Transition, Version, await_until};

use super::support::*;

const KEPT: &str = "SELECT count(*) FROM autobuild_proofs";

/// A follower whose run has come, on the clock of now.
fn due_now<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template
        .workspace(name)
        .schedule("* * * * *")
        .set("automatic_updates", "always")
        .create();
    workspace
        .build(Transition::Stop)
        .created_at(Value::sql("now() - interval '10 minutes'"))
        .parameter("size", "s")
        .create();
    workspace
}

#[test]
fn a_proof_is_made_once_and_kept_and_a_preview_keeps_none() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    let first = follower(&template, "one", &[("size", "s")]);
    let version = pushed(&template, STATIC, |version| version.parameter(size()));
    let row = format!(
        "SELECT is_static, xmin FROM autobuild_proofs WHERE template_version_id = '{}'",
        version.id
    );
    assert_eq!(operator.preview(RUN).len(), 1);
    assert!(operator.rows(&row).is_empty(), "a preview writes nothing");
    operator.tick(RUN);
    let kept = operator.rows(&row);
    assert_eq!(kept[0][0].as_deref(), Some("t"));
    follower(&template, "two", &[("size", "s")]);
    // Its source is not looked at again.
    product.execute("UPDATE files SET data = ''");
    assert_eq!(operator.tick(RUN).len(), 1);
    assert_eq!(operator.rows(&row), kept);
    assert_eq!(first.latest_build().number, 2);
}

#[test]
fn a_proof_by_other_rules_counts_as_none_and_is_made_anew() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    follower(&template, "dev", &[("size", "s")]);
    pushed(&template, STATIC, |version| version.parameter(size()));
    operator.tick(RUN);
    operator.execute("UPDATE autobuild_proofs SET rules = 0, is_static = false, findings = '[]'");
    let second = follower(&template, "two", &[("size", "s")]);
    assert_eq!(operator.outcome(&second, RUN), START);
    operator.tick(RUN);
    let made = operator.rows("SELECT rules > 0 AND is_static FROM autobuild_proofs");
    assert_eq!(made, [[Some("t".to_owned())]]);
}

#[test]
fn a_kept_proof_that_can_not_be_read_is_made_anew() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    pushed(&template, STATIC, |version| version.parameter(size()));
    follower(&template, "dev", &[("size", "s")]);
    operator.tick(RUN);
    for nonsense in [
        "findings = '\"nonsense\"'",
        "findings = '[]', is_static = false",
    ] {
        operator.execute(&format!("UPDATE autobuild_proofs SET {nonsense}"));
        let next = follower(&template, "next", &[("size", "s")]);
        assert_eq!(operator.outcome(&next, RUN), START, "{nonsense}");
        next.update("deleted", true);
    }
}

#[test]
fn a_version_whose_import_is_not_complete_is_not_looked_at() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    let version = pushed(&template, STATIC, |version| version.import_pending());
    let blocked = "start autostart blocked import_job_pending";
    assert_eq!(operator.outcome(&workspace, RUN), blocked);
    operator.tick(RUN);
    assert_eq!(operator.rows(KEPT), [[Some("0".to_owned())]]);
    // Its parameters come with the end of the import.
    version.update_import("completed_at", Value::sql("now()"));
    version.add_parameter(size());
    assert_eq!(operator.outcome(&workspace, RUN), START);
}

#[test]
fn the_worker_proves_ahead_what_a_template_makes_active_and_then_builds() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let template = rendered(&product, "docker");
    pushed(&template, STATIC, |version| version.parameter(size()));
    await_until("the active version is proved", SOON, || {
        value(&mut client, KEPT).as_deref() == Some("1")
    });
    // Nobody was due: no tick is recorded for it.
    assert_eq!(
        value(&mut client, "SELECT count(*) FROM autobuild_ticks").as_deref(),
        Some("0")
    );
    let workspace = due_now(&template, "dev");
    await_until("it is started", SOON, || workspace.builds().len() == 2);
    assert_eq!(values(&workspace), [pair("size", "s")]);
}

#[test]
fn the_worker_proves_in_the_tick_what_it_then_builds() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = rendered(&product, "docker");
    // No template's active version: its workspaces stay on it.
    let version = template.new_version("old").parameter(size()).create();
    version.source(&[("main.tf", STATIC)]);
    let workspace = template.workspace("dev").schedule("* * * * *").create();
    workspace
        .build(Transition::Stop)
        .version(version.id)
        .created_at(Value::sql("now() - interval '10 minutes'"))
        .parameter("size", "s")
        .parameter("gone", "x")
        .create();
    await_until("it is started", SOON, || workspace.builds().len() == 2);
    assert_eq!(values(&workspace), [pair("size", "s")]);
}

#[test]
fn a_role_that_may_not_read_files_is_told_and_blocks_only_such_starts() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let role = format!("executor_{}", product.database());
    operator.execute(&format!(
        "CREATE ROLE {role}; SELECT autobuild_grant('{role}');
         REVOKE SELECT (data) ON files FROM {role};
         SET workspace_autobuild.role = '{role}'"
    ));
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    let stays = template
        .workspace("stays")
        .schedule(HOURLY)
        .create_stopped(STOPPED);
    pushed(&template, STATIC, |version| version.parameter(size()));
    let blocked = "start autostart blocked version_change_dynamic";
    assert_eq!(operator.outcome(&workspace, RUN), blocked);
    let detail = operator.next(&workspace, RUN).detail.unwrap_or_default();
    let wanted = format!("may not read files.data: SELECT autobuild_grant('{role}')");
    assert!(detail.contains(&wanted), "{detail}");
    assert_eq!(operator.outcome(&stays, RUN), START);
    operator.execute(&format!("SELECT autobuild_grant('{role}')"));
    assert_eq!(operator.outcome(&workspace, RUN), START);
}

#[test]
fn who_may_not_read_files_sees_that_the_version_is_not_proved_until_a_tick_has() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let template = rendered(&product, "docker");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    pushed(&template, STATIC, |version| version.parameter(size()));
    let role = format!("reader_{}", product.database());
    operator.execute(&format!(
        "CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE ALL ON files, autobuild_proofs FROM {role}"
    ));
    let mut reader = product.superuser();
    execute(&mut reader, &format!("SET ROLE {role}"));
    let sql = format!(
        "SELECT skip_reason FROM autobuild_next_transition('{}', '{RUN}')",
        workspace.id
    );
    assert_eq!(
        value(&mut reader, &sql).as_deref(),
        Some("version_unproved")
    );
    operator.tick(RUN);
    let second = follower(&template, "two", &[("size", "s")]);
    let sql = sql.replace(&workspace.id.to_string(), &second.id.to_string());
    assert_eq!(value(&mut reader, &sql), None);
}
