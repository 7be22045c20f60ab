//! Attaching and detaching, and what becomes of the triggers.

use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::{Product, Transition, Version, await_until};

use super::support::*;

const TRIGGERS: &str = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'autobuild%'";

#[test]
fn attach_detach_and_attach_again() {
    let product = install(Version::NEWEST);
    let mut root = product.superuser();
    let call = |root: &mut _, function: &str| value(root, &format!("SELECT {function}()"));
    assert_eq!(call(&mut root, "autobuild_detach").as_deref(), Some("f"));
    for _ in 0..2 {
        assert_eq!(call(&mut root, "autobuild_attach").as_deref(), Some("t"));
        assert_eq!(call(&mut root, "autobuild_attach").as_deref(), Some("f"));
        assert_eq!(value(&mut root, TRIGGERS).as_deref(), Some("10"));
        assert_eq!(mode(&mut root), "scan");
        build(&mut root);
        assert_eq!(call(&mut root, "autobuild_detach").as_deref(), Some("t"));
        assert_eq!(call(&mut root, "autobuild_detach").as_deref(), Some("f"));
        assert_eq!(value(&mut root, TRIGGERS).as_deref(), Some("0"));
        assert_eq!(mode(&mut root), "scan");
        assert_eq!(progress(&mut root, "ready"), None);
    }
}

#[test]
fn every_version_of_the_product_can_be_attached() {
    for version in Version::ALL {
        let product = install(version);
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create();
        workspace
            .build(Transition::Start)
            .deadline(Value::sql("now() + interval '1 hour'"))
            .create();
        let mut root = product.superuser();
        attach(&mut root);
        assert_eq!(
            progress(&mut root, "entries").as_deref(),
            Some("1"),
            "{version}"
        );
    }
}

#[test]
fn whoever_attaches_must_own_the_tables() {
    let product = install(Version::NEWEST);
    let mut owner = product.connect();
    assert_eq!(sqlstate(&mut owner, "SELECT autobuild_attach()"), "42501");
    let mut root = product.superuser();
    execute(
        &mut root,
        "CREATE ROLE agenda_outsider LOGIN;
         GRANT EXECUTE ON FUNCTION autobuild_attach() TO agenda_outsider",
    );
    let mut outsider = product
        .address()
        .connect(product.database(), "agenda_outsider");
    assert_eq!(
        sqlstate(&mut outsider, "SELECT autobuild_attach()"),
        "42501"
    );
    execute(
        &mut root,
        "GRANT EXECUTE ON FUNCTION autobuild_attach(), autobuild_detach() TO product",
    );
    attach_as_owner(&mut owner);
    // Who attached may not hang the trigger function anywhere else.
    assert_eq!(
        sqlstate(
            &mut owner,
            "CREATE TRIGGER mine AFTER UPDATE ON users FOR EACH STATEMENT
             EXECUTE FUNCTION autobuild_capture('users')"
        ),
        "42501"
    );
    assert_eq!(
        value(
            &mut root,
            "SELECT p.proacl::text = i.initprivs::text FROM pg_proc p
               JOIN pg_init_privs i ON i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass
              WHERE p.proname = 'autobuild_capture'"
        )
        .as_deref(),
        Some("t"),
        "a dump says nothing of it"
    );
    execute(&mut owner, "SELECT autobuild_detach()");
    assert_eq!(value(&mut root, TRIGGERS).as_deref(), Some("0"));
}

fn attach_as_owner(owner: &mut postgres::Client) {
    execute(owner, "SELECT autobuild_attach()");
    assert_eq!(value(owner, TRIGGERS).as_deref(), Some("10"));
}

#[test]
fn dropping_the_extension_takes_the_triggers_along() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let mut root = product.superuser();
    // Twice: what attach notes of the triggers is noted once.
    execute(&mut root, "SELECT autobuild_attach()");
    execute(
        &mut root,
        "ALTER TABLE users DISABLE TRIGGER autobuild_capture; SELECT autobuild_attach()",
    );
    execute(&mut root, "DROP EXTENSION \"workspace-autobuild\"");
    assert_eq!(value(&mut root, TRIGGERS).as_deref(), Some("0"));
    template
        .workspace("dev")
        .create()
        .build(Transition::Stop)
        .create();
    product.create_extension();
    attach(&mut root);
}

/// Calls a function while somebody is in its way, and writes and reads meanwhile: nobody
/// waits for long. Then makes way.
fn nobody_waits_behind(product: &Product, call: &'static str, in_the_way: &mut Client) {
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let calling = {
        let address = product.address().clone();
        let database = product.database().to_owned();
        std::thread::spawn(move || {
            let mut client = address.connect(&database, "postgres");
            value(&mut client, call)
        })
    };
    let mut root = product.superuser();
    await_until("it is at it", Duration::from_secs(10), || {
        value(
            &mut root,
            &format!(
                "SELECT count(*) > 0 FROM pg_stat_activity
                  WHERE query = '{call}' AND state = 'active'
                    AND datname = current_database()
                    AND clock_timestamp() - query_start > interval '0.2 s'"
            ),
        )
        .as_deref()
            == Some("t")
    });
    let mut writer = product.connect();
    execute(&mut writer, "SET statement_timeout = '5s'");
    let mut longest = Duration::ZERO;
    for n in 0..100 {
        let begun = Instant::now();
        execute(
            &mut writer,
            &format!(
                "UPDATE workspaces SET ttl = {n}, autostart_schedule = '0 {} * * *' WHERE id = '{}';
                 UPDATE users SET updated_at = now();
                 SELECT FROM workspace_builds, templates, provisioner_jobs",
                n % 24,
                workspace.id
            ),
        );
        longest = longest.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!calling.is_finished(), "somebody is in the way");
    // Behind one try it is 20 ms for each table; the rest is room for a busy machine.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    execute(in_the_way, "COMMIT");
    assert_eq!(calling.join().expect("done").as_deref(), Some("t"));
}

#[test]
fn attach_waits_in_short_tries_and_holds_up_no_writer_for_long() {
    let product = install(Version::NEWEST);
    let mut long = product.connect();
    execute(
        &mut long,
        "BEGIN; LOCK provisioner_jobs IN ROW EXCLUSIVE MODE",
    );
    nobody_waits_behind(&product, "SELECT autobuild_attach()", &mut long);
    assert_eq!(
        value(&mut product.superuser(), TRIGGERS).as_deref(),
        Some("10")
    );
}

#[test]
fn detach_holds_nothing_of_the_products_while_readers_of_ours_are_in_its_way() {
    for table in [
        "autobuild_marks",
        "autobuild_agenda",
        "autobuild_agenda_state",
    ] {
        let product = install(Version::NEWEST);
        let mut root = product.superuser();
        execute(&mut root, "SELECT autobuild_attach()");
        let mut reader = product.superuser();
        execute(&mut reader, &format!("BEGIN; SELECT FROM {table}"));
        nobody_waits_behind(&product, "SELECT autobuild_detach()", &mut reader);
        assert_eq!(value(&mut root, TRIGGERS).as_deref(), Some("0"));
    }
}

#[test]
fn detach_waits_in_short_tries_for_the_products_writers() {
    let product = install(Version::NEWEST);
    execute(&mut product.superuser(), "SELECT autobuild_attach()");
    let mut writer = product.connect();
    execute(&mut writer, "BEGIN; LOCK users IN ROW EXCLUSIVE MODE");
    nobody_waits_behind(&product, "SELECT autobuild_detach()", &mut writer);
    assert_eq!(
        value(&mut product.superuser(), TRIGGERS).as_deref(),
        Some("0")
    );
}

#[test]
fn attach_does_not_wait_for_readers_nor_hold_them_up() {
    let product = install(Version::NEWEST);
    let mut reader = product.connect();
    execute(
        &mut reader,
        "BEGIN; SELECT FROM workspaces, provisioner_jobs, users",
    );
    let mut root = product.superuser();
    execute(
        &mut root,
        "SET statement_timeout = '5s'; BEGIN; SELECT autobuild_attach()",
    );
    let mut second = product.connect();
    execute(&mut second, "SET lock_timeout = '2s'");
    texts(
        &mut second,
        "SELECT 1 FROM workspaces, workspace_builds, users, templates",
    );
    execute(&mut root, "COMMIT");
    execute(&mut reader, "COMMIT");
}

#[test]
fn a_table_made_anew_is_missed_and_ticks_scan_until_it_is_attached_again() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let mut root = product.superuser();
    attach(&mut root);
    // As a migration does it: a copy, which then takes the name.
    product.execute(
        "CREATE TABLE users_new (LIKE users INCLUDING ALL);
         INSERT INTO users_new SELECT * FROM users;
         DROP TABLE users CASCADE; ALTER TABLE users_new RENAME TO users",
    );
    assert_eq!(mode(&mut root), "scan");
    let problem = value(&mut root, "SELECT problem FROM autobuild_status").expect("a problem");
    assert!(
        problem.contains("\"public\".users") && problem.contains("autobuild_attach()"),
        "{problem}"
    );
    assert!(!problem.contains(".workspaces"), "{problem}");
    // Meanwhile nothing is overlooked.
    workspace
        .build(Transition::Start)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create();
    product.execute("UPDATE users SET status = 'suspended'");
    assert_eq!(tick(&mut root).len(), 1);
    assert_eq!(
        value(&mut root, "SELECT autobuild_attach()").as_deref(),
        Some("t")
    );
    assert_eq!(
        mode(&mut root),
        "scan",
        "what happened meanwhile is not known"
    );
    build(&mut root);
    let problem = value(&mut root, "SELECT problem FROM autobuild_status").unwrap_or_default();
    assert!(!problem.contains("capture"), "{problem}");
}

#[test]
fn a_trigger_that_was_off_for_a_while_means_that_the_agenda_is_built_anew() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let build_ = workspace.build(Transition::Start).create();
    let mut root = product.superuser();
    attach(&mut root);
    // No tick between: only the trigger's row tells.
    product.execute(&format!(
        "ALTER TABLE workspace_builds DISABLE TRIGGER autobuild_capture;
         UPDATE workspace_builds SET deadline = now() - interval '1 hour' WHERE id = '{}';
         ALTER TABLE workspace_builds ENABLE ALWAYS TRIGGER autobuild_capture",
        build_.id
    ));
    assert_eq!(mode(&mut root), "scan");
    assert_eq!(tick(&mut root).len(), 1);
    // A trigger that is on again but not for replication is one that is missing.
    product
        .execute("ALTER TABLE users DISABLE TRIGGER USER; ALTER TABLE users ENABLE TRIGGER USER");
    let problem = value(&mut root, "SELECT problem FROM autobuild_status").expect("a problem");
    assert!(problem.contains("\"public\".users"), "{problem}");
    execute(&mut root, "SELECT autobuild_attach()");
    build(&mut root);
}

#[test]
fn migrations_of_watched_columns_work_and_leave_the_agenda_right() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let started = workspace
        .build(Transition::Start)
        .deadline(Value::sql("now() + interval '1 hour'"))
        .create();
    let mut root = product.superuser();
    attach(&mut root);
    for migration in [
        "ALTER TABLE workspaces ADD COLUMN note text",
        "ALTER TABLE workspaces DROP COLUMN deleting_at CASCADE",
        "ALTER TABLE workspaces ADD COLUMN deleting_at timestamptz",
        "ALTER TABLE workspaces ALTER COLUMN last_used_at TYPE timestamp",
        "ALTER TABLE templates ALTER COLUMN failure_ttl TYPE numeric",
        "ALTER TABLE templates RENAME COLUMN time_til_dormant TO time_til_sleep",
        "ALTER TABLE templates ALTER COLUMN allow_user_autostart SET DEFAULT false",
        // The values change and no trigger sees it.
        "ALTER TABLE workspace_builds ALTER COLUMN deadline TYPE timestamptz
         USING deadline - interval '2 hours'",
    ] {
        product.execute(migration);
        build(&mut root);
    }
    // Each is noticed, the last one's stop too.
    assert_eq!(started.number, 1);
    assert_eq!(workspace.latest_build().number, 2);
}

#[test]
fn settings_that_change_the_rules_make_ticks_scan_until_the_agenda_is_built_anew() {
    let product = install(Version::NEWEST);
    let mut root = product.superuser();
    attach(&mut root);
    for setting in [
        "rules = 'autostop, autostart'",
        "licensed_rules = off",
        "failed_stop_retry = off",
        "max_start_delay = '1h'",
        "role = 'product'",
    ] {
        execute(&mut root, &set(setting));
        assert_eq!(mode(&mut root), "scan", "{setting}");
        build(&mut root);
    }
    for setting in [
        "batch_size = 7",
        "max_builds_per_tick = 3",
        "notify_jobs = off",
    ] {
        execute(&mut root, &set(setting));
        assert_eq!(mode(&mut root), "agenda", "{setting}");
    }
}
