//! The operator's settings of the rules, through SQL, and what a listener is told.

use serde_json::{Value as Json, json};
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use workspace_autobuild_tests::autobuild::{NINE, START, STOP, on_each_version, on_versions};
use workspace_autobuild_tests::product::{Fields, MINUTE, Template, Workspace, texts};
use workspace_autobuild_tests::{NOTHING, Product, Version};

const THEN: &str = "2024-02-01 08:00:30+00";

fn stopped<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    template.workspace(name).schedule(NINE).create_stopped(THEN)
}

fn running<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .create_started(THEN, "2024-02-01 09:00:00+00")
}

#[test]
fn only_the_rules_that_the_operator_names_act() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let (start, stop) = (stopped(&template, "start"), running(&template, "stop"));
        let tick = "2024-02-01 09:00:00+00";
        for (rules, starts, stops) in [
            ("autostop, autostart", true, true),
            ("autostart", true, false),
            (" autostop ", false, true),
            ("", false, false),
            ("failed,dormancy,delete", false, false),
        ] {
            operator.set("rules", rules);
            let expected = if starts { START } else { NOTHING };
            assert_eq!(operator.outcome(&start, tick), expected, "{rules:?}");
            let expected = if stops { STOP } else { NOTHING };
            assert_eq!(operator.outcome(&stop, tick), expected, "{rules:?}");
            if !starts {
                // What would be done is said all the same.
                let next = operator.next(&start, tick);
                assert_eq!(next.skip_reason.as_deref(), Some("rule_off"));
                assert!(next.detail.unwrap_or_default().contains("autostart"));
            }
        }
    });
}

#[test]
fn a_name_that_is_no_rule_is_refused() {
    on_versions(&[Version::NEWEST], |_, operator| {
        for rules in ["autostp", "autostop autostart", "autostop, 'delete'", "*"] {
            let error = operator
                .session()
                .simple_query(&format!("SET workspace_autobuild.rules = $r${rules}$r$"))
                .expect_err("no rule");
            assert_eq!(
                error.code().map(|code| code.code()),
                Some("22023"),
                "{rules}"
            );
        }
    });
}

#[test]
fn the_default_rules_delete_nothing() {
    on_versions(&[Version::V2_0_0, Version::NEWEST], |product, operator| {
        let rules = operator.rows("SHOW workspace_autobuild.rules");
        let default = "autostop, autostart, failed, dormancy, remind".to_owned();
        assert_eq!(rules, [[Some(default)]]);
        let ttl = if product.version() < Version::V2_5_0 {
            "locked_ttl"
        } else {
            "time_til_dormant_autodelete"
        };
        let template = product.template("docker").set(ttl, MINUTE).create();
        let workspace = template
            .workspace("dev")
            .dormant_at(THEN)
            .set("deleting_at", THEN)
            .create_stopped(THEN);
        let late = "2025-01-01 00:00:00+00";
        assert_eq!(operator.outcome(&workspace, late), NOTHING);
        assert_eq!(operator.skip(&workspace, late), "rule_off");
        operator.all_rules();
        assert_eq!(
            operator.outcome(&workspace, late),
            "delete autodelete built"
        );
    });
}

#[test]
fn a_start_that_is_too_late_waits_for_the_next_run() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        let at = |tick: &str| operator.outcome(&workspace, tick);
        operator.set("max_start_delay", "1h");
        assert_eq!(at("2024-02-01 09:00:00+00"), START);
        assert_eq!(at("2024-02-01 09:59:00+00"), START);
        assert_eq!(at("2024-02-01 10:00:00+00"), NOTHING);
        let next = operator.next(&workspace, "2024-02-01 10:00:00+00");
        assert_eq!(
            next.next_transition_at.as_deref(),
            Some("2024-02-02T09:00:00+00:00")
        );
        assert_eq!(at("2024-02-02 09:00:00+00"), START);
        operator.set("max_start_delay", "0");
        assert_eq!(at("2024-02-05 23:00:00+00"), START);
        // The largest one is no limit in practice, and no overflow.
        operator.set("max_start_delay", "2147483647");
        assert_eq!(at("2024-02-05 23:00:00+00"), START);
    });
}

#[test]
fn a_stop_is_never_too_late() {
    on_each_version(|product, operator| {
        let workspace = running(&product.template("docker").create(), "dev");
        operator.set("max_start_delay", "1s");
        let outcome = operator.outcome(&workspace, "2025-01-01 00:00:00+00");
        assert_eq!(outcome, STOP);
    });
}

/// The product's table of licences, as far as anybody looks at it.
const LICENSES: &str =
    "CREATE TABLE licenses (id serial PRIMARY KEY, jwt text NOT NULL, exp timestamptz NOT NULL)";

/// What `autobuild_status` says is wrong in a new session.
fn problem(product: &Product) -> String {
    let rows = texts(
        &mut product.superuser(),
        "SELECT problem FROM autobuild_status",
    );
    rows.into_iter().flatten().flatten().collect()
}

fn set_in_database(product: &Product, setting: &str, value: &str) {
    product
        .superuser()
        .batch_execute(&format!(
            "ALTER DATABASE {} SET workspace_autobuild.{setting} = '{value}'",
            product.database()
        ))
        .expect("ALTER DATABASE");
}

#[test]
fn whatever_a_boolean_takes_says_whether_there_is_a_licence() {
    on_versions(&[Version::NEWEST], |_, operator| {
        for (shown, spellings) in [
            ("on", ["on", "true", "yes", "1", "TRUE", "t", "y"]),
            ("off", ["off", "false", "no", "0", "False", "f", "n"]),
            ("auto", ["auto"; 7]),
        ] {
            for spelling in spellings {
                operator.set("licensed_rules", spelling);
                let rows = operator.rows("SHOW workspace_autobuild.licensed_rules");
                assert_eq!(rows, [[Some(shown.to_owned())]], "{spelling}");
            }
        }
    });
}

#[test]
fn auto_follows_the_products_licences() {
    on_versions(&[Version::V2_10_0, Version::NEWEST], |product, operator| {
        let template = product.template("docker").forbids_autostart().create();
        let workspace = stopped(&template, "dev");
        let tick = "2024-02-01 09:00:00+00";
        let outcome = || operator.outcome(&workspace, tick);
        operator.set("licensed_rules", "auto");
        assert_eq!(outcome(), NOTHING, "no such table: as on");
        product.execute(LICENSES);
        assert_eq!(outcome(), START, "no licence");
        let because = operator.rows(
            "SELECT because LIKE '%finds no licence%' FROM autobuild_rules WHERE rule = 'dormancy'",
        );
        assert_eq!(because, [[Some("t".to_owned())]]);
        product.execute("INSERT INTO licenses (jwt, exp) VALUES ('a', now() + interval '1 day')");
        assert_eq!(outcome(), NOTHING, "a licence");
        product.execute("UPDATE licenses SET exp = now() - interval '1 second'");
        assert_eq!(outcome(), START, "an expired one");
        operator.set("licensed_rules", "on");
        assert_eq!(outcome(), NOTHING, "on, whatever the table says");
    });
}

#[test]
fn where_licences_can_not_be_read_auto_is_on_and_says_what_helps() {
    on_versions(&[Version::NEWEST], |product, operator| {
        let template = product.template("docker").forbids_autostart().create();
        let workspace = stopped(&template, "dev");
        let tick = "2024-02-01 09:00:00+00";
        set_in_database(product, "licensed_rules", "auto");
        assert!(
            problem(product).contains("no column exp"),
            "{}",
            problem(product)
        );
        product.execute(LICENSES);
        assert!(
            !problem(product).contains("licensed_rules"),
            "{}",
            problem(product)
        );

        let role = format!("executor_{}", product.database());
        operator.execute(&format!(
            "CREATE ROLE {role}; SELECT autobuild_grant('{role}');
             REVOKE SELECT (exp) ON licenses FROM {role}"
        ));
        set_in_database(product, "role", &role);
        operator.set("role", &role);
        operator.set("licensed_rules", "auto");
        let said = problem(product);
        assert!(said.contains("auto, which means on"), "{said}");
        assert_eq!(operator.outcome(&workspace, tick), NOTHING);
        // No right that is required: nothing else is wrong, and what is asked for helps.
        let grant = format!("GRANT SELECT (exp) ON \"public\".licenses TO \"{role}\";");
        assert!(said.contains(&grant), "{said}");
        operator.execute(&grant);
        assert!(
            !problem(product).contains("licensed_rules"),
            "{}",
            problem(product)
        );
        assert_eq!(operator.outcome(&workspace, tick), START);
        operator.execute(&format!("REVOKE SELECT (exp) ON licenses FROM {role}"));
        operator.execute(&format!("SELECT autobuild_grant('{role}')"));
        assert!(
            !problem(product).contains("licensed_rules"),
            "{}",
            problem(product)
        );
    });
}

#[test]
fn a_licence_that_is_missed_is_a_problem_where_a_template_needs_one() {
    on_versions(&[Version::NEWEST], |product, _| {
        product.execute(LICENSES);
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create();
        let says = || problem(product).contains("no row of \"public\".licenses");
        assert!(!says(), "no option needs one");
        for (column, set, unset) in [
            ("time_til_dormant", "60000000000", "0"),
            ("time_til_dormant_autodelete", "60000000000", "0"),
            ("failure_ttl", "60000000000", "0"),
            ("autostart_block_days_of_week", "1", "0"),
            ("require_active_version", "true", "false"),
            ("allow_user_autostart", "false", "true"),
        ] {
            template.update(column, set);
            assert!(says(), "{column}");
            workspace.update("deleted", true);
            assert!(!says(), "nobody uses the template");
            workspace.update("deleted", false);
            template.update(column, unset);
            assert!(!says(), "{column}");
        }
        template.update("failure_ttl", "1");
        product.execute("INSERT INTO licenses (jwt, exp) VALUES ('a', now() + interval '1 day')");
        assert!(!says(), "a licence");
        product.execute("UPDATE licenses SET exp = now()");
        assert!(says(), "expired");
        set_in_database(product, "licensed_rules", "auto");
        assert!(!says(), "auto follows the table");
        set_in_database(product, "licensed_rules", "off");
        assert!(!says(), "off takes it that there is none");
    });
}

#[test]
fn status_and_metrics_wait_for_no_migration() {
    on_versions(&[Version::NEWEST], |product, _| {
        product.execute(LICENSES);
        product.template("docker").set("failure_ttl", "1").create();
        for table in [
            "licenses",
            "templates",
            "workspaces",
            "provisioner_jobs",
            "workspace_builds",
        ] {
            let mut migration = product.connect();
            migration
                .batch_execute(&format!(
                    "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
                ))
                .expect("nobody is in its way");
            for view in ["autobuild_status", "autobuild_metrics"] {
                let mut client = product.superuser();
                client
                    .batch_execute(&format!("SET lock_timeout = '1s'; SELECT * FROM {view}"))
                    .unwrap_or_else(|e| panic!("{view} waits for {table}: {e:?}"));
                let mut waits = product.superuser();
                let metrics = "SELECT count(*) FROM autobuild_metrics \
                                WHERE metric = 'workspace_autobuild_waiting_builds'";
                let told = texts(&mut waits, metrics);
                let at_builds = ["provisioner_jobs", "workspace_builds"].contains(&table);
                let expected = if at_builds { "0" } else { "3" };
                assert_eq!(told, [[Some(expected.to_owned())]], "{table}");
            }
        }
    });
}

/// The payloads that a tick sends on the extension's own channel.
fn told(product: &Product, tick: impl FnOnce()) -> Vec<Json> {
    let mut listener = product.superuser();
    listener
        .batch_execute("LISTEN workspace_autobuild")
        .expect("LISTEN");
    tick();
    let mut notifications = listener.notifications();
    notifications
        .timeout_iter(Duration::from_secs(1))
        .map(|n| Ok(serde_json::from_str(n.payload()).expect("JSON")))
        .collect()
        .expect("notifications")
}

#[test]
fn a_listener_learns_what_it_takes_to_make_up_for_what_sql_can_not_do() {
    on_versions(&[Version::OLDEST, Version::V2_34_3], |product, operator| {
        let anna = product.user("anna").create();
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .owner(anna)
            .schedule(NINE)
            .set_if_there("automatic_updates", "always")
            .create_stopped(THEN);
        let second = template.new_version("second").create();
        second.activate();
        let newest = product.version() == Version::V2_34_3;
        let mut tasks = Vec::new();
        if newest {
            workspace.task("fix").create();
            workspace.task("dropped").set("deleted_at", THEN).create();
            let id = product.value("SELECT id FROM tasks WHERE deleted_at IS NULL");
            tasks.extend(id);
        }
        let tick = "2024-02-01 09:00:00+00";
        let mut rows = Vec::new();
        // Off by default.
        assert_eq!(
            told(product, || drop(operator.dry_tick(tick))),
            Vec::<Json>::new()
        );
        operator.set("notify_transitions", "on");
        let payloads = told(product, || rows = operator.tick(tick));
        let built = if newest { second.id } else { workspace.version };
        let expected = json!({
            "workspace_id": workspace.id, "owner_id": anna.id,
            "organization_id": workspace.organization, "template_id": template.id,
            "transition": "start", "reason": "autostart", "due_at": "2024-02-01T09:00:00Z",
            "dormant": false, "build_id": rows[0].build_id, "job_id": rows[0].job_id,
            "build_number": 2, "previous_template_version_id": workspace.version,
            "template_version_id": built, "task_ids": tasks,
        });
        assert_eq!(payloads, [expected]);
    });
}

#[test]
fn a_listener_is_told_of_a_mark_and_not_of_what_was_not_made() {
    on_versions(&[Version::V2_34_3], |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", MINUTE)
            .create();
        let unused = template.workspace("unused").create_stopped(THEN);
        let broken = product
            .template("broken")
            .version(|version| version.import_failed("boom"))
            .create();
        running(&broken, "blocked");
        operator.set("notify_transitions", "on");
        let mut rows = Vec::new();
        let payloads = told(product, || rows = operator.tick("2024-02-01 09:00:00+00"));
        assert_eq!(rows.len(), 2);
        assert_eq!(payloads.len(), 1);
        let payload = &payloads[0];
        assert_eq!(payload["workspace_id"], json!(unused.id));
        assert_eq!(
            (
                &payload["transition"],
                &payload["dormant"],
                &payload["build_id"]
            ),
            (&json!("dormant"), &json!(true), &Json::Null)
        );
    });
}
