//! The payload of a message, and what makes two messages one.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::instant::{Instant, Micros, SECOND};
use crate::messages::form::methods;

#[test]
fn a_payload_has_these_keys_and_no_others() {
    assert_eq!(
        message(&DORMANT).payload,
        json!({
            "_version": "1.2",
            "notification_name": "Of the row",
            "notification_template_id": "0ea69165-ec14-4314-91f1-69566ac3c5a0",
            "user_id": "00000000-0000-0000-0000-000000000004",
            "user_email": "ada@example.com",
            "user_name": "Ada Lovelace",
            "user_username": "ada",
            "actions": [
                {"label": "View", "url": "https://coder.example.com/@ada/dev"},
                {"label": "Task", "url": "https://coder.example.com/tasks/ada/<no value>"},
            ],
            "labels": {
                "name": "dev",
                "reason": "inactivity exceeded the dormancy threshold",
                "timeTilDormant": "6 days from now",
            },
            "data": null,
            "targets": [
                "00000000-0000-0000-0000-000000000001",
                "00000000-0000-0000-0000-000000000004",
                "00000000-0000-0000-0000-000000000002",
                "00000000-0000-0000-0000-000000000003",
            ],
        })
    );
}

#[test]
fn an_older_payload_lacks_what_came_later_but_the_row_has_its_targets() {
    let second = Form {
        names_template: true,
        ..Form::default()
    };
    for told in every() {
        let today = message(&told);
        let lacking = |form: &Form, version: &str| {
            let older = message_in(&told, form);
            assert_eq!(older.payload["_version"], version);
            assert_eq!(older.targets, today.targets);
            let keys = today.payload.as_object().unwrap().keys();
            let missing = keys.filter(|key| older.payload.get(key).is_none());
            missing.cloned().collect::<Vec<String>>()
        };
        assert_eq!(lacking(&second, "1.1"), ["targets"]);
        let mut first = lacking(&Form::default(), "1.0");
        first.sort_unstable();
        assert_eq!(first, ["data", "notification_template_id", "targets"]);
        assert_eq!(today.payload["_version"], "1.2");
    }
}

#[test]
fn who_gave_no_name_is_named_by_the_username() {
    let nameless = Owner { name: "", ..OWNER };
    let url = url();
    let message = Message::new(
        &DORMANT,
        &WORKSPACE,
        &nameless,
        &TEMPLATE,
        Some(&url),
        &Form::TODAY,
    );
    assert_eq!(message.unwrap().payload["user_name"], "ada");
}

#[test]
fn a_notice_goes_by_its_own_way_or_by_the_one_for_all_and_to_the_inbox() {
    let today = |own, all, inbox| methods(&Form::TODAY, own, all, inbox);
    assert_eq!(today(None, Some("smtp"), true), ["smtp", "inbox"]);
    assert_eq!(
        today(Some("webhook"), Some("smtp"), true),
        ["webhook", "inbox"]
    );
    assert_eq!(today(None, Some("smtp"), false), ["smtp"]);
    assert_eq!(today(None, None, true), ["inbox"]);
    assert_eq!(today(Some("webhook"), None, false), ["webhook"]);
    assert_eq!(today(Some("inbox"), Some("smtp"), true), ["inbox"]);
    assert!(today(None, None, false).is_empty());
    let without_inbox = Form::default();
    assert_eq!(methods(&without_inbox, None, Some("smtp"), true), ["smtp"]);
}

#[test]
fn two_messages_of_a_day_are_one_if_only_their_time_differs() {
    let content = |told: &Told<'_>, method, text| message(told).content(method, at(text));
    let morning = content(&DORMANT, "smtp", "2024-01-03T00:00:00Z");
    assert_eq!(
        morning,
        content(&DORMANT, "smtp", "2024-01-03T23:59:59.999999Z")
    );
    assert_ne!(morning, content(&DORMANT, "smtp", "2024-01-04T00:00:00Z"));
    assert_ne!(morning, content(&DORMANT, "inbox", "2024-01-03T00:00:00Z"));
    assert_ne!(
        morning,
        content(&reminder(), "smtp", "2024-01-03T00:00:00Z")
    );
    let dormant = |left| {
        let told = Told::Dormant(Until::Deleted(Some(Micros(left))));
        content(&told, "smtp", "2024-01-03T00:00:00Z")
    };
    assert_ne!(dormant(6 * DAY), dormant(7 * DAY));
    // In the same words.
    assert_eq!(dormant(6 * DAY + SECOND), dormant(7 * DAY));
}

#[test]
fn the_content_of_a_message_is_written_as_the_server_prints_it() {
    let reminder = message(&reminder());
    assert_eq!(
        reminder.content("inbox", at("2024-01-03T10:00:00Z")),
        "6f6cb984-c167-4fa5-bb87-1058dd642779:00000000-0000-0000-0000-000000000004:inbox:\
         {\"data\": null, \"labels\": {\"deadline\": \"Wed, 03 Jan 2024 10:30:59 UTC\", \
         \"workspace\": \"dev\"}, \"actions\": [{\"url\": \
         \"https://coder.example.com/@ada/<no value>\", \"label\": \"View\"}, {\"url\": \
         \"https://coder.example.com/tasks/ada/<no value>\", \"label\": \"Task\"}], \
         \"targets\": [\"00000000-0000-0000-0000-000000000001\", \
         \"00000000-0000-0000-0000-000000000004\", \"00000000-0000-0000-0000-000000000002\", \
         \"00000000-0000-0000-0000-000000000003\"], \"user_id\": \
         \"00000000-0000-0000-0000-000000000004\", \"_version\": \"1.2\", \"user_name\": \
         \"Ada Lovelace\", \"user_email\": \"ada@example.com\", \"user_username\": \"ada\", \
         \"notification_name\": \"Of the row\", \"notification_template_id\": \
         \"6f6cb984-c167-4fa5-bb87-1058dd642779\"}:00000000-0000-0000-0000-000000000001,\
         00000000-0000-0000-0000-000000000004,00000000-0000-0000-0000-000000000002,\
         00000000-0000-0000-0000-000000000003:2024-01-03 00:00:00"
    );
}

proptest! {
    /// Names are data: whatever they are, a message says them as they are, or there is none.
    #[test]
    fn a_message_says_every_name_as_it_is(workspace in "\\PC{0,8}", user in "\\PC{0,8}") {
        let told = Told::TaskPaused { id: Uuid::nil(), name: &workspace };
        let (workspace, owner) = (
            Workspace { name: &workspace, ..WORKSPACE },
            Owner { name: &user, ..OWNER },
        );
        let url = url();
        let message =
            Message::new(&told, &workspace, &owner, &TEMPLATE, Some(&url), &Form::TODAY);
        let payload = message.unwrap().payload;
        prop_assert_eq!(&payload["labels"]["workspace"], workspace.name);
        prop_assert_eq!(&payload["labels"]["task"], workspace.name);
        let named = if user.is_empty() { "ada" } else { &user };
        prop_assert_eq!(&payload["user_name"], named);
    }

    /// As the server does: what it prints of a payload reads as that payload.
    #[test]
    fn the_content_has_the_payload_as_it_is(name in ".{0,12}") {
        let told = Told::AutoUpdated { version: &name, message: &name };
        let message = message(&told);
        let content = message.content("smtp", Instant::NO_TIME);
        let (begins, ends) = (content.find('{').unwrap(), content.rfind('}').unwrap());
        let read: Value = serde_json::from_str(&content[begins..=ends]).unwrap();
        prop_assert_eq!(read, message.payload);
    }
}
