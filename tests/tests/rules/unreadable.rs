//! Schedules that can't be read: `autobuild_unreadable` lists them, `autobuild_status` and
//! `autobuild_metrics` count them.

use workspace_autobuild_tests::autobuild::{
    NINE, Operator, TODAY_AT_NINE, VERSIONS, YESTERDAY, on_versions, refusal,
};
use workspace_autobuild_tests::product::{Template, Value, Workspace, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version};

const NOWHERE: &str = "CRON_TZ=Mars/Olympus 0 9 * * 1-5";
const METRIC: &str = "SELECT value FROM autobuild_metrics
                       WHERE metric = 'workspace_autobuild_unreadable_schedules'";

type Rows = Vec<Vec<Option<String>>>;

fn listed(operator: &Operator<'_>) -> Rows {
    operator.rows("SELECT workspace_id FROM autobuild_unreadable ORDER BY 1")
}

/// What status says of schedules; nothing else is in a sentence with that word.
fn problem(product: &Product) -> Option<String> {
    let sql = "SELECT said FROM autobuild_status,
                      regexp_split_to_table(problem, '; ') AS said WHERE said LIKE '%schedule%'";
    let mut rows = texts(&mut product.superuser(), sql);
    assert!(rows.len() <= 1, "{rows:?}");
    rows.pop().and_then(|mut row| row.remove(0))
}

/// The number of them in the metrics, if it is known.
fn counted(product: &Product) -> Option<String> {
    let mut rows = texts(&mut product.superuser(), METRIC);
    assert!(rows.len() <= 1, "{rows:?}");
    rows.pop().and_then(|mut row| row.remove(0))
}

/// View, status and metrics agree on these workspaces.
#[track_caller]
fn told_of(product: &Product, operator: &Operator<'_>, expected: &[Workspace<'_>]) {
    let mut ids: Rows = expected
        .iter()
        .map(|workspace| vec![Some(workspace.id.to_string())])
        .collect();
    ids.sort();
    let version = product.version();
    assert_eq!(listed(operator), ids, "{version}");
    let count = expected.len();
    assert_eq!(counted(product), Some(count.to_string()), "{version}");
    let problem = problem(product);
    if count == 0 {
        assert_eq!(problem, None, "{version}");
        return;
    }
    let problem = problem.unwrap_or_default();
    assert!(
        problem.starts_with(&format!("{count} workspace")),
        "{problem}"
    );
    assert!(problem.contains("SELECT * FROM autobuild_unreadable"));
    let named = expected
        .iter()
        .filter(|workspace| problem.contains(&workspace.id.to_string()));
    assert_eq!(named.count(), count.min(2), "{problem}");
}

fn stopped<'p>(template: &Template<'p>, name: &str, schedule: &str) -> Workspace<'p> {
    let workspace = template.workspace(name).schedule(schedule);
    workspace.create_stopped(YESTERDAY)
}

#[test]
fn a_schedule_that_can_not_be_read_is_told_of_until_it_is_mended() {
    on_versions(&VERSIONS, |product, operator| {
        let template = product.template("docker").create();
        stopped(&template, "fine", NINE);
        stopped(&template, "empty", "");
        template.workspace("none").create_stopped(YESTERDAY);
        told_of(product, operator, &[]);

        let nonsense = stopped(&template, "nonsense", "at nine");
        told_of(product, operator, &[nonsense]);
        // What it does now doesn't hide what is missed later.
        let nowhere = template.workspace("nowhere").schedule(NOWHERE).create();
        nowhere.build(Transition::Start).job_running().create();
        told_of(product, operator, &[nonsense, nowhere]);
        let same = template.workspace("same").schedule(NOWHERE);
        let same = same.create_started(YESTERDAY, Value::sql("now() + interval '1 day'"));
        told_of(product, operator, &[nonsense, nowhere, same]);
        let problem = problem(product).unwrap_or_default();
        assert!(
            !problem.contains("Olympus"),
            "everybody reads it: {problem}"
        );

        let rows = operator.rows(
            "SELECT u.workspace_id, w.autostart_schedule = u.schedule,
                    u.error = (autobuild_schedule_check(u.schedule)).error
               FROM autobuild_unreadable u JOIN workspaces w ON w.id = u.workspace_id",
        );
        assert_eq!(rows.len(), 3);
        assert!(
            rows.iter()
                .all(|row| row[1..] == [Some("t".to_owned()), Some("t".to_owned())])
        );

        for workspace in [nonsense, nowhere, same] {
            workspace.update("autostart_schedule", NINE);
        }
        told_of(product, operator, &[]);
    });
}

#[test]
fn it_is_told_of_just_where_nothing_else_keeps_the_workspace_from_being_started() {
    on_versions(&VERSIONS, |product, operator| {
        let template = product.template("docker").create();
        let strict = product.template("strict").forbids_autostart().create();
        let suspended = product.user("suspended").suspended().create();
        let prebuilds = product.prebuilds_user().create();
        let of = |name: &str| template.workspace(name).schedule(NOWHERE);
        let mut all = vec![
            of("told of").create_stopped(YESTERDAY),
            of("suspended").owner(suspended).create_stopped(YESTERDAY),
            of("prebuilt").owner(prebuilds).create_stopped(YESTERDAY),
            stopped(&strict, "forbidden", NOWHERE),
        ];
        let deleted = of("deleted").create_stopped(YESTERDAY);
        deleted.update("deleted", true);
        all.push(deleted);
        if product.version() > Version::V2023_06 {
            all.push(
                of("dormant")
                    .dormant_at(YESTERDAY)
                    .create_stopped(YESTERDAY),
            );
        }
        // All are stopped: the verdict says it of each.
        let expected = || {
            let schedule_alone = |workspace: &&Workspace<'_>| {
                operator.skip(workspace, TODAY_AT_NINE) == "schedule_invalid"
            };
            all.iter()
                .filter(schedule_alone)
                .copied()
                .collect::<Vec<_>>()
        };
        told_of(product, operator, &expected());
        if product.version() == Version::NEWEST {
            told_of(product, operator, &all[..1]);
            // Without the licence the template's flag doesn't count.
            operator.set("licensed_rules", "off");
            assert_eq!(expected().len(), 2);
            assert_eq!(listed(operator).len(), 2);
            // And where nothing is started by a schedule nothing is missed.
            operator.set("rules", "autostop");
            assert_eq!(listed(operator), Rows::new());
        }
    });
}

#[test]
fn the_settings_of_ticks_decide_what_status_and_metrics_say() {
    on_versions(&[Version::NEWEST], |product, operator| {
        let strict = product.template("strict").forbids_autostart().create();
        let workspace = stopped(&strict, "forbidden", NOWHERE);
        told_of(product, operator, &[]);
        let set = |setting: &str| {
            let database = product.database();
            let sql = format!("ALTER DATABASE {database} SET workspace_autobuild.{setting}");
            let mut client = product.superuser();
            client
                .batch_execute(&sql)
                .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        };
        set("licensed_rules = off");
        told_of(product, &product.operator(), &[workspace]);
        set("rules = 'autostop'");
        told_of(product, &product.operator(), &[]);
    });
}

#[test]
fn the_view_reads_as_its_caller_and_the_count_as_the_executors_role() {
    on_versions(
        &[Version::V2023_06, Version::NEWEST],
        |product, operator| {
            let template = product.template("docker").create();
            let workspace = stopped(&template, "nonsense", "at nine");
            let database = product.database();
            let (role, stranger, watcher) = (
                format!("executor of {database}"),
                format!("stranger of {database}"),
                format!("watcher of {database}"),
            );
            let mut superuser = product.superuser();
            let mut run = |sql: &str| {
                let done = superuser.batch_execute(sql);
                done.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            };
            run(&format!(
                "CREATE ROLE \"{role}\" LOGIN; CREATE ROLE \"{stranger}\" LOGIN;
             CREATE ROLE \"{watcher}\" LOGIN IN ROLE pg_monitor;
             SELECT autobuild_grant('{role}');
             ALTER DATABASE {database} SET workspace_autobuild.role = '{role}'"
            ));
            // The grants suffice for all three.
            told_of(product, operator, &[workspace]);
            let address = product.address();
            let list = "SELECT workspace_id FROM autobuild_unreadable";
            let mut client = address.connect(database, &role);
            assert_eq!(texts(&mut client, list), [[Some(workspace.id.to_string())]]);
            // Others see as much as they may see of the product's tables, and no less is said.
            let mut client = address.connect(database, &stranger);
            assert_eq!(refusal(&mut client, list).sqlstate, "42501");
            assert_eq!(refusal(&mut client, METRIC).sqlstate, "42501");
            let count = "SELECT * FROM autobuild_count_unreadable()";
            assert_eq!(refusal(&mut client, count).sqlstate, "42501");
            let said =
                "SELECT problem LIKE '1 workspace has%' OR problem LIKE '%; 1 workspace has%'
                      FROM autobuild_status";
            assert_eq!(texts(&mut client, said), [[Some("t".to_owned())]]);
            let mut client = address.connect(database, &watcher);
            assert_eq!(texts(&mut client, METRIC), [[Some("1".to_owned())]]);

            // That the role lacks a right is another problem; nothing is known of schedules.
            run(&format!(
                "REVOKE SELECT (autostart_schedule) ON workspaces FROM \"{role}\""
            ));
            assert_eq!(problem(product), None);
            assert_eq!(counted(product), None);
            assert_eq!(
                texts(
                    &mut client,
                    "SELECT FROM autobuild_metrics WHERE metric LIKE '%\\_up'"
                )
                .len(),
                1
            );
        },
    );
}

#[test]
fn status_and_metrics_leave_it_out_while_a_migration_holds_what_it_is_read_from() {
    on_versions(&[Version::NEWEST], |product, operator| {
        let template = product.template("docker").create();
        let workspace = stopped(&template, "nonsense", "at nine");
        for table in [
            "workspaces",
            "users",
            "templates",
            "workspace_builds",
            "provisioner_jobs",
            "tasks",
        ] {
            let mut migration = product.connect();
            migration
                .batch_execute(&format!(
                    "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
                ))
                .expect("nobody is in its way");
            let mut client = product.superuser();
            for view in ["autobuild_status", "autobuild_metrics"] {
                client
                    .batch_execute(&format!("SET lock_timeout = '1s'; SELECT * FROM {view}"))
                    .unwrap_or_else(|e| panic!("{view} waits for {table}: {e:?}"));
            }
            assert_eq!(problem(product), None, "{table}");
            assert_eq!(counted(product), None, "{table}");
            // Who asks for the list waits for it as any SELECT does.
            let waits = "SET lock_timeout = '10ms'; SELECT * FROM autobuild_unreadable";
            assert_eq!(refusal(&mut client, waits).sqlstate, "55P03", "{table}");
            migration.batch_execute("COMMIT").expect("held");
            told_of(product, operator, &[workspace]);
        }
    });
}

#[test]
fn who_asks_for_other_metrics_does_not_pay_for_this_one() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let mut client = product.superuser();
    let mut pays = |condition: &str| {
        let sql = format!("EXPLAIN SELECT m.value FROM autobuild_metrics AS m {condition}");
        let plan = texts(&mut client, &sql);
        plan.into_iter()
            .flatten()
            .flatten()
            .any(|line| line.contains("autobuild_count_unreadable"))
    };
    assert!(pays(""));
    assert!(pays(
        "WHERE metric = 'workspace_autobuild_unreadable_schedules'"
    ));
    assert!(!pays("WHERE m.metric = 'workspace_autobuild_up'"));
    // As the exporter asks.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../monitoring/queries.yaml");
    let queries = std::fs::read_to_string(file).expect("the exporter's queries");
    let conditions: Vec<&str> = queries
        .lines()
        .filter(|line| !line.contains("FILTER (WHERE"))
        .filter_map(|line| line.split_once("WHERE m.metric ").map(|(_, rest)| rest))
        .filter_map(|rest| rest.split(" GROUP").next())
        .collect();
    assert_eq!(conditions.len(), 7, "{conditions:?}");
    for condition in conditions {
        assert!(!pays(&format!("WHERE m.metric {condition}")), "{condition}");
    }
}
