//! Every table and column of the product's that the extension reads or writes, said once.
//!
//! A column is required (all known versions have it), or optional: then it is one of
//! the signs by which a rule is known to be in force, or read only where it is. Whatever
//! asks for a column asks by its constant, so that a name that is not in this list does
//! not compile; what must do something for every column (grants, checks of the schema,
//! locks, the capture triggers) walks [`COLUMNS`].

use std::fmt;

/// What a column must be able to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `uuid`.
    Uuid,
    /// `uuid[]`.
    Uuids,
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
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Uuid => "uuid",
            Kind::Uuids => "uuid[]",
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(
            self,
            Use::Write | Use::Insert | Use::WatchInsert | Use::Update | Use::Overwrite
        )
    }
}

/// For what a column is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeededFor {
    /// Wherever it is there.
    Always,
    /// The look for a provisioner, where the sign of that rule is there.
    Provisioner,
    /// Matching presets, where the sign of that rule is there.
    Preset,
    /// Values of before parameters belonged to builds, where the product has them all.
    LegacyValues,
    /// Proofs about templates' sources, where the product renders these at each build.
    Proof,
    /// Messages to owners, where `notify_owners` is on and the product keeps such.
    Messages,
    /// Reminders of deadlines, where `notify_owners` is on and the sign of that rule is there.
    Reminders,
    /// The audit log, where `audit_dormancy` is on.
    Audit,
}

/// When a change of a column may move a transition forward, so that a capture trigger
/// must leave a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watched {
    /// Whenever it changes.
    Changed,
    /// When a time becomes earlier, or there was none: NULL, or the product's "no time".
    Sooner,
    /// When a time becomes earlier; NULL is the earliest.
    SoonerOrNull,
    /// As [`Watched::Sooner`], when it moves once it has passed, and when it is no longer the
    /// time in another column, which says up to where all was done: that is then to be done anew.
    SoonerOrAwayFrom(&'static Column),
}

/// A column that the extension knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// The table.
    pub table: &'static str,
    /// The column, by the name that it has today.
    pub name: &'static str,
    /// The name that it had at first, where it was renamed.
    pub first_name: Option<&'static str>,
    /// What it must be able to hold.
    pub kind: Kind,
    /// Must it be there?
    pub required: bool,
    /// How it is used.
    pub usage: Use,
    /// For what it is used.
    pub needed_for: NeededFor,
    /// For what it is written by an UPDATE besides, if for anything.
    pub updated_for: Option<NeededFor>,
    /// Which of its changes matter, if any does.
    pub watched: Option<Watched>,
}

impl Column {
    /// Is it a column of this table?
    #[must_use]
    pub const fn is_of(&self, table: &str) -> bool {
        // Byte by byte: constants can't compare texts otherwise.
        let (mut own, mut other) = (self.table.as_bytes(), table.as_bytes());
        while let ([first, own_rest @ ..], [second, other_rest @ ..]) = (own, other) {
            if *first != *second {
                return false;
            }
            (own, other) = (own_rest, other_rest);
        }
        own.is_empty() && other.is_empty()
    }

    /// Its names, today's first: where a table has both, today's counts.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.name), self.first_name].into_iter().flatten()
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.name)
    }
}

/// Declares a module for each table, with a constant for each of its columns, and
/// [`COLUMNS`]. A line is `CONSTANT = "name": kind, usage, required or optional`, then in
/// braces what else is to be said of the column.
macro_rules! columns {
    ($(
        $table:ident {
            $($column:ident = $name:literal: $kind:ident, $usage:ident, $presence:ident
              $({ $($field:ident: $value:expr),+ $(,)? })?;)+
        }
    )+) => {
        $(
            #[doc = concat!("The columns of `", stringify!($table), "`.")]
            pub mod $table {
                use crate::columns::*;

                /// The table's name.
                pub const TABLE: &str = stringify!($table);

                $(
                    #[doc = concat!("`", stringify!($table), ".", $name, "`.")]
                    pub const $column: Column = Column {
                        $($($field: $value,)+)?
                        ..$presence(TABLE, $name, Kind::$kind, Use::$usage)
                    };
                    const _: () = assert!(
                        $name.eq_ignore_ascii_case(stringify!($column)),
                        "a column's constant has the name of the column"
                    );
                )+
            }
        )+

        /// All of them, table by table.
        pub const COLUMNS: &[Column] = &[$($($table::$column,)+)+];
    };
}

const fn required(table: &'static str, name: &'static str, kind: Kind, usage: Use) -> Column {
    Column {
        required: true,
        ..optional(table, name, kind, usage)
    }
}

const fn optional(table: &'static str, name: &'static str, kind: Kind, usage: Use) -> Column {
    Column {
        table,
        name,
        first_name: None,
        kind,
        required: false,
        usage,
        needed_for: NeededFor::Always,
        updated_for: None,
        watched: None,
    }
}

columns! {
    workspaces {
        ID = "id": Uuid, Read, required;
        OWNER_ID = "owner_id": Uuid, Read, required { watched: Some(Watched::Changed) };
        ORGANIZATION_ID = "organization_id": Uuid, Read, required;
        TEMPLATE_ID = "template_id": Uuid, Read, required { watched: Some(Watched::Changed) };
        NAME = "name": Text, Read, required { needed_for: NeededFor::Messages };
        DELETED = "deleted": Bool, Read, required { watched: Some(Watched::Changed) };
        AUTOSTART_SCHEDULE = "autostart_schedule": Text, Read, required {
            watched: Some(Watched::Changed),
        };
        LAST_USED_AT = "last_used_at": Time, Read, required {
            watched: Some(Watched::SoonerOrNull),
        };
        DORMANT_AT = "dormant_at": Time, Update, optional {
            first_name: Some("locked_at"),
            watched: Some(Watched::Changed),
        };
        DELETING_AT = "deleting_at": Time, Update, optional { watched: Some(Watched::Changed) };
        TTL = "ttl": Integer, Show, optional;
        AUTOMATIC_UPDATES = "automatic_updates": Enum, Read, optional;
        NEXT_START_AT = "next_start_at": Time, Update, optional {
            watched: Some(Watched::SoonerOrNull),
        };
    }

    users {
        ID = "id": Uuid, Read, required;
        USERNAME = "username": Text, Read, required { needed_for: NeededFor::Messages };
        NAME = "name": Text, Read, optional { needed_for: NeededFor::Messages };
        EMAIL = "email": Text, Read, optional { needed_for: NeededFor::Messages };
        STATUS = "status": Enum, Read, required { watched: Some(Watched::Changed) };
        QUIET_HOURS_SCHEDULE = "quiet_hours_schedule": Text, Show, optional;
        GITHUB_COM_USER_ID = "github_com_user_id": Integer, Sign, optional;
    }

    templates {
        ID = "id": Uuid, Read, required;
        NAME = "name": Text, Show, required;
        ORGANIZATION_ID = "organization_id": Uuid, Read, required;
        PROVISIONER = "provisioner": Enum, Read, required;
        ACTIVE_VERSION_ID = "active_version_id": Uuid, Read, required;
        ALLOW_USER_AUTOSTART = "allow_user_autostart": Bool, Read, required {
            watched: Some(Watched::Changed),
        };
        ALLOW_USER_AUTOSTOP = "allow_user_autostop": Bool, Show, optional;
        DEFAULT_TTL = "default_ttl": Integer, Show, optional;
        AUTOSTOP_REQUIREMENT_DAYS_OF_WEEK = "autostop_requirement_days_of_week": Integer, Show,
            optional { first_name: Some("restart_requirement_days_of_week") };
        AUTOSTOP_REQUIREMENT_WEEKS = "autostop_requirement_weeks": Integer, Show, optional {
            first_name: Some("restart_requirement_weeks"),
        };
        FAILURE_TTL = "failure_ttl": Integer, Read, optional { watched: Some(Watched::Changed) };
        TIME_TIL_DORMANT = "time_til_dormant": Integer, Read, optional {
            first_name: Some("inactivity_ttl"),
            watched: Some(Watched::Changed),
        };
        TIME_TIL_DORMANT_AUTODELETE = "time_til_dormant_autodelete": Integer, Read, optional {
            first_name: Some("locked_ttl"),
            watched: Some(Watched::Changed),
        };
        TIME_TIL_AUTOSTOP_NOTIFY = "time_til_autostop_notify": Integer, Read, optional {
            watched: Some(Watched::Changed),
        };
        AUTOSTART_BLOCK_DAYS_OF_WEEK = "autostart_block_days_of_week": Integer, Read, optional {
            watched: Some(Watched::Changed),
        };
        REQUIRE_ACTIVE_VERSION = "require_active_version": Bool, Read, optional;
        USE_CLASSIC_PARAMETER_FLOW = "use_classic_parameter_flow": Bool, Read, optional;
        DISABLE_MODULE_CACHE = "disable_module_cache": Bool, Sign, optional;
    }

    template_versions {
        ID = "id": Uuid, Read, required;
        TEMPLATE_ID = "template_id": Uuid, Read, required;
        JOB_ID = "job_id": Uuid, Read, required;
        NAME = "name": Text, Read, optional { needed_for: NeededFor::Messages };
        MESSAGE = "message": Text, Read, optional { needed_for: NeededFor::Messages };
        HAS_EXTERNAL_AGENT = "has_external_agent": Bool, Read, optional;
    }

    template_version_parameters {
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, Read, required;
        NAME = "name": Text, Read, required;
        TYPE = "type": Text, Read, required;
        DEFAULT_VALUE = "default_value": Text, Read, required;
        REQUIRED = "required": Bool, Read, required;
        OPTIONS = "options": Json, Read, required;
        VALIDATION_REGEX = "validation_regex": Text, Read, required;
        VALIDATION_ERROR = "validation_error": Text, Read, required;
        VALIDATION_MIN = "validation_min": Integer, Read, required;
        VALIDATION_MAX = "validation_max": Integer, Read, required;
        VALIDATION_MONOTONIC = "validation_monotonic": Text, Read, required;
        MUTABLE = "mutable": Bool, IfGranted, optional { needed_for: NeededFor::Proof };
        EPHEMERAL = "ephemeral": Bool, Read, optional;
        FORM_TYPE = "form_type": Enum, Read, optional;
        LEGACY_VARIABLE_NAME = "legacy_variable_name": Text, Read, optional;
    }

    workspace_builds {
        ID = "id": Uuid, Insert, required;
        CREATED_AT = "created_at": Time, Insert, required { watched: Some(Watched::Changed) };
        UPDATED_AT = "updated_at": Time, Write, required {
            updated_for: Some(NeededFor::Reminders),
        };
        WORKSPACE_ID = "workspace_id": Uuid, Insert, required { watched: Some(Watched::Changed) };
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, Insert, required;
        BUILD_NUMBER = "build_number": Integer, Insert, required {
            watched: Some(Watched::Changed),
        };
        TRANSITION = "transition": Enum, Insert, required { watched: Some(Watched::Changed) };
        INITIATOR_ID = "initiator_id": Uuid, Write, required;
        PROVISIONER_STATE = "provisioner_state": Bytes, Insert, required;
        JOB_ID = "job_id": Uuid, Insert, required { watched: Some(Watched::Changed) };
        REASON = "reason": Enum, WatchInsert, required;
        DEADLINE = "deadline": Time, Insert, required {
            watched: Some(Watched::SoonerOrAwayFrom(&NOTIFIED_AUTOSTOP_DEADLINE)),
        };
        MAX_DEADLINE = "max_deadline": Time, Write, required;
        NOTIFIED_AUTOSTOP_DEADLINE = "notified_autostop_deadline": Time, Read, optional {
            updated_for: Some(NeededFor::Reminders),
        };
        DAILY_COST = "daily_cost": Integer, Write, required;
        TEMPLATE_VERSION_PRESET_ID = "template_version_preset_id": Uuid, Write, optional;
    }

    workspace_build_parameters {
        WORKSPACE_BUILD_ID = "workspace_build_id": Uuid, Insert, required;
        NAME = "name": Text, Insert, required;
        VALUE = "value": Text, Insert, required;
    }

    provisioner_jobs {
        ID = "id": Uuid, Insert, required;
        CREATED_AT = "created_at": Time, WatchInsert, required;
        UPDATED_AT = "updated_at": Time, WatchInsert, required;
        STARTED_AT = "started_at": Time, Watch, optional;
        CANCELED_AT = "canceled_at": Time, Read, required { watched: Some(Watched::Changed) };
        COMPLETED_AT = "completed_at": Time, Read, required { watched: Some(Watched::Changed) };
        ERROR = "error": Text, Read, required { watched: Some(Watched::Changed) };
        INITIATOR_ID = "initiator_id": Uuid, Write, required;
        ORGANIZATION_ID = "organization_id": Uuid, Write, required;
        PROVISIONER = "provisioner": Enum, Write, required;
        STORAGE_METHOD = "storage_method": Enum, Insert, required;
        FILE_ID = "file_id": Uuid, Insert, required;
        TYPE = "type": Enum, Write, required;
        INPUT = "input": Json, Write, required;
        TAGS = "tags": Json, Insert, required;
        TRACE_METADATA = "trace_metadata": Json, Write, required;
        WORKER_ID = "worker_id": Uuid, Watch, optional;
        JOB_STATUS = "job_status": Enum, Watch, optional;
        LOGS_OVERFLOWED = "logs_overflowed": Bool, Sign, optional;
    }

    licenses {
        EXP = "exp": Time, IfGranted, optional;
    }

    parameter_schemas {
        JOB_ID = "job_id": Uuid, Read, optional;
    }

    parameter_values {
        SCOPE = "scope": Enum, Read, optional { needed_for: NeededFor::LegacyValues };
        SCOPE_ID = "scope_id": Uuid, Read, optional { needed_for: NeededFor::LegacyValues };
        NAME = "name": Text, Read, optional { needed_for: NeededFor::LegacyValues };
        SOURCE_VALUE = "source_value": Text, Read, optional {
            needed_for: NeededFor::LegacyValues,
        };
    }

    provisioner_daemons {
        ORGANIZATION_ID = "organization_id": Uuid, Read, optional {
            needed_for: NeededFor::Provisioner,
        };
        TAGS = "tags": Json, Read, optional { needed_for: NeededFor::Provisioner };
        LAST_SEEN_AT = "last_seen_at": Time, Read, optional {
            needed_for: NeededFor::Provisioner,
        };
        API_VERSION = "api_version": Text, Sign, optional;
    }

    template_version_workspace_tags {
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, Read, optional;
    }

    template_version_terraform_values {
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, Read, optional;
        PROVISIONERD_VERSION = "provisionerd_version": Text, Read, optional;
        CACHED_MODULE_FILES = "cached_module_files": Uuid, IfGranted, optional {
            needed_for: NeededFor::Proof,
        };
    }

    // What a template's author wrote, secrets included: read for proofs alone.
    template_version_variables {
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, IfGranted, optional {
            needed_for: NeededFor::Proof,
        };
        NAME = "name": Text, IfGranted, optional { needed_for: NeededFor::Proof };
        TYPE = "type": Text, IfGranted, optional { needed_for: NeededFor::Proof };
        VALUE = "value": Text, IfGranted, optional { needed_for: NeededFor::Proof };
        DEFAULT_VALUE = "default_value": Text, IfGranted, optional {
            needed_for: NeededFor::Proof,
        };
    }

    files {
        ID = "id": Uuid, IfGranted, optional { needed_for: NeededFor::Proof };
        MIMETYPE = "mimetype": Text, IfGranted, optional { needed_for: NeededFor::Proof };
        DATA = "data": Bytes, IfGranted, optional { needed_for: NeededFor::Proof };
    }

    template_version_presets {
        ID = "id": Uuid, Read, optional { needed_for: NeededFor::Preset };
        TEMPLATE_VERSION_ID = "template_version_id": Uuid, Read, optional {
            needed_for: NeededFor::Preset,
        };
    }

    template_version_preset_parameters {
        TEMPLATE_VERSION_PRESET_ID = "template_version_preset_id": Uuid, Read, optional {
            needed_for: NeededFor::Preset,
        };
        NAME = "name": Text, Read, optional { needed_for: NeededFor::Preset };
        VALUE = "value": Text, Read, optional { needed_for: NeededFor::Preset };
    }

    tasks {
        ID = "id": Uuid, Read, optional;
        WORKSPACE_ID = "workspace_id": Uuid, Read, optional;
        NAME = "name": Text, Read, optional { needed_for: NeededFor::Messages };
        DELETED_AT = "deleted_at": Time, Read, optional;
    }

    task_workspace_apps {
        TASK_ID = "task_id": Uuid, Insert, optional;
        WORKSPACE_BUILD_NUMBER = "workspace_build_number": Integer, Insert, optional;
        WORKSPACE_AGENT_ID = "workspace_agent_id": Uuid, Overwrite, optional;
        WORKSPACE_APP_ID = "workspace_app_id": Uuid, Overwrite, optional;
    }

    notification_templates {
        ID = "id": Uuid, Read, optional { needed_for: NeededFor::Messages };
        NAME = "name": Text, Read, optional { needed_for: NeededFor::Messages };
        BODY_TEMPLATE = "body_template": Text, Read, optional { needed_for: NeededFor::Messages };
        ACTIONS = "actions": Json, Read, optional { needed_for: NeededFor::Messages };
        METHOD = "method": Enum, Read, optional { needed_for: NeededFor::Messages };
        ENABLED_BY_DEFAULT = "enabled_by_default": Bool, Read, optional {
            needed_for: NeededFor::Messages,
        };
    }

    notification_preferences {
        USER_ID = "user_id": Uuid, Read, optional { needed_for: NeededFor::Messages };
        NOTIFICATION_TEMPLATE_ID = "notification_template_id": Uuid, Read, optional {
            needed_for: NeededFor::Messages,
        };
        DISABLED = "disabled": Bool, Read, optional { needed_for: NeededFor::Messages };
    }

    notification_messages {
        ID = "id": Uuid, Write, optional { needed_for: NeededFor::Messages };
        NOTIFICATION_TEMPLATE_ID = "notification_template_id": Uuid, Write, optional {
            needed_for: NeededFor::Messages,
        };
        USER_ID = "user_id": Uuid, Write, optional { needed_for: NeededFor::Messages };
        METHOD = "method": Enum, Write, optional { needed_for: NeededFor::Messages };
        PAYLOAD = "payload": Json, Write, optional { needed_for: NeededFor::Messages };
        TARGETS = "targets": Uuids, Write, optional { needed_for: NeededFor::Messages };
        CREATED_BY = "created_by": Text, Write, optional { needed_for: NeededFor::Messages };
        CREATED_AT = "created_at": Time, Write, optional { needed_for: NeededFor::Messages };
        // Read by ON CONFLICT.
        DEDUPE_HASH = "dedupe_hash": Text, Read, optional { needed_for: NeededFor::Messages };
    }

    notification_report_generator_logs {
        NOTIFICATION_TEMPLATE_ID = "notification_template_id": Uuid, Sign, optional {
            needed_for: NeededFor::Messages,
        };
    }

    audit_logs {
        ID = "id": Uuid, Write, optional { needed_for: NeededFor::Audit };
        TIME = "time": Time, Write, optional { needed_for: NeededFor::Audit };
        USER_ID = "user_id": Uuid, Write, optional { needed_for: NeededFor::Audit };
        ORGANIZATION_ID = "organization_id": Uuid, Write, optional {
            needed_for: NeededFor::Audit,
        };
        RESOURCE_TYPE = "resource_type": Enum, Write, optional { needed_for: NeededFor::Audit };
        RESOURCE_ID = "resource_id": Uuid, Write, optional { needed_for: NeededFor::Audit };
        RESOURCE_TARGET = "resource_target": Text, Write, optional {
            needed_for: NeededFor::Audit,
        };
        ACTION = "action": Enum, Write, optional { needed_for: NeededFor::Audit };
        DIFF = "diff": Json, Write, optional { needed_for: NeededFor::Audit };
        STATUS_CODE = "status_code": Integer, Write, optional { needed_for: NeededFor::Audit };
        ADDITIONAL_FIELDS = "additional_fields": Json, Write, optional {
            needed_for: NeededFor::Audit,
        };
        REQUEST_ID = "request_id": Uuid, Write, optional { needed_for: NeededFor::Audit };
        RESOURCE_ICON = "resource_icon": Text, Write, optional { needed_for: NeededFor::Audit };
    }
}

/// The tables that must be there.
#[must_use]
pub fn required_tables() -> Vec<&'static str> {
    tables(COLUMNS.iter().filter(|column| column.required))
}

/// Is a table read for proofs and for nothing else? A transaction that makes none leaves it
/// alone.
#[must_use]
pub fn is_for_proofs(table: &str) -> bool {
    is_only_for(table, &[NeededFor::Proof])
}

/// Is a table used to tell owners, or the audit log, and for nothing else? A transaction that
/// tells nobody leaves it alone.
#[must_use]
pub fn is_for_messages(table: &str) -> bool {
    is_only_for(table, &[NeededFor::Messages, NeededFor::Audit])
}

fn is_only_for(table: &str, uses: &[NeededFor]) -> bool {
    let mut columns = COLUMNS.iter().filter(|column| column.table == table);
    columns.all(|column| uses.contains(&column.needed_for))
}

/// Every table that the extension knows.
#[must_use]
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_table_has_each_name_once() {
        for (place, column) in COLUMNS.iter().enumerate() {
            let others = COLUMNS.iter().skip(place + 1);
            for other in others.filter(|other| other.is_of(column.table)) {
                let same = column.names().any(|name| other.names().any(|n| n == name));
                assert!(!same, "{column} is also {other}");
            }
        }
    }

    /// Where statements on the product's tables are written out.
    const STATEMENTS: [&str; 10] = [
        "api/upcoming.rs",
        "product/candidates.rs",
        "product/facts.rs",
        "product/inputs.rs",
        "product/licence.rs",
        "product/messages.rs",
        "product/provisioners.rs",
        "product/sources.rs",
        "product/waiting.rs",
        "product/write.rs",
    ];

    /// `alias.name` for each such name in a text's strings, where the alias is one letter,
    /// as those of the product's tables are. `d` is what was handed over.
    fn spelled_out(text: &str) -> Vec<(char, String)> {
        let raw = text
            .split("r#\"")
            .flat_map(|part| match part.split_once("\"#") {
                Some((raw, rest)) => [format!("\"{}\"", raw.replace('"', " ")), rest.to_owned()],
                None => [part.to_owned(), String::new()],
            });
        let text: String = raw.collect();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code.collect();
        let code = code.join("\n");
        let mut found = Vec::new();
        for string in code.split('"').skip(1).step_by(2) {
            let words = string.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
            for (alias, name) in words.filter_map(|word| word.split_once('.')) {
                let mut letters = alias.chars();
                if let (Some(alias), None, false) =
                    (letters.next(), letters.next(), name.is_empty())
                    && alias != 'd'
                {
                    found.push((alias, name.to_owned()));
                }
            }
        }
        found
    }

    #[test]
    fn a_column_that_a_statement_spells_out_is_in_the_list() {
        let mut count = 0;
        for file in STATEMENTS {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
            for (alias, name) in spelled_out(&std::fs::read_to_string(path).unwrap()) {
                let known = COLUMNS.iter().any(|column| column.name == name);
                // Columns of ours beside the product's.
                let ours = name == "own_build" || name == "start_bound";
                assert!(
                    known || ours,
                    "src/{file}: {alias}.{name} is no column in the list"
                );
                count += 1;
            }
        }
        assert!(count > 60, "only {count} names were found");
    }
}
