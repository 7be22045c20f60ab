//! The checklist before the switch: each row fails by itself, and the statement that it gives
//! mends it.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{
    NINE, TODAY_AT_NINE, VERSIONS, YESTERDAY, install, on_versions,
};
use workspace_autobuild_tests::product::{Fields, HOUR, Value, execute, texts, value};
use workspace_autobuild_tests::server::hourly;
use workspace_autobuild_tests::{
    Product, SOON, Server, StopMode, Transition, Version, await_until,
};

use super::support::*;

const ITEMS: [&str; 10] = [
    "preload",
    "role",
    "rights",
    "schema",
    "rules",
    "licence",
    "zones",
    "schedules",
    "blocked",
    "agreement",
];

/// A server with a worker that does nothing before the hour, with the newest tables.
fn observing() -> (Server, Product) {
    let server = hourly()
        .set("workspace_autobuild.action", "observe")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    (server, product)
}

/// Column `what` of the row of an item.
#[track_caller]
fn of(client: &mut Client, item: &str, what: &str) -> Option<String> {
    let sql = format!("SELECT ({what})::text FROM autobuild_ready() WHERE item = '{item}'");
    value(client, &sql)
}

/// The row fails; with its statement it does no longer.
#[track_caller]
fn is_mended(product: &Product, item: &str, seen: &str) {
    let mut client = product.superuser();
    assert_eq!(of(&mut client, item, "ok").as_deref(), Some("false"));
    let detail = of(&mut client, item, "detail").unwrap_or_default();
    assert!(detail.contains(seen), "{item}: {detail}");
    let statement = of(&mut client, item, "statement").expect("a statement");
    execute(&mut client, &statement);
    let mut client = product.superuser();
    let mended = "ok AND statement IS NULL";
    let still = of(&mut client, item, "detail");
    assert_eq!(
        of(&mut client, item, mended).as_deref(),
        Some("true"),
        "{still:?}"
    );
}

fn failing(product: &Product) -> Vec<String> {
    let sql = "SELECT item FROM autobuild_ready() WHERE ok IS NOT TRUE";
    let rows = texts(&mut product.superuser(), sql);
    rows.into_iter().flatten().flatten().collect()
}

#[test]
fn it_has_ten_rows_in_order_on_every_schema() {
    on_versions(&Version::ALL, |product, operator| {
        let rows = operator.rows("SELECT item FROM autobuild_ready()");
        let items: Vec<String> = rows.into_iter().flatten().flatten().collect();
        assert_eq!(items, ITEMS, "{}", product.version());
        // No worker is to make ticks here, and so there is nothing to agree on.
        assert_eq!(
            failing(product),
            ["preload", "agreement"],
            "{}",
            product.version()
        );
        let wrong = "SELECT * FROM autobuild_ready() WHERE ok AND statement IS NOT NULL
                     OR ok IS NOT TRUE AND statement IS NULL OR detail = ''";
        assert!(operator.rows(wrong).is_empty());
    });
}

#[test]
fn all_is_ready_once_the_two_agree_and_everybody_may_ask() {
    let (_server, product) = observing();
    let template = product.template("docker").create();
    let one = template.workspace("one").schedule(NINE).create();
    assert_eq!(failing(&product), ["agreement"]);
    observed(&one, 2, "start autostart", "2 hours");
    built(&one, 2, "start autostart", "1 hour");
    assert!(failing(&product).is_empty());
    // A user who was first is nobody's disagreement; what only one made is.
    observed(&one, 3, "stop autostop", "30 min");
    built(&one, 3, "stop initiator", "29 min");
    assert!(failing(&product).is_empty());
    built(&one, 4, "start autostart", "20 min");
    assert_eq!(failing(&product), ["agreement"]);
    let mut client = product.superuser();
    let statement = of(&mut client, "agreement", "statement").expect("a statement");
    assert_eq!(texts(&mut client, &statement).len(), 1);
    // Of somebody without rights it is not known, and which rights that takes is said.
    execute(&mut client, "CREATE ROLE anybody LOGIN");
    let mut anybody = product.address().connect(product.database(), "anybody");
    let unknown = "SELECT item FROM autobuild_ready() WHERE ok IS NULL";
    assert_eq!(
        texts(&mut anybody, unknown),
        [[Some("agreement".to_owned())]]
    );
    let statement = of(&mut anybody, "agreement", "statement").expect("a statement");
    execute(&mut client, &statement);
    assert_eq!(
        of(&mut anybody, "agreement", "ok").as_deref(),
        Some("false")
    );
}

#[test]
fn a_library_that_is_not_preloaded_and_its_statement() {
    let mut server = Server::options()
        .set("shared_preload_libraries", "auto_explain")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    assert_eq!(of(&mut client, "preload", "ok").as_deref(), Some("false"));
    let statement = of(&mut client, "preload", "statement").expect("a statement");
    execute(&mut client, &statement);
    server.restart(StopMode::Fast);
    let mut client = product.superuser();
    assert_eq!(of(&mut client, "preload", "ok").as_deref(), Some("true"));
    let libraries = value(&mut client, "SHOW shared_preload_libraries");
    assert_eq!(
        libraries.as_deref(),
        Some("auto_explain, \"workspace-autobuild\"")
    );
}

#[test]
fn ticks_that_are_paused_or_off_are_not_ready() {
    let (_server, product) = observing();
    let mut client = product.superuser();
    execute(&mut client, "SELECT autobuild_pause('a test')");
    is_mended(&product, "preload", "paused");
    let database = product.database();
    execute(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.action = 'off'"),
    );
    is_mended(&product, "preload", "action is off");
}

#[test]
fn a_database_that_is_not_named_is_named_beside_the_others_wherever_they_are_named() {
    // In the server's own file, which ALTER SYSTEM RESET leaves as it is.
    let others = "other, \"an other\"";
    let server = hourly()
        .set("workspace_autobuild.databases", others)
        .set("workspace_autobuild.action", "observe")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let mut shown = |what: &str| of(&mut client, "preload", what).unwrap_or_default();
    let detail = shown("detail");
    assert!(
        detail.contains("not named in workspace_autobuild.databases"),
        "{detail}"
    );
    // As psql sends them: ALTER SYSTEM stands alone.
    for statement in shown("statement").split_inclusive("; ") {
        execute(&mut product.superuser(), statement);
    }
    await_until("it is mended", SOON, || shown("ok") == "true");
    let names = value(&mut client, "SHOW workspace_autobuild.databases");
    let named = format!("{others}, \"{}\"", product.database());
    assert_eq!(names, Some(named));
}

#[test]
fn a_role_that_another_database_of_the_server_has_already_is_given_its_rights_here() {
    let server = hourly()
        .set("workspace_autobuild.action", "observe")
        .start();
    for name in ["first", "second"] {
        let product = Product::with_extension(&server, Version::NEWEST);
        let mut client = product.superuser();
        execute(
            &mut client,
            "DO $$ BEGIN EXECUTE format(
                 'ALTER DATABASE %I SET workspace_autobuild.role = postgres', current_database());
             END $$",
        );
        let detail = of(&mut product.superuser(), "role", "detail").unwrap_or_default();
        assert!(detail.contains("superuser"), "{name}: {detail}");
        is_mended(&product, "role", "superuser");
        let mut client = product.superuser();
        assert_eq!(of(&mut client, "rights", "ok").as_deref(), Some("true"));
    }
}

#[test]
fn a_role_that_can_not_be_and_rights_that_it_lacks_are_mended() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let (database, role) = (
        product.database(),
        format!("executor of {}", product.database()),
    );
    execute(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.role = '{role}'"),
    );
    let mut session = product.superuser();
    assert_eq!(of(&mut session, "rights", "ok"), None);
    is_mended(&product, "role", "does not exist");
    execute(
        &mut client,
        &format!("REVOKE SELECT (deadline), INSERT (deadline) ON workspace_builds FROM \"{role}\""),
    );
    is_mended(&product, "rights", "deadline");
    // A superuser is none, and its tables may be its own.
    execute(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.role = 'postgres'"),
    );
    let mut session = product.superuser();
    assert_eq!(of(&mut session, "role", "ok").as_deref(), Some("false"));
    let detail = of(&mut session, "role", "detail").unwrap_or_default();
    assert!(detail.contains("superuser"), "{detail}");
}

#[test]
fn tables_in_another_schema_are_found_and_without_any_the_rest_is_unknown() {
    let product = Product::install_in(Server::shared(), Version::NEWEST, "coder");
    let mut client = product.superuser();
    execute(
        &mut client,
        "CREATE EXTENSION \"workspace-autobuild\" SCHEMA public",
    );
    let unknown = "SELECT string_agg(item, ' ') FROM autobuild_ready() WHERE ok IS NULL";
    let all = "role rights rules licence zones schedules agreement";
    assert_eq!(value(&mut client, unknown).as_deref(), Some(all));
    is_mended(&product, "schema", "public");
    execute(&mut client, "DROP SCHEMA coder CASCADE");
    let mut client = product.superuser();
    assert_eq!(of(&mut client, "schema", "ok").as_deref(), Some("false"));
    assert_eq!(of(&mut client, "schema", "statement"), None);
}

#[test]
fn a_rule_that_is_left_out_is_mended_deletion_where_something_is_to_be_deleted() {
    let product = install(Version::NEWEST);
    let mut client = product.superuser();
    let database = product.database();
    execute(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.rules = 'autostart, failed'"),
    );
    is_mended(&product, "rules", "autostop, dormancy");
    let template = product
        .template("docker")
        .set("time_til_dormant_autodelete", HOUR)
        .create();
    assert_eq!(of(&mut client, "rules", "ok").as_deref(), Some("true"));
    template.workspace("one").create();
    is_mended(&product, "rules", "delete");
}

#[test]
fn options_without_a_licence_are_mended() {
    let product = install(Version::NEWEST);
    product.execute("CREATE TABLE licenses (id serial PRIMARY KEY, exp timestamptz NOT NULL)");
    let mut client = product.superuser();
    assert_eq!(of(&mut client, "licence", "ok").as_deref(), Some("true"));
    let strict = product.template("strict").forbids_autostart().create();
    strict.workspace("one").create();
    is_mended(&product, "licence", "licensed_rules is on");
    // The role that follows the table has to read it.
    let (database, role) = (
        product.database(),
        format!("reader of {}", product.database()),
    );
    execute(
        &mut client,
        &format!(
            "CREATE ROLE \"{role}\"; SELECT autobuild_grant('{role}');
             REVOKE SELECT ON licenses FROM \"{role}\"; REVOKE SELECT (exp) ON licenses FROM \"{role}\";
             ALTER DATABASE {database} SET workspace_autobuild.role = '{role}'"
        ),
    );
    is_mended(&product, "licence", "no right to read licenses.exp");
}

#[test]
fn what_is_blocked_is_counted_by_its_code_and_listed() {
    on_versions(&VERSIONS, |product, operator| {
        let broken = product
            .template("broken")
            .version(|version| version.import_failed("no"))
            .create();
        for name in ["one", "two"] {
            broken
                .workspace(name)
                .schedule(NINE)
                .create_stopped(YESTERDAY);
        }
        operator.tick(TODAY_AT_NINE);
        let mut client = product.superuser();
        let detail = of(&mut client, "blocked", "detail").unwrap_or_default();
        assert!(detail.ends_with("import_job_failed: 2"), "{detail}");
        let statement = of(&mut client, "blocked", "statement").expect("a statement");
        assert_eq!(texts(&mut client, &statement).len(), 2);
    });
}

/// The ids that hang the product's executor.
fn hanging(product: &Product) -> Vec<String> {
    let mut client = product.superuser();
    let ids = "(SELECT string_agg(id::text, ' ' ORDER BY name) FROM workspaces
                 WHERE position(id::text IN coalesce(statement, '')) > 0)";
    let ids = of(&mut client, "schedules", ids).unwrap_or_default();
    ids.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_schedule_that_hangs_the_products_executor_is_listed_and_mended() {
    on_versions(&VERSIONS, |product, _| {
        let template = product.template("docker").create();
        let bad = ["", "at nine", "CRON_TZ=Mars/Olympus 0 9 * * *"];
        let made: Vec<String> = (1..)
            .zip(bad)
            .map(|(number, schedule)| {
                let workspace = template.workspace(&format!("bad {number}"));
                let workspace = workspace.schedule(schedule).create_stopped(YESTERDAY);
                workspace.id.to_string()
            })
            .collect();
        template
            .workspace("good")
            .schedule(NINE)
            .create_stopped(YESTERDAY);
        template.workspace("none").create_stopped(YESTERDAY);
        let version = product.version();
        if product.facts().has_column("workspaces", "next_start_at") {
            assert_eq!(hanging(product), made, "{version}");
            is_mended(product, "schedules", "never ends");
        } else {
            assert!(hanging(product).is_empty(), "{version}");
        }
    });
}

#[test]
fn whom_the_products_executor_does_not_look_at_hangs_nothing() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let strict = product.template("strict").forbids_autostart().create();
    let asleep = product.user("asleep").suspended().create();
    let prebuilds = product.prebuilds_user().create();
    let later = Value::sql("now() + interval '1 day'");
    let new = |name: &str| template.workspace(name).schedule("at nine");
    new("a suspended").owner(asleep).create_stopped(YESTERDAY);
    new("a prebuilt").owner(prebuilds).create_stopped(YESTERDAY);
    new("a dormant")
        .dormant_at(YESTERDAY)
        .create_stopped(YESTERDAY);
    new("a filled")
        .set("next_start_at", later.clone())
        .create_stopped(YESTERDAY);
    let deleted = new("a deleted").create_stopped(YESTERDAY);
    deleted.update("deleted", true);
    new("a new").create();
    let gone = new("a gone").create();
    gone.build(Transition::Delete)
        .created_at(YESTERDAY)
        .create();
    assert!(hanging(&product).is_empty());
    // It is looked at whatever the template allows, when it runs as soon as it is stopped, and
    // at its deadline whoever owns it.
    let expected = [
        strict
            .workspace("b strict")
            .schedule("at nine")
            .create_stopped(YESTERDAY)
            .id,
        new("c runs").create_started(YESTERDAY, later).id,
        new("d overdue").owner(asleep).create_overdue().id,
    ];
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(hanging(&product), expected);
}

#[test]
fn a_migration_is_not_waited_for() {
    let product = install(Version::NEWEST);
    let mut migration = product.connect();
    execute(
        &mut migration,
        "BEGIN; LOCK TABLE workspaces, workspace_builds IN ACCESS EXCLUSIVE MODE",
    );
    let mut client = product.superuser();
    execute(&mut client, "SET lock_timeout = '1s'");
    let unknown = "SELECT string_agg(item, ' ') FROM autobuild_ready() WHERE ok IS NULL";
    let all = "rules licence zones schedules agreement";
    assert_eq!(value(&mut client, unknown).as_deref(), Some(all));
    execute(&mut migration, "COMMIT");
    assert_eq!(value(&mut client, unknown), None);
}
