//! The four events of which the product's executor tells an owner, with what it says of each.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::instant::{Instant, Micros, Nanos};

use super::form::Form;
use super::words::words;

/// What an owner is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A start took another version of the template.
    AutoUpdated,
    /// The workspace was marked dormant.
    Dormant,
    /// The workspace of a task was stopped.
    TaskPaused,
    /// The workspace will be stopped soon.
    Reminder,
}

impl Notice {
    /// All of them, in the order in which the product sends them.
    pub const ALL: [Notice; 4] = [
        Notice::AutoUpdated,
        Notice::Dormant,
        Notice::TaskPaused,
        Notice::Reminder,
    ];

    /// Its name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Notice::AutoUpdated => "updated",
            Notice::Dormant => "dormant",
            Notice::TaskPaused => "task paused",
            Notice::Reminder => "reminder",
        }
    }

    /// Its row of `notification_templates`.
    pub const fn template_id(self) -> Uuid {
        Uuid::from_u128(match self {
            Notice::AutoUpdated => 0xc34a_0c09_0704_4cac_bd1c_0c01_4681_1c2b,
            Notice::Dormant => 0x0ea6_9165_ec14_4314_91f1_6956_6ac3_c5a0,
            Notice::TaskPaused => 0x2a74_f3d3_ab09_4123_a4a5_ca23_8f4f_65a1,
            Notice::Reminder => 0x6f6c_b984_c167_4fa5_bb87_1058_dd64_2779,
        })
    }

    /// `notification_messages.created_by`.
    pub const fn created_by(self) -> &'static str {
        match self {
            Notice::AutoUpdated => "autobuild",
            Notice::Dormant | Notice::TaskPaused | Notice::Reminder => "lifecycle_executor",
        }
    }
}

/// What is told, with what differs from one message to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// See [`Notice::AutoUpdated`].
    AutoUpdated {
        /// The new version's name.
        version: &'a str,
        /// The message that its author gave it; may be empty.
        message: &'a str,
    },
    /// See [`Notice::Dormant`].
    Dormant(Until),
    /// See [`Notice::TaskPaused`].
    TaskPaused {
        /// The task.
        id: Uuid,
        /// Its name.
        name: &'a str,
    },
    /// See [`Notice::Reminder`].
    Reminder(Deadline),
}

/// What a message on dormancy says of the time that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// `timeTilDormant`: the template's `time_til_dormant`, though its text means the time until
    /// the workspace is deleted.
    Dormant(Nanos),
    /// `timeTilDelete`: the time from the dormancy mark until `deleting_at`; none where the
    /// workspace is not to be deleted.
    Deleted(Option<Micros>),
}

/// How a reminder names the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// `deadline`: the time itself.
    At(Instant),
    /// `timeTilShutdown`: how far it is away.
    In(Micros),
}

impl Until {
    /// What the installed version says: labels were renamed, and the text of the notice's row
    /// (`notification_templates.body_template`) names the one that it shows.
    pub fn named_by(body: &str, time_til_dormant: Nanos, left: Option<Micros>) -> Until {
        if names(body, "timeTilDelete") {
            Until::Deleted(left)
        } else {
            Until::Dormant(time_til_dormant)
        }
    }
}

impl Deadline {
    /// How the installed version names it, as with [`Until::named_by`].
    pub fn named_by(body: &str, deadline: Instant, clock: Instant) -> Deadline {
        if names(body, "timeTilShutdown") {
            let left = deadline.micros().saturating_sub(clock.micros());
            Deadline::In(Micros(left))
        } else {
            Deadline::At(deadline)
        }
    }
}

impl Told<'_> {
    /// Of what.
    pub fn notice(&self) -> Notice {
        match self {
            Told::AutoUpdated { .. } => Notice::AutoUpdated,
            Told::Dormant(_) => Notice::Dormant,
            Told::TaskPaused { .. } => Notice::TaskPaused,
            Told::Reminder(_) => Notice::Reminder,
        }
    }

    /// The message's labels, for a workspace of this name.
    pub fn labels(&self, workspace: &str, form: &Form) -> Map<String, Value> {
        let mut labels: Vec<(&str, String)> = Vec::new();
        match *self {
            Told::AutoUpdated { version, message } => {
                labels.push(("name", workspace.to_owned()));
                labels.push(("initiator", "autobuild".to_owned()));
                labels.push(("reason", "autostart".to_owned()));
                labels.push(("template_version_name", version.to_owned()));
                let message = match message {
                    "" if form.none_provided => "None provided",
                    message => message,
                };
                labels.push(("template_version_message", message.to_owned()));
            }
            Told::Dormant(until) => {
                let reason = "inactivity exceeded the dormancy threshold";
                labels.push(("name", workspace.to_owned()));
                labels.push(("reason", reason.to_owned()));
                match until {
                    Until::Dormant(ttl) => {
                        labels.push(("timeTilDormant", just_under(ttl.micros())));
                    }
                    Until::Deleted(Some(left)) => labels.push(("timeTilDelete", just_under(left))),
                    Until::Deleted(None) => {}
                }
            }
            Told::TaskPaused { id, name } => {
                labels.push(("task", name.to_owned()));
                labels.push(("task_id", id.to_string()));
                labels.push(("workspace", workspace.to_owned()));
                labels.push(("pause_reason", "idle timeout".to_owned()));
            }
            Told::Reminder(deadline) => {
                labels.push(("workspace", workspace.to_owned()));
                match deadline {
                    Deadline::At(at) => labels.push(("deadline", spelled_out(at))),
                    Deadline::In(left) => labels.push(("timeTilShutdown", words(left))),
                }
            }
        }
        let labels = labels.into_iter();
        labels
            .map(|(key, text)| (key.to_owned(), Value::from(text)))
            .collect()
    }
}

/// Does the text of a notice's row name this label?
fn names(body: &str, label: &str) -> bool {
    let named = body.split(".Labels.").skip(1);
    let mut after = named.filter_map(|rest| rest.strip_prefix(label));
    after.any(|rest| {
        let next = rest.chars().next();
        next.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
    })
}

/// The words for a time that was laid down a moment before: when the product counts how far
/// it is, it is a little less, and a week is `6 days`.
fn just_under(left: Micros) -> String {
    words(Micros(left.0.saturating_sub(1)))
}

/// `Wed, 03 Jan 2024 10:00:00 UTC`; what is beyond the second is cut.
fn spelled_out(at: Instant) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = at.civil();
    let named = |names: &[&'static str], place: i64| {
        let place = usize::try_from(place).ok();
        place
            .and_then(|place| names.get(place).copied())
            .unwrap_or_default()
    };
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} UTC",
        named(&DAYS, at.weekday),
        at.day,
        named(&MONTHS, at.month - 1),
        at.year,
        at.hour,
        at.minute,
        at.second
    )
}
