//! Offenders in a batch: whoever can't be written fails alone, with its SQLSTATE, and
//! the others are built.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{
    NINE, TODAY_AT_EIGHT, TODAY_AT_NINE, YESTERDAY, due, install, records, whole_builds,
    with_outcome,
};
use workspace_autobuild_tests::product::{Value, parameter};
use workspace_autobuild_tests::{Product, Transition, Version};

/// The table's owner plants a trigger that raises for what `condition` says of the row.
fn poison(product: &Product, kind: &str, table: &str, condition: &str) {
    product.execute(&format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF {condition} THEN
                 RAISE EXCEPTION 'poisoned' USING ERRCODE = 'UX001';
             END IF;
             RETURN NEW;
         END $$;
         CREATE {kind} ON {table} {} FOR EACH ROW EXECUTE FUNCTION poison()",
        if kind.starts_with("CONSTRAINT") {
            "DEFERRABLE INITIALLY DEFERRED"
        } else {
            ""
        }
    ));
}

#[test]
fn one_poisoned_workspace_among_a_thousand_fails_alone() {
    let ways = [
        (
            Version::V2023_06,
            "TRIGGER p BEFORE INSERT",
            "workspace_builds",
        ),
        (
            Version::V2_0_0,
            "CONSTRAINT TRIGGER p AFTER INSERT",
            "workspace_builds",
        ),
        (
            Version::V2_10_0,
            "TRIGGER p AFTER INSERT",
            "workspace_build_parameters",
        ),
        (
            Version::V2_34_3,
            "TRIGGER p BEFORE INSERT",
            "workspace_builds",
        ),
    ];
    for (version, kind, table) in ways {
        let product = install(version);
        let template = product
            .template("docker")
            .parameter(parameter("number").default("1"))
            .create();
        let ids = template
            .workspaces(1000, Transition::Stop)
            .schedule(NINE)
            .created_at(YESTERDAY)
            .parameter("number", Value::sql("i::text"))
            .create();
        let poisoned = ids[617];
        let condition = if table == "workspace_builds" {
            format!("NEW.workspace_id = '{poisoned}'")
        } else {
            "NEW.value = '618'".to_owned()
        };
        poison(&product, kind, table, &condition);

        let attempts = product.tick(TODAY_AT_NINE);
        assert_eq!(with_outcome(&attempts, "built").len(), 999, "{version}");
        assert_eq!(with_outcome(&attempts, "failed"), [poisoned], "{version}");
        let failed = attempts
            .iter()
            .find(|attempt| attempt.workspace_id == poisoned)
            .expect("a row");
        assert_eq!(failed.sqlstate.as_deref(), Some("UX001"));
        assert_eq!(failed.message.as_deref(), Some("poisoned"));
        assert_eq!((failed.build_id, failed.job_id), (None, None));
        let count = |sql: &str| product.value(sql);
        assert_eq!(
            count("SELECT count(*) FROM provisioner_jobs WHERE type = 'workspace_build'")
                .as_deref(),
            Some("1999")
        );
        assert_eq!(
            count("SELECT count(*) FROM workspace_builds").as_deref(),
            Some("1999")
        );
        assert_eq!(
            count("SELECT count(*) FROM workspace_build_parameters").as_deref(),
            Some("1999")
        );
        let blocked: Vec<Json> = records(
            &mut product.superuser(),
            "SELECT workspace_id, outcome, sqlstate, attempts FROM autobuild_blocked",
        );
        assert_eq!(
            blocked,
            [
                json!({"workspace_id": poisoned, "outcome": "failed", "sqlstate": "UX001", "attempts": 1})
            ]
        );
    }
}

#[test]
fn a_failure_of_many_rows_is_not_the_rows_and_ends_the_batch() {
    let product = install(Version::V2_10_0);
    let template = product.template("docker").create();
    due(&template, 100);
    poison(
        &product,
        "TRIGGER p BEFORE INSERT",
        "workspace_builds",
        "true",
    );
    let attempts = product.tick(TODAY_AT_NINE);
    let failed = with_outcome(&attempts, "failed").len();
    assert_eq!(failed, attempts.len());
    assert!((21..=30).contains(&failed), "{failed} were tried");
    let ticks: Vec<Json> = records(
        &mut product.superuser(),
        "SELECT due, built, failed, sqlstate, message FROM autobuild_ticks",
    );
    assert_eq!(
        ticks,
        [
            json!({"due": 100, "built": 0, "failed": failed, "sqlstate": "UX001", "message": "poisoned"})
        ]
    );
    whole_builds(&product, "1");
}

#[test]
fn a_row_whose_next_start_at_cannot_be_filled_in_holds_nothing_up() {
    let product = install(Version::V2_34_3);
    let template = product.template("docker").create();
    let ids = due(&template, 30);
    product.execute(&format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = 'UX001'; END $$;
         CREATE TRIGGER p BEFORE UPDATE ON workspaces FOR EACH ROW
            WHEN (NEW.id = '{}') EXECUTE FUNCTION poison()",
        ids[11]
    ));
    assert_eq!(product.tick(TODAY_AT_EIGHT), []);
    let filled = product.value("SELECT count(next_start_at) FROM workspaces");
    assert_eq!(filled.as_deref(), Some("29"));
    let attempts = product.tick(TODAY_AT_NINE);
    // With its build it would be filled in too, so it fails whole, and alone.
    assert_eq!(with_outcome(&attempts, "failed"), [ids[11]]);
    assert_eq!(with_outcome(&attempts, "built").len(), 29);
}
