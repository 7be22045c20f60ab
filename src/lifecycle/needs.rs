//! What of the product's schema each rule needs, said once: the signs are found by it,
//! and `autobuild_rules` tells by it what is there and what is not.

use super::signs::Signs;

/// A part of the product's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A column: its table and its name.
    Column(&'static str, &'static str),
    /// A value of the enum `build_reason`.
    Reason(&'static str),
}

use Part::{Column, Reason};

/// All that a rule needs: of each group one part, which had another name at first.
pub type Needs = &'static [&'static [Part]];

/// Nothing: it holds on every version.
pub const NOTHING: Needs = &[];
pub(super) const FAILED_STOP: Needs = &[
    &[Reason("failedstop")],
    &[Column("templates", "failure_ttl")],
];
const TIME_TIL_DORMANT: &[Part] = &[
    Column("templates", "time_til_dormant"),
    Column("templates", "inactivity_ttl"),
];
pub(super) const DORMANCY: Needs = &[DORMANT_AT, TIME_TIL_DORMANT, DORMANCY_REASON];
/// Whoever is to be deleted must be dormant first.
pub(super) const DELETION: Needs = &[
    DORMANT_AT,
    TIME_TIL_DORMANT,
    DORMANCY_REASON,
    &[Column("workspaces", "deleting_at")],
    &[
        Column("templates", "time_til_dormant_autodelete"),
        Column("templates", "locked_ttl"),
    ],
    &[Reason("autodelete")],
];
const DORMANT_AT: &[Part] = &[
    Column("workspaces", "dormant_at"),
    Column("workspaces", "locked_at"),
];
const DORMANCY_REASON: &[Part] = &[Reason("dormancy"), Reason("autolock")];
pub(super) const JOB_STATUS: Needs = &[&[Column("provisioner_jobs", "job_status")]];
pub(super) const AUTOMATIC_UPDATES: Needs = &[&[Column("workspaces", "automatic_updates")]];
pub(super) const REQUIRE_ACTIVE_VERSION: Needs =
    &[&[Column("templates", "require_active_version")]];
pub(super) const BLOCKED_DAYS: Needs = &[&[Column("templates", "autostart_block_days_of_week")]];
pub(super) const ACTIVE_OWNER: Needs = &[&[Column("provisioner_daemons", "last_seen_at")]];
const EMPTY_OWNER_TAG: Needs = &[&[Column("provisioner_daemons", "api_version")]];
pub(super) const WORKSPACE_TAGS: Needs = &[&[Column(
    "template_version_workspace_tags",
    "template_version_id",
)]];
pub(super) const SUSPENDED_OWNER: Needs = &[&[Column("users", "github_com_user_id")]];
pub(super) const NEXT_START_AT: Needs = &[&[Column("workspaces", "next_start_at")]];
pub(super) const DYNAMIC: Needs = &[&[Column("templates", "use_classic_parameter_flow")]];
pub(super) const PROVISIONER: Needs = &[
    LOGS_OVERFLOWED,
    &[Column("provisioner_daemons", "organization_id")],
    &[Column("provisioner_daemons", "tags")],
    &[Column("provisioner_daemons", "last_seen_at")],
];
const LOGS_OVERFLOWED: &[Part] = &[Column("provisioner_jobs", "logs_overflowed")];
pub(super) const PRESET: Needs = &[
    LOGS_OVERFLOWED,
    &[Column("workspace_builds", "template_version_preset_id")],
    &[Column("template_version_presets", "id")],
    &[Column("template_version_presets", "template_version_id")],
    &[Column(
        "template_version_preset_parameters",
        "template_version_preset_id",
    )],
    &[Column("template_version_preset_parameters", "name")],
    &[Column("template_version_preset_parameters", "value")],
];
pub(super) const TASK_ROW: Needs = &[
    &[Column("task_workspace_apps", "workspace_build_number")],
    &[Column("task_workspace_apps", "task_id")],
    &[Column("tasks", "id")],
    &[Column("tasks", "workspace_id")],
    &[Column("tasks", "deleted_at")],
];
pub(super) const TASK_PAUSE: Needs = &[
    &[Column("templates", "disable_module_cache")],
    &[Reason("task_auto_pause")],
    &[Column("tasks", "workspace_id")],
];

impl Signs {
    /// The signs of a schema that has these parts.
    pub fn found(has: impl Fn(Part) -> bool) -> Signs {
        let all = |needs| missing(needs, &has).is_empty();
        Signs {
            failed_stop: all(FAILED_STOP),
            dormancy: all(DORMANCY),
            dormancy_reason: has(Reason("dormancy")),
            deletion: all(DELETION),
            job_status: all(JOB_STATUS),
            automatic_updates: all(AUTOMATIC_UPDATES),
            require_active_version: all(REQUIRE_ACTIVE_VERSION),
            blocked_days: all(BLOCKED_DAYS),
            active_owner: all(ACTIVE_OWNER),
            empty_owner_tag: all(EMPTY_OWNER_TAG),
            workspace_tags: all(WORKSPACE_TAGS),
            suspended_owner: all(SUSPENDED_OWNER),
            next_start_at: all(NEXT_START_AT),
            dynamic: all(DYNAMIC),
            provisioner: all(PROVISIONER),
            preset: all(PRESET),
            task_row: all(TASK_ROW),
            task_pause: all(TASK_PAUSE),
        }
    }
}

/// The groups of which the schema has no part.
fn missing(needs: Needs, has: impl Fn(Part) -> bool) -> Vec<&'static [Part]> {
    needs
        .iter()
        .copied()
        .filter(|group| !group.iter().any(|part| has(*part)))
        .collect()
}

/// Does a schema bring all of it? With a sentence that says what it has or lacks.
pub(super) fn look(needs: Needs, has: impl Fn(Part) -> bool) -> (bool, String) {
    let missing = missing(needs, has);
    let sentence = if needs.is_empty() {
        "It holds on every version of the product.".to_owned()
    } else if missing.is_empty() {
        format!("The schema has {}.", listed(needs))
    } else {
        format!("The schema lacks {}.", listed(&missing))
    };
    (missing.is_empty(), sentence)
}

/// The parts in a sentence, first the columns.
fn listed(groups: &[&[Part]]) -> String {
    let named = |of_reason: bool| -> Vec<String> {
        groups
            .iter()
            .filter(|group| matches!(group.first(), Some(Reason(_))) == of_reason)
            .map(|group| {
                let names: Vec<String> = group.iter().map(Part::to_string).collect();
                names.join(" (at first ") + if names.len() > 1 { ")" } else { "" }
            })
            .collect()
    };
    let (columns, reasons) = (named(false), named(true));
    let mut parts = Vec::new();
    if !columns.is_empty() {
        let many = if columns.len() > 1 { "s" } else { "" };
        parts.push(format!("the column{many} {}", and(&columns)));
    }
    if !reasons.is_empty() {
        let many = if reasons.len() > 1 { "s" } else { "" };
        parts.push(format!(
            "the value{many} {} of the enum build_reason",
            and(&reasons)
        ));
    }
    parts.join(", and ")
}

/// `a, b and c`.
fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Column(table, column) => write!(f, "{table}.{column}"),
            Reason(value) => f.write_str(value),
        }
    }
}
