//! Libraries that are preloaded together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::{Value, execute, parameter, texts, value};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    Product, SOON, Server, StopMode, Transition, Version, await_until, invariants,
};

use super::{STOPS, await_value};

const LIBRARIES: [&str; 5] = [
    "workspace-autobuild",
    "pg_cron",
    "pgaudit",
    "pg_stat_statements",
    "auto_explain",
];

/// A server with all of them, each as talkative as it can be.
fn crowded() -> Server {
    ticking()
        .preload(&LIBRARIES.join(", "))
        .set("cron.database_name", "postgres")
        .set("pg_stat_statements.track", "all")
        .set("pgaudit.log", "all")
        .set("auto_explain.log_min_duration", "0")
        .set("auto_explain.log_nested_statements", "on")
        .set("log_statement", "all")
        .set("log_min_duration_statement", "0")
        .start()
}

fn product_on(server: &Server) -> Product {
    let product = Product::with_extension(server, Version::NEWEST);
    execute(
        &mut product.superuser(),
        "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgaudit",
    );
    product
}

#[test]
#[ignore = "make test-beside"]
fn in_whatever_order_they_are_preloaded_all_of_them_work() {
    let mut server = crowded();
    let product = product_on(&server);
    let template = product.template("docker").create();
    execute(
        &mut server.client("postgres"),
        "CREATE EXTENSION pg_cron;
         SELECT cron.schedule('@reboot', 'SELECT 1')",
    );
    let mut libraries = LIBRARIES;
    let rotations = LIBRARIES.len();
    for round in 1..=2 * rotations {
        libraries.rotate_left(1);
        if round == rotations {
            libraries.reverse();
        }
        let list = libraries.join(", ");
        server.append_conf(&format!("shared_preload_libraries = '{list}'\n"));
        server.restart(StopMode::Fast);
        product.reconnect();
        template.workspace(&format!("dev-{round}")).create_overdue();
        let mut client = product.superuser();
        await_value(&mut client, STOPS, &round.to_string());
        assert_eq!(
            texts(
                &mut client,
                "SELECT worker_state IN ('idle', 'running'), problem FROM autobuild_status"
            ),
            [[Some("t".to_owned()), None]],
            "{list}"
        );
        for preview in [
            "SELECT count(*) >= 0 FROM autobuild_preview()",
            "SELECT count(*) >= 0 FROM autobuild_upcoming('1 day')",
            "SELECT count(*) > 0 FROM workspaces w, autobuild_explain(w.id)",
            "SELECT count(*) > 0 FROM autobuild_metrics",
        ] {
            assert_eq!(
                value(&mut client, preview).as_deref(),
                Some("t"),
                "{list}: {preview}"
            );
        }
        let mut others = server.client("postgres");
        let ran = "SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded'";
        await_value(&mut others, ran, &round.to_string());
        let seen =
            "SELECT count(*) > 0 FROM pg_stat_statements WHERE query ILIKE '%workspace_builds%'";
        assert_eq!(value(&mut client, seen).as_deref(), Some("t"), "{list}");
        // Databases come and go.
        let other = Product::with_extension(&server, Version::NEWEST);
        let database = other.database().to_owned();
        drop(other);
        let begun = Instant::now();
        execute(
            &mut others,
            &format!("DROP DATABASE {database} WITH (FORCE)"),
        );
        let taken = begun.elapsed();
        assert!(
            taken < Duration::from_secs(5),
            "{list}: DROP DATABASE took {taken:?}"
        );
    }
    let log = server.log();
    assert!(!log.contains("PANIC") && !log.contains("panicked"));
    invariants::check_quiet(&product);
}

/// Statements of ticks, as pg_stat_statements has them; what the tests themselves say in
/// this database is not among them.
fn statements(client: &mut Client) -> BTreeMap<String, String> {
    let sql =
        "SELECT s.queryid::text, r.rolname || ' ' || regexp_replace(s.query, '\\s+', ' ', 'g')
                 FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
                WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND s.toplevel";
    let rows = texts(client, sql).into_iter();
    rows.filter_map(|row| Some((row.first()?.clone()?, row.get(1)?.clone()?)))
        .collect()
}

#[test]
#[ignore = "make test-beside"]
fn a_ticks_statements_are_counted_as_the_roles_and_are_ever_the_same_few() {
    let server = crowded();
    let product = product_on(&server);
    let mut client = product.superuser();
    execute(
        &mut client,
        "ALTER ROLE product SET pg_stat_statements.track = none;
         SET pg_stat_statements.track = none;
         SELECT pg_stat_statements_reset()",
    );
    product.reconnect();
    let template = product.template("docker").create();
    let mut round = |count: u32, total: u32| {
        template
            .workspaces(count, Transition::Start)
            .deadline(Value::sql("now() - interval '1 hour'"))
            .create();
        await_value(&mut client, STOPS, &total.to_string());
        // What follows the commit belongs to the tick, too.
        let ticks = "SELECT value FROM autobuild_metrics
                      WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
        let done = value(&mut client, ticks);
        await_until("two more ticks", SOON, || {
            let now = value(&mut client, ticks).and_then(|n| n.parse::<u32>().ok());
            now >= done
                .as_deref()
                .and_then(|n| n.parse::<u32>().ok())
                .map(|n| n + 2)
        });
        statements(&mut client)
    };
    // The largest batches first: what is done once for many has been seen then.
    round(40, 40);
    let first = round(1, 41);
    let written = |role: &str, table: &str| {
        let start = format!("{role} INSERT INTO ");
        first
            .values()
            .any(|query| query.starts_with(&start) && query.contains(table))
    };
    assert!(
        written("product", "\"public\".workspace_builds"),
        "{first:?}"
    );
    assert!(
        written("postgres", "public.autobuild_transitions"),
        "{first:?}"
    );
    assert!(first.len() < 60, "{}: {first:?}", first.len());
    for total in [44, 51, 53] {
        let count = match total {
            44 => 3,
            51 => 7,
            _ => 2,
        };
        let mut now = round(count, total);
        now.retain(|id, _| !first.contains_key(id));
        assert_eq!(
            now,
            BTreeMap::new(),
            "statements that were not there before"
        );
    }
}

#[test]
#[ignore = "make test-beside"]
fn pgaudit_and_auto_explain_log_the_worker_until_it_is_left_out() {
    let server = crowded();
    let product = product_on(&server);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("a secret"))
        .create();
    template.workspace("dev").create_overdue();
    let mut client = product.superuser();
    await_value(&mut client, STOPS, "1");
    let entries = || {
        let mut entries: Vec<String> = Vec::new();
        for line in server.log().lines() {
            match entries.last_mut() {
                // A statement of several lines has the prefix once.
                Some(entry) if !line.contains(" UTC [") => entry.push_str(line),
                _ => entries.push(line.to_owned()),
            }
        }
        entries.retain(|entry| entry.contains("workspace-autobuild worker"));
        entries
    };
    let logged = |what: &str| {
        entries()
            .iter()
            .filter(|entry| entry.contains(what))
            .count()
    };
    let audited = "WRITE,INSERT,,,\"INSERT INTO \"\"public\"\".workspace_builds";
    await_until("both have logged the build", SOON, || {
        logged(audited) > 0 && logged("duration: ") > 0
    });
    // The server's own switches are for what comes from a client.
    assert_eq!(logged("LOG:  statement: "), 0);
    // Values go from row to row in the server: they are in no log, whoever asks for them.
    server.set("pgaudit.log_parameter", "on");
    template.workspace("secret").create_overdue();
    await_until(
        "the build's parameters are logged, with what was bound",
        SOON,
        || {
            entries().iter().any(|entry| {
                entry.contains("workspace_build_parameters (") && !entry.contains("<not logged>")
            })
        },
    );
    await_value(&mut client, STOPS, "2");
    assert_eq!(logged("a secret"), 0);
    // The worker is the bootstrap superuser when it connects.
    execute(
        &mut client,
        &format!(
            "ALTER ROLE postgres IN DATABASE {0} SET pgaudit.log = none;
             ALTER ROLE postgres IN DATABASE {0} SET auto_explain.log_min_duration = -1",
            product.database()
        ),
    );
    let ticks = "SELECT value FROM autobuild_metrics
                  WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
    let done = value(&mut client, ticks);
    await_until("a tick under way is over", SOON, || {
        value(&mut client, ticks) != done
    });
    let before = [logged("AUDIT: "), logged("duration: ")];
    template.workspace("other").create_overdue();
    await_value(&mut client, STOPS, "3");
    assert_eq!([logged("AUDIT: "), logged("duration: ")], before);
}
