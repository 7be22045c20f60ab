//! Preview, next transition, explain and upcoming say what the tick then does, on a crowd
//! of workspaces of every kind.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{
    Attempt, TODAY_AT_NINE, VERSIONS, YESTERDAY, install, preview, records,
};
use workspace_autobuild_tests::product::{Value, parameter};
use workspace_autobuild_tests::{Product, Transition};

/// Some two hundred workspaces of every kind, around [`TODAY_AT_NINE`].
fn crowd(product: &Product) {
    let good = product
        .template("good")
        .parameter(parameter("region").default("eu").options(&["eu", "us"]))
        .create();
    let broken = product
        .template("broken")
        .version(|v| v.import_failed("no"))
        .create();
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    let forbids = product.template("forbids").forbids_autostart().create();
    let schedule = Value::sql(
        "(ARRAY['CRON_TZ=UTC 0 9 * * *', '30 8-10 * * 1-5', 'CRON_TZ=Asia/Tokyo 0 18 * * *', '',
                'nonsense', '* * * * *', 'CRON_TZ=America/New_York 0 9 * * *', ', 9 * * *'])[1 + i % 8]",
    );
    let hours = |hours: &str| Value::sql(format!("timestamptz '{TODAY_AT_NINE}' + {hours}"));
    for template in [&good, &broken, &strict, &forbids] {
        template
            .workspaces(25, Transition::Stop)
            .schedule(schedule.clone())
            .created_at(hours("(i % 7 - 5) * interval '3 hours'"))
            .create();
        template
            .workspaces(25, Transition::Start)
            .created_at(YESTERDAY)
            .deadline(hours("(i % 9 - 4) * interval '17 minutes'"))
            .job("error", Value::sql("CASE WHEN i % 11 = 0 THEN 'boom' END"))
            .create();
    }
    good.workspaces(10, Transition::Start)
        .created_at(YESTERDAY)
        .deadline(TODAY_AT_NINE)
        .job("completed_at", Value::NULL)
        .create();
}

#[test]
fn preview_next_transition_explain_and_upcoming_say_what_the_tick_then_does() {
    for version in VERSIONS {
        let product = install(version);
        crowd(&product);
        let mut superuser = product.superuser();
        let foretold = preview(&mut superuser, TODAY_AT_NINE);
        let next: Vec<Json> = records(
            &mut superuser,
            &format!(
                "SELECT w.id, n.*, e.rule AS last_rule, e.passed AS last_passed
                   FROM workspaces w, autobuild_next_transition(w.id, '{TODAY_AT_NINE}') n,
                        LATERAL (SELECT * FROM autobuild_explain(w.id, '{TODAY_AT_NINE}')
                                  ORDER BY step DESC LIMIT 1) e"
            ),
        );
        assert!(next.len() > 200);
        let upcoming: Vec<Json> = records(
            &mut superuser,
            &format!("SELECT * FROM autobuild_upcoming('1 hour', '{TODAY_AT_NINE}')"),
        );

        let done = product.tick(TODAY_AT_NINE);
        let foreseen: Vec<Attempt> = done.iter().map(Attempt::foreseen).collect();
        assert_eq!(foretold, foreseen, "{version}");
        let outcomes = |outcome: &str| done.iter().filter(|a| a.outcome == outcome).count();
        let mixed = (outcomes("built"), outcomes("blocked"));
        assert!(
            mixed.0 > 30 && mixed.1 > 20,
            "{version}: a mixed crowd, {mixed:?}"
        );

        let by_id: HashMap<Uuid, &Attempt> = done.iter().map(|a| (a.workspace_id, a)).collect();
        for row in &next {
            let id: Uuid = serde_json::from_value(row["id"].clone()).expect("a uuid");
            let context = format!("{version}: {row}");
            match by_id.get(&id) {
                Some(attempt) => {
                    assert_eq!(row["due"], json!(true), "{context}");
                    assert_eq!(row["transition"], json!(attempt.transition), "{context}");
                    assert_eq!(
                        row["next_transition_at"],
                        json!(attempt.due_at),
                        "{context}"
                    );
                    assert_eq!(row["skip_reason"], json!(attempt.code), "{context}");
                    assert_eq!(
                        row["last_passed"],
                        json!(attempt.outcome == "built"),
                        "{context}"
                    );
                }
                None => {
                    assert_eq!(row["due"], json!(false), "{context}");
                    let nothing = row["transition"].is_null();
                    assert_eq!(row["skip_reason"].is_null(), !nothing, "{context}");
                }
            }
        }
        // Overdue ones first, each once, then what comes within the hour, soonest first.
        let due: Vec<&Json> = upcoming
            .iter()
            .filter(|row| row["due"] == json!(true))
            .collect();
        assert_eq!(due.len(), done.len(), "{version}");
        let order: Vec<(bool, &str)> = upcoming
            .iter()
            .map(|row| {
                (
                    row["due"] == json!(false),
                    row["next_transition_at"].as_str().expect("a time"),
                )
            })
            .collect();
        assert!(order.is_sorted(), "{version}: {order:?}");
        for row in &upcoming[due.len()..] {
            let at = row["next_transition_at"].as_str().expect("a time");
            assert!(
                at > "2024-03-05T09:00" && at <= "2024-03-05T10:00:00+00:00",
                "{row}"
            );
            assert_eq!(row["owner"], json!("admin"));
        }
        assert!(
            upcoming.len() > due.len(),
            "{version}: some are still to come"
        );
    }
}
