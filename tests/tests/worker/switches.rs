//! Wake, pause, resume, `action`, `databases`, and who may.

use postgres::error::SqlState;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, StopMode, Version, await_until};

use super::support::*;

#[test]
fn a_wake_is_a_tick_now() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_status(&mut client, "next_tick_at IS NOT NULL", "t");
    assert_eq!(ticks(&mut client, "done"), 0);
    for _ in 0..3 {
        let before = ticks(&mut client, "done");
        wake(&mut client);
        await_until("a tick", SOON, || ticks(&mut client, "done") == before + 1);
    }
    await_status(&mut client, "last_tick_at > now() - interval '1 min'", "t");
    assert_status(&mut client, "extract(minute from next_tick_at)::int", "0");
}

#[test]
fn a_wake_for_an_extension_of_just_now_is_not_lost() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    wake(&mut client);
    await_until("a tick", SOON, || ticks(&mut client, "done") == 1);
}

#[test]
fn a_pause_holds_across_a_restart_until_it_is_ended() {
    let mut server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    texts(&mut client, "SELECT autobuild_pause('moving house')");
    assert_status(&mut client, "worker_state", "paused");
    assert_status(&mut client, "pause_reason", "moving house");
    assert_eq!(status(&mut client, "next_tick_at"), None);
    assert_eq!(status(&mut client, "lag"), None);
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    server.restart(StopMode::Fast);
    product.reconnect();
    overdue(&product, 2);
    let mut client = product.superuser();
    assert_status(&mut client, "worker_state", "paused");
    // A second reason takes the place of the first, also none at all.
    for without in ["autobuild_pause(NULL)", "autobuild_pause()"] {
        texts(&mut client, "SELECT autobuild_pause('so')");
        texts(&mut client, &format!("SELECT {without}"));
        assert_eq!(status(&mut client, "pause_reason"), None, "{without}");
    }
    assert_status(&mut client, "paused", "t");
    // The worker has looked at least once since.
    await_until("the launcher knows the database", SOON, || {
        value(
            &mut client,
            "SELECT count(*) FROM autobuild_metrics WHERE metric LIKE '%consecutive_failures'",
        )
        .as_deref()
            == Some("1")
    });
    assert_eq!(ticks(&mut client, "done"), 0);
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    assert_eq!(product.value(stops).as_deref(), Some("0"));
    texts(&mut client, "SELECT autobuild_resume()");
    await_tick(&mut client, "done");
    assert_eq!(product.value(stops).as_deref(), Some("2"));
    assert_status(&mut client, "paused", "f");
    // Without a pause there is nothing to end.
    texts(&mut client, "SELECT autobuild_resume()");
}

#[test]
fn a_pause_counts_when_it_is_committed() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let mut other = product.superuser();
    await_tick(&mut client, "done");
    texts(&mut other, "BEGIN");
    texts(&mut other, "SELECT autobuild_pause('perhaps')");
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    texts(&mut other, "ROLLBACK");
    await_tick(&mut client, "done");
    assert_status(&mut client, "paused", "f");
}

#[test]
fn whoever_has_execute_may_and_nobody_else() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut owner = product.superuser();
    texts(&mut owner, "CREATE ROLE operator LOGIN");
    texts(&mut owner, "CREATE ROLE stranger LOGIN");
    texts(
        &mut owner,
        "GRANT EXECUTE ON FUNCTION autobuild_pause, autobuild_resume, autobuild_wake TO operator",
    );
    let calls = [
        "SELECT autobuild_pause('x')",
        "SELECT autobuild_wake()",
        "SELECT autobuild_resume()",
    ];
    let mut operator = server.address().connect(product.database(), "operator");
    let mut stranger = server.address().connect(product.database(), "stranger");
    for call in calls {
        texts(&mut operator, call);
        let refused = stranger.simple_query(call).expect_err(call);
        assert_eq!(
            refused.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{call}"
        );
    }
    let refused = stranger
        .simple_query("SELECT autobuild_start_worker()")
        .expect_err("start");
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    texts(&mut operator, "SELECT autobuild_pause('lunch')");
    let by = "SELECT paused_by FROM autobuild_pauses";
    assert_eq!(value(&mut owner, by).as_deref(), Some("operator"));
    // Everybody reads the status and, for dumps, the table; only monitors the metrics.
    assert_status(&mut stranger, "pause_reason", "lunch");
    assert_eq!(value(&mut stranger, by).as_deref(), Some("operator"));
    for query in [
        "SELECT * FROM autobuild_metrics",
        "SELECT * FROM autobuild_worker_metrics()",
    ] {
        let refused = stranger.simple_query(query).expect_err(query);
        assert_eq!(
            refused.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{query}"
        );
    }
    texts(&mut owner, "GRANT pg_monitor TO stranger");
    assert!(!texts(&mut stranger, "SELECT * FROM autobuild_metrics").is_empty());
}

#[test]
fn action_off_is_off_until_it_is_not() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let database = product.database().to_owned();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    texts(
        &mut client,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.action = off"),
    );
    overdue(&product, 1);
    let mut client = product.superuser();
    assert_status(&mut client, "worker_state", "off");
    assert_eq!(status(&mut client, "next_tick_at"), None);
    texts(
        &mut client,
        &format!("ALTER DATABASE {database} RESET workspace_autobuild.action"),
    );
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
}

#[test]
fn the_status_shows_the_workers_settings_whatever_a_session_has() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let shown = "SELECT worker_state IN ('idle', 'running') AND role = 'product'
                    AND problem IS NULL AND mode = 'scan' FROM autobuild_status";
    // Set in the session, with its role, and by its client.
    for sql in [
        "SET workspace_autobuild.action = off",
        "SET workspace_autobuild.role = nobody",
        "SET workspace_autobuild.product_schema = nowhere",
        "SET workspace_autobuild.rules = ''",
    ] {
        texts(&mut client, sql);
        assert_eq!(value(&mut client, shown).as_deref(), Some("t"), "{sql}");
    }
    // What it has set for itself is still so.
    assert_eq!(
        value(&mut client, "SHOW workspace_autobuild.action").as_deref(),
        Some("off")
    );
    texts(
        &mut client,
        "CREATE ROLE busy LOGIN SUPERUSER; ALTER ROLE busy SET workspace_autobuild.action = off",
    );
    let mut busy = server.address().connect(product.database(), "busy");
    assert_eq!(
        value(&mut busy, "SHOW workspace_autobuild.action").as_deref(),
        Some("off")
    );
    assert_eq!(value(&mut busy, shown).as_deref(), Some("t"));
    let mut optional = postgres::Config::new()
        .host_path(&server.address().socket_dir)
        .port(server.address().port)
        .user("postgres")
        .dbname(product.database())
        .options("-c workspace_autobuild.role=nobody")
        .connect(postgres::NoTls)
        .expect("a session");
    assert_eq!(
        value(&mut optional, "SHOW workspace_autobuild.role").as_deref(),
        Some("nobody")
    );
    assert_eq!(value(&mut optional, shown).as_deref(), Some("t"));
    // The configuration's value, and who reads it may be anybody.
    server.set("workspace_autobuild.role", "nobody_yet");
    texts(&mut client, "CREATE ROLE anybody LOGIN");
    let mut anybody = server.address().connect(product.database(), "anybody");
    for client in [&mut client, &mut busy, &mut optional, &mut anybody] {
        await_status(client, "role", "nobody_yet");
        await_status(client, "problem LIKE '%nobody_yet%'", "t");
    }
    server.set("workspace_autobuild.role", "");
    for client in [&mut client, &mut busy, &mut optional, &mut anybody] {
        await_status(client, "role", "product");
    }
}

#[test]
fn the_status_knows_what_is_set_for_the_database_and_for_the_workers_role_before_the_next_tick() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let database = product.database();
    let mut client = product.superuser();
    await_status(&mut client, "worker_state", "idle");
    // Later ones win over earlier ones; a worker is the superuser whom initdb made.
    let scopes = [
        "ROLE ALL".to_owned(),
        format!("DATABASE {database}"),
        "ROLE postgres".to_owned(),
        format!("ROLE postgres IN DATABASE {database}"),
    ];
    let off = "worker_state = 'off'";
    for scope in &scopes {
        let alter = |client: &mut _, what: &str| {
            texts(client, &format!("ALTER {scope} {what}"));
        };
        // In a session of before and in a new one.
        alter(&mut client, "SET workspace_autobuild.action = off");
        assert_eq!(status(&mut client, off).as_deref(), Some("t"), "{scope}");
        let mut another = product.superuser();
        assert_eq!(status(&mut another, off).as_deref(), Some("t"), "{scope}");
        alter(&mut client, "SET workspace_autobuild.action = observe");
        for client in [&mut client, &mut another] {
            assert_eq!(status(client, off).as_deref(), Some("f"), "{scope}");
        }
    }
    for scope in &scopes {
        texts(
            &mut client,
            &format!("ALTER {scope} RESET workspace_autobuild.action"),
        );
    }
    // A value that was stored unseen, while the library was not loaded, the worker passes
    // over.
    texts(
        &mut client,
        &format!(
            "SET allow_system_table_mods = on;
             INSERT INTO pg_db_role_setting
             SELECT oid, 0, ARRAY['workspace_autobuild.action=perhaps',
                                  'workspace_autobuild.role=nobody']
               FROM pg_database WHERE datname = '{database}'"
        ),
    );
    assert_status(&mut client, "role", "nobody");
    assert_eq!(status(&mut client, off).as_deref(), Some("f"));
    texts(&mut client, "SELECT autobuild_wake()");
    await_tick(&mut client, "waiting");
}

#[test]
fn what_is_set_for_the_superuser_whom_initdb_made_counts_for_the_worker() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_status(&mut client, "worker_state", "idle");
    texts(
        &mut client,
        "ALTER ROLE postgres SET workspace_autobuild.role = nobody",
    );
    texts(&mut client, "SELECT autobuild_wake()");
    await_tick(&mut client, "waiting");
    await_status(&mut client, "problem LIKE '%nobody%'", "t");
}

#[test]
fn a_database_that_is_not_named_is_left_alone() {
    let server = ticking()
        .set("workspace_autobuild.databases", "elsewhere")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    assert_status(&mut client, "worker_state", "off");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(
        problem.contains("workspace_autobuild.databases"),
        "{problem}"
    );
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    server.set(
        "workspace_autobuild.databases",
        &format!("elsewhere, {}", product.database()),
    );
    await_status(&mut client, "worker_state", "idle");
    await_tick(&mut client, "done");
    assert_eq!(status(&mut client, "problem"), None);
}

#[test]
fn a_pause_breaks_off_a_long_tick_between_two_batches() {
    let server = hourly().set("workspace_autobuild.batch_size", "1").start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 3000);
    product.create_extension();
    let mut client = product.superuser();
    wake(&mut client);
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    await_until("some stops", SOON, || {
        product.value(stops).as_deref() != Some("0")
    });
    texts(&mut client, "SELECT autobuild_pause('enough')");
    await_status(&mut client, "worker_pid IS NULL", "t");
    let built = product.value(stops);
    assert_ne!(
        built.as_deref(),
        Some("3000"),
        "the tick was over too soon to tell"
    );
    // What it did until then is counted and in the history.
    assert_eq!(status(&mut client, "last_tick_built"), built);
    assert_eq!(
        value(&mut client, "SELECT built FROM autobuild_ticks"),
        built
    );
    texts(&mut client, "SELECT autobuild_resume()");
    texts(&mut client, "SELECT autobuild_wake()");
    await_until("the rest", 6 * SOON, || {
        product.value(stops).as_deref() == Some("3000")
    });
}
