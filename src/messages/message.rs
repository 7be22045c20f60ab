//! A message as a row of `notification_messages`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::instant::Instant;

use super::access_url::AccessUrl;
use super::actions::{Untold, actions};
use super::form::Form;
use super::notice::{Notice, Told};

/// The owner, to whom it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// `users.id`.
    pub id: Uuid,
    /// `users.email`.
    pub email: &'a str,
    /// `users.name`; may be empty.
    pub name: &'a str,
    /// `users.username`.
    pub username: &'a str,
}

/// The workspace of which it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace<'a> {
    /// `workspaces.id`.
    pub id: Uuid,
    /// `workspaces.name`.
    pub name: &'a str,
    /// `workspaces.template_id`.
    pub template_id: Uuid,
    /// `workspaces.organization_id`.
    pub organization_id: Uuid,
}

/// What the product keeps of a notice: its row of `notification_templates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// `name`.
    pub name: &'a str,
    /// `actions`, as text.
    pub actions: Option<&'a str>,
}

/// A message, but for its id, its method and the time at which it is queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What it tells of.
    pub notice: Notice,
    /// `user_id`.
    pub user_id: Uuid,
    /// `payload`.
    pub payload: Value,
    /// `targets`.
    pub targets: Vec<Uuid>,
}

impl Message {
    /// The message that the product would queue, key by key.
    pub fn new(
        told: &Told<'_>,
        workspace: &Workspace<'_>,
        owner: &Owner<'_>,
        template: &Template<'_>,
        access_url: Option<&AccessUrl>,
        form: &Form,
    ) -> Result<Message, Untold> {
        let notice = told.notice();
        let labels = told.labels(workspace.name, form);
        let actions = actions(template.actions, access_url, owner.username, &labels)?;
        let name = if owner.name.is_empty() {
            owner.username
        } else {
            owner.name
        };
        let mut targets = vec![workspace.id, owner.id];
        // The product leaves it out there.
        if notice != Notice::TaskPaused {
            targets.push(workspace.template_id);
        }
        targets.push(workspace.organization_id);
        let mut payload = json!({
            "_version": form.payload_version(),
            "notification_name": template.name,
            "user_id": owner.id,
            "user_email": owner.email,
            "user_name": name,
            "user_username": owner.username,
            "actions": actions,
            "labels": labels,
        });
        if let Some(payload) = payload.as_object_mut() {
            if form.names_template || form.inbox {
                let id = notice.template_id().to_string();
                payload.insert("notification_template_id".to_owned(), Value::from(id));
                payload.insert("data".to_owned(), Value::Null);
            }
            if form.inbox {
                payload.insert("targets".to_owned(), json!(targets));
            }
        }
        Ok(Message {
            notice,
            user_id: owner.id,
            payload,
            targets,
        })
    }

    /// The text whose MD5 the product keeps in `dedupe_hash`: no two messages of a day have the
    /// same. The day is that of `created_at` in UTC.
    pub fn content(&self, method: &str, created_at: Instant) -> String {
        let at = created_at.civil();
        let targets: Vec<String> = self.targets.iter().map(Uuid::to_string).collect();
        format!(
            "{}:{}:{method}:{}:{}:{:04}-{:02}-{:02} 00:00:00",
            self.notice.template_id(),
            self.user_id,
            as_jsonb(&self.payload),
            targets.join(","),
            at.year,
            at.month,
            at.day
        )
    }
}

/// JSON as PostgreSQL prints a `jsonb`: keys by length and then by their bytes, a blank after
/// each comma and colon.
fn as_jsonb(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let elements: Vec<String> = list.iter().map(as_jsonb).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            entries.sort_by_key(|(key, _)| (key.len(), *key));
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), as_jsonb(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        plain => plain.to_string(),
    }
}
