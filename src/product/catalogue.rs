//! Every table and column of the product's that the extension reads or writes.
//!
//! A column is required (all known versions have it), or optional: then it is one of
//! the signs by which a rule is known to be in force, or read only where it is. The
//! same list makes the statements of `autobuild_grant` and the checks of the schema.

/// What a column must be able to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `uuid`.
    Uuid,
    /// `boolean`.
    Bool,
    /// `smallint`, `integer` or `bigint`.
    Integer,
    /// `text`, `varchar` or another string type.
    Text,
    /// `timestamptz`; or `timestamp`, which holds UTC.
    Time,
    /// `jsonb`, or a domain over it.
    Json,
    /// `bytea`.
    Bytes,
    /// An enum.
    Enum,
}

impl Kind {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Uuid => "uuid",
            Kind::Bool => "boolean",
            Kind::Integer => "an integer type",
            Kind::Text => "a text type",
            Kind::Time => "timestamp with time zone",
            Kind::Json => "jsonb",
            Kind::Bytes => "bytea",
            Kind::Enum => "an enum",
        }
    }
}

/// How the extension uses a column: what the executor's role must be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is read.
    Read,
    /// It is read for people only, as the caller: never by the executor.
    Show,
    /// It is read for people only, as the executor's role: what becomes of its builds.
    Watch,
    /// It is read so, and written by an INSERT.
    WatchInsert,
    /// It is written by an INSERT, and never read.
    Write,
    /// It is read, and written by an INSERT.
    Insert,
    /// It is read, and written by an UPDATE.
    Update,
    /// It is written by an UPDATE, and never read.
    Overwrite,
    /// It is read where the role may: no right that must be there.
    IfGranted,
    /// It is looked for, never read: a sign.
    Sign,
}

impl Use {
    /// Is it written?
    pub fn writes(self) -> bool {
        matches!(
            self,
            Use::Write | Use::Insert | Use::WatchInsert | Use::Update | Use::Overwrite
        )
    }
}

/// A column that the extension knows.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub name: &'static str,
    /// What it must be able to hold.
    pub kind: Kind,
    /// Must it be there?
    pub required: bool,
    /// What it is used for.
    pub usage: Use,
}

const fn required(table: &'static str, name: &'static str, kind: Kind, usage: Use) -> Column {
    Column {
        table,
        name,
        kind,
        required: true,
        usage,
    }
}

const fn optional(table: &'static str, name: &'static str, kind: Kind, usage: Use) -> Column {
    Column {
        table,
        name,
        kind,
        required: false,
        usage,
    }
}

use Kind::{Bool, Bytes, Enum, Integer, Json, Text, Time, Uuid};
use Use::{IfGranted, Insert, Overwrite, Read, Show, Sign, Update, Watch, WatchInsert, Write};

/// All of them.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    required("workspaces", "id", Uuid, Read),
    required("workspaces", "owner_id", Uuid, Read),
    required("workspaces", "organization_id", Uuid, Read),
    required("workspaces", "template_id", Uuid, Read),
    required("workspaces", "name", Text, Show),
    required("workspaces", "deleted", Bool, Read),
    required("workspaces", "autostart_schedule", Text, Read),
    required("workspaces", "last_used_at", Time, Read),
    optional("workspaces", "locked_at", Time, Update),
    optional("workspaces", "dormant_at", Time, Update),
    optional("workspaces", "deleting_at", Time, Update),
    optional("workspaces", "automatic_updates", Enum, Read),
    optional("workspaces", "next_start_at", Time, Update),

    required("users", "id", Uuid, Read),
    required("users", "username", Text, Show),
    required("users", "status", Enum, Read),
    optional("users", "github_com_user_id", Integer, Sign),

    required("templates", "id", Uuid, Read),
    required("templates", "name", Text, Show),
    required("templates", "organization_id", Uuid, Read),
    required("templates", "provisioner", Enum, Read),
    required("templates", "active_version_id", Uuid, Read),
    required("templates", "allow_user_autostart", Bool, Read),
    optional("templates", "failure_ttl", Integer, Read),
    optional("templates", "inactivity_ttl", Integer, Read),
    optional("templates", "locked_ttl", Integer, Read),
    optional("templates", "time_til_dormant", Integer, Read),
    optional("templates", "time_til_dormant_autodelete", Integer, Read),
    optional("templates", "autostart_block_days_of_week", Integer, Read),
    optional("templates", "require_active_version", Bool, Read),
    optional("templates", "use_classic_parameter_flow", Bool, Read),
    optional("templates", "disable_module_cache", Bool, Sign),

    required("template_versions", "id", Uuid, Read),
    required("template_versions", "template_id", Uuid, Read),
    required("template_versions", "job_id", Uuid, Read),
    optional("template_versions", "has_external_agent", Bool, Read),

    required("template_version_parameters", "template_version_id", Uuid, Read),
    required("template_version_parameters", "name", Text, Read),
    required("template_version_parameters", "type", Text, Read),
    required("template_version_parameters", "default_value", Text, Read),
    required("template_version_parameters", "required", Bool, Read),
    required("template_version_parameters", "options", Json, Read),
    required("template_version_parameters", "validation_regex", Text, Read),
    required("template_version_parameters", "validation_error", Text, Read),
    required("template_version_parameters", "validation_min", Integer, Read),
    required("template_version_parameters", "validation_max", Integer, Read),
    required("template_version_parameters", "validation_monotonic", Text, Read),
    optional("template_version_parameters", "ephemeral", Bool, Read),
    optional("template_version_parameters", "form_type", Enum, Read),
    optional("template_version_parameters", "legacy_variable_name", Text, Read),

    required("workspace_builds", "id", Uuid, Insert),
    required("workspace_builds", "created_at", Time, Insert),
    required("workspace_builds", "updated_at", Time, Write),
    required("workspace_builds", "workspace_id", Uuid, Insert),
    required("workspace_builds", "template_version_id", Uuid, Insert),
    required("workspace_builds", "build_number", Integer, Insert),
    required("workspace_builds", "transition", Enum, Insert),
    required("workspace_builds", "initiator_id", Uuid, Write),
    required("workspace_builds", "provisioner_state", Bytes, Insert),
    required("workspace_builds", "job_id", Uuid, Insert),
    required("workspace_builds", "reason", Enum, WatchInsert),
    required("workspace_builds", "deadline", Time, Insert),
    required("workspace_builds", "max_deadline", Time, Write),
    required("workspace_builds", "daily_cost", Integer, Write),
    optional("workspace_builds", "template_version_preset_id", Uuid, Write),

    required("workspace_build_parameters", "workspace_build_id", Uuid, Insert),
    required("workspace_build_parameters", "name", Text, Insert),
    required("workspace_build_parameters", "value", Text, Insert),

    required("provisioner_jobs", "id", Uuid, Insert),
    required("provisioner_jobs", "created_at", Time, WatchInsert),
    required("provisioner_jobs", "updated_at", Time, WatchInsert),
    optional("provisioner_jobs", "started_at", Time, Watch),
    required("provisioner_jobs", "canceled_at", Time, Read),
    required("provisioner_jobs", "completed_at", Time, Read),
    required("provisioner_jobs", "error", Text, Read),
    required("provisioner_jobs", "initiator_id", Uuid, Write),
    required("provisioner_jobs", "organization_id", Uuid, Write),
    required("provisioner_jobs", "provisioner", Enum, Write),
    required("provisioner_jobs", "storage_method", Enum, Insert),
    required("provisioner_jobs", "file_id", Uuid, Insert),
    required("provisioner_jobs", "type", Enum, Write),
    required("provisioner_jobs", "input", Json, Write),
    required("provisioner_jobs", "tags", Json, Insert),
    required("provisioner_jobs", "trace_metadata", Json, Write),
    optional("provisioner_jobs", "worker_id", Uuid, Watch),
    optional("provisioner_jobs", "job_status", Enum, Watch),
    optional("provisioner_jobs", "logs_overflowed", Bool, Sign),

    optional("licenses", "exp", Time, IfGranted),

    optional("parameter_schemas", "job_id", Uuid, Read),
    optional("parameter_values", "scope", Enum, Read),
    optional("parameter_values", "scope_id", Uuid, Read),
    optional("parameter_values", "name", Text, Read),
    optional("parameter_values", "source_value", Text, Read),

    optional("provisioner_daemons", "organization_id", Uuid, Read),
    optional("provisioner_daemons", "tags", Json, Read),
    optional("provisioner_daemons", "last_seen_at", Time, Read),
    optional("provisioner_daemons", "api_version", Text, Sign),

    optional("template_version_workspace_tags", "template_version_id", Uuid, Read),
    optional("template_version_terraform_values", "template_version_id", Uuid, Read),
    optional("template_version_terraform_values", "provisionerd_version", Text, Read),
    optional("template_version_presets", "id", Uuid, Read),
    optional("template_version_presets", "template_version_id", Uuid, Read),
    optional("template_version_preset_parameters", "template_version_preset_id", Uuid, Read),
    optional("template_version_preset_parameters", "name", Text, Read),
    optional("template_version_preset_parameters", "value", Text, Read),

    optional("tasks", "id", Uuid, Read),
    optional("tasks", "workspace_id", Uuid, Read),
    optional("tasks", "deleted_at", Time, Read),
    optional("task_workspace_apps", "task_id", Uuid, Insert),
    optional("task_workspace_apps", "workspace_build_number", Integer, Insert),
    optional("task_workspace_apps", "workspace_agent_id", Uuid, Overwrite),
    optional("task_workspace_apps", "workspace_app_id", Uuid, Overwrite),
];

/// The tables that must be there.
pub fn required_tables() -> Vec<&'static str> {
    tables(COLUMNS.iter().filter(|column| column.required))
}

/// Every table that the extension knows.
pub fn all_tables() -> Vec<&'static str> {
    tables(COLUMNS.iter())
}

fn tables<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<&'static str> {
    let mut tables: Vec<&'static str> = Vec::new();
    for column in columns {
        if !tables.contains(&column.table) {
            tables.push(column.table);
        }
    }
    tables
}
