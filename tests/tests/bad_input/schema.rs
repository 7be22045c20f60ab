//! A product's schema that is not as expected: what is missing or wrong is named, by
//! every function, and nothing but that is refused.

use postgres::Client;
use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{
    NINE, NextTransition, Refusal, TODAY_AT_NINE, YESTERDAY, counted, install, next_transition,
    preview, records, refusal, refused, tick,
};
use workspace_autobuild_tests::product::quote_literal;
use workspace_autobuild_tests::{Product, Server, Version};

use super::arguments::AT;

/// Changes something of the product's schema, and asks every function.
#[track_caller]
fn after(change: &str, sqlstate: &str, seen: &str) {
    let product = install(Version::V2_10_0);
    let template = product.template("docker").create();
    let workspace = template
        .workspace("dev")
        .schedule(NINE)
        .create_stopped(YESTERDAY);
    let mut session = product.superuser();
    session
        .batch_execute("SET default_transaction_isolation = 'repeatable read'")
        .expect("a setting");
    // Found once and remembered: the change is still noticed.
    assert_eq!(preview(&mut session, TODAY_AT_NINE).len(), 1);
    product
        .superuser()
        .batch_execute(change)
        .unwrap_or_else(|e| panic!("{change}: {e:?}"));
    for call in AT.iter().filter(|call| !call.contains("schedule_next")) {
        let call = call
            .replace("ID", &workspace.id.to_string())
            .replace("{}", &quote_literal(TODAY_AT_NINE));
        refused(&mut session, &call, sqlstate, seen);
    }
    refused(
        &mut session,
        "SELECT autobuild_grant('product')",
        sqlstate,
        seen,
    );
    // Schedules need no product.
    counted(
        &mut session,
        "SELECT * FROM autobuild_schedule_next('0 9 * * *')",
        "1",
    );
    let rules: Vec<Json> = records(
        &mut session,
        "SELECT in_force, because FROM autobuild_rules",
    );
    assert!(
        rules.iter().all(|rule| rule["in_force"] == json!(false)),
        "{rules:?}"
    );
    assert!(
        rules
            .iter()
            .all(|rule| rule["because"].as_str().is_some_and(|b| b.contains(seen)))
    );
}

#[test]
fn what_is_missing_of_the_products_schema_is_named() {
    after(
        "DROP TABLE workspace_build_parameters",
        "42P01",
        "workspace_build_parameters",
    );
    after("ALTER TABLE users RENAME TO people", "42P01", "users");
    after(
        "ALTER TABLE workspaces DROP COLUMN autostart_schedule CASCADE",
        "42703",
        "workspaces.autostart_schedule",
    );
    after(
        "ALTER TABLE workspace_builds RENAME deadline TO ends_at",
        "42703",
        "workspace_builds.deadline",
    );
    after(
        "CREATE SCHEMA moved; ALTER TABLE workspaces SET SCHEMA moved",
        "42P01",
        "workspaces",
    );
}

#[test]
fn what_has_the_wrong_type_or_is_no_table_is_named() {
    after(
        "ALTER TABLE workspaces DROP COLUMN deleted CASCADE; ALTER TABLE workspaces ADD deleted int",
        "42804",
        "\"deleted\"",
    );
    after(
        "ALTER TABLE provisioner_jobs DROP COLUMN input;
         ALTER TABLE provisioner_jobs ADD input point",
        "42804",
        "\"input\"",
    );
    after(
        "ALTER TABLE users RENAME TO people; CREATE VIEW users AS SELECT * FROM people",
        "42809",
        "users",
    );
    after(
        "ALTER TABLE workspaces RENAME TO w; CREATE MATERIALIZED VIEW workspaces AS SELECT * FROM w",
        "42809",
        "workspaces",
    );
}

#[test]
fn a_schema_that_does_not_exist_or_holds_something_else_is_named() {
    let product = install(Version::OLDEST);
    let mut session = product.superuser();
    let set = |session: &mut Client, schema: &str| {
        let set = format!(
            "SET workspace_autobuild.product_schema = {}",
            quote_literal(schema)
        );
        session.batch_execute(&set)
    };
    for schema in ["nowhere", "\"; DROP TABLE workspaces", &"x".repeat(10_000)] {
        set(&mut session, schema).expect("a setting");
        let shown: String = schema.chars().take(10).collect();
        let refusal = refusal(&mut session, "SELECT * FROM autobuild_preview()");
        assert_eq!(refusal.sqlstate, "3F000", "{refusal:?}");
        assert!(refusal.message.contains(&shown), "{refusal:?}");
        assert!(refusal.hint.contains("workspace_autobuild.product_schema"));
    }
    set(&mut session, "pg_catalog").expect("a setting");
    refused(
        &mut session,
        "SELECT * FROM autobuild_preview()",
        "42P01",
        "workspaces",
    );
    let empty = set(&mut session, "").expect_err("an empty name");
    assert_eq!(Refusal::of(&empty).sqlstate, "22023");
    // Before the product's tables exist, too.
    let server = Server::shared();
    server.create_database("no product yet", workspace_autobuild_tests::product::OWNER);
    let mut session = server.client("no product yet");
    session
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\"")
        .expect("CREATE EXTENSION");
    refused(
        &mut session,
        "SELECT * FROM autobuild_upcoming()",
        "42P01",
        "workspaces",
    );
}

#[test]
fn a_product_in_another_schema_with_an_odd_name_works_whole() {
    let schema = "the \"product's\" schema";
    for version in [Version::V2023_06, Version::V2_34_3] {
        let product = Product::install_in(Server::shared(), version, schema);
        let mut session = product.superuser();
        session
            .batch_execute(&format!(
                "CREATE SCHEMA \"Ops 1\";
                 CREATE EXTENSION \"workspace-autobuild\" SCHEMA \"Ops 1\";
                 SET search_path = \"Ops 1\";
                 SET workspace_autobuild.product_schema = {}",
                quote_literal(schema)
            ))
            .expect("CREATE EXTENSION");
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        let next: NextTransition = next_transition(&mut session, workspace.id, TODAY_AT_NINE);
        assert!(next.due, "{version}");
        let attempts = tick(&mut session, TODAY_AT_NINE);
        assert_eq!(attempts[0].outcome, "built", "{version}: {attempts:?}");
    }
}

#[test]
fn of_a_columns_two_names_todays_counts() {
    let product = install(Version::V2_10_0);
    let template = product.template("docker").create();
    template
        .workspace("dev")
        .schedule(NINE)
        .create_stopped(YESTERDAY);
    let mut session = product.superuser();
    session
        .batch_execute(
            "ALTER TABLE workspaces ADD COLUMN locked_at timestamptz; SELECT autobuild_attach()",
        )
        .expect("a column and triggers");
    let marks = "SELECT * FROM autobuild_marks";

    session
        .batch_execute("UPDATE workspaces SET locked_at = now()")
        .expect("UPDATE");
    counted(&mut session, marks, "0");
    assert_eq!(preview(&mut session, TODAY_AT_NINE).len(), 1);

    session
        .batch_execute("UPDATE workspaces SET locked_at = NULL, dormant_at = now()")
        .expect("UPDATE");
    counted(&mut session, marks, "1");
    assert_eq!(preview(&mut session, TODAY_AT_NINE).len(), 0);

    let granted = |name: &str| {
        format!("SELECT * FROM autobuild_grant('product') AS g WHERE g ~ '\\m{name}\\M'")
    };
    counted(&mut session, &granted("locked_at"), "0");
    counted(&mut session, &granted("dormant_at"), "2");
}
