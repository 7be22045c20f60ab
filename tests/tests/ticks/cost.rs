//! What a tick costs: nothing on disk when there is nothing to do, and a number of
//! statements that does not grow with the workspaces.

use workspace_autobuild_tests::autobuild::{
    NINE, TODAY_AT_EIGHT, TODAY_AT_NINE, YESTERDAY, due, install, planning, preview, tick,
};
use workspace_autobuild_tests::product::{Fields, HOUR, Value, execute, parameter, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version};

#[test]
fn a_tick_with_nothing_to_do_writes_nothing() {
    // Nobody else writes either: no vacuum, no checkpoint, no snapshot for a standby.
    let server = Server::options_without_worker()
        .set("autovacuum", "off")
        .set("checkpoint_timeout", "1h")
        .set("wal_level", "minimal")
        .set("max_wal_senders", "0")
        .start();
    for version in Version::ALL {
        let product = Product::with_extension(&server, version);
        let template = product.template("docker").create();
        template
            .workspaces(500, Transition::Stop)
            .schedule(NINE)
            .set_if_there("next_start_at", TODAY_AT_NINE)
            .created_at(YESTERDAY)
            .create();
        template
            .workspaces(500, Transition::Start)
            .created_at(YESTERDAY)
            .deadline(TODAY_AT_NINE)
            .create();
        let mut superuser = product.superuser();
        superuser.batch_execute("VACUUM").expect("VACUUM");
        let wal = "SELECT pg_current_wal_insert_lsn()";
        // What the first call reads of the catalog may set hint bits there.
        assert_eq!(tick(&mut superuser, TODAY_AT_EIGHT), [], "{version}");
        let before = texts(&mut superuser, wal);
        superuser
            .batch_execute(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;
                 SELECT * FROM autobuild_tick('{TODAY_AT_EIGHT}')"
            ))
            .expect("a tick");
        let xid = texts(&mut superuser, "SELECT pg_current_xact_id_if_assigned()");
        superuser.batch_execute("COMMIT").expect("COMMIT");
        assert_eq!(xid, [[None]], "{version}: no transaction id is taken");
        assert_eq!(texts(&mut superuser, wal), before, "{version}: no WAL");
        assert_eq!(preview(&mut superuser, TODAY_AT_EIGHT), []);
        assert_eq!(texts(&mut superuser, wal), before, "{version}: no WAL");
        assert_eq!(
            texts(&mut superuser, "SELECT * FROM autobuild_ticks"),
            [] as [Vec<_>; 0]
        );
        assert_eq!(tick(&mut superuser, TODAY_AT_NINE).len(), 1000, "{version}");
        assert_ne!(texts(&mut superuser, wal), before, "the measure measures");
    }
}

/// How many statements a tick over so many due workspaces plans: each is planned anew,
/// and the server tells of each plan.
fn statements(server: &Server, version: Version, count: u32) -> usize {
    let product = Product::with_extension(server, version);
    let template = product
        .template("docker")
        .set_if_there("failure_ttl", HOUR)
        .parameter(
            parameter("region")
                .default("eu")
                .regex("^[a-z]+$", "letters"),
        )
        .create();
    for transition in [Transition::Start, Transition::Stop] {
        template
            .workspaces(count, transition)
            .schedule(NINE)
            .created_at(YESTERDAY)
            .deadline(Value::sql(format!(
                "CASE '{}' WHEN 'start' THEN '{YESTERDAY}' ELSE '0001-01-01 00:00:00+00' END::timestamptz",
                transition.name()
            )))
            .parameter("region", "us")
            .create();
    }
    let broken = product
        .template("broken")
        .version(|v| v.import_failed("no"))
        .create();
    broken
        .workspaces(count, Transition::Stop)
        .schedule(NINE)
        .created_at(YESTERDAY)
        .create();

    let (mut session, plans) = planning(&product);
    execute(&mut session, "SET debug_print_plan = on");
    let attempts = tick(&mut session, TODAY_AT_NINE);
    assert_eq!(attempts.len(), 3 * count as usize, "{version}");
    assert!(
        attempts.iter().all(|a| a.outcome != "failed"),
        "{attempts:?}"
    );
    drop(session);
    plans.iter().count()
}

#[test]
fn the_statements_of_a_tick_do_not_grow_with_the_workspaces() {
    // One of them, the second look, is spared where nobody else's transaction has ended: no
    // other test's, and no vacuum's.
    let server = Server::options_without_worker()
        .set("autovacuum", "off")
        .start();
    for version in [Version::V2023_06, Version::V2_10_0, Version::V2_34_3] {
        let few = statements(&server, version, 3);
        let many = statements(&server, version, 150);
        assert!((5..60).contains(&few), "{version}: {few} statements");
        assert!(few.abs_diff(many) <= 1, "{version}: {few}, {many}");
    }
}

/// The planner takes 1,000 rows for what says nothing of itself, and so a join over a few
/// thousand workspaces for one over millions.
#[test]
fn the_planner_is_told_how_many_rows_a_function_gives_and_what_it_costs() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let template = product.template("docker").create();
    template.workspaces(300, Transition::Stop).create();
    product.execute("ANALYZE");
    let mut client = product.superuser();
    let mut expects = |sql: &str| -> f64 {
        let plan = texts(&mut client, &format!("EXPLAIN (FORMAT JSON) {sql}"));
        let plan: Vec<String> = plan.into_iter().flatten().flatten().collect();
        let plan: serde_json::Value = serde_json::from_str(&plan.concat()).expect("JSON");
        plan[0]["Plan"]["Plan Rows"].as_f64().expect("a number")
    };
    for (sql, rows) in [
        (
            "SELECT FROM workspaces w, autobuild_next_transition(w.id)",
            300.0,
        ),
        (
            "SELECT FROM workspaces w, autobuild_schedule_next(w.autostart_schedule)",
            300.0,
        ),
        ("SELECT FROM autobuild_status", 1.0),
    ] {
        assert_eq!(expects(sql), rows, "{sql}");
    }
    let untold = "
        SELECT p.oid::regprocedure FROM pg_proc p
          JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'workspace-autobuild'
         WHERE p.proretset AND (p.prorows = 1000 OR p.procost <= 1)";
    assert_eq!(texts(&mut client, untold), [] as [Vec<Option<String>>; 0]);
}

#[test]
fn ids_of_new_builds_and_jobs_are_in_the_order_of_time() {
    let product = install(Version::NEWEST);
    due(&product.template("docker").create(), 50);
    assert_eq!(product.tick(TODAY_AT_NINE).len(), 50);
    due(&product.template("later").create(), 50);
    assert_eq!(product.tick(TODAY_AT_NINE).len(), 50);
    // What is inserted next comes last in the index of ids.
    for id in ["b.id", "b.job_id"] {
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE substr({id}::text, 15, 1) = '7'),
                    max({id}::text) FILTER (WHERE t.name = 'docker')
                        < min({id}::text) FILTER (WHERE t.name = 'later')
               FROM workspace_builds b
               JOIN workspaces w ON w.id = b.workspace_id
               JOIN templates t ON t.id = w.template_id
              WHERE b.build_number = 2"
        );
        let seen: Vec<String> = product.rows(&sql).into_iter().flatten().flatten().collect();
        assert_eq!(seen, ["100", "100", "t"], "{id}");
    }
}
