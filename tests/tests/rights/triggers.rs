//! Triggers on the product's tables, of every kind, that try to get out.

use workspace_autobuild_tests::Product;
use workspace_autobuild_tests::Server;
use workspace_autobuild_tests::autobuild::tick;
use workspace_autobuild_tests::invariants;
use workspace_autobuild_tests::product::{quote_literal, texts};

use super::scene::*;

/// The SQLSTATE of a refusal, and the statements that meet it.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "42501",
        &[
            "RESET ROLE",
            "SET ROLE postgres",
            "SET SESSION AUTHORIZATION postgres",
            "RESET SESSION AUTHORIZATION",
            "SELECT set_config('role', 'postgres', false)",
            "ALTER ROLE product SUPERUSER",
            "CREATE ROLE mine SUPERUSER",
            "GRANT pg_execute_server_program TO product",
            "INSERT INTO ops.autobuild_transitions
                 (tick_id, decided_at, workspace_id, transition, reason, due_at, outcome)
             VALUES (0, now(), gen_random_uuid(), 'stop', 'autostop', now(), 'built')",
            "UPDATE ops.autobuild_transitions SET outcome = 'built'",
            "DELETE FROM ops.autobuild_ticks",
            "DELETE FROM ops.autobuild_attempts",
            "UPDATE ops.autobuild_pauses SET reason = 'mine'",
            "DELETE FROM ops.autobuild_pauses",
            "UPDATE ops.autobuild_brakes SET released_at = now()",
            "DELETE FROM ops.autobuild_brakes",
            "LOCK TABLE ops.autobuild_executor_lock IN EXCLUSIVE MODE",
            "ALTER TABLE ops.autobuild_transitions OWNER TO product",
            "CREATE TRIGGER t BEFORE INSERT ON ops.autobuild_ticks
                 FOR EACH ROW EXECUTE FUNCTION public.deed()",
            "CREATE TABLE ops.mine ()",
            "CREATE FUNCTION ops.autobuild_tick(date) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE VIEW ops.autobuild_status AS SELECT 1",
            "DROP EXTENSION \"workspace-autobuild\"",
            "DROP SCHEMA ops CASCADE",
            "SELECT ops.autobuild_pause('mine')",
            "SELECT ops.autobuild_tick()",
            "SELECT ops.autobuild_run()",
            "SELECT ops.autobuild_grant('product')",
            "SELECT set_config('workspace_autobuild.role', 'postgres', false)",
            "SET workspace_autobuild.product_schema = 'pg_catalog'",
            "ALTER DATABASE template1 SET workspace_autobuild.action = 'off'",
            "SET session_replication_role = replica",
            "LISTEN mine",
            "UNLISTEN *",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "CREATE TEMP TABLE mine ()",
            "PREPARE mine AS SELECT 1",
            "DEALLOCATE ALL",
            "DISCARD PLANS",
            "SET CONSTRAINTS ALL DEFERRED",
            "LOAD 'plpgsql'",
            "COPY (SELECT 1) TO '/tmp/mine'",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_terminate_backend(pg_backend_pid())",
            "SELECT pg_read_file('PG_VERSION')",
        ],
    ),
    // A procedure's statements are not for a trigger.
    ("0A000", &["COMMIT", "ROLLBACK"]),
    ("25006", &["SET transaction_read_only = on"]),
    (
        "WA001",
        &["DO $do$ BEGIN RAISE EXCEPTION 'of mine' USING ERRCODE = 'WA001'; END $do$"],
    ),
    ("22012", &["SELECT 1 / 0"]),
];

/// What nobody refuses, and what must not outlast the build.
const ALLOWED: &[&str] = &[
    "SET search_path TO public, pg_catalog",
    "SET datestyle TO 'SQL, DMY'",
    "SET timezone TO 'Asia/Kolkata'",
    "SET standard_conforming_strings TO off",
    "SET row_security TO off",
    "SET statement_timeout TO 1",
    "SET lock_timeout TO 1",
    "SET default_transaction_read_only TO on",
    "SET default_transaction_isolation TO serializable",
    "SET client_min_messages TO error",
    "SET application_name TO 'mine'",
    "NOTIFY mine",
    "SELECT public.grab('allowed')",
];

/// The moments at which a trigger of the owner's runs.
const MOMENTS: [&str; 3] = ["before", "after", "deferred"];

/// Plants a trigger for every moment, and for each statement and moment a workspace that
/// meets it; each workspace's name is its place in the list of what is expected.
fn plant(product: &Product) -> Vec<(String, String, Option<String>)> {
    product.execute(
        "CREATE TABLE deeds (name text, moment text, sql text);
         GRANT SELECT ON deeds TO PUBLIC;
         CREATE FUNCTION deed() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE
             statement text;
         BEGIN
             PERFORM public.grab(TG_ARGV[0]);
             FOR statement IN
                 SELECT d.sql FROM public.deeds d JOIN public.workspaces w ON w.name = d.name
                  WHERE d.moment = TG_ARGV[0] AND w.id = NEW.workspace_id
             LOOP
                 EXECUTE statement;
             END LOOP;
             RETURN NEW;
         END $$;",
    );
    let template = product.template("docker").create();
    let refused = REFUSED
        .iter()
        .flat_map(|(state, statements)| statements.iter().map(move |sql| (Some(*state), *sql)));
    let all: Vec<_> = refused
        .chain(ALLOWED.iter().map(|sql| (None, *sql)))
        .collect();
    let mut expected = Vec::new();
    for (number, (state, sql)) in all.into_iter().enumerate() {
        for moment in MOMENTS {
            // Once a trigger has run that late, no deferred one comes after it.
            if sql.contains("CONSTRAINTS") && moment != "before" {
                continue;
            }
            let name = format!("{moment}-{number:03}");
            product.execute(&format!(
                "INSERT INTO deeds VALUES ('{name}', '{moment}', {})",
                quote_literal(sql)
            ));
            expected.push((name, sql, state));
        }
    }
    // Those who have done nothing, between the others in every order there is.
    for number in 0..5 {
        expected.push((format!("innocent-{number}"), "", None));
    }
    for (name, _, _) in &expected {
        overdue(&template, name);
    }
    product.execute(
        "CREATE TRIGGER deed_before BEFORE INSERT ON workspace_builds
             FOR EACH ROW EXECUTE FUNCTION deed('before');
         CREATE TRIGGER deed_after AFTER INSERT ON workspace_builds
             FOR EACH ROW EXECUTE FUNCTION deed('after');
         CREATE CONSTRAINT TRIGGER deed_deferred AFTER INSERT ON workspace_builds
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION deed('deferred');",
    );
    expected.sort();
    expected
        .into_iter()
        .map(|(name, _, state)| {
            let outcome = if state.is_some() { "failed" } else { "built" };
            (name, outcome.to_owned(), state.map(str::to_owned))
        })
        .collect()
}

/// Everything of the extension's, and whatever else is in its schema.
fn belongings(product: &Product) -> Vec<Vec<Option<String>>> {
    texts(
        &mut superuser(product),
        "SELECT 'relation', c.relname, c.relowner::regrole::text, c.relacl::text
           FROM pg_class c WHERE c.relnamespace = 'ops'::regnamespace
         UNION ALL
         SELECT 'function', p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text
           FROM pg_proc p WHERE p.pronamespace = 'ops'::regnamespace
         UNION ALL
         SELECT 'trigger', t.tgname, t.tgrelid::regclass::text, NULL
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE c.relnamespace = 'ops'::regnamespace
         UNION ALL SELECT 'brake', transition, released_by, NULL FROM ops.autobuild_brakes
         UNION ALL SELECT 'pause', reason, paused_by, NULL FROM ops.autobuild_pauses
         ORDER BY 1, 2",
    )
}

/// Every setting of a session but those of a language that is loaded when it is used.
fn settings(client: &mut postgres::Client) -> Vec<Vec<Option<String>>> {
    texts(
        client,
        "SELECT name, setting, source FROM pg_catalog.pg_settings
          WHERE name NOT LIKE 'plpgsql.%' ORDER BY name",
    )
}

#[track_caller]
fn differences(expected: &[(String, String, Option<String>)], product: &Product) {
    let seen = outcomes(product);
    let deeds = texts(
        &mut superuser(product),
        "SELECT name, sql FROM public.deeds",
    );
    let wrong: Vec<String> = expected
        .iter()
        .filter(|one| !seen.contains(one))
        .map(|one| {
            let got: Vec<_> = seen.iter().filter(|other| other.0 == one.0).collect();
            let sql = deeds.iter().find(|row| row[0].as_deref() == Some(&one.0));
            format!("{sql:?}: expected {one:?}, got {got:?}")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), expected.len());
}

/// What must hold after the tick, however it came about.
#[track_caller]
fn nothing_came_of_it(
    product: &Product,
    expected: &[(String, String, Option<String>)],
    before: &[Vec<Option<String>>],
) {
    differences(expected, product);
    nothing_gained(product, &[PRODUCT_OWNER]);
    for moment in MOMENTS {
        assert!(grabbed(product, moment) > 0, "no trigger ran {moment}");
    }
    assert_eq!(belongings(product), before);
    invariants::check(product);
}

#[test]
fn triggers_gain_nothing_from_the_worker() {
    let server = ticking().start();
    let product = install(&server);
    let expected = plant(&product);
    create_extension(&product);
    let before = belongings(&product);
    await_all_tried(&product);
    nothing_came_of_it(&product, &expected, &before);
}

#[test]
fn triggers_gain_nothing_from_a_superusers_tick_and_change_nothing_in_its_session() {
    let product = install(Server::shared());
    let expected = plant(&product);
    create_extension(&product);
    let before = belongings(&product);
    let mut client = superuser(&product);
    let settings_before = settings(&mut client);
    tick(&mut client, "now");
    assert_eq!(settings(&mut client), settings_before);
    nothing_came_of_it(&product, &expected, &before);
}

#[test]
fn triggers_gain_nothing_from_the_tick_of_one_who_may_only_call_it() {
    let product = install(Server::shared());
    let expected = plant(&product);
    create_extension(&product);
    let mut client = plain_caller(&product);
    let before = belongings(&product);
    let settings_before = settings(&mut client);
    tick(&mut client, "now");
    assert_eq!(settings(&mut client), settings_before);
    nothing_came_of_it(&product, &expected, &before);
}

/// Code that runs while a tick reads and while it writes, and sends whoever comes next
/// to the planted operators.
const ASTRAY: &str = "
    CREATE FUNCTION send_astray() RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM public.grab('sent astray');
        PERFORM set_config('search_path', 'public, pg_catalog', false);
        RETURN true;
    END $$;
    CREATE FUNCTION astray() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM public.send_astray();
        RETURN NEW;
    END $$;
    CREATE TRIGGER astray AFTER INSERT ON provisioner_jobs
        FOR EACH ROW EXECUTE FUNCTION astray();
    ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
    ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;
    CREATE POLICY astray ON workspaces USING (public.send_astray());
    ALTER TABLE template_versions ENABLE ROW LEVEL SECURITY;
    ALTER TABLE template_versions FORCE ROW LEVEL SECURITY;
    CREATE POLICY astray ON template_versions USING (public.send_astray());";

fn with_all_that_leads_astray(server: &Server) -> Product {
    let product = install(server);
    let template = product.template("docker").create();
    for number in 0..30 {
        overdue(&template, &format!("w{number}"));
    }
    super::planted::plant_operators(&product);
    product.execute(ASTRAY);
    product.execute("TRUNCATE public.loot");
    create_extension(&product);
    product
}

#[track_caller]
fn nobody_was_led_astray(product: &Product) {
    nothing_gained(product, &[PRODUCT_OWNER]);
    assert!(grabbed(product, "sent astray") > 0);
    super::planted::look_away(product);
    product.execute(
        "ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY;
         ALTER TABLE template_versions DISABLE ROW LEVEL SECURITY",
    );
    let outcomes = outcomes(product);
    assert_eq!(outcomes.len(), 30);
    assert!(outcomes.iter().all(|one| one.1 == "built"), "{outcomes:?}");
    invariants::check(product);
}

#[test]
fn whatever_sends_the_search_path_astray_leads_no_worker_after_it() {
    let server = ticking().start();
    let product = with_all_that_leads_astray(&server);
    await_all_tried(&product);
    nobody_was_led_astray(&product);
}

#[test]
fn whatever_sends_the_search_path_astray_leads_no_caller_after_it() {
    let product = with_all_that_leads_astray(Server::shared());
    let mut client = superuser(&product);
    let settings_before = settings(&mut client);
    tick(&mut client, "now");
    assert_eq!(settings(&mut client), settings_before);
    nobody_was_led_astray(&product);
}
