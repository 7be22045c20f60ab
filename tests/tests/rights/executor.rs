//! As whom a tick acts, and with which rights: never as a superuser, and with exactly
//! what `autobuild_grant` gives.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{
    Attempt, NINE, Refusal, TODAY_AT_EIGHT, TODAY_AT_NINE, YESTERDAY, install, preview, records,
    refusal, tick, try_records, try_tick,
};
use workspace_autobuild_tests::product::{
    Fields, HOUR, Template, execute, parameter, quote_ident, texts,
};
use workspace_autobuild_tests::{Product, Transition, Version};

fn stopped(template: &Template<'_>, name: &str) {
    let workspace = template.workspace(name).schedule(NINE).create();
    workspace
        .build(Transition::Stop)
        .created_at(YESTERDAY)
        .parameter("region", "us")
        .create();
}

/// A role of its own for a database, so that tests side by side don't meet.
fn fresh_role(product: &Product) -> String {
    let role = format!("executor of {}", product.database());
    product
        .superuser()
        .batch_execute(&format!("CREATE ROLE {}", quote_ident(&role)))
        .expect("CREATE ROLE");
    role
}

/// Does whatever the statement says and returns the first column of its rows.
fn column(client: &mut Client, sql: &str) -> Vec<String> {
    texts(client, sql)
        .into_iter()
        .map(|mut row| row.remove(0).unwrap_or_default())
        .collect()
}

/// Something for every statement of a tick: starts and stops, parameters carried,
/// defaulted and from the legacy table, a dormancy mark, a task, `next_start_at`.
fn something_of_everything(product: &Product) {
    let facts = product.facts();
    let mut region = parameter("region").default("eu");
    if facts.has_column("template_version_parameters", "legacy_variable_name") {
        region = region.set("legacy_variable_name", "old_region");
    }
    let inactivity = ["time_til_dormant", "inactivity_ttl"]
        .into_iter()
        .find(|column| facts.has_column("templates", column));
    let template = product
        .template("docker")
        .parameter(region)
        .parameter(parameter("size").default("s"))
        .create();
    stopped(&template, "start");
    let stop = template
        .workspace("stop")
        .schedule(NINE)
        .create_started(YESTERDAY, TODAY_AT_NINE);
    if facts.has_table("parameter_values") {
        stop.legacy_value("old_region", "us");
    }
    if facts.has_column("task_workspace_apps", "workspace_build_number") {
        stop.task("a task").create();
    }
    if facts.has_table("template_version_presets") {
        template.first_version().preset("small", &[("size", "s")]);
    }
    if facts.has_table("template_version_workspace_tags") {
        let tagged = product.template("tagged").create();
        tagged.first_version().workspace_tag("zone", "\"eu\"");
        stopped(&tagged, "tagged");
    }
    if facts.has_table("template_version_terraform_values") {
        let rendered = product
            .template("rendered")
            .set("use_classic_parameter_flow", false)
            .create();
        rendered
            .first_version()
            .source(&[("main.tf", "locals {}\n")]);
        stopped(&rendered, "rendered");
        let pushed = rendered.new_version("pushed").create();
        pushed.source(&[("main.tf", "locals {}\n")]);
        pushed.activate();
        product
            .execute("UPDATE workspaces SET automatic_updates = 'always' WHERE name = 'rendered'");
    }
    if let Some(inactivity) = inactivity {
        let idle = product.template("idle").set(inactivity, HOUR).create();
        idle.workspace("idle").create_stopped(YESTERDAY);
    }
    if facts.has_column("workspaces", "next_start_at") {
        let later = template.workspace("later").schedule("0 10 * * *");
        later.create_stopped(TODAY_AT_EIGHT);
    }
}

/// A tick that is rolled back.
fn trial(client: &mut Client) -> Result<Vec<Attempt>, Refusal> {
    client
        .batch_execute("SAVEPOINT trial")
        .expect("a savepoint");
    let sql = format!("SELECT * FROM autobuild_tick('{TODAY_AT_NINE}')");
    // And, as the same role, a look at what becomes of the builds.
    let result = try_records(client, &sql).and_then(|attempts| {
        client.simple_query("SELECT FROM autobuild_waiting")?;
        Ok(attempts)
    });
    client
        .batch_execute("ROLLBACK TO trial")
        .expect("a savepoint");
    result.map_err(|error| Refusal::of(&error))
}

#[test]
fn the_grants_suffice_and_none_is_too_much() {
    let mut superfluous = Vec::new();
    for version in Version::ALL {
        let product = install(version);
        something_of_everything(&product);
        let role = fresh_role(&product);
        let mut superuser = product.superuser();
        // What everybody has is no grant of ours.
        superuser
            .batch_execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            .expect("REVOKE");
        superuser
            .batch_execute(&format!("SET workspace_autobuild.role = '{role}'"))
            .expect("a setting");
        let none = try_tick(&mut superuser, TODAY_AT_NINE).expect_err("no right at all");
        let none = Refusal::of(&none);
        assert_eq!(none.sqlstate, "42501", "{version}: {none:?}");
        assert!(none.hint.contains("autobuild_grant("), "{none:?}");

        let grants = column(&mut superuser, &format!("SELECT autobuild_grant('{role}')"));
        superuser
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .expect("BEGIN");
        let all = trial(&mut superuser).expect("all that is needed");
        assert!(all.len() >= 2, "{version}");
        assert!(
            all.iter().all(|attempt| attempt.outcome == "built"),
            "{version}: {all:?}"
        );

        for grant in &grants {
            for (revoke, named) in each_right(grant, &role) {
                superuser
                    .batch_execute("SAVEPOINT before")
                    .expect("a savepoint");
                superuser.batch_execute(&revoke).expect("REVOKE");
                match trial(&mut superuser) {
                    // What a proof is made from: without it a version is unknown.
                    Ok(attempts) if for_proofs(&named) => assert!(
                        attempts.iter().any(|attempt| attempt.outcome == "blocked"
                            && attempt
                                .message
                                .as_deref()
                                .unwrap_or_default()
                                .contains("may not read")),
                        "{version} {revoke}: {attempts:?}"
                    ),
                    Ok(_) => superfluous.push(format!("{version}: {revoke}")),
                    Err(refused) => {
                        assert_eq!(refused.sqlstate, "42501", "{version} {revoke}: {refused:?}");
                        assert!(
                            refused.message.contains(&named),
                            "{version} {revoke}: {refused:?}"
                        );
                        assert!(
                            refused.hint.contains(&format!("GRANT {named}")),
                            "{version} {revoke}: {refused:?}"
                        );
                    }
                }
                superuser
                    .batch_execute("ROLLBACK TO before")
                    .expect("a savepoint");
            }
        }
        superuser.batch_execute("ROLLBACK").expect("ROLLBACK");
        assert_eq!(tick(&mut superuser, TODAY_AT_NINE).len(), all.len());
    }
    assert_eq!(superfluous, [] as [String; 0]);
}

/// Is it a right to what only proofs are made from?
fn for_proofs(right: &str) -> bool {
    ["files", "template_version_variables"]
        .iter()
        .any(|table| right.ends_with(&format!(".{table}")))
        || right.contains("(mutable)")
        || right.contains("(cached_module_files)")
}

/// Each single right of a GRANT: the REVOKE that takes it, and how a message names it.
fn each_right(grant: &str, role: &str) -> Vec<(String, String)> {
    let role = quote_ident(role);
    let rights = grant
        .strip_prefix("GRANT ")
        .and_then(|grant| grant.strip_suffix(&format!(" TO {role}")))
        .unwrap_or_else(|| panic!("no GRANT to {role}: {grant}"));
    let revoke = |right: &str| format!("REVOKE {right} FROM {role}");
    match rights.split_once(" (") {
        // A message need not spell SCHEMA as we do.
        None => vec![(revoke(rights), "USAGE".to_owned())],
        Some((privilege, rest)) => {
            let (columns, table) = rest.split_once(") ").expect("columns");
            columns
                .split(", ")
                .map(|column| {
                    let right = format!("{privilege} ({column}) {table}");
                    (revoke(&right), right)
                })
                .collect()
        }
    }
}

#[test]
fn nothing_is_built_as_a_superuser_and_the_hint_mends_it() {
    for version in [Version::OLDEST, Version::NEWEST] {
        let product = install(version);
        stopped(&product.template("docker").create(), "dev");
        let mut superuser = product.superuser();
        let own = "DO $$ DECLARE t regclass; BEGIN
                   FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relowner = 'product'::regrole
                   LOOP EXECUTE format('ALTER TABLE %s OWNER TO postgres', t); END LOOP; END $$";
        superuser.batch_execute(own).expect("ALTER TABLE");
        let refused =
            Refusal::of(&try_tick(&mut superuser, TODAY_AT_NINE).expect_err("a superuser"));
        assert_eq!(refused.sqlstate, "55000", "{version}");
        assert!(refused.message.contains("\"postgres\""), "{refused:?}");
        // Looking is not building.
        assert_eq!(preview(&mut superuser, TODAY_AT_NINE).len(), 1);

        let start = refused.hint.find("CREATE ROLE").expect("the statements");
        let role = quote_ident(&format!("auto of {}", product.database()));
        let plain = role.trim_matches('"').to_owned();
        let statements = refused.hint[start..]
            .replace("\"autobuild\"", &role)
            .replace("'autobuild'", &format!("'{plain}'"));
        superuser
            .batch_execute(&statements)
            .expect("the hint's statements");
        // A setting of the database counts from the next session on.
        let mut session = product.superuser();
        let attempts = tick(&mut session, TODAY_AT_NINE);
        assert_eq!(attempts[0].outcome, "built", "{version}: {attempts:?}");
    }
}

#[test]
fn a_role_that_is_missing_or_a_superuser_is_named_with_what_to_do() {
    let product = install(Version::V2_10_0);
    let mut superuser = product.superuser();
    for (role, sqlstate) in [("nobody's \"role\"", "42704"), ("postgres", "55000")] {
        let set = format!(
            "SET workspace_autobuild.role = '{}'",
            role.replace('\'', "''")
        );
        superuser.batch_execute(&set).expect("a setting");
        let refused = Refusal::of(&try_tick(&mut superuser, TODAY_AT_NINE).expect_err(role));
        assert_eq!(refused.sqlstate, sqlstate, "{refused:?}");
        assert!(refused.message.contains(role), "{refused:?}");
        assert!(refused.hint.contains("autobuild_grant("), "{refused:?}");
    }
    // A GRANT to public would be one to everybody.
    for role in ["nobody at all", "public", "PUBLIC", ""] {
        let refused = refusal(&mut superuser, &format!("SELECT autobuild_grant('{role}')"));
        assert_eq!(refused.sqlstate, "42704", "{role}: {refused:?}");
    }
}

#[test]
fn a_tick_is_not_for_public_and_acts_as_its_role_whoever_calls() {
    let product = install(Version::V2_34_3);
    stopped(&product.template("docker").create(), "dev");
    let caller = format!("caller of {}", product.database());
    let name = quote_ident(&caller);
    let mut superuser = product.superuser();
    superuser
        .batch_execute(&format!("CREATE ROLE {name} LOGIN"))
        .expect("CREATE ROLE");
    let mut session = product.address().connect(product.database(), &caller);
    let refused = Refusal::of(&try_tick(&mut session, TODAY_AT_NINE).expect_err("not for PUBLIC"));
    assert_eq!(refused.sqlstate, "42501");
    let refused = refusal(&mut session, "SELECT autobuild_grant('postgres')");
    assert_eq!(refused.sqlstate, "42501");
    superuser
        .batch_execute(&format!(
            "GRANT EXECUTE ON FUNCTION autobuild_tick(timestamptz) TO {name}"
        ))
        .expect("GRANT");
    let attempts = tick(&mut session, TODAY_AT_NINE);
    assert_eq!(attempts[0].outcome, "built", "{attempts:?}");
    // The caller may do no more than before, and reads no history.
    for sql in [
        "SELECT * FROM workspaces",
        "SELECT * FROM autobuild_transitions",
    ] {
        assert_eq!(refusal(&mut session, sql).sqlstate, "42501", "{sql}");
    }
}

/// A tick that scans, builds the agenda, or takes a mark. The rights are a group's, which is left
/// without a change of the product's tables.
#[test]
fn the_right_that_a_tick_lacks_is_named_whatever_it_reads_first() {
    let product = install(Version::V2_34_3);
    product.template("docker").create();
    let name = fresh_role(&product);
    let (role, group) = (quote_ident(&name), quote_ident(&format!("group of {name}")));
    let mut superuser = product.superuser();
    execute(
        &mut superuser,
        &format!(
            "CREATE ROLE {group}; SELECT autobuild_grant('group of {name}');
             SET workspace_autobuild.role = '{name}'"
        ),
    );
    let mut named = |state: &str| {
        execute(&mut superuser, &format!("REVOKE {group} FROM {role}"));
        let refused = Refusal::of(&try_tick(&mut superuser, "now").expect_err(state));
        let told = (
            &*refused.sqlstate,
            refused.hint.contains("autobuild_grant("),
        );
        assert_eq!(told, ("42501", true), "{state}: {refused:?}");
        execute(&mut superuser, &format!("GRANT {group} TO {role}"));
        tick(&mut superuser, "now");
    };
    named("scanning");
    execute(&mut product.superuser(), "SELECT autobuild_attach()");
    named("attached");
    named("building");
    product.execute("UPDATE users SET status = 'suspended'");
    named("with a mark");
}

#[test]
fn a_preview_reads_as_its_caller_and_a_missing_right_is_an_error() {
    let product = install(Version::V2_34_3);
    let template = product.template("docker").create();
    stopped(&template, "dev");
    let id = product.value("SELECT id FROM workspaces").expect("an id");
    let reader = format!("reader of {}", product.database());
    let name = quote_ident(&reader);
    let mut superuser = product.superuser();
    superuser
        .batch_execute(&format!("CREATE ROLE {name} LOGIN"))
        .expect("CREATE ROLE");
    let mut session = product.address().connect(product.database(), &reader);
    let calls = [
        format!("SELECT * FROM autobuild_next_transition('{id}', '{TODAY_AT_NINE}')"),
        format!("SELECT * FROM autobuild_explain('{id}', '{TODAY_AT_NINE}')"),
        format!("SELECT * FROM autobuild_upcoming('1 day', '{TODAY_AT_NINE}')"),
        format!("SELECT * FROM autobuild_preview('{TODAY_AT_NINE}')"),
    ];
    for call in &calls {
        assert_eq!(refusal(&mut session, call).sqlstate, "42501", "{call}");
    }
    superuser
        .batch_execute(&format!(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"
        ))
        .expect("GRANT");
    for call in &calls {
        let rows: Vec<serde_json::Value> = records(&mut session, call);
        assert!(!rows.is_empty(), "{call}");
    }
    for table in [
        "workspaces",
        "workspace_builds",
        "provisioner_jobs",
        "users",
        "templates",
    ] {
        superuser
            .batch_execute(&format!("REVOKE SELECT ON {table} FROM {name}"))
            .expect("REVOKE");
        for call in &calls {
            let refused = refusal(&mut session, call);
            assert_eq!(refused.sqlstate, "42501", "{call}");
            assert!(refused.message.contains(table), "{refused:?}");
        }
        superuser
            .batch_execute(&format!("GRANT SELECT ON {table} TO {name}"))
            .expect("GRANT");
    }
    // Row security hides rows from a reader, not from the tick.
    superuser
        .batch_execute("ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY")
        .expect("row security");
    assert_eq!(refusal(&mut session, &calls[0]).sqlstate, "P0002");
    assert_eq!(preview(&mut session, TODAY_AT_NINE), []);
    assert_eq!(tick(&mut superuser, TODAY_AT_NINE).len(), 1);
}

#[test]
fn what_is_planted_on_the_tables_runs_with_the_roles_rights_only() {
    let product = install(Version::V2_34_3);
    let template = product.template("docker").create();
    stopped(&template, "dev");
    product.execute(
        "CREATE TABLE seen (who text, how text);
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO seen VALUES (current_user, TG_NAME);
             BEGIN
                 SET SESSION AUTHORIZATION postgres;
                 INSERT INTO seen VALUES (current_user, 'got away');
             EXCEPTION WHEN OTHERS THEN NULL; END;
             BEGIN
                 RESET ROLE;
                 INSERT INTO seen VALUES (current_user, 'reset');
             EXCEPTION WHEN OTHERS THEN NULL; END;
             BEGIN
                 DELETE FROM autobuild_ticks;
                 INSERT INTO seen VALUES (current_user, 'wrote history');
             EXCEPTION WHEN OTHERS THEN NULL; END;
             RETURN NEW;
         END $$;
         CREATE TRIGGER before BEFORE INSERT ON provisioner_jobs FOR EACH ROW EXECUTE FUNCTION look();
         CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON workspace_builds
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look()",
    );
    let attempts = product.tick(TODAY_AT_NINE);
    assert_eq!(attempts[0].outcome, "built", "{attempts:?}");
    let row = |who: &str, how: &str| vec![Some(who.to_owned()), Some(how.to_owned())];
    assert_eq!(
        product.rows("SELECT * FROM seen ORDER BY how"),
        [row("product", "before"), row("product", "deferred")]
    );
}

#[test]
fn rows_that_are_hidden_from_the_role_make_no_half_build() {
    let product = install(Version::V2_10_0);
    let template = product
        .template("docker")
        .parameter(parameter("region").default("eu"))
        .create();
    stopped(&template, "dev");
    // A rule of the owner's swallows the parameters.
    product.execute(
        "CREATE RULE swallow AS ON INSERT TO workspace_build_parameters DO INSTEAD NOTHING",
    );
    let before = product.build_rows();
    let attempts = product.tick(TODAY_AT_NINE);
    assert_eq!(attempts[0].outcome, "failed", "{attempts:?}");
    assert_eq!(
        attempts[0].sqlstate.as_deref(),
        Some("21000"),
        "{attempts:?}"
    );
    assert_eq!(product.build_rows(), before);
}
