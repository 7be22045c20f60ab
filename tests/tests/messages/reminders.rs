//! Reminders in ticks, previews and history, on the version that has them.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::{NINE, next_transition, records};
use workspace_autobuild_tests::product::{MINUTE, Notice, Workspace};
use workspace_autobuild_tests::{Operator, Product, Transition, Version};

use super::support::*;

fn with_reminders(test: impl Fn(&Product, &Operator<'_>)) {
    with_messages_since(Version::V2026_06, test);
}

/// Of which deadline the owner was told, by the latest build.
fn told_of(workspace: &Workspace<'_>) -> String {
    let build = workspace.latest_build().read();
    let told = build.get("notified_autostop_deadline");
    told.and_then(Json::as_str).expect("a time").to_owned()
}

const NOBODY: &str = "0001-01-01T00:00:00+00:00";

/// What a tick at a time did: its rows, as text.
fn did(operator: &Operator<'_>, at: &str) -> Vec<String> {
    operator.tick(at).iter().map(ToString::to_string).collect()
}

const REMINDED: &str = "remind autostop built";

#[test]
fn an_owner_is_reminded_once_from_the_time_before_a_deadline_on() {
    with_reminders(|product, operator| {
        let workspace = running(&reminding(product), ada(product), "dev");
        let reminded = |at: &str| {
            let rows = did(operator, at);
            (rows, product.count_queued(Notice::Reminder))
        };
        assert_eq!(reminded("2024-03-05 11:00:00+00"), (vec![], 0));
        assert_eq!(reminded("2024-03-05 11:29:59+00"), (vec![], 0));
        assert_eq!(told_of(&workspace), NOBODY);
        assert_eq!(
            reminded("2024-03-05 11:30:00+00"),
            (vec![REMINDED.to_owned()], 2)
        );
        assert_eq!(told_of(&workspace), "2024-03-05T12:00:00+00:00");
        assert_eq!(reminded("2024-03-05 11:31:00+00"), (vec![], 2));
        assert_eq!(
            reminded(DEADLINE),
            (vec!["stop autostop built".to_owned()], 2)
        );
        // The stop is a build of its own: nobody was told of its deadline.
        assert_eq!(told_of(&workspace), NOBODY);
    });
}

#[test]
fn a_reminder_is_due_to_the_microsecond() {
    with_reminders(|product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        let dev = running(&template, owner, "dev");
        for (deadline, rows) in [
            ("2024-03-05 12:15:00.000001+00", 0),
            ("2024-03-05 12:15:00+00", 1),
            ("2024-03-05 11:45:00.000001+00", 1),
        ] {
            dev.latest_build().update("deadline", deadline);
            assert_eq!(operator.dry_tick(BEFORE_IT).len(), rows, "{deadline}");
        }
        dev.latest_build()
            .update("deadline", "2024-03-05 11:45:00+00");
        let stop = operator.dry_tick(BEFORE_IT);
        assert_eq!(stop[0].transition, "stop", "at the deadline it is stopped");
        operator.set("rules", "remind");
        assert_eq!(operator.dry_tick(BEFORE_IT), []);
        // Whole milliseconds of the template's time count.
        template.update("time_til_autostop_notify", 30 * MINUTE + 999_999);
        dev.latest_build()
            .update("deadline", "2024-03-05 12:15:00.000001+00");
        assert_eq!(operator.dry_tick(BEFORE_IT), []);
        template.update("time_til_autostop_notify", 30 * MINUTE + 1_000_000);
        assert_eq!(operator.dry_tick(BEFORE_IT).len(), 1);
    });
}

#[test]
fn a_deadline_that_moves_is_told_anew_and_one_that_moves_back_is_not() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        let build = dev.latest_build();
        assert_eq!(did(operator, BEFORE_IT), [REMINDED]);
        build.update("deadline", "2024-03-05 14:00:00+00");
        assert_eq!(
            did(operator, "2024-03-05 13:29:00+00"),
            Vec::<String>::new()
        );
        build.update("deadline", DEADLINE);
        assert_eq!(did(operator, BEFORE_IT), Vec::<String>::new());
        build.update("deadline", "2024-03-05 14:00:00+00");
        assert_eq!(did(operator, "2024-03-05 13:45:00+00"), [REMINDED]);
        assert_eq!(product.count_queued(Notice::Reminder), 4);
    });
}

#[test]
fn a_time_longer_than_the_lifetime_reminds_at_the_first_tick() {
    with_reminders(|product, operator| {
        let template = reminding(product);
        template.update("time_til_autostop_notify", 100 * 60 * MINUTE);
        running(&template, ada(product), "dev");
        assert_eq!(did(operator, "2024-03-05 08:01:00+00"), [REMINDED]);
        assert_eq!(
            did(operator, "2024-03-05 11:00:00+00"),
            Vec::<String>::new()
        );
    });
}

#[test]
fn a_workspace_that_stops_in_the_same_tick_has_no_reminder() {
    with_reminders(|product, operator| {
        let template = reminding(product);
        template.update("time_til_dormant", MINUTE);
        let dev = running(&template, ada(product), "dev");
        assert_eq!(did(operator, BEFORE_IT), ["stop dormancy built"]);
        assert_eq!(product.count_queued(Notice::Reminder), 0);
        assert_eq!(dev.builds().len(), 2);
    });
}

#[test]
fn the_mark_is_the_builds_only_change_but_for_when_it_was_updated() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        let before = dev.latest_build().read();
        operator.tick(BEFORE_IT);
        let after = dev.latest_build().read();
        let changed: Vec<&String> = before
            .as_object()
            .expect("a row")
            .iter()
            .filter(|(column, value)| after[column.as_str()] != **value)
            .map(|(column, _)| column)
            .collect();
        assert_eq!(changed, ["updated_at", "notified_autostop_deadline"]);
        // The clock's time, not the tick's.
        let recent = "SELECT updated_at > now() - interval '1 hour' FROM workspace_builds";
        assert_eq!(product.value(recent).as_deref(), Some("t"));
    });
}

#[test]
fn a_reminder_needs_no_provisioner_and_waits_for_no_cap() {
    with_reminders(|product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        running(&template, owner, "reminded");
        let late = running(&template, owner, "late");
        late.latest_build()
            .update("deadline", "2024-03-05 11:00:00+00");
        let later = running(&template, owner, "later");
        later
            .latest_build()
            .update("deadline", "2024-03-05 11:00:00+00");
        operator.set("max_builds_per_tick", "1");
        assert_eq!(did(operator, BEFORE_IT), ["stop autostop built", REMINDED]);
        product.execute("UPDATE workspace_builds SET notified_autostop_deadline = '0001-01-01+00'");
        product.remove_daemons();
        assert_eq!(
            did(operator, "2024-03-05 11:46:00+00"),
            ["stop autostop blocked no_provisioner", REMINDED]
        );
    });
}

#[test]
fn a_preview_foresees_a_reminder_and_history_keeps_it() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        let row = &operator.dry_tick(BEFORE_IT)[0];
        assert_eq!(
            json!([row.transition, row.reason, row.due_at, row.outcome]),
            json!(["remind", "autostop", "2024-03-05T11:30:00+00:00", "built"])
        );
        let numbers = (row.build_id, row.job_id, row.build_number);
        assert_eq!(numbers, (None, None, Some(1)));
        // What comes next to the workspace is the stop; the reminder is no transition.
        let next = next_transition(&mut operator.session(), dev.id, BEFORE_IT);
        assert_eq!(
            (next.transition.as_deref(), next.due),
            (Some("stop"), false)
        );
        operator.tick(BEFORE_IT);
        let history = operator.rows(
            "SELECT transition, reason, outcome, build_number::text FROM autobuild_transitions",
        );
        let of_it = ["remind", "autostop", "built", "1"].map(|text| Some(text.to_owned()));
        assert_eq!(history, [of_it]);
    });
}

#[test]
fn what_is_upcoming_has_a_row_for_the_reminder_and_one_for_the_stop() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        let upcoming = |at: &str| -> Vec<(String, String, bool)> {
            let sql = format!("SELECT * FROM autobuild_upcoming('24 hours', '{at}')");
            let rows: Vec<Json> = records(&mut operator.session(), &sql);
            rows.iter()
                .map(|row| {
                    assert_eq!(row["workspace"], json!("dev"));
                    let text = |column: &str| row[column].as_str().expect("a text").to_owned();
                    let due = row["due"] == json!(true);
                    (text("transition"), text("next_transition_at"), due)
                })
                .collect()
        };
        let row = |transition: &str, at: &str, due: bool| {
            (
                transition.to_owned(),
                format!("2024-03-05T{at}:00+00:00"),
                due,
            )
        };
        assert_eq!(
            upcoming("2024-03-05 10:00:00+00"),
            [row("remind", "11:30", false), row("stop", "12:00", false)]
        );
        assert_eq!(
            upcoming(BEFORE_IT),
            [row("remind", "11:30", true), row("stop", "12:00", false)]
        );
        operator.tick(BEFORE_IT);
        assert_eq!(upcoming(BEFORE_IT), [row("stop", "12:00", false)]);
        assert_eq!(dev.builds().len(), 1);
    });
}

#[test]
fn an_explanation_says_when_the_owner_is_reminded_and_what_keeps_that() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        let last = |at: &str| -> (String, bool, String) {
            let sql = format!("SELECT * FROM autobuild_explain('{}', '{at}')", dev.id);
            let rows: Vec<Json> = records(&mut operator.session(), &sql);
            let row = rows.last().expect("a step");
            let text = |column: &str| row[column].as_str().expect("a text").to_owned();
            (text("rule"), row["passed"] == json!(true), text("observed"))
        };
        let (rule, passed, _) = last("2024-03-05 11:00:00+00");
        assert_eq!((rule.as_str(), passed), ("remind", false));
        let (rule, passed, _) = last(BEFORE_IT);
        assert_eq!((rule.as_str(), passed), ("message", true));
        operator.set("access_url", "");
        let (_, passed, observed) = last(BEFORE_IT);
        assert!(
            !passed && observed.contains("access_url is not set"),
            "{observed}"
        );
        operator.set("notify_owners", "off");
        let (rule, passed, observed) = last(BEFORE_IT);
        assert_eq!((rule.as_str(), passed), ("remind", false));
        assert!(observed.contains("notify_owners is off"), "{observed}");
    });
}

#[test]
fn without_messages_there_is_no_mark_that_would_take_it_from_the_product() {
    with_reminders(|product, operator| {
        let dev = running(&reminding(product), ada(product), "dev");
        operator.set("notify_owners", "off");
        assert_eq!(did(operator, BEFORE_IT), Vec::<String>::new());
        operator.set("notify_owners", "on");
        operator.set("rules", "autostop");
        assert_eq!(did(operator, BEFORE_IT), Vec::<String>::new());
        assert_eq!(told_of(&dev), NOBODY);
    });
}

#[test]
fn a_start_in_the_same_tick_leaves_reminders_alone() {
    with_reminders(|product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        running(&template, owner, "dev");
        let stopped = template
            .workspace("later")
            .owner_id(owner)
            .schedule(NINE)
            .create();
        let yesterday = stopped.build(Transition::Stop);
        yesterday.created_at("2024-03-04 18:00:00+00").create();
        assert_eq!(
            did(operator, BEFORE_IT),
            ["start autostart built", REMINDED]
        );
    });
}
