//! No provisioner, no build: who counts as one, what is held back and what of it is
//! recorded. On every schema; those without the rule build in any case.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{RUN, START, on_each_version, on_versions, since};
use workspace_autobuild_tests::product::{Fields, HOUR, Value};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::stopped;

const BLOCKED: &str = "start autostart blocked no_provisioner";

/// [`BLOCKED`] where a provisioner is asked for, else [`START`].
fn held_back(product: &Product) -> &'static str {
    if product.version() >= Version::V2_30_0 {
        BLOCKED
    } else {
        START
    }
}

#[test]
fn a_provisioner_counts_for_ninety_seconds_to_the_microsecond() {
    on_each_version(|product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        let seen = |at: Value| {
            product.remove_daemons();
            product.daemon("one").last_seen_at(at).create();
        };
        let ago =
            |interval: &str| Value::sql(format!("'{RUN}'::timestamptz - interval '{interval}'"));
        let cases = [
            (ago("90 seconds"), START),
            (ago("90.000001 seconds"), held_back(product)),
            (Value::NULL, held_back(product)),
            (Value::from("2090-01-01 00:00:00+00"), START),
            (Value::from("infinity"), START),
            (Value::from("-infinity"), held_back(product)),
        ];
        for (at, expected) in cases {
            seen(at);
            assert_eq!(operator.outcome(&workspace, RUN), expected);
        }
    });
}

#[test]
fn the_clock_is_not_cut_to_the_minute_for_a_provisioner() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        product.remove_daemons();
        product
            .daemon("one")
            .last_seen_at("2024-02-01 10:59:20+00")
            .create();
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 11:00:50+00"),
            START
        );
        assert_eq!(
            operator.outcome(&workspace, "2024-02-01 11:00:51+00"),
            BLOCKED
        );
    });
}

#[test]
fn a_provisioner_must_have_the_jobs_tags_and_its_organization() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let plain = json!({"scope": "organization", "owner": ""});
        let gpu = json!({"scope": "organization", "owner": "", "gpu": "1"});
        let more = json!({"scope": "organization", "owner": "", "gpu": "1", "zone": "a"});
        let other = product.new_organization("other").create();
        let cases: [(&Json, &Json, bool, &str); 8] = [
            (&plain, &plain, true, START),
            // A job without tags of its own goes to daemons without tags of their own.
            (&plain, &gpu, true, BLOCKED),
            (&gpu, &plain, true, BLOCKED),
            (&gpu, &gpu, true, START),
            (&gpu, &more, true, START),
            (&more, &gpu, true, BLOCKED),
            (&plain, &plain, false, BLOCKED),
            (&gpu, &more, false, BLOCKED),
        ];
        for (n, (import, daemon, ours, expected)) in cases.into_iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .version(|version| version.tags(import.clone()))
                .create();
            let workspace = stopped(&template, &format!("dev{n}"));
            product.remove_daemons();
            let mut one = product.daemon("one").tags(daemon.clone());
            if !ours {
                one = one.organization(other);
            }
            one.create();
            assert_eq!(
                operator.outcome(&workspace, RUN),
                expected,
                "{import} {daemon} {ours}"
            );
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn an_import_without_tags_asks_for_any_provisioner_of_the_organization() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        for (n, tags) in [Json::Null, json!({})].into_iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .version(|version| version.tags(tags.clone()))
                .create();
            let workspace = stopped(&template, &format!("dev{n}"));
            product.remove_daemons();
            assert_eq!(operator.outcome(&workspace, RUN), BLOCKED);
            let other = product.new_organization(&format!("other{n}")).create();
            let gpu = json!({"scope": "organization", "owner": "", "gpu": "1"});
            let theirs = product.daemon("theirs").tags(gpu.clone());
            theirs.organization(other).create();
            assert_eq!(operator.outcome(&workspace, RUN), BLOCKED);
            product.daemon("ours").tags(gpu).create();
            assert_eq!(operator.outcome(&workspace, RUN), START, "{tags}");
            workspace.update("deleted", true);
        }
    });
}

#[test]
fn tags_that_are_no_object_are_an_outcome_of_their_own() {
    on_each_version(|product, operator| {
        let healthy = stopped(&product.template("healthy").create(), "healthy");
        let asked = product.version() >= Version::V2_30_0;
        let odd = [json!([1]), json!("gpu"), json!(1), json!({"gpu": 1})];
        for (n, tags) in odd.iter().enumerate() {
            let template = product
                .template(&format!("t{n}"))
                .version(|version| version.tags(tags.clone()))
                .create();
            let workspace = stopped(&template, &format!("dev{n}"));
            let expected = if asked {
                BLOCKED
            } else {
                "start autostart blocked tags_unreadable"
            };
            assert_eq!(operator.outcome(&workspace, RUN), expected, "{tags}");
            workspace.update("deleted", true);
        }
        // A daemon's own tags of any shape take nothing and harm nothing.
        for (n, tags) in odd.iter().enumerate() {
            product
                .daemon(&format!("odd{n}"))
                .tags(tags.clone())
                .create();
        }
        assert_eq!(operator.outcome(&healthy, RUN), START);
    });
}

#[test]
fn the_active_versions_tags_are_asked_whatever_is_built() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").create();
        let workspace = stopped(&template, "dev");
        let gpu = json!({"scope": "organization", "owner": "", "gpu": "1"});
        let second = template.new_version("second").tags(gpu).create();
        second.activate();
        assert_eq!(operator.outcome(&workspace, RUN), BLOCKED);
    });
}

#[test]
fn stops_and_dormancy_wait_for_a_provisioner_too() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", HOUR)
            .create();
        let stop = template.workspace("stop").set("last_used_at", RUN).create();
        stop.build(Transition::Start).deadline(RUN).create();
        let unused = template.workspace("unused").create();
        unused.build(Transition::Stop).create();
        product.remove_daemons();
        let blocked = "stop autostop blocked no_provisioner";
        assert_eq!(operator.outcome(&stop, RUN), blocked);
        let blocked = "dormant dormancy blocked no_provisioner";
        assert_eq!(operator.outcome(&unused, RUN), blocked);
    });
}

#[test]
fn who_waits_for_a_provisioner_is_recorded_once_and_goes_when_one_comes() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product.template("docker").create();
        let (one, two) = (stopped(&template, "one"), stopped(&template, "two"));
        product.remove_daemons();
        let history = || {
            operator.rows(
                "SELECT workspace_id, outcome, code FROM autobuild_transitions ORDER BY 1, transition_id",
            )
        };
        let blocked = || {
            operator.rows(
                "SELECT code, attempts, since = last_attempt_at FROM autobuild_blocked ORDER BY workspace_id",
            )
        };
        let text = |text: &str| Some(text.to_owned());
        let waiting = vec![text("no_provisioner"), text("1"), text("t")];
        for minute in 0..4 {
            // Each tick says so; history and the view have it from the first.
            let rows = operator.tick(&format!("2024-02-01 11:0{minute}:00+00"));
            assert_eq!(rows.len(), 2);
            assert!(
                rows.iter().all(|row| row.to_string() == BLOCKED),
                "{rows:?}"
            );
            assert_eq!(history().len(), 2);
            assert_eq!(blocked(), [waiting.clone(), waiting.clone()]);
        }
        let ticks = operator.rows("SELECT due, blocked FROM autobuild_ticks");
        assert_eq!(ticks, [[text("2"), text("2")]]);

        product.daemon("there").create();
        let rows = operator.tick("2024-02-01 11:04:00+00");
        assert!(rows.iter().all(|row| row.outcome == "built"), "{rows:?}");
        assert_eq!(blocked(), Vec::<Vec<Option<String>>>::new());
        assert_eq!(history().len(), 4);
        assert_eq!((one.builds().len(), two.builds().len()), (2, 2));
    });
}

#[test]
fn who_waits_and_is_not_due_any_more_is_forgotten() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let workspace = stopped(&product.template("docker").create(), "dev");
        product.remove_daemons();
        operator.tick(RUN);
        assert_eq!(operator.rows("SELECT FROM autobuild_blocked").len(), 1);
        workspace.update("autostart_schedule", Value::NULL);
        operator.tick("2024-02-01 11:01:00+00");
        assert_eq!(operator.rows("SELECT FROM autobuild_blocked").len(), 0);
    });
}

#[test]
fn a_block_that_becomes_a_wait_is_news_once() {
    on_versions(&since(Version::V2_30_0), |product, operator| {
        let template = product
            .template("broken")
            .version(|version| version.import_failed("boom"))
            .create();
        let workspace = stopped(&template, "dev");
        let tick = |minute: u32| operator.tick(&format!("2024-02-01 11:{minute:02}:00+00"));
        tick(0);
        tick(1);
        product.remove_daemons();
        for minute in 2..5 {
            tick(minute);
        }
        product.daemon("there").create();
        tick(5);
        let codes: Vec<Option<String>> = operator
            .rows(&format!(
                "SELECT code FROM autobuild_transitions WHERE workspace_id = '{}' ORDER BY transition_id",
                workspace.id
            ))
            .into_iter()
            .flatten()
            .collect();
        let codes: Vec<&str> = codes.iter().flatten().map(String::as_str).collect();
        let failed = "import_job_failed";
        assert_eq!(codes, [failed, failed, "no_provisioner", failed]);
    });
}
