//! What is told of proofs: `autobuild_version_check`, explain, status and metrics.

use postgres::Client;
use serde_json::Value as Json;
use workspace_autobuild_tests::autobuild::{RUN, STOPPED, install, records, refusal, refused};
use workspace_autobuild_tests::product::{
    Fields, TemplateVersion, Value, Workspace, execute, value,
};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Version, await_until};

use super::support::*;

/// The rows of `autobuild_version_check`, as texts.
#[track_caller]
fn check(client: &mut Client, version: &TemplateVersion<'_>) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', verdict, file, line, detail) AS said
           FROM autobuild_version_check('{}')",
        version.id
    );
    records::<Json>(client, &sql)
        .into_iter()
        .map(|row| row["said"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The steps of explain by this name: passed and observed.
#[track_caller]
fn step(client: &mut Client, workspace: &Workspace<'_>, name: &str) -> Option<String> {
    value(
        client,
        &format!(
            "SELECT max(passed || ': ' || observed) FROM autobuild_explain('{}', '{RUN}')
              WHERE rule = '{name}'",
            workspace.id
        ),
    )
}

#[test]
fn version_check_says_static_or_each_thing_that_varies_with_file_and_line() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let template = rendered(&product, "docker");
    let good = pushed(&template, STATIC, |version| version.parameter(size()));
    let said = "static Starts onto this version can be made: its stored parameters are all that \
                decides.";
    assert_eq!(check(&mut client, &good), [said]);
    let bad = template.new_version("bad").parameter(mail()).create();
    bad.source(&[
        ("main.tf", OF_THE_OWNER),
        ("z.tf", "locals {\n  now = timestamp()\n}\ndata \"coder_parameter\" \"when\" {\n  name = \"when\"\n  default = local.now\n}\n"),
    ]);
    let said = check(&mut client, &bad);
    assert!(said.len() >= 2, "{said:?}");
    assert!(
        said.contains(
            &"unknown main.tf 4 refers to data.coder_workspace_owner.me.email".to_owned()
        ),
        "{said:?}"
    );
    assert!(
        said.iter().any(|row| row.starts_with("unknown z.tf 2 ")),
        "{said:?}"
    );
}

#[test]
fn version_check_says_that_classic_and_statically_rendered_versions_are_static() {
    for version in Version::ALL {
        let product = install(version);
        let mut client = product.superuser();
        let classic = product.template("classic").create().first_version();
        assert_eq!(check(&mut client, &classic).len(), 1, "{version}");
        assert!(
            check(&mut client, &classic)[0].starts_with("static"),
            "{version}"
        );
        if RENDERING.contains(&version) {
            let by_rows = rendered(&product, "rows").first_version();
            assert!(
                check(&mut client, &by_rows)[0].starts_with("static"),
                "{version}"
            );
        }
    }
}

#[test]
fn version_check_refuses_an_unknown_id_and_who_may_not_read() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let nobody = "SELECT autobuild_version_check('00000000-0000-0000-0000-000000000001')";
    refused(&mut client, nobody, "P0002", "does not exist");
    let version = rendered(&product, "docker").first_version();
    let role = format!("stranger_{}", product.database());
    execute(&mut client, &format!("CREATE ROLE {role}; SET ROLE {role}"));
    let sql = format!("SELECT autobuild_version_check('{}')", version.id);
    let refusal = refusal(&mut client, &sql);
    assert_eq!(refusal.sqlstate, "42501", "{refusal:?}");
}

#[test]
fn who_may_not_read_files_gets_the_kept_proof_or_is_told_that_there_is_none() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let template = rendered(&product, "docker");
    follower(&template, "dev", &[("size", "s")]);
    let version = pushed(&template, STATIC, |version| version.parameter(size()));
    let role = format!("reader_{}", product.database());
    execute(
        &mut client,
        &format!(
            "CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE ALL ON files FROM {role}"
        ),
    );
    let mut reader = product.superuser();
    execute(&mut reader, &format!("SET ROLE {role}"));
    let said = check(&mut reader, &version);
    assert!(said[0].contains("not looked at by a tick yet"), "{said:?}");
    product.tick(RUN);
    let said = check(&mut reader, &version);
    assert!(said[0].starts_with("static"), "{said:?}");
}

#[test]
fn explain_says_static_or_why_not() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let name = "template_source";
    let template = rendered(&product, "good");
    let workspace = follower(&template, "dev", &[("size", "s")]);
    pushed(&template, STATIC, |version| version.parameter(size()));
    let said = step(&mut client, &workspace, name).unwrap_or_default();
    assert!(
        said.starts_with("true: ") && said.contains("(static)"),
        "{said}"
    );
    let template = rendered(&product, "bad");
    let workspace = follower(&template, "bad", &[]);
    pushed(&template, OF_THE_OWNER, |version| version.parameter(mail()));
    let said = step(&mut client, &workspace, name).unwrap_or_default();
    let seen = "main.tf:4: refers to data.coder_workspace_owner.me.email";
    assert!(said.starts_with("false: ") && said.contains(seen), "{said}");
    // Where the product renders nothing there is nothing to say.
    let classic = product.template("classic").create();
    let workspace = follower(&classic, "classic", &[]);
    assert_eq!(step(&mut client, &workspace, name), None);
}

#[test]
fn status_and_metrics_count_templates_that_are_followed_to_an_unknown_version() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let metric = "SELECT value::int FROM autobuild_metrics
                   WHERE metric = 'workspace_autobuild_unknown_templates'";
    let template = rendered(&product, "bad");
    let version = pushed(&template, OF_THE_OWNER, |version| version.parameter(mail()));
    await_until("it is proved", SOON, || {
        value(&mut client, "SELECT count(*) FROM autobuild_proofs").as_deref() == Some("1")
    });
    assert_eq!(
        value(&mut client, metric).as_deref(),
        Some("0"),
        "nobody follows it"
    );
    let workspace = template
        .workspace("dev")
        .set("automatic_updates", "always")
        .create_stopped(STOPPED);
    assert_eq!(value(&mut client, metric).as_deref(), Some("1"));
    let problem = value(&mut client, "SELECT problem FROM autobuild_status").unwrap_or_default();
    assert!(
        problem.contains("1 template has an active version")
            && problem.contains(&format!("autobuild_version_check('{}')", version.id)),
        "{problem}"
    );
    workspace.update("automatic_updates", "never");
    assert_eq!(value(&mut client, metric).as_deref(), Some("0"));
    template.update("require_active_version", true);
    assert_eq!(value(&mut client, metric).as_deref(), Some("1"));
}

#[test]
fn version_check_says_that_nothing_is_built_of_a_version_that_was_not_imported() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let classic = product.template("classic").create().first_version();
    let renders = rendered(&product, "docker");
    let renders = pushed(&renders, STATIC, |version| version.parameter(size()));
    for version in [&classic, &renders] {
        for (column, value, said) in [
            ("error", Value::from("no such module"), "import failed"),
            ("canceled_at", Value::sql("now()"), "import was canceled"),
            ("completed_at", Value::NULL, "import is not complete"),
        ] {
            version.update_import(column, value);
            let rows = check(&mut client, version);
            assert!(
                rows.len() == 1 && rows[0].starts_with("unknown ") && rows[0].contains(said),
                "{column}: {rows:?}"
            );
        }
    }
}

#[test]
fn a_right_that_the_role_lacks_is_told_to_whoever_may_read_more() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    let role = format!("executor_{}", product.database());
    operator.execute(&format!(
        "CREATE ROLE {role}; SELECT autobuild_grant('{role}');
         REVOKE SELECT (data) ON files FROM {role}"
    ));
    let mut client = product.superuser();
    execute(
        &mut client,
        &format!(
            "ALTER DATABASE {} SET workspace_autobuild.role = '{role}'",
            product.database()
        ),
    );
    let mut client = product.superuser();
    let template = rendered(&product, "docker");
    follower(&template, "dev", &[("size", "s")]);
    let version = pushed(&template, STATIC, |version| version.parameter(size()));
    let said = check(&mut client, &version);
    let wanted = format!("may not read files.data: SELECT autobuild_grant('{role}')");
    assert!(said[0].contains(&wanted), "{said:?}");
    let count = "SELECT value::int FROM autobuild_metrics
                  WHERE metric = 'workspace_autobuild_unknown_templates'";
    assert_eq!(value(&mut client, count).as_deref(), Some("1"));
    execute(&mut client, &format!("SELECT autobuild_grant('{role}')"));
    assert!(check(&mut client, &version)[0].starts_with("static "));
    assert_eq!(value(&mut client, count).as_deref(), Some("0"));
}
