//! Why only one of the two made a transition, and who may ask.

use workspace_autobuild_tests::autobuild::{NINE, install, refusal};
use workspace_autobuild_tests::product::{Workspace, execute, texts};
use workspace_autobuild_tests::{Product, Version};

use super::support::*;

const START: &str = "start autostart";
const STOP: &str = "stop autostop";
const BLOCKED: &str = "start autostart only_product no_provisioner";

fn with_one(test: impl Fn(&Product, &Workspace<'_>)) {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let one = template.workspace("one").schedule(NINE).create();
    test(&product, &one);
}

/// Ours could not make this, for want of a provisioner.
fn blocked(workspace: &Workspace<'_>, number: i32, time: &str) {
    let more = [("code", "'no_provisioner'"), ("message", "'no daemon'")];
    history(workspace, number, START, "blocked", time, &more);
}

#[test]
fn what_a_user_built_first_is_overtaken() {
    with_one(|product, one| {
        observed(one, 2, STOP, "60 min");
        built(one, 2, "start initiator", "59 min");
        assert_eq!(of_a_day(product), ["2 stop autostop only_ours overtaken"]);
        assert_eq!(
            detail(product).as_deref(),
            Some("a user made build 2: start, initiator")
        );
        assert_eq!(
            sentence(product),
            "0 of 1 agree, 1 only ours (1 of these overtaken by a user); the product's executor \
             made no build: is it on?"
        );
    });
}

#[test]
fn what_nobody_built_is_not_overtaken() {
    with_one(|product, one| {
        observed(one, 2, STOP, "60 min");
        assert_eq!(of_a_day(product), ["2 stop autostop only_ours"]);
        assert_eq!(detail(product).as_deref(), Some("nobody made build 2"));
    });
}

#[test]
fn what_the_products_executor_made_otherwise_is_told_on_both_sides() {
    with_one(|product, one| {
        observed(one, 2, STOP, "60 min");
        built(one, 2, "stop dormancy", "59 min");
        let mut client = product.superuser();
        let rows = texts(
            &mut client,
            "SELECT verdict, code, detail FROM autobuild_agreement(now() - interval '1 day')",
        );
        let row = |verdict: &str, detail: &str| [Some(verdict.into()), None, Some(detail.into())];
        assert_eq!(
            rows,
            [
                row(
                    "only_ours",
                    "the product's executor made build 2 otherwise: stop, dormancy"
                ),
                row(
                    "only_product",
                    "ours would have made another one: stop, autostop"
                ),
            ]
        );
    });
}

#[test]
fn what_ours_could_not_make_within_the_hour_before_has_its_code() {
    with_one(|product, one| {
        blocked(one, 2, "119 min");
        built(one, 2, START, "60 min");
        assert_eq!(of_a_day(product), [format!("2 {BLOCKED}")]);
        assert_eq!(detail(product).as_deref(), Some("no daemon"));
        // The latest counts, and one that failed has its SQLSTATE.
        let failed = [("sqlstate", "'23514'"), ("message", "'not this one'")];
        history(one, 2, START, "failed", "70 min", &failed);
        assert_eq!(of_a_day(product), ["2 start autostart only_product 23514"]);
        assert_eq!(detail(product).as_deref(), Some("not this one"));
    });
}

#[test]
fn an_older_or_later_block_or_one_of_another_build_says_nothing() {
    with_one(|product, one| {
        let two = product.template("other").create();
        let two = two.workspace("two").schedule(NINE).create();
        blocked(one, 2, "121 min");
        blocked(one, 2, "59 min");
        blocked(one, 3, "70 min");
        blocked(&two, 2, "70 min");
        built(one, 2, START, "60 min");
        assert_eq!(of_a_day(product), ["2 start autostart only_product"]);
        assert_eq!(detail(product), None);
    });
}

#[test]
fn a_block_from_before_numbers_were_recorded_counts_too() {
    with_one(|product, one| {
        blocked(one, 2, "70 min");
        let mut client = product.superuser();
        execute(
            &mut client,
            "UPDATE autobuild_transitions SET build_number = NULL",
        );
        built(one, 2, START, "60 min");
        assert_eq!(of_a_day(product), [format!("2 {BLOCKED}")]);
    });
}

#[test]
fn who_asks_needs_the_rights_of_the_history_and_of_the_products_builds() {
    with_one(|product, one| {
        observed(one, 2, START, "60 min");
        let database = product.database();
        let (stranger, watcher) = (format!("reader of {database}"), format!("w of {database}"));
        let mut superuser = product.superuser();
        execute(
            &mut superuser,
            &format!(
                "CREATE ROLE \"{stranger}\" LOGIN; GRANT SELECT ON workspace_builds TO \"{stranger}\";
                 CREATE ROLE \"{watcher}\" LOGIN IN ROLE pg_monitor"
            ),
        );
        let address = product.address();
        let (mut reader, mut watcher_session) = (
            address.connect(database, &stranger),
            address.connect(database, &watcher),
        );
        for of in ["autobuild_agreement", "autobuild_agreement_summary"] {
            let sql = format!("SELECT * FROM {of}(now() - interval '1 day')");
            assert_eq!(refusal(&mut reader, &sql).sqlstate, "42501", "{of}");
            let refused = refusal(&mut watcher_session, &sql);
            assert_eq!(refused.sqlstate, "42501", "{of}");
            assert!(refused.message.contains("workspace_builds"), "{refused:?}");
        }
        // Of the columns that are read, and no more.
        execute(
            &mut superuser,
            &format!(
                "GRANT SELECT (id, workspace_id, build_number, transition, reason, created_at)
                    ON workspace_builds TO \"{watcher}\""
            ),
        );
        assert_eq!(
            agreement(&mut watcher_session, "1 day", "now()"),
            ["2 start autostart only_ours"]
        );
    });
}

#[test]
fn an_infinite_time_is_refused_and_of_an_unknown_one_nothing_is_known() {
    with_one(|product, _| {
        let mut client = product.superuser();
        for of in ["autobuild_agreement", "autobuild_agreement_summary"] {
            for times in ["'-infinity'", "now(), 'infinity'"] {
                let refused = refusal(&mut client, &format!("SELECT * FROM {of}({times})"));
                assert_eq!(refused.sqlstate, "22023", "{of}({times})");
                assert_ne!(refused.hint, "", "{of}({times})");
            }
            let rows = texts(&mut client, &format!("SELECT * FROM {of}(NULL)"));
            assert!(rows.is_empty(), "{rows:?}");
        }
    });
}

#[test]
fn without_the_products_tables_it_says_what_is_missing() {
    with_one(|product, _| {
        let mut client = product.superuser();
        execute(&mut client, "ALTER TABLE workspace_builds RENAME TO gone");
        let sql = "SELECT * FROM autobuild_agreement(now() - interval '1 day')";
        let refused = refusal(&mut client, sql);
        assert_eq!(refused.sqlstate, "42P01");
        assert_ne!(refused.hint, "");
    });
}
