//! Defaults, checks, index expressions, rules, generated columns, domains, row security;
//! and what the product's users write into their own rows.

use workspace_autobuild_tests::autobuild::{next_transition, preview, refusal, tick};
use workspace_autobuild_tests::product::{Value, parameter, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version, await_until, invariants};

use super::scene::*;

/// What the owner can hang on a table beside a trigger, each with the name under which
/// it grabs.
const HANGINGS: &[(&str, &str)] = &[
    (
        "default",
        "ALTER TABLE workspace_builds ADD COLUMN d text DEFAULT public.grabbing('default')",
    ),
    (
        "check",
        "ALTER TABLE workspace_builds ADD CHECK (public.grabbing('check') IS NOT NULL)",
    ),
    (
        "index",
        "CREATE INDEX ON workspace_builds ((public.grabbing('index') || id::text))",
    ),
    (
        "partial index",
        "CREATE INDEX ON provisioner_jobs (id) WHERE public.grabbing('partial index') IS NOT NULL",
    ),
    (
        "generated",
        "ALTER TABLE workspace_builds
             ADD COLUMN g text GENERATED ALWAYS AS (public.grabbing('generated')) STORED",
    ),
    (
        "rule",
        "CREATE RULE r AS ON INSERT TO workspace_builds DO ALSO SELECT public.grabbing('rule')",
    ),
    (
        "domain",
        "CREATE DOMAIN planted AS jsonb CHECK (public.grabbing('domain') IS NOT NULL);
         ALTER TABLE provisioner_jobs ALTER COLUMN input TYPE planted USING input::text::jsonb",
    ),
    (
        "policy",
        "ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
         ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON workspaces USING (public.grabbing('policy') IS NOT NULL)",
    ),
    (
        "statistics",
        "CREATE STATISTICS s ON (public.grabbing('statistics') || name) FROM workspaces",
    ),
];

fn hang_everything(product: &Product) {
    product.execute(
        "CREATE FUNCTION public.grabbing(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN
             PERFORM public.grabs(what);
             RETURN what;
         END $$;
         CREATE FUNCTION public.grabs(what text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
         BEGIN
             PERFORM public.grab(what);
         EXCEPTION WHEN feature_not_supported OR read_only_sql_transaction THEN NULL;
         END $$;",
    );
    let template = product.template("docker").create();
    for number in 0..5 {
        overdue(&template, &format!("w{number}"));
    }
    for (_, sql) in HANGINGS {
        product.execute(sql);
    }
    product.execute("TRUNCATE loot");
}

#[track_caller]
fn all_built_by_the_owner_alone(product: &Product) {
    nothing_gained(product, &[PRODUCT_OWNER]);
    // Whoever only plans a query of these tables runs some of it: off with it first.
    product.execute("DROP FUNCTION public.grabbing(text) CASCADE; ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY");
    let outcomes = outcomes(product);
    assert_eq!(outcomes.len(), 5);
    assert!(
        outcomes.iter().all(|(_, outcome, _)| outcome == "built"),
        "{outcomes:?}"
    );
    for (what, _) in HANGINGS.iter().filter(|(what, _)| *what != "statistics") {
        assert!(grabbed(product, what) > 0, "{what} did not run at all");
    }
    invariants::check(product);
}

#[test]
fn what_hangs_on_the_tables_runs_as_their_owner_in_the_worker() {
    let server = ticking().start();
    let product = install(&server);
    hang_everything(&product);
    create_extension(&product);
    await_all_tried(&product);
    all_built_by_the_owner_alone(&product);
}

#[test]
fn what_hangs_on_the_tables_runs_as_their_owner_whoever_calls_a_tick() {
    for plain in [false, true] {
        let product = install(Server::shared());
        hang_everything(&product);
        create_extension(&product);
        let mut client = if plain {
            plain_caller(&product)
        } else {
            superuser(&product)
        };
        tick(&mut client, "now");
        all_built_by_the_owner_alone(&product);
    }
}

#[test]
fn a_rule_that_swallows_builds_is_the_workspaces_failure_and_leaves_nothing_half_built() {
    let product = install(Server::shared());
    let template = product.template("docker").create();
    overdue(&template, "swallowed");
    overdue(&template, "built");
    product.execute(
        "CREATE RULE r AS ON INSERT TO workspace_builds
         WHERE NEW.workspace_id = (SELECT id FROM workspaces WHERE name = 'swallowed')
         DO INSTEAD NOTHING",
    );
    create_extension(&product);
    tick(&mut superuser(&product), "now");
    let built = |name: &str| (name.to_owned(), "built".to_owned(), None);
    let failed = (
        "swallowed".to_owned(),
        "failed".to_owned(),
        Some("21000".to_owned()),
    );
    assert_eq!(outcomes(&product), [built("built"), failed]);
    invariants::check(&product);
}

#[test]
fn an_error_that_a_trigger_makes_up_ends_no_other_workspaces_build() {
    // Also one that stands for the whole server's troubles.
    let server = ticking().start();
    for sqlstate in ["40001", "40P01", "42501", "23505", "XX000", "P0001"] {
        let product = install(&server);
        let template = product.template("docker").create();
        for number in 0..40 {
            overdue(&template, &format!("w{number:02}"));
        }
        product.execute(&format!(
            "CREATE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF (SELECT name = 'w00' FROM public.workspaces WHERE id = NEW.workspace_id) THEN
                     RAISE EXCEPTION 'made up' USING ERRCODE = '{sqlstate}';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER lie AFTER INSERT ON workspace_builds
                 FOR EACH ROW EXECUTE FUNCTION lie()"
        ));
        create_extension(&product);
        await_until(
            &format!("39 are built beside one with {sqlstate}"),
            SOON,
            || {
                product
                    .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
                    .as_deref()
                    == Some("39")
            },
        );
        invariants::check(&product);
    }
}

#[test]
fn a_message_of_a_triggers_can_be_as_long_as_it_likes_but_history_keeps_its_beginning() {
    let product = install(Server::shared());
    let template = product.template("docker").create();
    overdue(&template, "w");
    product.execute(
        "CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION '%', repeat('blah ü ', 1000000); END $$;
         CREATE TRIGGER talk AFTER INSERT ON workspace_builds
             FOR EACH ROW EXECUTE FUNCTION talk()",
    );
    create_extension(&product);
    let rows = tick(&mut superuser(&product), "now");
    let message = rows[0].message.clone().unwrap_or_default();
    assert!(message.starts_with("blah ü blah"), "{}", message.len());
    let kept = "SELECT count(*) FROM ops.autobuild_transitions t JOIN ops.autobuild_blocked b
                 USING (workspace_id, message) WHERE length(message) <= 2000";
    assert_eq!(
        texts(&mut superuser(&product), kept),
        [[Some("1".to_owned())]]
    );
}

#[test]
fn row_security_is_obeyed_by_the_previews_for_their_caller() {
    let product = install(Server::shared());
    let template = product.template("docker").create();
    overdue(&template, "mine");
    overdue(&template, "theirs");
    create_extension(&product);
    superuser(&product)
        .batch_execute(
            "CREATE ROLE tenant LOGIN;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO tenant;
             ALTER TABLE public.workspaces ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON public.workspaces TO tenant USING (name = 'mine');",
        )
        .expect("a policy");
    let id = |name: &str| {
        let sql = format!("SELECT id FROM workspaces WHERE name = '{name}'");
        product.value(&sql).unwrap_or_default()
    };
    let mut tenant = product.address().connect(product.database(), "tenant");
    tenant
        .batch_execute("SET search_path TO pg_catalog, ops")
        .expect("a path");
    let seen = preview(&mut tenant, "now");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].workspace_id.to_string(), id("mine"));
    let upcoming = texts(
        &mut tenant,
        "SELECT workspace FROM ops.autobuild_upcoming()",
    );
    assert_eq!(upcoming, [[Some("mine".to_owned())]]);
    let next = next_transition(&mut tenant, seen[0].workspace_id, "now");
    assert_eq!(next.transition.as_deref(), Some("stop"));
    for function in ["autobuild_next_transition", "autobuild_explain"] {
        let sql = format!("SELECT * FROM ops.{function}('{}')", id("theirs"));
        assert_eq!(refusal(&mut tenant, &sql).sqlstate, "P0002", "{function}");
    }
    // A right that is missing is said, and no silence.
    superuser(&product)
        .batch_execute("REVOKE SELECT ON public.templates FROM tenant")
        .expect("REVOKE");
    let refused = refusal(&mut tenant, "SELECT * FROM ops.autobuild_preview('now')");
    assert_eq!(refused.sqlstate, "42501", "{refused:?}");
    // The tick is the owner's, who sees all.
    assert_eq!(tick(&mut superuser(&product), "now").len(), 2);
}

#[test]
fn whatever_users_write_into_their_rows_is_text() {
    let texts_of_theirs = [
        "'; ALTER ROLE product SUPERUSER; --",
        "$$; SELECT public.grab('text'); $$",
        "\\'; SELECT public.grab('text'); --",
        "%s %n $1 {} ${name} \u{202e}\u{feff}\u{1F4A9}",
        "CRON_TZ=../../etc/passwd 0 9 * * *",
        "CRON_TZ=UTC 0 9 * * *; SELECT 1",
        "CRON_TZ='UTC' 0 9 * * *",
        "* * * * * * * * * * * * * * * *",
        "9999999999999999999 9 * * *",
        "1-99999999/0 9 * * 1",
        "\n\r\t CRON_TZ=UTC\n0 9 * * *",
    ];
    let product = Product::install(Server::shared(), Version::NEWEST);
    product.execute(
        "CREATE TABLE loot (what text, who text, superuser boolean);
         CREATE FUNCTION grab(what text) RETURNS void LANGUAGE sql AS
             $$ INSERT INTO public.loot VALUES (what, current_user, false) $$",
    );
    create_extension(&product);
    for (number, text) in texts_of_theirs.iter().enumerate() {
        let template = product
            .template(text)
            .parameter(parameter(text).default(text))
            .create();
        // A name that can be told apart; the product's own check would refuse most.
        let scheduled = template
            .workspace(&format!("{number} {text}"))
            .schedule(text)
            .create();
        scheduled
            .build(Transition::Stop)
            .parameter(text, text)
            .create();
        let running = template
            .workspace(&format!("{number} {text} runs"))
            .create();
        running
            .build(Transition::Start)
            .parameter(text, text)
            .deadline(Value::sql("now() - interval '1 hour'"))
            .create();
    }
    let long = template_with_a_megabyte(&product);
    let mut client = superuser(&product);
    for look in ["autobuild_upcoming()", "autobuild_preview()"] {
        texts(&mut client, &format!("SELECT * FROM ops.{look}"));
    }
    let ids = product.rows("SELECT id FROM workspaces");
    for id in ids.into_iter().flatten().flatten() {
        texts(
            &mut client,
            &format!("SELECT * FROM ops.autobuild_explain('{id}')"),
        );
    }
    let rows = tick(&mut client, "now");
    let stops = rows.iter().filter(|row| row.transition == "stop").count();
    assert_eq!(stops, texts_of_theirs.len() + long);
    assert!(rows.iter().all(|row| row.outcome == "built"), "{rows:?}");
    let same = "SELECT count(*) FROM workspace_build_parameters n
                  JOIN workspace_builds b ON b.id = n.workspace_build_id AND b.build_number > 1
                  JOIN workspace_builds o ON o.workspace_id = b.workspace_id AND o.build_number = 1
                  JOIN workspace_build_parameters p ON p.workspace_build_id = o.id
                   AND (p.name, p.value) = (n.name, n.value)";
    assert_eq!(product.value(same), Some(stops.to_string()));
    nothing_gained(&product, &[]);
    invariants::check(&product);
}

/// A workspace of which everything is very long; returns how many are due.
fn template_with_a_megabyte(product: &Product) -> usize {
    let long = "x".repeat(1_000_000);
    let template = product
        .template("long")
        .parameter(parameter("long").default(&long))
        .create();
    let workspace = template.workspace("long").schedule(&long).create();
    workspace
        .build(Transition::Start)
        .parameter("long", &long)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create();
    1
}
