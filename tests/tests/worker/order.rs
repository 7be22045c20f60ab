//! A tick's order of work: what is locked or has too little time is for the next one, what
//! can wait comes last, and what was asked meanwhile counts.

use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::autobuild::to_fill_in;
use workspace_autobuild_tests::product::{Fields, HOUR, Value, parameter, texts};
use workspace_autobuild_tests::product_executor::lock_key;
use workspace_autobuild_tests::server::clock::Clock;
use workspace_autobuild_tests::{Product, Server, Transition, Version, await_until};

use super::support::*;

const STOPS: &str = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";

/// To fill in one workspace takes so many seconds.
fn slow_to_fill_in(product: &Product, seconds: &str) {
    product.execute(&format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE UPDATE OF next_start_at ON workspaces
            FOR EACH ROW EXECUTE FUNCTION slow()"
    ));
}

/// Thirty workspaces that an hourly worker is filling in, one in so many seconds.
fn being_filled_in(server: &Server, seconds: &str) -> (Product, Client) {
    let product = Product::install(server, Version::NEWEST);
    to_fill_in(&product, 30);
    slow_to_fill_in(&product, seconds);
    let client = create_and_wake(&product);
    await_until("some", SOON, || filled(&product) > 0);
    (product, client)
}

const FILLED: &str = "SELECT count(next_start_at) FROM workspaces";

fn filled(product: &Product) -> u64 {
    product
        .value(FILLED)
        .and_then(|count| count.parse().ok())
        .expect("a count")
}

#[test]
fn a_locked_table_makes_ticks_late_by_the_next_multiple_and_the_holder_is_named() {
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "1ms")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let holder = product.value("SELECT pg_backend_pid()").expect("a pid");
    product.execute("BEGIN; LOCK TABLE workspaces");
    // With a back-off the fifth would come after 15 intervals.
    for _ in 0..5 {
        await_tick(&mut client, "busy");
    }
    assert_status(&mut client, "worker_state", "waiting");
    assert_status(&mut client, "consecutive_failures", "0");
    assert_status(&mut client, "next_tick_at <= now() + interval '2 s'", "t");
    // Also for somebody who may read nothing else.
    client.batch_execute("SET ROLE pg_monitor").expect("a role");
    let problem = status(&mut client, "problem").unwrap_or_default();
    let named = format!("process {holder} holds AccessExclusiveLock on workspaces");
    assert!(problem.contains(&named), "{problem}");
    assert!(!problem.contains("LOCK TABLE"), "no statement: {problem}");
    client.batch_execute("RESET ROLE").expect("a role");
    assert_eq!(log_lines(&server, &named), 1);
    assert_eq!(log_lines(&server, "a tick was given up: "), 1);
    assert_eq!(ticks(&mut client, "failed"), 0);
    product.execute("COMMIT");
    await_tick(&mut client, "done");
    await_status(&mut client, "worker_state", "idle");
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(log_lines(&server, "ticks are made again"), 1);
}

#[test]
fn who_keeps_a_tick_waiting_is_named_while_it_waits() {
    let server = patient().set("deadlock_timeout", "30s").start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    let mut holder = product.connect();
    let pid = value(&mut holder, "SELECT pg_backend_pid()").expect("a pid");
    for (number, (statement, named)) in [
        (
            "LOCK TABLE provisioner_jobs IN SHARE MODE",
            "holds ShareLock on provisioner_jobs",
        ),
        // The new build's foreign key waits for the row.
        (
            "SELECT FROM workspaces FOR UPDATE",
            "holds ExclusiveLock on a row of workspaces",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        texts(&mut client, "SELECT autobuild_pause('until it is locked')");
        product
            .template(&format!("template {number}"))
            .create()
            .workspaces(1, Transition::Start)
            .deadline(Value::sql("now() - interval '1 hour'"))
            .create();
        holder
            .batch_execute(&format!("BEGIN; {statement}"))
            .expect("a lock");
        texts(&mut client, "SELECT autobuild_resume()");
        let told = format!("the tick waits: process {pid} {named}");
        await_until(&told, SOON, || {
            status(&mut client, "problem").is_some_and(|problem| problem.contains(&told))
        });
        holder.batch_execute("COMMIT").expect("a commit");
        let all = (number + 1).to_string();
        await_until("it goes on", SOON, || {
            product.value(STOPS) == Some(all.clone())
        });
        await_status(&mut client, "problem IS NULL", "t");
    }
}

#[test]
fn who_may_hold_the_row_that_a_batch_waited_for_is_named_after_it() {
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "10ms")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 2);
    let mut holder = product.connect();
    let pid = value(&mut holder, "SELECT pg_backend_pid()").expect("a pid");
    holder
        .batch_execute("BEGIN; SELECT FROM workspaces ORDER BY id LIMIT 1 FOR UPDATE")
        .expect("a row");
    product.create_extension();
    let mut client = product.superuser();
    let told = format!("process {pid} holds RowShareLock on workspaces");
    await_until(&told, SOON, || {
        status(&mut client, "problem").is_some_and(|problem| problem.contains(&told))
    });
    assert_eq!(product.value(STOPS).as_deref(), Some("1"));
    holder.batch_execute("COMMIT").expect("a commit");
}

#[test]
fn what_takes_too_long_to_read_is_tried_at_the_next_multiple() {
    let server = patient()
        .set("workspace_autobuild.statement_timeout", "100ms")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    product.execute("BEGIN; LOCK TABLE workspaces");
    for _ in 0..4 {
        await_tick(&mut client, "busy");
    }
    let error = status(&mut client, "last_error").unwrap_or_default();
    assert!(error.contains("statement timeout"), "{error}");
    assert_status(&mut client, "consecutive_failures", "0");
    product.execute("COMMIT");
    await_tick(&mut client, "done");
}

#[test]
fn a_cancel_ends_a_tick_also_while_it_builds() {
    let server = hourly()
        .set("workspace_autobuild.lock_timeout", "0")
        .set("workspace_autobuild.batch_size", "10")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 40);
    product.execute("BEGIN; LOCK TABLE provisioner_jobs IN EXCLUSIVE MODE");
    let mut client = create_and_wake(&product);
    let pid = await_blocked_worker(&mut client, "Lock");
    texts(&mut client, &format!("SELECT pg_cancel_backend({pid})"));
    await_until("the tick ended", SOON, || ticks(&mut client, "failed") == 1);
    let worker = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    await_until("its process is gone", SOON, || {
        value(&mut client, &worker).as_deref() == Some("0")
    });
    let error = status(&mut client, "last_error").unwrap_or_default();
    assert!(error.starts_with("57014: "), "{error}");
    assert_eq!(product.value(STOPS).as_deref(), Some("0"));
    let blocked = "SELECT count(*) FROM autobuild_blocked";
    assert_eq!(value(&mut client, blocked).as_deref(), Some("0"));
    product.execute("COMMIT");
    texts(&mut client, "SELECT autobuild_wake()");
    await_until("all are stopped", SOON, || {
        product.value(STOPS).as_deref() == Some("40")
    });
}

#[test]
fn behind_the_cap_all_that_is_left_counts_and_what_needs_no_build_is_done() {
    let server = hourly()
        .set("workspace_autobuild.max_builds_per_tick", "3")
        .set("workspace_autobuild.batch_size", "3")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 20);
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    let blocked = to_start(&strict, "blocked");
    let unused = product
        .template("unused")
        .set("time_til_dormant", HOUR)
        .create()
        .workspace("unused")
        .set("last_used_at", Value::sql("now() - interval '1 day'"))
        .create_stopped(Value::sql("now() - interval '1 day'"));
    let mut client = create_and_wake(&product);
    await_until("a tick", SOON, || ticks(&mut client, "done") == 1);
    assert_eq!(product.value(STOPS).as_deref(), Some("5"), "3 beside 2");
    assert_status(
        &mut client,
        "problem",
        "max_builds_per_tick holds back 17 transitions that are due",
    );
    assert_eq!(
        texts(&mut client, "SELECT workspace_id FROM autobuild_blocked"),
        [[Some(blocked.id.to_string())]]
    );
    let marked = format!(
        "SELECT dormant_at IS NOT NULL FROM workspaces WHERE id = '{}'",
        unused.id
    );
    assert_eq!(product.value(&marked).as_deref(), Some("t"));
}

#[test]
fn a_workspace_whose_lock_somebody_keeps_is_counted_and_after_minutes_told_of() {
    let clock = Clock::new();
    let server = clock.of(ticking()).start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product, 2);
    let kept = product
        .value("SELECT id FROM workspaces ORDER BY id LIMIT 1")
        .and_then(|id| id.parse::<uuid::Uuid>().ok())
        .expect("a workspace");
    let mut holder = product.connect();
    let pid = value(&mut holder, "SELECT pg_backend_pid()").expect("a pid");
    texts(
        &mut holder,
        &format!("SELECT pg_advisory_lock({})", lock_key(kept)),
    );
    product.create_extension();
    let mut client = product.superuser();
    await_until("the other is stopped", SOON, || {
        product.value(STOPS).as_deref() == Some("1")
    });
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert!(log_lines(&server, " due=1 built=0 ") > 0);
    assert!(log_lines(&server, " locked=1 ") > 0);
    assert_eq!(status(&mut client, "problem"), None, "not at once");

    clock.set(200);
    let told = format!("workspace {kept} is due and left out since ");
    let by = format!(": process {pid} holds its advisory lock");
    await_until("who holds it is named", SOON, || {
        status(&mut client, "problem")
            .is_some_and(|problem| problem.contains(&told) && problem.contains(&by))
    });
    texts(&mut holder, "SELECT pg_advisory_unlock_all()");
    await_until("it is stopped", SOON, || {
        product.value(STOPS).as_deref() == Some("2")
    });
    await_until("all is well", SOON, || {
        status(&mut client, "problem").is_none()
    });
}

#[test]
fn next_start_at_is_filled_in_for_as_many_as_there_is_time_for() {
    let server = hourly().set("workspace_autobuild.batch_size", "10").start();
    let product = Product::install(&server, Version::NEWEST);
    to_fill_in(&product, 300);
    let mut client = create_and_wake(&product);
    await_until("a tick", SOON, || ticks(&mut client, "done") == 1);
    assert_eq!(filled(&product), 300);
}

#[test]
fn next_start_at_is_filled_in_no_longer_than_up_to_the_next_tick() {
    let server = ticking()
        .set("workspace_autobuild.tick_interval", "4s")
        .set("workspace_autobuild.batch_size", "1")
        .start();
    let product = Product::install(&server, Version::NEWEST);
    to_fill_in(&product, 60);
    slow_to_fill_in(&product, "0.3");
    product.create_extension();
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    let first = filled(&product);
    assert!((1..=20).contains(&first), "{first} in the first tick");
    await_tick(&mut client, "done");
    assert!(filled(&product) > first, "the next one goes on");
    assert_status(&mut client, "lag < interval '4 s'", "t");
}

#[test]
fn after_a_pause_nothing_more_is_filled_in() {
    let server = hourly().set("workspace_autobuild.batch_size", "1").start();
    let (product, mut client) = being_filled_in(&server, "0.5");
    texts(&mut client, "SELECT autobuild_pause('enough')");
    let before = filled(&product);
    await_status(&mut client, "worker_pid IS NULL", "t");
    // The one that was under way.
    assert!(filled(&product) <= before + 1);
}

#[test]
fn a_database_in_which_next_start_at_is_filled_in_can_be_copied() {
    let server = hourly().set("workspace_autobuild.batch_size", "1").start();
    let (product, client) = being_filled_in(&server, "0.7");
    drop(client);
    let database = product.database().to_owned();
    let mut client = server.client("postgres");
    texts(
        &mut client,
        &format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
              WHERE datname = '{database}' AND backend_type = 'client backend'"
        ),
    );
    client
        .batch_execute(&format!("CREATE DATABASE twin TEMPLATE {database}"))
        .expect("the worker makes room");
    product.reconnect();
    assert!(filled(&product) < 20, "it was under way");
}

#[test]
fn what_is_no_longer_due_is_forgotten_by_one_executor_at_a_time() {
    let server = patient().start();
    let product = Product::install(&server, Version::NEWEST);
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    let blocked = to_start(&strict, "blocked");
    product.create_extension();
    let mut client = product.superuser();
    let count = "SELECT count(*) FROM autobuild_blocked";
    await_until("it is blocked", SOON, || {
        value(&mut client, count).as_deref() == Some("1")
    });
    // A tick by hand is at the same row, and does not end.
    let mut hand = product.superuser();
    await_until("a tick by hand", SOON, || {
        let begun = hand
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM autobuild_tick()");
        if begun.is_err() {
            hand.batch_execute("ROLLBACK").expect("a rollback");
        }
        begun.is_ok()
    });
    blocked.update("autostart_schedule", Value::sql("NULL"));
    await_blocked_worker(&mut client, "Lock");
    hand.batch_execute("COMMIT").expect("a commit");
    await_until("it is forgotten", Duration::from_secs(60), || {
        value(&mut client, count).as_deref() == Some("0")
    });
    assert_eq!(ticks(&mut client, "failed"), 0);
    let last = status(&mut client, "last_error");
    assert_eq!(last, None, "nobody was in anybody's way");
}
