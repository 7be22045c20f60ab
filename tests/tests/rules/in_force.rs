//! Which rules are in force: found by looking at the schema, on each version, and found
//! anew when the schema changes under a live session.

#![allow(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use workspace_autobuild_tests::autobuild::{
    HOURLY, RUN, START, STOP, STOPPED, on_each_version, on_versions,
};
use workspace_autobuild_tests::product::{Fields, MINUTE};
use workspace_autobuild_tests::{NOTHING, Operator, Transition, Version};

use super::support::{stopped, without_product};

/// Every rule in the view's order, and since which version it is in force.
const RULES: [(&str, Version); 21] = [
    ("autostop", Version::V2023_06),
    ("autostart", Version::V2023_06),
    ("failed", Version::V2_0_0),
    ("dormancy", Version::V2_0_0),
    ("delete", Version::V2_0_0),
    ("remind", Version::V2026_06),
    ("prebuild", Version::V2023_06),
    ("advisory_lock", Version::V2023_06),
    ("suspended_owner", Version::V2_15_0),
    ("active_owner", Version::V2_5_0),
    ("blocked_days", Version::V2_5_0),
    ("next_start_at", Version::V2_20_0),
    ("delete_retry", Version::V2_5_0),
    ("provisioner", Version::V2_30_0),
    ("automatic_updates", Version::V2_5_0),
    ("require_active_version", Version::V2_5_0),
    ("workspace_tags", Version::V2_15_0),
    ("dynamic", Version::V2_25_0),
    ("preset", Version::V2_30_0),
    ("task_row", Version::V2_30_0),
    ("task_pause", Version::V2_34_3),
];

/// The view as (rule, in_force).
fn rules(operator: &Operator<'_>) -> Vec<(String, bool)> {
    operator
        .rows("SELECT rule, in_force FROM autobuild_rules")
        .into_iter()
        .map(|row| {
            let [rule, in_force] = row.as_slice() else {
                panic!("two columns");
            };
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            (text(rule), text(in_force) == "t")
        })
        .collect()
}

fn in_force(operator: &Operator<'_>, rule: &str) -> bool {
    let rules: BTreeMap<String, bool> = rules(operator).into_iter().collect();
    rules[rule]
}

#[test]
fn every_rule_is_listed_in_order_and_in_force_since_its_sign() {
    on_each_version(|product, operator| {
        let expected: Vec<(String, bool)> = RULES
            .iter()
            .map(|(rule, since)| ((*rule).to_owned(), product.version() >= *since))
            .collect();
        assert_eq!(rules(operator), expected, "{}", product.version());
        // Each says why, and what it does.
        let silent = "SELECT rule FROM autobuild_rules
                       WHERE because !~ '\\.$' OR description !~ '\\.$'";
        assert_eq!(operator.rows(silent), Vec::<Vec<Option<String>>>::new());
    });
}

#[test]
fn a_rule_that_a_setting_keeps_from_acting_says_so() {
    on_versions(&[Version::NEWEST], |_, operator| {
        let row = |rule: &str| {
            let row = operator
                .rows(&format!(
                    "SELECT because, setting FROM autobuild_rules WHERE rule = '{rule}'"
                ))
                .remove(0);
            row.into_iter()
                .flatten()
                .collect::<Vec<String>>()
                .join(" | ")
        };
        assert!(
            row("delete").contains("rules leaves it out"),
            "{}",
            row("delete")
        );
        assert!(row("delete").contains("workspace_autobuild.rules (off)"));
        operator.all_rules();
        assert!(row("delete").contains("workspace_autobuild.rules (on)"));
        operator.set("licensed_rules", "off");
        for rule in [
            "failed",
            "dormancy",
            "delete",
            "blocked_days",
            "require_active_version",
        ] {
            assert!(row(rule).contains("licensed_rules is off"), "{}", row(rule));
        }
        operator.set("failed_stop_retry", "off");
        assert!(row("failed").contains("workspace_autobuild.failed_stop_retry (off)"));
    });
}

#[test]
fn without_the_products_tables_no_rule_is_in_force_and_each_says_why() {
    let rows = without_product("no_product_yet")
        .query("SELECT in_force, because FROM autobuild_rules", &[])
        .expect("rules");
    assert_eq!(rows.len(), RULES.len());
    for row in rows {
        let (in_force, because): (bool, String) = (row.get(0), row.get(1));
        assert!(!in_force && because.contains("has no table"), "{because}");
    }
}

#[test]
fn a_rule_that_lacks_any_of_its_needs_says_which_and_ticks_go_on() {
    const LACKING: [(&str, &str); 9] = [
        ("failed", "templates.failure_ttl"),
        ("dormancy", "templates.time_til_dormant"),
        ("delete", "templates.time_til_dormant_autodelete"),
        ("provisioner", "provisioner_daemons.tags"),
        ("preset", "template_version_presets.id"),
        ("preset", "template_version_preset_parameters.name"),
        ("task_row", "task_workspace_apps.task_id"),
        ("task_row", "tasks.deleted_at"),
        ("task_pause", "tasks.workspace_id"),
    ];
    on_versions(&[Version::NEWEST], |product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        workspace.task("fix").create();
        let template = product.template("small").create();
        template.first_version().preset("small", &[("size", "s")]);
        let because = |rule: &str| {
            operator
                .rows(&format!(
                    "SELECT because FROM autobuild_rules WHERE rule = '{rule}'"
                ))
                .remove(0)
                .remove(0)
                .unwrap_or_default()
        };
        for (rule, lacking) in LACKING {
            let (table, column) = lacking.split_once('.').expect("a column");
            assert!(in_force(operator, rule), "{rule}");
            assert!(because(rule).contains(lacking), "{}", because(rule));
            product.execute(&format!("ALTER TABLE {table} RENAME {column} TO hidden"));
            assert!(!in_force(operator, rule), "{rule} without {lacking}");
            let said = because(rule);
            assert!(said.starts_with("The schema lacks"), "{said}");
            assert!(said.contains(lacking), "{said}");
            assert_eq!(operator.outcome(&workspace, RUN), START, "{lacking}");
            product.execute(&format!("ALTER TABLE {table} RENAME hidden TO {column}"));
        }
    });
}

/// What brings a rule's sign and takes it away again.
struct Change {
    version: Version,
    rule: &'static str,
    bring: &'static str,
    take: &'static str,
}

const CHANGES: [Change; 9] = [
    Change {
        version: Version::V2_10_0,
        rule: "suspended_owner",
        bring: "ALTER TABLE users ADD github_com_user_id bigint",
        take: "ALTER TABLE users DROP github_com_user_id",
    },
    Change {
        version: Version::V2_0_0,
        rule: "active_owner",
        bring: "ALTER TABLE provisioner_daemons ADD last_seen_at timestamptz",
        take: "ALTER TABLE provisioner_daemons DROP last_seen_at",
    },
    Change {
        version: Version::V2_0_0,
        rule: "blocked_days",
        bring: "ALTER TABLE templates ADD autostart_block_days_of_week smallint NOT NULL DEFAULT 0",
        take: "ALTER TABLE templates DROP autostart_block_days_of_week",
    },
    Change {
        version: Version::V2_15_0,
        rule: "next_start_at",
        bring: "ALTER TABLE workspaces ADD next_start_at timestamptz",
        take: "ALTER TABLE workspaces DROP next_start_at",
    },
    Change {
        version: Version::V2_25_0,
        rule: "provisioner",
        bring: "ALTER TABLE provisioner_jobs ADD logs_overflowed boolean NOT NULL DEFAULT false",
        take: "ALTER TABLE provisioner_jobs DROP logs_overflowed",
    },
    Change {
        version: Version::V2_10_0,
        rule: "workspace_tags",
        bring: "CREATE TABLE template_version_workspace_tags
                    (template_version_id uuid, key text, value text)",
        take: "DROP TABLE template_version_workspace_tags",
    },
    Change {
        version: Version::V2_20_0,
        rule: "dynamic",
        bring: "ALTER TABLE templates ADD use_classic_parameter_flow boolean NOT NULL DEFAULT true",
        take: "ALTER TABLE templates RENAME use_classic_parameter_flow TO another",
    },
    Change {
        version: Version::V2_30_0,
        rule: "task_pause",
        bring: "ALTER TABLE templates ADD disable_module_cache boolean NOT NULL DEFAULT false",
        take: "ALTER TABLE templates DROP disable_module_cache",
    },
    Change {
        version: Version::V2023_06,
        rule: "failed",
        bring: "ALTER TYPE build_reason ADD VALUE 'failedstop'",
        take: "ALTER TABLE templates DROP failure_ttl",
    },
];

#[test]
fn a_sign_that_comes_or_goes_changes_the_rules_of_a_live_session() {
    for Change {
        version,
        rule,
        bring,
        take,
    } in CHANGES
    {
        on_versions(&[version], |product, operator| {
            let workspace = stopped(&product.template("docker").create(), "dev");
            assert!(!in_force(operator, rule), "{rule}");
            assert_eq!(operator.outcome(&workspace, RUN), START);
            product.execute(bring);
            assert!(in_force(operator, rule), "{rule}");
            // By the rule's own terms there is nothing against the start.
            assert_eq!(operator.outcome(&workspace, RUN), START, "{rule}");
            product.execute(take);
            assert!(!in_force(operator, rule), "{rule}");
            assert_eq!(operator.outcome(&workspace, RUN), START, "{rule}");
        });
    }
}

#[test]
fn the_next_tick_of_a_live_session_follows_the_new_rules() {
    on_versions(&[Version::V2_10_0], |product, operator| {
        let dora = product.user("dora").suspended().create();
        let template = product.template("docker").create();
        let running = template.workspace("running").owner(dora).create();
        running
            .build(Transition::Start)
            .created_at(STOPPED)
            .create();
        assert_eq!(operator.outcome(&running, RUN), NOTHING);
        product.execute("ALTER TABLE users ADD github_com_user_id bigint");
        assert_eq!(operator.outcome(&running, RUN), STOP);
        product.execute("ALTER TABLE users DROP github_com_user_id");
        assert_eq!(operator.outcome(&running, RUN), NOTHING);

        let workspace = template
            .workspace("stopped")
            .schedule(HOURLY)
            .create_stopped(STOPPED);
        assert_eq!(operator.outcome(&workspace, RUN), START);
        product.execute("ALTER TABLE workspaces ADD next_start_at timestamptz");
        workspace.update("next_start_at", "2024-02-01 15:00:00+00");
        assert_eq!(operator.outcome(&workspace, RUN), NOTHING);
        product.execute("ALTER TABLE workspaces DROP next_start_at");
        assert_eq!(operator.outcome(&workspace, RUN), START);
        operator.tick(RUN);
        assert_eq!(workspace.builds().len(), 2);
    });
    on_versions(&[Version::V2_0_0], |product, operator| {
        // The upgrade that renamed locked_at.
        let template = product
            .template("docker")
            .set("inactivity_ttl", MINUTE)
            .create();
        let workspace = template.workspace("dev").create_stopped(STOPPED);
        assert_eq!(operator.outcome(&workspace, RUN), "dormant autolock built");
        product.execute(
            "ALTER TABLE workspaces RENAME locked_at TO dormant_at;
             ALTER TABLE templates RENAME inactivity_ttl TO time_til_dormant;
             ALTER TABLE templates RENAME locked_ttl TO time_til_dormant_autodelete;
             ALTER TYPE build_reason RENAME VALUE 'autolock' TO 'dormancy'",
        );
        assert_eq!(operator.outcome(&workspace, RUN), "dormant dormancy built");
        operator.tick(RUN);
        let marked = product.value("SELECT dormant_at IS NOT NULL FROM workspaces");
        assert_eq!(marked.as_deref(), Some("t"));
    });
}

#[test]
fn a_change_since_the_snapshot_is_seen_by_the_tick() {
    for (version, change, back) in [
        (
            Version::V2_20_0,
            "ALTER TABLE workspaces DROP next_start_at CASCADE",
            "ALTER TABLE workspaces ADD next_start_at timestamptz",
        ),
        (
            Version::V2_15_0,
            "ALTER TABLE workspaces ADD next_start_at timestamptz",
            "ALTER TABLE workspaces DROP next_start_at",
        ),
    ] {
        on_versions(&[version], |product, operator| {
            let workspace = stopped(&product.template("docker").create(), "dev");
            operator.preview(RUN);
            for change in [change, back] {
                operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
                operator.rows("SELECT 1");
                product.execute(change);
                let rows = operator.rows(&format!("SELECT outcome FROM autobuild_tick('{RUN}')"));
                assert_eq!(rows, [[Some("built".to_owned())]], "{version}: {change}");
                operator.execute("ROLLBACK");
                assert_eq!(operator.outcome(&workspace, RUN), START);
            }
        });
    }
}
