//! What the log and the status tell, and when they are silent.

use rustix::process::{Pid, Signal, kill_process};
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::standby::Standby;
use workspace_autobuild_tests::{Product, Server, StopMode, Version, await_until};

use super::support::*;

#[test]
fn each_line_of_the_log_names_its_database() {
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "1ms")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 3);
    product.create_extension();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let named = |line: &str| {
        let named = format!(
            "workspace-autobuild: database \"{}\": {line}",
            product.database()
        );
        log_lines(&server, &named)
    };
    assert_eq!(named("tick="), 1, "{}", server.log());
    product.execute("BEGIN; LOCK TABLE workspaces");
    await_until("a tick fails", SOON, || {
        ticks(&mut client, "failed") > 0 || status(&mut client, "problem").is_some()
    });
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    server.set("workspace_autobuild.role", "nobody_yet");
    await_tick(&mut client, "waiting");
    assert_eq!(named("waiting: role \"nobody_yet\""), 1, "{}", server.log());
    let all = log_lines(&server, "workspace-autobuild: ");
    assert_eq!(named(""), all, "{}", server.log());
}

#[test]
fn an_error_is_told_with_its_time() {
    let server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    assert_eq!(status(&mut client, "last_error_at"), None);
    let pid = block_ticks(&product, &mut client);
    let before = value(&mut client, "SELECT clock_timestamp()").expect("a time");
    texts(&mut client, &format!("SELECT pg_terminate_backend({pid})"));
    await_status(&mut client, "last_error IS NOT NULL", "t");
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    // It stays as it was, also when ticks are made again.
    let within = format!("last_error_at BETWEEN '{before}' AND clock_timestamp()");
    assert_eq!(status(&mut client, &within).as_deref(), Some("t"));
    let at = status(&mut client, "last_error_at");
    await_tick(&mut client, "done");
    assert_eq!(status(&mut client, "last_error_at"), at);
}

#[test]
fn a_tick_that_is_late_since_all_workers_are_busy_says_so_and_with_whom() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let hogs: Vec<Product> = (0..4).map(|_| hog(&server)).collect();
    await_status(
        &mut client,
        "problem LIKE '% s late and waits for its turn: %'",
        "t",
    );
    let problem = status(&mut client, "problem").unwrap_or_default();
    for hog in &hogs {
        assert!(problem.contains(hog.database()), "{problem}");
    }
    hogs[0].execute("COMMIT");
    await_tick(&mut client, "done");
    await_status(&mut client, "problem IS NULL", "t");
}

#[test]
fn a_database_that_is_read_only_is_waited_for_and_the_statement_that_ends_it_is_told() {
    let server = ticking().start();
    let scopes = [
        "DATABASE \"{database}\"",
        "SYSTEM",
        "ROLE \"postgres\"",
        "ROLE \"postgres\" IN DATABASE \"{database}\"",
        "ROLE ALL",
    ];
    for (n, scope) in scopes.into_iter().enumerate() {
        let attached = n % 2 == 0;
        let product = Product::with_extension(&server, Version::NEWEST);
        let mut client = product.superuser();
        if attached {
            texts(&mut client, "SELECT autobuild_attach()");
        }
        await_tick(&mut client, "done");
        // This test's own sessions are not meant.
        texts(&mut client, "SET default_transaction_read_only = off");
        product.execute("SET default_transaction_read_only = off");
        let of = scope.replace("{database}", product.database());
        let said = format!(
            "database \"{}\": waiting: nothing can be written: default_transaction_read_only is on",
            product.database()
        );
        texts(
            &mut client,
            &format!("ALTER {of} SET default_transaction_read_only = on"),
        );
        texts(&mut client, "SELECT pg_reload_conf()");
        await_status(&mut client, "worker_state", "waiting");
        overdue(&product, 1);
        await_tick(&mut client, "waiting");
        await_tick(&mut client, "waiting");
        let problem = status(&mut client, "problem").unwrap_or_default();
        assert!(problem.contains("25006"), "{problem}");
        let mend = format!("ALTER {of} RESET default_transaction_read_only");
        assert!(problem.contains(&mend), "{problem}");
        assert_eq!(ticks(&mut client, "failed"), 0, "{}", server.log());
        assert_eq!(log_lines(&server, &said), 1);
        texts(&mut client, &mend);
        texts(&mut client, "SELECT pg_reload_conf()");
        await_tick(&mut client, "done");
        await_status(&mut client, "problem IS NULL", "t");
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        assert_eq!(product.value(stops).as_deref(), Some("1"));
    }
}

#[test]
fn the_status_shows_what_the_worker_is_to_do_and_what_it_only_observed() {
    let server = ticking()
        .set("workspace_autobuild.action", "observe")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 3);
    product.create_extension();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    assert_status(&mut client, "action", "observe");
    // Recorded once for each: so the sum over the ticks counts.
    let observed = "SELECT sum(observed) FROM autobuild_ticks";
    assert_eq!(value(&mut client, observed).as_deref(), Some("3"));
    await_status(
        &mut client,
        "last_tick_observed IS NOT NULL AND locked = 0 AND held_back = 0",
        "t",
    );
}

#[test]
fn while_all_that_is_due_fails_there_is_a_problem() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 3);
    product.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'secret'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON workspace_builds
             FOR EACH ROW EXECUTE FUNCTION refuse();",
    );
    product.create_extension();
    let mut client = product.superuser();
    await_status(&mut client, "problem IS NOT NULL", "t");
    // Nothing is tried at these ticks, and it still fails.
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(
        problem.contains("3 of 3 workspaces fail (SQLSTATE P0001)"),
        "{problem}"
    );
    // The view is everybody's, the message of the product's code is not.
    assert!(!problem.contains("secret"), "{problem}");
    product
        .execute("DROP TRIGGER refuse ON workspace_builds; UPDATE workspaces SET deleted = true");
    await_status(&mut client, "problem IS NULL", "t");
}

/// The server starts the launcher a moment after recovery has ended: here its postmaster is
/// held up for that moment.
#[test]
fn a_launcher_that_is_about_to_be_started_is_no_failure_until_it_does_not_come() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    await_tick(&mut product.superuser(), "done");
    let standby = Standby::of(&server);
    let mut client = standby.address().connect(product.database(), "postgres");
    let startup = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'";
    let pid = |text: Option<String>| {
        let number = text.and_then(|pid| pid.trim().parse().ok());
        number.and_then(Pid::from_raw).expect("a pid")
    };
    let startup = pid(value(&mut client, startup));
    let file = std::fs::read_to_string(standby.data().join("postmaster.pid")).expect("a file");
    let postmaster = pid(file.lines().next().map(str::to_owned));
    let signal = |pid, signal| kill_process(pid, signal).expect("it lives");

    // As the postmaster does it when it is told to promote.
    signal(postmaster, Signal::STOP);
    std::fs::write(standby.data().join("promote"), "").expect("a file");
    signal(startup, Signal::USR2);
    await_until("recovery ends", SOON, || {
        value(&mut client, "SELECT pg_is_in_recovery()").as_deref() == Some("f")
    });
    let told = "SELECT worker_state, problem FROM autobuild_status";
    let none = [[Some("idle".to_owned()), None]];
    assert_eq!(texts(&mut client, told), none);
    await_status(&mut client, "worker_state", "failing");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("launcher is not running"), "{problem}");
    signal(postmaster, Signal::CONT);
    await_tick(&mut client, "done");
    await_status(&mut client, "problem IS NULL", "t");
}

#[test]
fn a_clean_stop_and_an_ended_launcher_are_nothing_fatal() {
    let mut server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_status(&mut client, "worker_state", "idle");
    texts(
        &mut client,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild launcher'",
    );
    await_status(&mut client, "worker_state", "failing");
    await_status(&mut client, "worker_state", "idle");
    // At rest and in the midst of a tick.
    texts(
        &mut client,
        "ALTER SYSTEM SET workspace_autobuild.lock_timeout = 0",
    );
    server.restart(StopMode::Fast);
    product.reconnect();
    let mut client = product.superuser();
    await_status(&mut client, "next_tick_at IS NOT NULL", "t");
    product.execute("BEGIN; LOCK TABLE workspaces");
    texts(&mut client, "SELECT autobuild_wake()");
    await_blocked_worker(&mut client, "Lock");
    server.stop(StopMode::Fast);
    assert_eq!(
        log_lines(&server, "FATAL:  terminating background worker"),
        0,
        "{}",
        server.log()
    );
    server.start();
    await_status(&mut product.superuser(), "worker_state", "idle");
}

#[test]
fn the_collation_version_is_told_of_once_and_stays_a_problem() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let database = product.database();
    texts(
        &mut client,
        &format!(
            "SET allow_system_table_mods = on;
             UPDATE pg_database SET datcollversion = '1.0' WHERE datname IN ('{database}', 'postgres')"
        ),
    );
    let before = log_lines(&server, "collation");
    for _ in 0..3 {
        await_tick(&mut client, "done");
    }
    assert_eq!(log_lines(&server, "WARNING"), 1, "{}", server.log());
    assert!(log_lines(&server, "collation") > before);
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("collation version 1.0"), "{problem}");
    assert!(problem.contains("REFRESH COLLATION VERSION"), "{problem}");
    texts(
        &mut client,
        &format!("UPDATE pg_database SET datcollversion = NULL WHERE datname = '{database}'"),
    );
    assert_eq!(status(&mut client, "problem"), None);
}

#[test]
fn a_commit_that_waits_for_a_standby_is_told_of() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    server.set("synchronous_standby_names", "nobody");
    // The worker alone waits.
    product.execute("SET synchronous_commit = off");
    server.set("synchronous_commit", "on");
    overdue(&product, 3);
    await_blocked_worker(&mut client, "IPC");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("synchronous_standby_names"), "{problem}");
    assert_status(&mut client, "worker_state", "running");
    server.set("synchronous_standby_names", "");
    await_status(&mut client, "problem IS NULL", "t");
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    assert_eq!(product.value(stops).as_deref(), Some("3"));
}

/// What `\d+` and `\df+` show.
#[test]
fn every_object_and_every_column_says_what_it_is_for() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let silent = "
        WITH ours AS (
            SELECT d.classid, d.objid FROM pg_depend d
              JOIN pg_extension e ON e.oid = d.refobjid
             WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
               AND e.extname = 'workspace-autobuild')
        SELECT objid::regprocedure::text FROM ours
         WHERE classid = 'pg_proc'::regclass AND obj_description(objid, 'pg_proc') IS NULL
        UNION ALL
        SELECT objid::regclass::text FROM ours
          JOIN pg_class c ON c.oid = objid
         WHERE classid = 'pg_class'::regclass AND c.relkind IN ('r', 'v')
           AND obj_description(objid, 'pg_class') IS NULL
        UNION ALL
        SELECT objid::regclass || '.' || a.attname FROM ours
          JOIN pg_class c ON c.oid = objid
          JOIN pg_attribute a ON a.attrelid = objid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE classid = 'pg_class'::regclass AND c.relkind IN ('r', 'v')
           AND col_description(objid, a.attnum) IS NULL";
    let silent = texts(&mut product.superuser(), silent);
    assert_eq!(silent, [] as [Vec<Option<String>>; 0]);
}
