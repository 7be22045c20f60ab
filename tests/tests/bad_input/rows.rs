//! Rows that the product would not write: each has its own outcome, and the crowd beside
//! it is built.

use workspace_autobuild_tests::autobuild::{
    HOURLY, RUN, START, STOP, STOPPED, on_each_version, on_versions, since,
};
use workspace_autobuild_tests::product::{
    Fields, MINUTE, NewWorkspace, Template, Value, Workspace,
};
use workspace_autobuild_tests::{NOTHING, Operator, Product, Transition, Version};

/// Healthy workspaces beside the odd one.
const CROWD: u32 = 12;

/// Healthy workspaces with a start due at [`RUN`].
fn crowd(product: &Product) {
    product
        .template("healthy")
        .create()
        .workspaces(CROWD, Transition::Stop)
        .schedule(HOURLY)
        .created_at(STOPPED)
        .set("last_used_at", RUN)
        .create();
}

fn stopped<'p>(workspace: NewWorkspace<'p>) -> Workspace<'p> {
    let workspace = workspace.schedule(HOURLY).set("last_used_at", RUN);
    workspace.create_stopped(STOPPED)
}

/// A workspace of the template with a start due at [`RUN`].
fn odd<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    stopped(template.workspace(name))
}

/// The odd one's outcome at the run, where the crowd is built whole.
#[track_caller]
fn outcome(operator: &Operator<'_>, workspace: &Workspace<'_>) -> String {
    let rows = operator.dry_tick(RUN);
    let built = rows
        .iter()
        .filter(|row| row.workspace_id != workspace.id && row.to_string() == START);
    assert_eq!(built.count(), CROWD as usize, "{rows:?}");
    operator.outcome(workspace, RUN)
}

/// A template column of a name that changed.
fn renamed(product: &Product, first: &'static str, now: &'static str) -> &'static str {
    if product.version() < Version::V2_5_0 {
        first
    } else {
        now
    }
}

#[test]
fn blocked_days_count_by_their_seven_bits() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        crowd(product);
        let every = "all_days_blocked";
        for (days, skip) in [
            (-1, every),
            (127, every),
            (255, every),
            (32_767, every),
            (128, ""),
            (-32_768, ""),
            (0, ""),
        ] {
            let name = format!("days {days}");
            let template = product
                .template(&name)
                .set("autostart_block_days_of_week", days);
            let workspace = odd(&template.create(), &name);
            let expected = if skip.is_empty() { START } else { NOTHING };
            assert_eq!(outcome(operator, &workspace), expected, "{days}");
            assert_eq!(operator.skip(&workspace, RUN), skip, "{days}");
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn negative_durations_are_none_and_huge_ones_never_pass() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        crowd(product);
        operator.all_rules();
        let dormant = renamed(product, "inactivity_ttl", "time_til_dormant");
        let delete = renamed(product, "locked_ttl", "time_til_dormant_autodelete");
        for (n, nanoseconds) in [i64::MIN, -MINUTE, -1, 0, i64::MAX].into_iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .set("failure_ttl", nanoseconds)
                .set(dormant, nanoseconds)
                .set(delete, nanoseconds)
                .create();
            let failed = template.workspace(&format!("failed{n}")).create();
            let build = failed.build(Transition::Start).created_at(STOPPED);
            build.job_failed("boom").create();
            let unused = template
                .workspace(&format!("unused{n}"))
                .create_stopped(STOPPED);
            for workspace in [&failed, &unused] {
                assert_eq!(outcome(operator, workspace), NOTHING, "{nanoseconds}");
            }
            // Of a dormant one only whether there is a TTL counts.
            let dying = template.workspace(&format!("dying{n}")).dormant_at(STOPPED);
            let dying = dying.set("deleting_at", STOPPED).create();
            dying.build(Transition::Stop).created_at(STOPPED).create();
            let expected = if nanoseconds > 0 {
                "delete autodelete built"
            } else {
                NOTHING
            };
            assert_eq!(outcome(operator, &dying), expected, "{nanoseconds}");
            for workspace in [&failed, &unused, &dying] {
                workspace.update("deleted", true);
            }
        }
        // A mark with a deletion beyond what a time can hold.
        let template = product
            .template("far")
            .set(dormant, MINUTE)
            .set(delete, i64::MAX)
            .create();
        let workspace = template.workspace("far").create_stopped(STOPPED);
        operator.tick(RUN);
        let later = format!(
            "SELECT deleting_at > now() + interval '290 years' FROM workspaces WHERE id = '{}'",
            workspace.id
        );
        assert_eq!(product.value(&later).as_deref(), Some("t"));
    });
}

#[test]
fn a_deletion_before_the_dormancy_counts_as_it_stands() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        crowd(product);
        operator.all_rules();
        let delete = renamed(product, "locked_ttl", "time_til_dormant_autodelete");
        let template = product.template("odd").set(delete, MINUTE).create();
        let workspace = template
            .workspace("odd")
            .dormant_at("2024-02-01 10:30:00+00")
            .set("deleting_at", "2024-02-01 09:00:00+00")
            .create_stopped(STOPPED);
        assert_eq!(outcome(operator, &workspace), "delete autodelete built");
    });
}

#[test]
fn infinite_times_are_the_first_and_the_last() {
    on_each_version(|product, operator| {
        crowd(product);
        let template = product.template("odd").create();
        let deadline = |at: &str| {
            let workspace = template.workspace(at).set("last_used_at", RUN).create();
            workspace
                .build(Transition::Start)
                .created_at(STOPPED)
                .deadline(at)
                .set("max_deadline", at)
                .create();
            workspace
        };
        assert_eq!(outcome(operator, &deadline("infinity")), NOTHING);
        assert_eq!(outcome(operator, &deadline("-infinity")), STOP);
        if product.version() >= Version::V2_20_0 {
            let waits = odd(&template, "waits");
            waits.update("next_start_at", "infinity");
            assert_eq!(outcome(operator, &waits), NOTHING);
            waits.update("next_start_at", "-infinity");
            assert_eq!(outcome(operator, &waits), START);
        }
    });
}

#[test]
fn an_owner_who_is_missing_is_a_skip_and_a_deleted_one_counts_by_status() {
    on_each_version(|product, operator| {
        crowd(product);
        let template = product.template("odd").create();
        let dora = product.user("dora").set("deleted", true).create();
        let deleted = stopped(template.workspace("deleted").owner(dora));
        assert_eq!(operator.outcome(&deleted, RUN), START);
        deleted.update("deleted", true);
        product.execute("ALTER TABLE workspaces DROP CONSTRAINT workspaces_owner_id_fkey");
        let missing = odd(&template, "missing");
        missing.update("owner_id", uuid::Uuid::from_u128(404));
        assert_eq!(outcome(operator, &missing), NOTHING);
        assert_eq!(operator.skip(&missing, RUN), "no_owner");
    });
}

#[test]
fn a_template_without_an_active_version_blocks_only_what_needs_it() {
    on_each_version(|product, operator| {
        crowd(product);
        product.execute("ALTER TABLE templates ALTER active_version_id DROP NOT NULL");
        for (name, id) in [
            ("unknown", Value::from(uuid::Uuid::from_u128(404))),
            ("null", Value::NULL),
        ] {
            let template = product.template(name).create();
            let workspace = odd(&template, name);
            template.update("active_version_id", id);
            let version = product.version();
            let provisioner = version >= Version::V2_30_0;
            let expected = if provisioner {
                "start autostart blocked active_version_missing"
            } else {
                START
            };
            assert_eq!(outcome(operator, &workspace), expected, "{version}");
            if version >= Version::V2_5_0 {
                workspace.update("automatic_updates", "always");
                let expected = if provisioner {
                    expected
                } else {
                    "start autostart blocked version_missing"
                };
                assert_eq!(outcome(operator, &workspace), expected, "{version}");
            }
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn a_template_that_does_not_say_its_flow_blocks() {
    on_versions(&since(Version::V2_25_0), |product, operator| {
        crowd(product);
        product.execute("ALTER TABLE templates ALTER use_classic_parameter_flow DROP NOT NULL");
        let template = product
            .template("odd")
            .set("use_classic_parameter_flow", Value::NULL);
        let workspace = odd(&template.create(), "odd");
        let blocked = "start autostart blocked parameter_flow_unknown";
        assert_eq!(outcome(operator, &workspace), blocked);
    });
}

/// A running workspace with a task, its deadline at [`RUN`].
fn with_task<'p>(product: &'p Product) -> Workspace<'p> {
    let template = product.template("task").create();
    let workspace = template
        .workspace("task")
        .set("last_used_at", RUN)
        .create_started(STOPPED, RUN);
    workspace.task("fix").create();
    workspace
}

#[test]
fn tables_of_tasks_of_another_shape_take_their_rules_along() {
    let pause = "stop task_auto_pause built";
    let cases = [
        // (what became of the tables, the outcome, rows of task_workspace_apps)
        ("DROP TABLE task_workspace_apps, tasks CASCADE", STOP, None),
        (
            "ALTER TABLE tasks DROP CONSTRAINT tasks_workspace_id_fkey;
             ALTER TABLE tasks ALTER workspace_id TYPE text",
            STOP,
            Some("0"),
        ),
        (
            "ALTER TABLE tasks RENAME deleted_at TO removed_at",
            pause,
            Some("0"),
        ),
        (
            "ALTER TABLE tasks RENAME TO all_tasks;
             CREATE VIEW tasks AS SELECT * FROM all_tasks",
            STOP,
            Some("0"),
        ),
        (
            "ALTER TABLE task_workspace_apps DROP workspace_agent_id, DROP workspace_app_id",
            pause,
            Some("1"),
        ),
        (
            "ALTER TABLE task_workspace_apps RENAME workspace_build_number TO build",
            pause,
            Some("0"),
        ),
        (
            "ALTER TABLE task_workspace_apps ADD something text NOT NULL",
            "stop task_auto_pause failed 23502",
            Some("0"),
        ),
    ];
    for (change, expected, rows) in cases {
        on_versions(&[Version::V2_34_3], |product, operator| {
            crowd(product);
            let workspace = with_task(product);
            product.execute(change);
            let built = operator.tick(RUN);
            let healthy = built.iter().filter(|row| row.to_string() == START).count();
            assert_eq!(healthy, CROWD as usize, "{change}: {built:?}");
            let odd = built.iter().find(|row| row.workspace_id == workspace.id);
            assert_eq!(
                odd.map(ToString::to_string).as_deref(),
                Some(expected),
                "{change}"
            );
            if let Some(rows) = rows {
                let found = product.value("SELECT count(*) FROM task_workspace_apps");
                assert_eq!(found.as_deref(), Some(rows), "{change}");
            }
        });
    }
}

#[test]
fn a_row_that_refuses_its_next_start_keeps_no_other_from_its_own() {
    on_versions(&[Version::V2_20_0, Version::NEWEST], |product, operator| {
        crowd(product);
        let early = "2024-02-01 10:30:00+00";
        let poison = odd(&product.template("odd").create(), "odd");
        product.execute(&format!(
            "ALTER TABLE workspaces
               ADD CHECK (id <> '{}' OR next_start_at IS NULL)",
            poison.id
        ));
        assert_eq!(operator.tick(early), []);
        let filled = product.value("SELECT count(next_start_at) FROM workspaces");
        assert_eq!(filled, Some(CROWD.to_string()));
    });
}
