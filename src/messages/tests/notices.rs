//! What is said of each event, key by key.

use serde_json::json;

use super::*;
use crate::instant::{MINUTE, Micros};
use crate::messages::notice::Notice;

/// How long is left, in a message on dormancy.
fn left(until: Until) -> String {
    let labels = labels(&Told::Dormant(until));
    let key = match until {
        Until::Dormant(_) => "timeTilDormant",
        Until::Deleted(_) => "timeTilDelete",
    };
    labels[key].as_str().unwrap().to_owned()
}

#[test]
fn an_update_names_the_new_version_and_its_message() {
    assert_eq!(
        labels(&UPDATED),
        json!({
            "name": "dev",
            "initiator": "autobuild",
            "reason": "autostart",
            "template_version_name": "brisk_hare1",
            "template_version_message": "faster disks",
        })
    );
}

#[test]
fn a_version_without_a_message_has_none_provided_where_the_product_says_so() {
    let silent = Told::AutoUpdated {
        version: "brisk_hare1",
        message: "",
    };
    let said = |form: &Form| {
        let payload = message_in(&silent, form).payload;
        payload["labels"]["template_version_message"].clone()
    };
    assert_eq!(said(&Form::TODAY), "None provided");
    let before = Form {
        none_provided: false,
        ..Form::TODAY
    };
    assert_eq!(said(&before), "");
}

#[test]
fn dormancy_says_why_and_how_long_is_left() {
    assert_eq!(
        labels(&DORMANT),
        json!({
            "name": "dev",
            "reason": "inactivity exceeded the dormancy threshold",
            "timeTilDormant": "6 days from now",
        })
    );
    assert_eq!(
        labels(&Told::Dormant(Until::Deleted(Some(Micros(30 * DAY))))),
        json!({
            "name": "dev",
            "reason": "inactivity exceeded the dormancy threshold",
            "timeTilDelete": "4 weeks from now",
        })
    );
}

#[test]
fn a_dormant_workspace_that_is_not_to_be_deleted_has_no_such_label() {
    assert_eq!(
        labels(&Told::Dormant(Until::Deleted(None))),
        json!({
            "name": "dev",
            "reason": "inactivity exceeded the dormancy threshold",
        })
    );
}

#[test]
fn a_round_duration_has_just_passed_its_mark_when_it_is_told() {
    for (days, words) in [
        (1, "23 hours from now"),
        (7, "6 days from now"),
        (14, "1 week from now"),
        (30, "4 weeks from now"),
        (90, "2 months from now"),
        (365, "1 year from now"),
    ] {
        assert_eq!(left(Until::Dormant(Nanos(days * DAY * 1000))), words);
        assert_eq!(left(Until::Deleted(Some(Micros(days * DAY)))), words);
    }
    assert_eq!(
        left(Until::Dormant(Nanos(7 * DAY * 1000 + 999))),
        "6 days from now"
    );
    assert_eq!(
        left(Until::Dormant(Nanos(7 * DAY * 1000 + 1000))),
        "1 week from now"
    );
}

#[test]
fn dormancy_has_the_label_that_the_text_of_its_row_names() {
    let ttl = Nanos(7 * DAY * 1000);
    let until = |body| Until::named_by(body, ttl, Some(Micros(DAY)));
    let deleted = Until::Deleted(Some(Micros(DAY)));
    assert_eq!(until("gone in {{.Labels.timeTilDelete}}."), deleted);
    assert_eq!(until("{{if .Labels.timeTilDelete}}soon{{end}}"), deleted);
    assert_eq!(
        until("gone in {{.Labels.timeTilDormant}}"),
        Until::Dormant(ttl)
    );
    assert_eq!(until("{{.Labels.timeTilDeleted}}"), Until::Dormant(ttl));
    assert_eq!(until("in timeTilDelete"), Until::Dormant(ttl));
}

#[test]
fn a_paused_task_is_named_and_has_no_template_among_its_targets() {
    let message = message(&PAUSED);
    assert_eq!(
        message.payload["labels"],
        json!({
            "task": "fix-the-build",
            "task_id": "00000000-0000-0000-0000-000000000005",
            "workspace": "dev",
            "pause_reason": "idle timeout",
        })
    );
    assert_eq!(
        message.targets,
        [WORKSPACE.id, OWNER.id, WORKSPACE.organization_id]
    );
}

#[test]
fn a_reminder_names_the_deadline_in_utc_cut_to_the_second() {
    assert_eq!(
        labels(&reminder()),
        json!({"workspace": "dev", "deadline": "Wed, 03 Jan 2024 10:30:59 UTC"})
    );
    let spelled = |text| labels(&Told::Reminder(Deadline::At(at(text))))["deadline"].clone();
    assert_eq!(
        spelled("2024-02-29T00:00:00Z"),
        "Thu, 29 Feb 2024 00:00:00 UTC"
    );
    assert_eq!(
        spelled("2026-12-31T23:59:59Z"),
        "Thu, 31 Dec 2026 23:59:59 UTC"
    );
    assert_eq!(
        spelled("2023-10-01T07:05:09Z"),
        "Sun, 01 Oct 2023 07:05:09 UTC"
    );
}

#[test]
fn a_reminder_has_the_label_that_the_text_of_its_row_names() {
    let clock = at("2024-01-03T10:00:00Z");
    let deadline = clock.saturating_add_micros(30 * MINUTE - 1);
    let named = |body| Deadline::named_by(body, deadline, clock);
    assert_eq!(
        named("stops at {{.Labels.deadline}}"),
        Deadline::At(deadline)
    );
    let away = named("stops {{.Labels.timeTilShutdown}}");
    assert_eq!(away, Deadline::In(Micros(30 * MINUTE - 1)));
    assert_eq!(
        labels(&Told::Reminder(away)),
        json!({"workspace": "dev", "timeTilShutdown": "29 minutes from now"})
    );
}

#[test]
fn each_notice_has_its_row_and_its_author() {
    let rows: Vec<(String, &str)> = Notice::ALL
        .map(|notice| (notice.template_id().to_string(), notice.created_by()))
        .into();
    let due = [
        ("c34a0c09-0704-4cac-bd1c-0c0146811c2b", "autobuild"),
        ("0ea69165-ec14-4314-91f1-69566ac3c5a0", "lifecycle_executor"),
        ("2a74f3d3-ab09-4123-a4a5-ca238f4f65a1", "lifecycle_executor"),
        ("6f6cb984-c167-4fa5-bb87-1058dd642779", "lifecycle_executor"),
    ];
    assert_eq!(rows, due.map(|(id, author)| (id.to_owned(), author)));
    assert_eq!(every().map(|told| told.notice()), Notice::ALL);
}
