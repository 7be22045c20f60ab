//! What is queued, row by row and key by key, on each version that keeps messages.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::TODAY_AT_NINE;
use workspace_autobuild_tests::product::{Fields, Notice, Workspace};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

/// The rows of a message, one for each method.
fn rows(
    product: &Product,
    notice: Notice,
    workspace: &Workspace<'_>,
    url: &str,
    labels: &Json,
) -> Vec<Json> {
    let version = product.version();
    let template = product.value(&format!(
        "SELECT template_id FROM workspaces WHERE id = '{}'",
        workspace.id
    ));
    let mut targets = vec![workspace.id.to_string(), workspace.owner.to_string()];
    if notice != Notice::Paused {
        targets.extend(template);
    }
    targets.push(workspace.organization.to_string());
    let mut payload = json!({
        "_version": "1.2",
        "notification_name": notice.name(),
        "notification_template_id": notice.id(),
        "user_id": workspace.owner,
        "user_email": "ada@example.com",
        "user_name": "Ada Lovelace",
        "user_username": "ada",
        "actions": [{"label": "Go", "url": format!("{URL}{url}")}],
        "labels": labels,
        "data": null,
        "targets": targets,
    });
    if let Some(payload) = payload.as_object_mut()
        && version < Version::V2_25_0
    {
        payload.remove("targets");
        let older = if version >= Version::V2_20_0 {
            "1.1"
        } else {
            "1.0"
        };
        payload.insert("_version".to_owned(), json!(older));
        if older == "1.0" {
            payload.remove("data");
            payload.remove("notification_template_id");
        }
    }
    let created_by = if notice == Notice::Updated {
        "autobuild"
    } else {
        "lifecycle_executor"
    };
    let methods: &[&str] = if version >= Version::V2_25_0 {
        &["smtp", "inbox"]
    } else {
        &["smtp"]
    };
    methods
        .iter()
        .map(|method| {
            json!({
                "notification_template_id": notice.id(),
                "user_id": workspace.owner,
                "method": method,
                "status": "pending",
                "status_reason": null,
                "created_by": created_by,
                "payload": payload,
                "attempt_count": 0,
                "targets": targets,
                "updated_at": null,
                "leased_until": null,
                "next_retry_after": null,
                "queued_seconds": null,
            })
        })
        .collect()
}

#[track_caller]
fn nobody_was_told(product: &Product) {
    let version = product.version();
    assert_eq!(product.queued(), Vec::<Json>::new(), "{version}");
}

#[test]
fn a_start_on_another_version_tells_the_owner_which() {
    with_messages(|product, operator| {
        let template = renewed(product, "Faster \"disks\"");
        let workspace = to_be_updated(&template, ada(product), "dev");
        operator.tick(TODAY_AT_NINE);
        let labels = json!({
            "name": "dev",
            "initiator": "autobuild",
            "reason": "autostart",
            "template_version_name": "second",
            "template_version_message": "Faster \"disks\"",
        });
        let expected = rows(product, Notice::Updated, &workspace, "/@ada/dev", &labels);
        assert_eq!(product.queued(), expected, "{}", product.version());
        // At the next start it has that version.
        workspace
            .build(Transition::Stop)
            .created_at("2024-03-05 18:00:00+00")
            .create();
        operator.tick("2024-03-06 09:00:00+00");
        assert_eq!(product.queued(), expected, "{}", product.version());
    });
}

#[test]
fn a_version_without_a_message_says_so_since_the_product_does() {
    with_messages(|product, operator| {
        let workspace = to_be_updated(&renewed(product, ""), ada(product), "dev");
        operator.tick(TODAY_AT_NINE);
        let message = product.queued()[0]["payload"]["labels"]["template_version_message"].clone();
        let today = product.version() >= Version::V2_25_0;
        assert_eq!(message, json!(if today { "None provided" } else { "" }));
        assert_eq!(workspace.builds().len(), 2);
    });
}

#[test]
fn a_dormancy_mark_tells_the_owner_with_a_build_or_alone() {
    with_messages(|product, operator| {
        let owner = ada(product);
        let made = [
            forgotten(product, owner, "asleep", Transition::Stop),
            forgotten(product, owner, "awake", Transition::Start),
        ];
        operator.tick("2024-03-12 08:01:00+00");
        let (label, words) = if product.version() < Version::V2026_06 {
            ("timeTilDormant", "6 days from now")
        } else {
            ("timeTilDelete", "5 months from now")
        };
        let mut expected: Vec<Json> = made
            .iter()
            .flat_map(|workspace| {
                let name = product.by_id("workspaces", workspace.id)["name"].clone();
                let name = name.as_str().expect("a name");
                let labels = json!({
                    "name": name,
                    "reason": "inactivity exceeded the dormancy threshold",
                    label: words,
                });
                let url = format!("/@ada/{name}");
                rows(product, Notice::Dormant, workspace, &url, &labels)
            })
            .collect();
        let mut queued = product.queued();
        for rows in [&mut queued, &mut expected] {
            rows.sort_by_key(Json::to_string);
        }
        assert_eq!(queued, expected, "{}", product.version());
    });
}

#[test]
fn a_workspace_that_is_not_to_be_deleted_has_no_time_until_then() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let workspace = forgotten(product, ada(product), "dev", Transition::Stop);
        product.execute("UPDATE templates SET time_til_dormant_autodelete = 0");
        operator.tick("2024-03-12 08:01:00+00");
        let labels = json!({
            "name": "dev",
            "reason": "inactivity exceeded the dormancy threshold",
        });
        let expected = rows(product, Notice::Dormant, &workspace, "/@ada/dev", &labels);
        assert_eq!(product.queued(), expected);
    });
}

#[test]
fn a_task_that_is_paused_tells_the_owner_and_names_the_task() {
    with_messages_since(Version::V2_34_3, |product, operator| {
        let template = product.template("docker").create();
        let workspace = running(&template, ada(product), "dev");
        let id = "00000000-0000-0000-0000-00000000000a";
        workspace.task("Fix it").set("id", id).create();
        operator.tick(DEADLINE);
        let labels = json!({
            "task": "Fix it",
            "task_id": id,
            "workspace": "dev",
            "pause_reason": "idle timeout",
        });
        let url = format!("/t/ada/{id}");
        let expected = rows(product, Notice::Paused, &workspace, &url, &labels);
        assert_eq!(product.queued(), expected, "{}", product.version());
    });
}

#[test]
fn a_reminder_tells_the_deadline() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let workspace = running(&reminding(product), ada(product), "dev");
        operator.tick(BEFORE_IT);
        let labels = json!({
            "workspace": "dev",
            "deadline": "Tue, 05 Mar 2024 12:00:00 UTC",
        });
        let expected = rows(product, Notice::Reminder, &workspace, "/@ada/dev", &labels);
        assert_eq!(product.queued(), expected);
    });
}

#[test]
fn other_starts_stops_and_deletes_tell_nobody() {
    with_messages(|product, operator| {
        operator.all_rules();
        let template = product.template("docker").create();
        let started = to_be_updated(&template, ada(product), "starts");
        let stopped = running(&template, product.admin().id, "stops");
        let dying = template
            .workspace("dies")
            .dormant_at(STARTED)
            .set("deleting_at", STARTED)
            .create_stopped(STARTED);
        product.execute("UPDATE templates SET time_til_dormant_autodelete = 60000000000");
        operator.tick("2024-03-05 12:01:00+00");
        for workspace in [started, stopped, dying] {
            assert_eq!(workspace.builds().len(), 2);
        }
        nobody_was_told(product);
    });
}

#[test]
fn nobody_is_told_until_that_is_switched_on() {
    with_messages(|product, operator| {
        operator.reset();
        let workspace = to_be_updated(&renewed(product, ""), ada(product), "dev");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(workspace.builds().len(), 2);
        nobody_was_told(product);
    });
}

#[test]
fn a_message_goes_on_the_ways_that_the_deployment_has() {
    with_messages(|product, operator| {
        let inbox = product.version() >= Version::V2_25_0;
        let template = renewed(product, "");
        let owner = ada(product);
        let methods = |name: &str| {
            to_be_updated(&template, owner, name);
            operator.tick(TODAY_AT_NINE);
            let rows = product.rows(&format!(
                "SELECT notification_messages.method::text FROM notification_messages
                  WHERE payload->'labels'->>'name' = '{name}'
                  ORDER BY notification_messages.method"
            ));
            rows.into_iter()
                .flatten()
                .flatten()
                .collect::<Vec<String>>()
                .join(" ")
        };
        let with_inbox = |method: &str| {
            let both = if inbox {
                format!("{method} inbox")
            } else {
                method.to_owned()
            };
            both.trim().to_owned()
        };
        assert_eq!(methods("a"), with_inbox("smtp"));
        operator.set("notification_method", "webhook");
        assert_eq!(methods("b"), with_inbox("webhook"));
        operator.set("notification_method", "none");
        assert_eq!(methods("c"), with_inbox(""));
        operator.set("notification_inbox", "off");
        assert_eq!(methods("d"), "");
        // A notice may have a way of its own.
        product.execute("UPDATE notification_templates SET method = 'webhook'");
        assert_eq!(methods("e"), "webhook");
    });
}
