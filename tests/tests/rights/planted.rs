//! Functions, operators, casts and types that stand where the extension might look: none
//! is used where it would run as more than the executor's role.

use workspace_autobuild_tests::autobuild::{preview, refusal, tick};
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::{Product, Server, invariants};

use super::scene::*;

/// Operators of the server's as the extension uses them: name, types of both sides, and
/// the server's function that gives the true answer.
const OPERATORS: &[(&str, &str, &str, &str)] = &[
    ("=", "text", "text", "texteq"),
    ("<>", "text", "text", "textne"),
    ("=", "name", "text", "nameeqtext"),
    ("=", "name", "name", "nameeq"),
    ("=", "oid", "oid", "oideq"),
    ("=", "uuid", "uuid", "uuid_eq"),
    ("<>", "uuid", "uuid", "uuid_ne"),
    ("=", "bool", "bool", "booleq"),
    ("=", "int4", "int4", "int4eq"),
    ("=", "int8", "int8", "int8eq"),
    ("<", "int8", "int8", "int8lt"),
    ("=", "int2", "int2", "int2eq"),
    (">", "int8", "int4", "int84gt"),
    ("=", "timestamptz", "timestamptz", "timestamptz_eq"),
    ("<", "timestamptz", "timestamptz", "timestamptz_lt"),
    ("<=", "timestamptz", "timestamptz", "timestamptz_le"),
    (">", "timestamptz", "timestamptz", "timestamptz_gt"),
    ("<", "float8", "float8", "float8lt"),
    ("/", "float8", "float8", "float8div"),
    ("-", "float8", "float8", "float8mi"),
];

/// Functions of the server's by name, arguments and result, and what they then return.
const FUNCTIONS: &[(&str, &str, &str, &str)] = &[
    (
        "unnest",
        "uuid[]",
        "SETOF uuid",
        "SELECT pg_catalog.unnest($1)",
    ),
    (
        "unnest",
        "text[]",
        "SETOF text",
        "SELECT pg_catalog.unnest($1)",
    ),
    ("lower", "text", "text", "SELECT pg_catalog.lower($1)"),
    (
        "quote_ident",
        "name",
        "text",
        "SELECT pg_catalog.quote_ident($1)",
    ),
    (
        "current_database",
        "",
        "name",
        "SELECT pg_catalog.current_database()",
    ),
    (
        "pg_notify",
        "text, text",
        "void",
        "SELECT pg_catalog.pg_notify($1, $2)",
    ),
    (
        "date_part",
        "text, timestamptz",
        "float8",
        "SELECT pg_catalog.date_part($1, $2)",
    ),
    (
        "timezone",
        "text, timestamptz",
        "timestamp",
        "SELECT pg_catalog.timezone($1, $2)",
    ),
    (
        "timezone",
        "text, timestamp",
        "timestamptz",
        "SELECT pg_catalog.timezone($1, $2)",
    ),
    (
        "format_type",
        "oid, int4",
        "text",
        "SELECT pg_catalog.format_type($1, $2)",
    ),
    ("now", "", "timestamptz", "SELECT pg_catalog.now()"),
];

/// Plants all of them in `public`, each of which grabs what it can and then gives the
/// true answer; and lets every session of the database's look there first.
pub fn plant_operators(product: &Product) {
    for (number, (operator, left, right, truth)) in OPERATORS.iter().enumerate() {
        let result = match *operator {
            "/" | "-" => "float8",
            _ => "bool",
        };
        product.execute(&format!(
            "CREATE FUNCTION public.operator_{number}(pg_catalog.{left}, pg_catalog.{right})
                 RETURNS pg_catalog.{result} LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM public.grab('operator {operator}');
                 RETURN pg_catalog.{truth}($1, $2);
             END $$;
             CREATE OPERATOR public.{operator} (FUNCTION = public.operator_{number},
                 LEFTARG = pg_catalog.{left}, RIGHTARG = pg_catalog.{right})"
        ));
    }
    for (name, arguments, result, truth) in FUNCTIONS {
        product.execute(&format!(
            "CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE sql VOLATILE
                 AS $$ SELECT public.grab('function {name}'); {truth} $$"
        ));
    }
    product.execute(&format!(
        "ALTER DATABASE {} SET search_path TO public, pg_catalog",
        product.database()
    ));
}

/// Casts and operators for the product's own enum, which find themselves: no schema is
/// looked in for a cast.
fn plant_casts(product: &Product) {
    product.execute(
        "CREATE FUNCTION public.as_text(public.workspace_transition) RETURNS pg_catalog.text
             LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM public.grab('cast');
             RETURN pg_catalog.textin(pg_catalog.enum_out($1));
         END $$;
         CREATE CAST (public.workspace_transition AS pg_catalog.text)
             WITH FUNCTION public.as_text(public.workspace_transition) AS IMPLICIT;
         CREATE FUNCTION public.from_text(pg_catalog.text) RETURNS public.workspace_transition
             LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM public.grab('cast');
             RETURN pg_catalog.enum_in(pg_catalog.textout($1)::pg_catalog.cstring,
                        'public.workspace_transition'::pg_catalog.regtype);
         END $$;
         CREATE CAST (pg_catalog.text AS public.workspace_transition)
             WITH FUNCTION public.from_text(pg_catalog.text);",
    );
}

fn product_with_everything_planted(server: &Server) -> Product {
    let product = install(server);
    let template = product.template("docker").create();
    for number in 0..5 {
        overdue(&template, &format!("w{number}"));
    }
    plant_operators(&product);
    plant_casts(&product);
    product
}

/// What is planted grabs no more, and is in nobody's way: a test's own queries, made as
/// superuser, need not beware.
pub fn look_away(product: &Product) {
    product.execute(&format!(
        "CREATE OR REPLACE FUNCTION public.grab(what text) RETURNS void LANGUAGE sql AS '';
         ALTER DATABASE {} RESET search_path;
         DROP FUNCTION IF EXISTS public.as_text(public.workspace_transition) CASCADE",
        product.database()
    ));
}

/// Each workspace is built, and what is planted ran as the tables' owner at the most.
#[track_caller]
fn all_built(product: &Product) {
    nothing_gained(product, &[PRODUCT_OWNER]);
    let outcomes = outcomes(product);
    assert_eq!(outcomes.len(), 5);
    assert!(
        outcomes.iter().all(|(_, outcome, _)| outcome == "built"),
        "{outcomes:?}"
    );
    look_away(product);
    invariants::check(product);
}

#[test]
fn planted_operators_functions_and_casts_gain_nothing_from_the_worker() {
    let server = ticking().start();
    let product = product_with_everything_planted(&server);
    create_extension(&product);
    await_all_tried(&product);
    all_built(&product);
    assert!(
        grabbed(&product, "cast") > 0,
        "the cast was not in anybody's way"
    );
}

#[test]
fn they_gain_nothing_from_a_tick_by_hand_of_a_superuser_who_looks_there_first() {
    let product = product_with_everything_planted(Server::shared());
    create_extension(&product);
    let mut client = product.superuser();
    client
        .batch_execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET search_path TO public, pg_catalog",
        )
        .expect("BEGIN");
    client
        .batch_execute("SELECT ops.autobuild_tick(); COMMIT")
        .expect("a tick");
    all_built(&product);
}

#[test]
fn they_gain_nothing_from_the_tick_of_one_who_may_only_call_it() {
    let product = product_with_everything_planted(Server::shared());
    create_extension(&product);
    tick(&mut plain_caller(&product), "now");
    all_built(&product);
}

#[test]
fn status_metrics_and_switches_run_nothing_of_theirs() {
    let product = product_with_everything_planted(Server::shared());
    create_extension(&product);
    let mut client = product.superuser();
    client
        .batch_execute(
            "SET search_path TO public, pg_catalog;
             TABLE ops.autobuild_status;
             TABLE ops.autobuild_metrics;
             TABLE ops.autobuild_rules;
             SELECT ops.autobuild_pause('for a while');
             SELECT ops.autobuild_resume();
             SELECT ops.autobuild_wake();
             SELECT ops.autobuild_schedule_check('CRON_TZ=UTC 0 9 * * *');
             SELECT ops.autobuild_schedule_next('CRON_TZ=UTC 0 9 * * *', 'now', 2);
             CREATE ROLE granted;
             SELECT ops.autobuild_grant('granted');
             TABLE ops.autobuild_blocked;",
        )
        .expect("all of these");
    nothing_gained(&product, &[]);
}

#[test]
fn a_preview_runs_what_is_planted_as_its_caller_only() {
    let product = product_with_everything_planted(Server::shared());
    create_extension(&product);
    superuser(&product)
        .batch_execute(
            "CREATE ROLE looker LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker",
        )
        .expect("a role");
    let mut client = product.address().connect(product.database(), "looker");
    client
        .batch_execute("SET search_path TO public, pg_catalog, ops")
        .expect("a path");
    let mut looks = product.address().connect(product.database(), "looker");
    looks
        .batch_execute("SET search_path TO pg_catalog, ops")
        .expect("a path");
    assert_eq!(preview(&mut looks, "now").len(), 5);
    texts(&mut client, "SELECT * FROM ops.autobuild_upcoming()");
    nothing_gained(&product, &["looker"]);
}

#[test]
fn what_stands_in_a_tables_or_a_types_place_is_a_problem_and_nothing_is_run() {
    let cases = [
        (
            "ALTER TABLE workspaces RENAME TO real;
             CREATE VIEW workspaces AS SELECT r.* FROM real r WHERE grab('view') IS NOT NULL",
            "42809",
        ),
        (
            "ALTER TABLE users RENAME TO real;
             CREATE MATERIALIZED VIEW users AS SELECT r.* FROM real r",
            "42809",
        ),
        (
            "ALTER TABLE templates RENAME TO real; CREATE FOREIGN TABLE templates (id uuid) SERVER elsewhere",
            "42809",
        ),
        (
            "CREATE TYPE public.uuid AS (low int8, high int8);
             ALTER TABLE template_versions ADD COLUMN planted public.uuid;
             ALTER TABLE template_versions RENAME COLUMN job_id TO real;
             ALTER TABLE template_versions RENAME COLUMN planted TO job_id",
            "42804",
        ),
        (
            "CREATE TYPE public.timestamptz AS RANGE (subtype = pg_catalog.timestamptz);
             ALTER TABLE workspaces ADD COLUMN planted public.timestamptz;
             ALTER TABLE workspaces RENAME COLUMN last_used_at TO real;
             ALTER TABLE workspaces RENAME COLUMN planted TO last_used_at",
            "42804",
        ),
    ];
    for (plant, sqlstate) in cases {
        let product = install(Server::shared());
        let template = product.template("docker").create();
        overdue(&template, "w");
        product
            .superuser()
            .batch_execute(
                "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
                 GRANT USAGE ON FOREIGN SERVER elsewhere TO product",
            )
            .expect("a server");
        product.execute(plant);
        create_extension(&product);
        let mut client = superuser(&product);
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .expect("BEGIN");
        let refused = refusal(&mut client, "SELECT * FROM autobuild_tick()");
        assert_eq!(refused.sqlstate, sqlstate, "{plant}: {refused:?}");
        client.batch_execute("ROLLBACK").expect("ROLLBACK");
        for look in [
            "SELECT * FROM autobuild_preview()",
            "SELECT * FROM autobuild_upcoming()",
            "SELECT * FROM autobuild_explain(gen_random_uuid())",
        ] {
            assert_eq!(
                refusal(&mut client, look).sqlstate,
                sqlstate,
                "{plant}: {look}"
            );
        }
        nothing_gained(&product, &[]);
    }
}

#[test]
fn a_users_own_operators_dont_lead_the_capture_trigger_to_another_table() {
    // Another extension of the superuser's, in a schema where the user may create, is
    // passed off as ours, and the user's table as its table of marks.
    let server = Server::options_without_worker().start();
    let folder = Installation::find().extension_dir();
    std::fs::write(folder.join("beside.control"), "default_version = '1'\n").expect("a file");
    std::fs::write(folder.join("beside--1.sql"), "-- nothing\n").expect("a file");
    let product = install(&server);
    let template = product.template("docker").create();
    overdue(&template, "w");
    create_extension(&product);
    superuser(&product)
        .batch_execute(
            "CREATE EXTENSION beside SCHEMA public;
             SELECT ops.autobuild_attach();
             CREATE ROLE tenant LOGIN;
             GRANT CREATE ON SCHEMA public TO tenant;
             GRANT SELECT, UPDATE ON public.workspaces TO tenant;",
        )
        .expect("another extension, and a user");
    let mut tenant = product.address().connect(product.database(), "tenant");
    tenant
        .batch_execute(
            "SET search_path TO pg_catalog;
             CREATE TABLE public.autobuild_marks (kind \"char\", id uuid);
             CREATE FUNCTION public.grabs() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM public.grab('marks'); RETURN NEW; END $$;
             CREATE TRIGGER t BEFORE INSERT ON public.autobuild_marks
                 FOR EACH ROW EXECUTE FUNCTION public.grabs();
             CREATE FUNCTION public.same(name, name) RETURNS bool LANGUAGE sql AS $$
                 SELECT CASE $2 WHEN 'workspace-autobuild' THEN $1 = 'beside'
                                WHEN 'autobuild_executor_lock' THEN $1 = 'autobuild_marks'
                                ELSE $1 = $2 END $$;
             ALTER FUNCTION public.same(name, name) SET search_path = pg_catalog;
             CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = name, RIGHTARG = name);
             SET search_path TO public, pg_catalog;
             UPDATE public.workspaces SET autostart_schedule = 'CRON_TZ=UTC 0 9 * * *';",
        )
        .expect("all of it is allowed");
    nothing_gained(&product, &[]);
    let marks = "SELECT kind, count(*) FROM ops.autobuild_marks GROUP BY 1";
    let mark = [Some("w".to_owned()), Some("1".to_owned())];
    assert_eq!(texts(&mut superuser(&product), marks), [mark]);
}
