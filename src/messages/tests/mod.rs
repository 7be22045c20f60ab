//! What stands in a message, each rule as a test.

mod buttons;
mod notices;
mod rows;

use serde_json::Value;
use uuid::Uuid;

use crate::instant::{HOUR, Nanos};
use crate::lifecycle::tests::at;

use super::access_url::AccessUrl;
use super::form::Form;
use super::message::{Message, Owner, Template, Workspace};
use super::notice::{Deadline, Told, Until};

const WORKSPACE: Workspace<'_> = Workspace {
    id: Uuid::from_u128(1),
    name: "dev",
    template_id: Uuid::from_u128(2),
    organization_id: Uuid::from_u128(3),
};
const OWNER: Owner<'_> = Owner {
    id: Uuid::from_u128(4),
    email: "ada@example.com",
    name: "Ada Lovelace",
    username: "ada",
};
/// With every kind of place that the product's own rows have.
const TEMPLATE: Template<'_> = Template {
    name: "Of the row",
    actions: Some(
        r#"[{"url": "{{ base_url }}/@{{.UserUsername}}/{{.Labels.name}}", "label": "View"},
            {"url": "{{base_url}}/tasks/{{.UserUsername}}/{{.Labels.task_id}}", "label": "Task"}]"#,
    ),
};
const UPDATED: Told<'_> = Told::AutoUpdated {
    version: "brisk_hare1",
    message: "faster disks",
};
const PAUSED: Told<'_> = Told::TaskPaused {
    id: Uuid::from_u128(5),
    name: "fix-the-build",
};
const DAY: i64 = 24 * HOUR;
const DORMANT: Told<'_> = Told::Dormant(Until::Dormant(Nanos(7 * DAY * 1000)));

fn reminder() -> Told<'static> {
    Told::Reminder(Deadline::At(at("2024-01-03T10:30:59.999999Z")))
}

fn every() -> [Told<'static>; 4] {
    [UPDATED, DORMANT, PAUSED, reminder()]
}

fn url() -> AccessUrl {
    AccessUrl::parse("https://coder.example.com").unwrap()
}

fn message_in(told: &Told<'_>, form: &Form) -> Message {
    Message::new(told, &WORKSPACE, &OWNER, &TEMPLATE, Some(&url()), form).unwrap()
}

fn message(told: &Told<'_>) -> Message {
    message_in(told, &Form::TODAY)
}

fn labels(told: &Told<'_>) -> Value {
    message(told).payload["labels"].clone()
}
