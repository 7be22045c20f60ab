//! A worker's life: ticks, signals, failures, crashes.

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, StopMode, Transition, Version, await_until};

use super::support::*;

#[test]
fn ticks_stand_on_the_multiples_of_the_interval() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    let last = status(
        &mut client,
        "extract(microseconds from last_tick_at)::bigint % 1000000",
    );
    assert_eq!(last.as_deref(), Some("0"));
    await_status(&mut client, "worker_state", "idle");
    await_status(&mut client, "worker_pid IS NULL", "t");
    assert_eq!(status(&mut client, "problem"), None);
    assert_status(&mut client, "role", "product");
    assert_status(&mut client, "consecutive_failures", "0");
    assert_status(&mut client, "next_tick_at <= now() + interval '2 s'", "t");
    assert_eq!(log_lines(&server, "workspace-autobuild: "), 0);
}

#[test]
fn what_is_due_is_built_and_logged_once() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 7);
    product.create_extension();
    await_until("seven stops", SOON, || {
        product
            .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("7")
    });
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(log_lines(&server, " due=7 built=7 "), 1);
    assert_eq!(log_lines(&server, " due="), 1);
}

#[test]
fn launcher_and_worker_are_seen_in_pg_stat_activity() {
    let server = patient().start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 1);
    product.execute("BEGIN; LOCK TABLE workspace_builds IN EXCLUSIVE MODE");
    product.create_extension();
    let mut client = product.superuser();
    await_blocked_worker(&mut client, "Lock");
    let seen = texts(
        &mut client,
        "SELECT backend_type, application_name, datname, query, state FROM pg_stat_activity
         WHERE backend_type LIKE 'workspace-autobuild%' ORDER BY 1",
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            [
                some("workspace-autobuild launcher"),
                some("workspace-autobuild"),
                None,
                some(""),
                some("idle"),
            ],
            [
                some("workspace-autobuild worker"),
                some("workspace-autobuild"),
                some(product.database()),
                some("building 0 of 1"),
                some("active"),
            ],
        ]
    );
    assert_status(&mut client, "worker_state", "running");
}

#[test]
fn a_fast_stop_ends_a_tick_that_waits_for_a_lock() {
    let mut server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    product.execute("BEGIN; LOCK TABLE workspaces");
    await_blocked_worker(&mut product.superuser(), "Lock");
    stop_at_once(&mut server);
}

#[test]
fn a_fast_stop_ends_a_tick_that_waits_for_a_standby() {
    let mut server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    server.set("synchronous_standby_names", "nobody");
    // The worker alone waits; and what it has to do comes when it must.
    product.execute("SET synchronous_commit = off");
    server.set("synchronous_commit", "on");
    overdue(&product, 3);
    await_blocked_worker(&mut product.superuser(), "IPC");
    stop_at_once(&mut server);
}

#[test]
fn a_fast_stop_ends_a_tick_in_the_midst_of_its_builds_and_the_rest_is_built_later() {
    let mut server = ticking()
        .set("workspace_autobuild.batch_size", "100")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 10000);
    product.create_extension();
    await_until("some stops", SOON, || {
        product
            .value("SELECT count(*) > 0 FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("t")
    });
    stop_at_once(&mut server);
    server.start();
    product.reconnect();
    let stops = "SELECT count(*) = 10000 FROM workspace_builds WHERE transition = 'stop'";
    await_until("all stops", 3 * SOON, || {
        product.value(stops).as_deref() == Some("t")
    });
    let jobs = "SELECT count(*) FROM workspace_builds b JOIN provisioner_jobs j ON j.id = b.job_id
                WHERE b.transition = 'stop'";
    assert_eq!(product.value(jobs).as_deref(), Some("10000"));
}

#[test]
fn a_terminated_worker_is_back_at_the_next_tick() {
    let server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let pid = block_ticks(&product, &mut client);
    texts(&mut client, &format!("SELECT pg_terminate_backend({pid})"));
    let another = workspace_autobuild_tests::await_some("another worker", SOON, || {
        Some(await_blocked_worker(&mut client, "Lock")).filter(|&other| other != pid)
    });
    assert_ne!(another, pid);
    assert_eq!(ticks(&mut client, "died"), 1);
    let error = status(&mut client, "last_error").unwrap_or_default();
    assert!(error.contains("terminating background worker"), "{error}");
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
    await_status(&mut client, "consecutive_failures", "0");
}

#[test]
fn a_canceled_tick_is_a_failed_one_and_the_next_comes_in_time() {
    let server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let pid = block_ticks(&product, &mut client);
    texts(&mut client, &format!("SELECT pg_cancel_backend({pid})"));
    await_until("the tick failed", SOON, || {
        ticks(&mut client, "failed") == 1
    });
    let error = status(&mut client, "last_error").unwrap_or_default();
    assert!(error.starts_with("57014: "), "{error}");
    await_blocked_worker(&mut client, "Lock");
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
}

#[test]
fn a_failing_database_backs_off_and_is_told_of_once_and_a_wake_ends_it() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    product
        .template("docker")
        .create()
        .workspaces(1, Transition::Start)
        .create();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    // Who reads the table fails, whichever row it is.
    product.execute(
        "CREATE FUNCTION fails() RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'UX001'; END $$;
         CREATE POLICY fails ON workspaces USING (fails());
         ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    );
    await_until("four failures", SOON, || {
        status(&mut client, "consecutive_failures >= 4").as_deref() == Some("t")
    });
    assert_status(&mut client, "worker_state", "failing");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("UX001"), "{problem}");
    // After the fourth failure the pause is eight seconds.
    let pause = "next_tick_at > now() + interval '4 s'";
    assert_eq!(status(&mut client, pause).as_deref(), Some("t"));
    assert_status(&mut client, "lag > interval '3 s'", "t");
    assert_eq!(log_lines(&server, "a tick failed: "), 1);
    product.execute("ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY");
    wake(&mut client);
    await_status(&mut client, "worker_state", "idle");
    assert_status(&mut client, "consecutive_failures", "0");
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(log_lines(&server, "ticks are made again"), 1);
}

#[test]
fn what_is_waited_for_is_logged_when_it_changes_and_not_each_time() {
    let server = ticking()
        .set("workspace_autobuild.role", "nobody_yet")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    for _ in 0..3 {
        await_tick(&mut client, "waiting");
    }
    assert_status(&mut client, "worker_state", "waiting");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("nobody_yet"), "{problem}");
    assert_eq!(log_lines(&server, "waiting: "), 1);
    texts(&mut client, "CREATE ROLE nobody_yet");
    texts(&mut client, "SELECT autobuild_grant('nobody_yet')");
    await_tick(&mut client, "done");
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(log_lines(&server, "ticks are made again"), 1);
}

#[test]
fn a_killed_worker_takes_nothing_with_it_but_its_tick() {
    let server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    product.execute("BEGIN; LOCK TABLE workspaces");
    let pid = await_blocked_worker(&mut product.superuser(), "Lock");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lived");
    // The server ends every session and starts anew, which frees the lock.
    await_until("ticks after the crash", SOON, || {
        server
            .address()
            .try_connect(product.database(), "postgres")
            .is_ok_and(|mut client| {
                client
                    .query("SELECT FROM autobuild_status WHERE last_tick_at IS NOT NULL AND worker_state = 'idle'", &[])
                    .is_ok_and(|rows| !rows.is_empty())
            })
    });
}

#[test]
fn a_launcher_that_is_ended_comes_back() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let launcher =
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild launcher'";
    let before = value(&mut client, launcher);
    texts(
        &mut client,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild launcher'",
    );
    await_status(&mut client, "worker_state", "failing");
    let problem = status(&mut client, "problem").unwrap_or_default();
    assert!(problem.contains("launcher"), "{problem}");
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    await_status(&mut client, "worker_state", "idle");
    await_tick(&mut client, "done");
    assert_ne!(value(&mut client, launcher), before);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut server = ticking().durable().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    await_tick(&mut product.superuser(), "done");
    server.restart(StopMode::Immediate);
    await_tick(&mut product.superuser(), "done");
}

#[test]
fn the_interval_follows_a_reload() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_status(&mut client, "next_tick_at IS NOT NULL", "t");
    assert_eq!(ticks(&mut client, "done"), 0);
    server.set("workspace_autobuild.tick_interval", "1s");
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
}

#[test]
fn the_servers_own_timeouts_are_for_its_sessions() {
    let server = patient().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let mut timeouts = vec![
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    ];
    if server.installation().major() >= 17 {
        timeouts.push("transaction_timeout");
    }
    for timeout in timeouts {
        // This test's own sessions are not meant.
        product.execute(&format!("SET {timeout} = 0"));
        texts(&mut client, &format!("SET {timeout} = 0"));
        server.set(timeout, "500ms");
    }
    let pid = block_ticks(&product, &mut client);
    let long = format!("SELECT now() - xact_start > '2 s' FROM pg_stat_activity WHERE pid = {pid}");
    await_until("it has waited for two seconds", SOON, || {
        value(&mut client, &long).as_deref() == Some("t")
    });
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    assert_eq!(ticks(&mut client, "died") + ticks(&mut client, "failed"), 0);
}

#[test]
fn statement_timeout_ends_what_takes_too_long() {
    let server = patient()
        .set("workspace_autobuild.statement_timeout", "300ms")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    product.execute("BEGIN; LOCK TABLE workspaces");
    await_tick(&mut client, "busy");
    let error = status(&mut client, "last_error").unwrap_or_default();
    assert!(error.starts_with("57014: "), "{error}");
    assert!(error.contains("statement timeout"), "{error}");
    product.execute("COMMIT");
    await_tick(&mut client, "done");
}

#[test]
fn the_metrics_count_transitions_by_kind_and_outcome_and_ticks_by_time() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 4);
    product.create_extension();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let counted = texts(
        &mut client,
        "SELECT labels->>'transition', labels->>'outcome', value FROM autobuild_metrics
         WHERE metric = 'workspace_autobuild_transitions_total' AND value > 0",
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(counted, [[some("stop"), some("built"), some("4")]]);
    // The buckets are cumulative, and the last one counts every tick.
    let buckets = "SELECT bool_and(value <= next) FROM (
            SELECT value, lead(value, 1, value) OVER (ORDER BY (labels->>'le')::float8) AS next
            FROM autobuild_metrics WHERE metric = 'workspace_autobuild_tick_seconds_bucket') b";
    assert_eq!(value(&mut client, buckets).as_deref(), Some("t"));
    let same = "SELECT count(DISTINCT value) FROM autobuild_metrics
        WHERE metric = 'workspace_autobuild_tick_seconds_count'
           OR (metric = 'workspace_autobuild_tick_seconds_bucket' AND labels->>'le' = '+Inf')";
    assert_eq!(value(&mut client, same).as_deref(), Some("1"));
    let columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'autobuild_metrics'::regclass";
    assert_eq!(
        value(&mut client, columns).as_deref(),
        Some("metric text, labels jsonb, value double precision")
    );
}

#[test]
fn a_dump_takes_the_pause_along() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    texts(
        &mut product.superuser(),
        "SELECT autobuild_pause('it''s moving')",
    );
    let dump = server
        .installation()
        .command("pg_dump")
        .args(["-h", &server.folder().display().to_string()])
        .args(["-p", &server.address().port.to_string(), "-U", "postgres"])
        .arg(product.database())
        .output()
        .expect("pg_dump runs");
    assert!(dump.status.success(), "{dump:?}");
    server.create_database("restored", "product");
    let file = server.folder().join("dump.sql");
    std::fs::write(&file, &dump.stdout).expect("a file");
    let restore = server
        .installation()
        .command("psql")
        .args(["-h", &server.folder().display().to_string()])
        .args(["-p", &server.address().port.to_string(), "-U", "postgres"])
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", "restored", "-f"])
        .arg(&file)
        .output()
        .expect("psql runs");
    assert!(restore.status.success(), "{restore:?}");
    let mut restored = server.client("restored");
    await_status(&mut restored, "worker_state", "paused");
    assert_status(&mut restored, "pause_reason", "it's moving");
}

#[test]
fn a_batch_that_fails_is_a_problem_until_it_works() {
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "1ms")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 2);
    product.execute("BEGIN; LOCK TABLE provisioner_jobs IN EXCLUSIVE MODE");
    product.create_extension();
    let mut client = product.superuser();
    await_until("the problem shows", SOON, || {
        status(&mut client, "problem").is_some_and(|problem| problem.contains("55P03"))
    });
    assert_status(&mut client, "lag < interval '3 s'", "t");
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(log_lines(&server, "a batch failed: "), 1);
    product.execute("COMMIT");
    await_status(&mut client, "problem IS NULL", "t");
}
