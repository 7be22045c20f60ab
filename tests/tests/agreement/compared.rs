//! Which transitions are compared, which match, and in which time each counts.

use std::time::{Duration, Instant};

use workspace_autobuild_tests::autobuild::{NINE, install, on_each_version};
use workspace_autobuild_tests::product::{Fields, Template, Value, Workspace, execute, value};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

const START: &str = "start autostart";
const STOP: &str = "stop autostop";

fn workspace<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    template.workspace(name).schedule(NINE).create()
}

/// The product's newest tables with one workspace.
fn with_one(test: impl Fn(&Product, &Workspace<'_>)) {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    test(&product, &workspace(&template, "one"));
}

#[test]
fn a_transition_is_both_only_ours_or_only_the_products_on_every_version() {
    on_each_version(|product, _| {
        let template = product.template("docker").create();
        let (one, two) = (workspace(&template, "one"), workspace(&template, "two"));
        observed(&one, 2, START, "60 min");
        built(&one, 2, START, "59 min");
        observed(&one, 3, STOP, "50 min");
        built(&two, 2, STOP, "40 min");
        let version = product.version();
        assert_eq!(
            of_a_day(product),
            [
                "2 start autostart both 60",
                "3 stop autostop only_ours",
                "2 stop autostop only_product"
            ],
            "{version}"
        );
        assert_eq!(
            sentence(product),
            "1 of 3 agree, 1 only ours, 1 only the product's; ours 60 s earlier at the median",
            "{version}"
        );
    });
}

#[test]
fn only_builds_with_a_reason_of_the_executors_are_the_products() {
    on_each_version(|product, _| {
        let template = product.template("docker").create();
        let one = workspace(&template, "one");
        let reasons = product.rows("SELECT unnest(enum_range(NULL::build_reason))");
        let reasons: Vec<String> = reasons.into_iter().flatten().flatten().collect();
        for (number, reason) in (2..).zip(&reasons) {
            built(&one, number, &format!("stop {reason}"), "1 hour");
        }
        let executors = [
            "autostart",
            "autostop",
            "task_auto_pause",
            "dormancy",
            "autolock",
            "autodelete",
        ];
        let expected: Vec<String> = (2..)
            .zip(&reasons)
            .filter(|(_, reason)| executors.contains(&reason.as_str()))
            .map(|(number, reason)| format!("{number} stop {reason} only_product"))
            .collect();
        assert!((2..reasons.len()).contains(&expected.len()), "{reasons:?}");
        let mut found = of_a_day(product);
        found.sort_by_key(|row| row.split(' ').next().and_then(|n| n.parse::<i32>().ok()));
        assert_eq!(found, expected, "{}", product.version());
    });
}

#[test]
fn marks_and_reminders_are_not_compared() {
    with_one(|product, one| {
        observed(one, 2, "dormant dormancy", "1 hour");
        observed(one, 1, "remind autostop", "1 hour");
        assert!(of_a_day(product).is_empty());
        assert!(sentence(product).starts_with("nothing to compare"));
    });
}

#[test]
fn what_differs_in_number_kind_or_reason_does_not_match() {
    with_one(|product, one| {
        observed(one, 2, STOP, "60 min");
        built(one, 3, STOP, "59 min");
        observed(one, 4, START, "50 min");
        built(one, 4, STOP, "49 min");
        observed(one, 5, STOP, "40 min");
        built(one, 5, "stop dormancy", "39 min");
        assert_eq!(
            of_a_day(product),
            [
                "2 stop autostop only_ours",
                "3 stop autostop only_product",
                "4 start autostart only_ours",
                "4 stop autostop only_product",
                "5 stop autostop only_ours",
                "5 stop dormancy only_product",
            ]
        );
    });
}

#[test]
fn a_retry_has_a_number_of_its_own_and_is_a_transition_of_its_own() {
    with_one(|product, one| {
        for (number, minute) in [(2, 60), (3, 50), (4, 40)] {
            observed(one, number, STOP, &format!("{minute} min"));
            built(one, number, STOP, &format!("{} min", minute - 1));
        }
        assert_eq!(
            sentence(product),
            "3 of 3 agree; ours 60 s earlier at the median"
        );
    });
}

#[test]
fn what_is_observed_again_is_one_transition_by_its_first_time() {
    with_one(|product, one| {
        for minute in ["60 min", "59 min", "58 min", "57 min"] {
            observed(one, 2, START, minute);
        }
        built(one, 2, START, "58.5 min");
        assert_eq!(of_a_day(product), ["2 start autostart both 90"]);
        let mut client = product.superuser();
        // It counts an hour ago, and not once more when it was observed again.
        assert!(agreement(&mut client, "59.5 min", "now()").is_empty());
    });
}

#[test]
fn the_product_may_have_been_first() {
    with_one(|product, one| {
        built(one, 2, START, "60 min");
        observed(one, 2, START, "59 min");
        assert_eq!(of_a_day(product), ["2 start autostart both -60"]);
        assert_eq!(
            sentence(product),
            "1 of 1 agree; ours 60 s later at the median"
        );
    });
}

#[test]
fn a_pair_counts_in_the_time_of_its_earlier_half_and_matches_beyond_its_edge() {
    with_one(|product, one| {
        observed(one, 2, START, "61 min");
        built(one, 2, START, "59 min");
        built(one, 3, STOP, "31 min");
        observed(one, 3, STOP, "29 min");
        let mut client = product.superuser();
        let mut within = |since: &str, until: &str| agreement(&mut client, since, &ago(until));
        assert_eq!(within("70 min", "60 min"), ["2 start autostart both 120"]);
        assert_eq!(within("60 min", "30 min"), ["3 stop autostop both -120"]);
        assert!(within("30 min", "0 min").is_empty());
        assert!(within("0 min", "70 min").is_empty());
    });
}

#[test]
fn a_time_begins_with_its_first_instant_and_ends_before_its_last() {
    with_one(|product, one| {
        let mut client = product.superuser();
        execute(&mut client, "BEGIN");
        let at = value(&mut client, "SELECT now() - interval '1 hour'").expect("a time");
        execute(&mut client, "COMMIT");
        let build = one.build(Transition::Start).number(2);
        let build = build.created_at(Value::sql(format!("'{at}'::timestamptz")));
        build.set("reason", "autostart").create();
        let mut count = |since: &str, until: &str| {
            let sql = format!(
                "SELECT count(*) FROM autobuild_agreement('{at}'::timestamptz + '{since}', '{at}'::timestamptz + '{until}')"
            );
            value(&mut client, &sql).expect("a count")
        };
        assert_eq!(count("0", "1 microsecond"), "1");
        assert_eq!(count("-1 microsecond", "0"), "0");
        assert_eq!(count("1 microsecond", "1 hour"), "0");
    });
}

#[test]
fn what_is_younger_than_three_minutes_is_left_out_but_not_its_older_half() {
    with_one(|product, one| {
        observed(one, 2, START, "2 min 50 s");
        built(one, 3, STOP, "2 min 50 s");
        assert!(of_a_day(product).is_empty());
        observed(one, 4, START, "4 min");
        built(one, 4, START, "1 min");
        observed(one, 5, STOP, "3 min 1 s");
        assert_eq!(
            of_a_day(product),
            ["4 start autostart both 180", "5 stop autostop only_ours"]
        );
    });
}

#[test]
fn a_build_of_ours_is_not_the_products() {
    with_one(|product, one| {
        let id = built(one, 2, START, "60 min");
        let id = format!("'{id}'");
        history(one, 2, START, "built", "60 min", &[("build_id", &id)]);
        assert!(of_a_day(product).is_empty());
        // What it observed it later made itself.
        observed(one, 2, START, "61 min");
        assert_eq!(of_a_day(product), ["2 start autostart only_ours"]);
        let detail = detail(product).unwrap_or_default();
        assert!(detail.starts_with("ours made build 2 itself"), "{detail}");
    });
}

#[test]
fn of_what_is_older_than_the_history_nothing_is_said_to_be_the_products_alone() {
    with_one(|product, one| {
        for (number, days) in [(2, 40), (3, 32), (4, 29)] {
            built(one, number, STOP, &format!("{days} days"));
        }
        let mut client = product.superuser();
        let mut of_all = || agreement(&mut client, "100 days", "now()");
        // A day more than it is kept: of older builds ours may have made any.
        assert_eq!(of_all(), ["4 stop autostop only_product"]);
        // A row that is still there says that what is younger is, too.
        observed(one, 9, START, "35 days");
        let and_older = [
            "9 start autostart only_ours",
            "3 stop autostop only_product",
            "4 stop autostop only_product",
        ];
        assert_eq!(of_all(), and_older);
        // What ours observed is compared whatever its age.
        observed(one, 2, STOP, "39 days 23 hours");
        assert_eq!(
            of_all().first().map(String::as_str),
            Some("2 stop autostop both -3600")
        );
    });
}

#[test]
fn history_that_is_kept_for_ever_is_complete() {
    with_one(|product, one| {
        built(one, 2, STOP, "400 days");
        let mut client = product.superuser();
        execute(&mut client, "SET workspace_autobuild.history_retention = 0");
        let all = agreement(&mut client, "1000 days", "now()");
        assert_eq!(all, ["2 stop autostop only_product"]);
    });
}

#[test]
fn a_hundred_thousand_builds_of_a_week_are_compared_in_seconds() {
    with_one(|product, one| {
        let first = built(one, 2, START, "30 days");
        let mut client = product.superuser();
        // Seen by both, half a minute apart. Whether each build has a workspace and a job does
        // not matter here.
        execute(
            &mut client,
            &format!(
                "SET session_replication_role = replica;
                 CREATE TEMP TABLE made AS
                 SELECT i, md5('w ' || i % 5000)::uuid AS workspace, 2 + i / 5000 AS number,
                        now() - interval '7 days' + i * interval '6 seconds' AS at
                   FROM generate_series(0, 99999) AS i;
                 INSERT INTO workspace_builds
                 SELECT (jsonb_populate_record(b, jsonb_build_object(
                            'id', md5('b ' || i)::uuid, 'job_id', md5('j ' || i)::uuid,
                            'workspace_id', workspace, 'build_number', number,
                            'created_at', at + interval '30 seconds'))).*
                   FROM workspace_builds b, made WHERE b.id = '{first}';
                 INSERT INTO autobuild_transitions (tick_id, decided_at, workspace_id, transition,
                        reason, due_at, outcome, build_number)
                 SELECT 1, at, workspace, 'start', 'autostart', at, 'observed', number FROM made"
            ),
        );
        for state in ["", "ANALYZE"] {
            execute(&mut client, state);
            let begun = Instant::now();
            let said = sentence_of(&mut client, "8 days");
            let taken = begun.elapsed();
            println!("{state} {taken:?}");
            assert_eq!(
                said,
                "100,000 of 100,000 agree; ours 30 s earlier at the median"
            );
            assert!(taken < Duration::from_secs(30), "{state} {taken:?}");
        }
    });
}
