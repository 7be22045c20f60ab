//! `autobuild_run`: a timer's tick, which honours `action`, a pause and back-off.

use std::sync::{Arc, Mutex};

use postgres::{Client, Config, NoTls};
use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{
    Attempt, NINE, TODAY_AT_NINE, VERSIONS, YESTERDAY, due, install, records, refusal, tick,
    to_fill_in, whole_builds, with_outcome,
};
use workspace_autobuild_tests::product::{execute, parameter, texts, value};
use workspace_autobuild_tests::{Product, Server, Version};

/// A session of a timer's role, which may call `autobuild_run` and nothing else, and what the
/// server notices to it.
struct Timer {
    session: Client,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Timer {
    fn of(product: &Product) -> Timer {
        let role = format!("timer_of_{}", product.database());
        execute(
            &mut product.superuser(),
            &format!(
                "CREATE ROLE {role} LOGIN;
                 GRANT EXECUTE ON FUNCTION autobuild_run TO {role};
                 ALTER ROLE {role} IN DATABASE {} SET default_transaction_isolation = 'repeatable read'",
                product.database()
            ),
        );
        Timer::connect(product, &role)
    }

    fn connect(product: &Product, role: &str) -> Timer {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        let session = Config::new()
            .host_path(&product.address().socket_dir)
            .port(product.address().port)
            .user(role)
            .dbname(product.database())
            .notice_callback(move |notice| {
                let said = format!("{}: {}", notice.severity(), notice.message());
                heard.lock().expect("notices").push(said);
            })
            .connect(NoTls)
            .expect("a session");
        Timer { session, notices }
    }

    /// One statement, as a timer's job is.
    #[track_caller]
    fn run(&mut self, at: &str) -> Vec<Attempt> {
        records(
            &mut self.session,
            &format!("SELECT * FROM autobuild_run('{at}')"),
        )
    }

    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().expect("notices"))
    }
}

#[test]
fn one_select_of_a_role_that_may_do_nothing_else_is_a_tick() {
    for version in VERSIONS {
        let product = install(version);
        due(&product.template("docker").create(), 20);
        let mut timer = Timer::of(&product);
        let foretold = product.operator().preview(TODAY_AT_NINE);
        let rows = timer.run(TODAY_AT_NINE);
        let made: Vec<Attempt> = rows.iter().map(Attempt::foreseen).collect();
        assert_eq!(made, foretold, "{version}");
        assert_eq!(with_outcome(&rows, "built").len(), 20, "{version}");
        assert_eq!(timer.run(TODAY_AT_NINE), [], "{version}");
        assert_eq!(timer.notices(), Vec::<String>::new());
        whole_builds(&product, "2");
        for sql in [
            "SELECT * FROM autobuild_tick()",
            "SELECT * FROM autobuild_ticks",
        ] {
            assert_eq!(refusal(&mut timer.session, sql).sqlstate, "42501", "{sql}");
        }
        let history: Vec<Json> = records(
            &mut product.superuser(),
            "SELECT due, built, source FROM autobuild_ticks",
        );
        assert_eq!(
            history,
            [json!({"due": 20, "built": 20, "source": "manual"})]
        );
    }
}

#[test]
fn who_may_not_is_told_so_and_read_committed_is_refused_with_what_to_do() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 1);
    let mut superuser = product.superuser();
    let refused = refusal(&mut superuser, "SELECT * FROM autobuild_run()");
    assert_eq!(refused.sqlstate, "25000");
    assert!(
        refused.hint.contains("default_transaction_isolation"),
        "{refused:?}"
    );
    execute(&mut superuser, "CREATE ROLE stranger_to_timers LOGIN");
    let mut stranger = product
        .address()
        .connect(product.database(), "stranger_to_timers");
    let refused = refusal(&mut stranger, "SELECT * FROM autobuild_run()");
    assert_eq!(refused.sqlstate, "42501");
    whole_builds(&product, "1");
}

#[test]
fn with_action_off_nothing_is_done_and_a_notice_says_so() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 3);
    let mut superuser = product.superuser();
    let database = product.database();
    execute(
        &mut superuser,
        &format!("ALTER DATABASE {database} SET workspace_autobuild.action = off"),
    );
    let mut timer = Timer::of(&product);
    assert_eq!(timer.run(TODAY_AT_NINE), []);
    assert_eq!(
        timer.notices(),
        ["NOTICE: nothing is done: workspace_autobuild.action is off"]
    );
    whole_builds(&product, "1");
    // By hand it is what somebody wants now.
    execute(&mut superuser, "SET workspace_autobuild.action = off");
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE).len(), 3);
}

#[test]
fn with_action_observe_it_is_recorded_once_and_nothing_of_the_products_is_written() {
    for version in VERSIONS {
        let product = install(version);
        due(&product.template("due").create(), 3);
        to_fill_in(&product, 2);
        let database = product.database();
        execute(
            &mut product.superuser(),
            &format!("ALTER DATABASE {database} SET workspace_autobuild.action = observe"),
        );
        let all = "SELECT md5(string_agg(w::text, ',' ORDER BY id)) FROM workspaces w";
        let before = (product.build_rows(), product.value(all));
        let mut timer = Timer::of(&product);
        let rows = timer.run(TODAY_AT_NINE);
        assert_eq!(with_outcome(&rows, "observed").len(), 3, "{version}");
        assert_eq!(timer.run(TODAY_AT_NINE), [], "{version}");
        assert_eq!((product.build_rows(), product.value(all)), before);
        let recorded: Vec<Attempt> = records(
            &mut product.superuser(),
            "SELECT * FROM autobuild_transitions ORDER BY transition_id",
        );
        assert_eq!(recorded, rows, "{version}");
    }
}

#[test]
fn in_a_pause_nothing_is_done_and_the_notice_has_its_reason() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 3);
    let mut superuser = product.superuser();
    let mut timer = Timer::of(&product);
    // A pause counts from its commit, also for a transaction that began before it.
    execute(&mut timer.session, "BEGIN; SELECT 1");
    execute(&mut superuser, "SELECT autobuild_pause('moving house')");
    assert_eq!(timer.run(TODAY_AT_NINE), []);
    execute(&mut timer.session, "COMMIT");
    assert_eq!(timer.run(TODAY_AT_NINE), []);
    let said = "NOTICE: nothing more is done: autobuild_pause() is in force (moving house)";
    assert_eq!(timer.notices(), [said, said]);
    whole_builds(&product, "1");
    assert_eq!(
        value(&mut superuser, "SELECT count(*) FROM autobuild_ticks").as_deref(),
        Some("0")
    );
    execute(&mut superuser, "SELECT autobuild_resume()");
    assert_eq!(timer.run(TODAY_AT_NINE).len(), 3);
}

#[test]
fn a_pause_takes_effect_between_two_batches() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 3);
    let database = product.database();
    // The product pauses us as it sees the first build.
    execute(
        &mut product.superuser(),
        &format!(
            "ALTER DATABASE {database} SET workspace_autobuild.batch_size = 1;
             CREATE FUNCTION enough() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN PERFORM public.autobuild_pause('enough'); RETURN NULL; END $$;
             ALTER FUNCTION enough() SET search_path = pg_catalog;
             CREATE TRIGGER enough AFTER INSERT ON workspace_builds
                FOR EACH STATEMENT EXECUTE FUNCTION enough()"
        ),
    );
    let mut timer = Timer::of(&product);
    assert_eq!(with_outcome(&timer.run(TODAY_AT_NINE), "built").len(), 1);
    assert_eq!(
        timer.notices(),
        ["NOTICE: nothing more is done: autobuild_pause() is in force (enough)"]
    );
}

#[test]
fn who_was_put_off_is_left_alone_until_the_minute_of_the_next_attempt() {
    let product = install(Version::NEWEST);
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    strict
        .workspace("blocked")
        .schedule(NINE)
        .create_stopped(YESTERDAY);
    let mut timer = Timer::of(&product);
    let blocked = |timer: &mut Timer, at: &str| with_outcome(&timer.run(at), "blocked").len();
    // Now a bit after the minute, now a bit before that.
    assert_eq!(blocked(&mut timer, "2024-03-05 09:00:00.9+00"), 1);
    assert_eq!(blocked(&mut timer, "2024-03-05 09:00:59+00"), 0);
    let mut superuser = product.superuser();
    let by_hand = tick(&mut superuser, "2024-03-05 09:00:59+00");
    assert_eq!(with_outcome(&by_hand, "blocked").len(), 1);
    execute(&mut superuser, "TRUNCATE autobuild_attempts");
    for (at, tried) in [
        ("2024-03-05 09:01:00.9+00", 1),
        ("2024-03-05 09:02:00.2+00", 1),
        ("2024-03-05 09:03:00.3+00", 0),
        ("2024-03-05 09:04:00.1+00", 1),
        ("2024-03-05 09:07:59+00", 0),
        ("2024-03-05 09:08:00+00", 1),
    ] {
        assert_eq!(blocked(&mut timer, at), tried, "{at}");
    }
}

#[test]
fn the_agenda_is_built_and_used_without_a_worker() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 3);
    let mut superuser = product.superuser();
    execute(&mut superuser, "SELECT autobuild_attach()");
    let mut timer = Timer::of(&product);
    // Under snapshots of before, nothing can be built: each call is a transaction.
    assert_eq!(timer.run(TODAY_AT_NINE).len(), 3);
    timer.run(TODAY_AT_NINE);
    due(&product.template("second").create(), 2);
    let mode = "SELECT mode FROM autobuild_status";
    assert_eq!(value(&mut superuser, mode).as_deref(), Some("agenda"));
    assert_eq!(timer.run(TODAY_AT_NINE).len(), 2);
    let modes = texts(
        &mut superuser,
        "SELECT mode FROM autobuild_ticks ORDER BY tick_id",
    );
    let modes: Vec<Option<&str>> = modes.iter().flatten().map(Option::as_deref).collect();
    assert_eq!(modes, [Some("scan"), Some("agenda")]);
}

/// What docs/WITHOUT-WORKER.md says of them.
#[test]
fn where_nothing_is_preloaded_status_and_metrics_say_less_and_history_as_ever() {
    let product = Product::with_extension(Server::plain(), Version::NEWEST);
    due(&product.template("docker").create(), 3);
    let mut timer = Timer::of(&product);
    assert_eq!(timer.run(TODAY_AT_NINE).len(), 3);
    let mut superuser = product.superuser();
    let status: Vec<Json> = records(
        &mut superuser,
        "SELECT worker_state, consecutive_failures, last_tick_built,
                last_tick_at = '2024-03-05 09:00+00' AS last_tick_at,
                num_nonnulls(worker_pid, next_tick_at, lag, locked, held_back, last_error,
                             last_error_at) AS known,
                problem LIKE 'no ticks are made: the library is not preloaded%' AS problem
           FROM autobuild_status",
    );
    assert_eq!(
        status,
        [
            json!({"worker_state": "not_preloaded", "consecutive_failures": 0, "last_tick_built": 3,
                   "last_tick_at": true, "known": 0, "problem": true})
        ]
    );
    execute(
        &mut superuser,
        "INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces)
         VALUES ('delete', now(), 10, 20)",
    );
    let problem = value(&mut superuser, "SELECT problem FROM autobuild_status").unwrap_or_default();
    assert!(problem.contains("; the brake on delete is on"), "{problem}");
    let metrics = texts(
        &mut superuser,
        "SELECT DISTINCT substr(metric, 21) FROM autobuild_metrics ORDER BY 1",
    );
    let metrics: Vec<String> = metrics.into_iter().flatten().flatten().collect();
    assert_eq!(
        metrics,
        [
            "blocked",
            "braked",
            "paused",
            "standby",
            "starved",
            "unknown_templates",
            "unreadable_schedules",
            "up",
            "waiting_builds",
            "waiting_oldest_seconds"
        ]
    );
    let up = "SELECT value FROM autobuild_metrics WHERE metric = 'workspace_autobuild_up'";
    assert_eq!(value(&mut superuser, up).as_deref(), Some("0"));
    assert_eq!(
        value(&mut superuser, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
}
