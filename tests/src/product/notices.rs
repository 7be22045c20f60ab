//! The product's rows of `notification_templates`, as far as its executor uses them, in words
//! of our own; and what was queued for owners.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Fields, HOUR, Product, Row, Value, Version, Workspace};

/// What an owner is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A start took another version.
    Updated,
    /// The workspace was marked dormant.
    Dormant,
    /// A task's workspace was stopped.
    Paused,
    /// A deadline comes.
    Reminder,
}

impl Notice {
    /// All of them.
    pub const ALL: [Notice; 4] = [
        Notice::Updated,
        Notice::Dormant,
        Notice::Paused,
        Notice::Reminder,
    ];

    /// Its row's id.
    pub const fn id(self) -> Uuid {
        Uuid::from_u128(match self {
            Notice::Updated => 0xc34a_0c09_0704_4cac_bd1c_0c01_4681_1c2b,
            Notice::Dormant => 0x0ea6_9165_ec14_4314_91f1_6956_6ac3_c5a0,
            Notice::Paused => 0x2a74_f3d3_ab09_4123_a4a5_ca23_8f4f_65a1,
            Notice::Reminder => 0x6f6c_b984_c167_4fa5_bb87_1058_dd64_2779,
        })
    }

    /// The first version that has it, of those that the tests have.
    pub fn since(self) -> Version {
        match self {
            Notice::Updated | Notice::Dormant => Version::V2_15_0,
            Notice::Paused => Version::V2_34_3,
            Notice::Reminder => Version::V2026_06,
        }
    }

    /// Its row's name here.
    pub fn name(self) -> &'static str {
        match self {
            Notice::Updated => "Moved to a new version",
            Notice::Dormant => "Fell asleep",
            Notice::Paused => "Task rests",
            Notice::Reminder => "Stops soon",
        }
    }

    fn body(self, version: Version) -> &'static str {
        match self {
            Notice::Updated => "{{.Labels.name}} has {{.Labels.template_version_name}} now",
            Notice::Dormant if version < Version::V2026_06 => {
                "{{.Labels.name}} sleeps, {{.Labels.timeTilDormant}}"
            }
            Notice::Dormant => {
                "{{.Labels.name}} sleeps{{with .Labels.timeTilDelete}}, {{.}}{{end}}"
            }
            Notice::Paused => "{{.Labels.task}} rests: {{.Labels.pause_reason}}",
            Notice::Reminder => "{{.Labels.workspace}} stops at {{.Labels.deadline}}",
        }
    }

    fn actions(self) -> &'static str {
        match self {
            Notice::Paused => {
                r#"[{"label": "Go", "url": "{{base_url}}/t/{{.UserUsername}}/{{.Labels.task_id}}"}]"#
            }
            Notice::Reminder => {
                r#"[{"label": "Go", "url": "{{base_url}}/@{{.UserUsername}}/{{.Labels.workspace}}"}]"#
            }
            Notice::Updated | Notice::Dormant => {
                r#"[{"label": "Go", "url": "{{ base_url }}/@{{.UserUsername}}/{{.Labels.name}}"}]"#
            }
        }
    }
}

impl Product {
    /// The rows that the product's own migrations bring.
    #[track_caller]
    pub fn add_notices(&self) {
        for notice in Notice::ALL {
            if self.version() >= notice.since() {
                let mut row = Row::new("notification_templates");
                row.set("id", notice.id())
                    .set("name", notice.name())
                    .set("title_template", "title")
                    .set("body_template", notice.body(self.version()))
                    .set("actions", notice.actions());
                self.insert(&row);
            }
        }
    }

    /// The notices, and a workspace that is in use and was started and has its deadline then
    /// (SQL expressions); its owner is reminded two hours before it.
    #[track_caller]
    pub fn add_reminded(&self, started: &str, deadline: &str) -> Workspace<'_> {
        self.add_notices();
        let template = self.template("docker").create();
        template.update("time_til_autostop_notify", 2 * HOUR);
        template
            .workspace("dev")
            .set("last_used_at", Value::sql("now()"))
            .create_started(Value::sql(started), Value::sql(deadline))
    }

    /// The user turns a notice off, or on.
    #[track_caller]
    pub fn prefer(&self, user: Uuid, notice: Notice, disabled: bool) {
        let mut row = Row::new("notification_preferences");
        row.set("user_id", user)
            .set("notification_template_id", notice.id())
            .set("disabled", disabled);
        self.insert(&row);
    }

    /// What was queued, by notice, user and method; without what only the server can know:
    /// ids, times and hashes.
    #[track_caller]
    pub fn queued(&self) -> Vec<Json> {
        let rows = self.rows(
            "SELECT to_jsonb(m) - 'id' - 'created_at' - 'dedupe_hash'
               FROM notification_messages m
              ORDER BY m.notification_template_id, m.user_id, m.method, m.payload::text",
        );
        rows.into_iter()
            .flatten()
            .flatten()
            .map(|text| serde_json::from_str(&text).expect("JSON"))
            .collect()
    }

    /// How many rows were queued of a notice.
    #[track_caller]
    pub fn count_queued(&self, notice: Notice) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM notification_messages WHERE notification_template_id = '{}'",
            notice.id()
        );
        self.value(&sql)
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }
}
