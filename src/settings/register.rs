//! Every setting with its default, its unit, its range and its sentences.

use std::ffi::{CStr, CString};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

use crate::lifecycle::policy::MissedStarts;
use crate::lifecycle::rules;

use super::checks::{check_access_url, check_databases, check_rules, check_schema};
use super::words::{Action, LicensedRules, LogLevel, NotificationMethod};

pub(super) static DATABASES: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"*"));
pub(super) static TICK_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60);
pub(super) static PRODUCT_SCHEMA: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"public"));
pub(super) static ROLE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static ACTION: GucSetting<Action> = GucSetting::<Action>::new(Action::Build);
pub(super) static RULES: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(rules::SETTING_DEFAULT));
pub(super) static LICENSED_RULES: GucSetting<LicensedRules> =
    GucSetting::<LicensedRules>::new(LicensedRules::On);
pub(super) static FAILED_STOP_RETRY: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static BATCH_SIZE: GucSetting<i32> = GucSetting::<i32>::new(500);
pub(super) static MAX_BUILDS_PER_TICK: GucSetting<i32> = GucSetting::<i32>::new(0);
pub(super) static MAX_TRANSITIONS_SHARE: GucSetting<f64> = GucSetting::<f64>::new(0.0);
pub(super) static MAX_DELETES_SHARE: GucSetting<f64> = GucSetting::<f64>::new(0.05);
pub(super) static MAX_START_DELAY: GucSetting<i32> = GucSetting::<i32>::new(0);
pub(super) static SPREAD_STARTS: GucSetting<i32> = GucSetting::<i32>::new(0);
pub(super) static MISSED_STARTS: GucSetting<MissedStarts> =
    GucSetting::<MissedStarts>::new(MissedStarts::Drop);
pub(super) static LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(2_000);
pub(super) static STATEMENT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(60_000);
pub(super) static HISTORY_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(30 * 24 * 60);
pub(super) static AUDIT_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60 * 60);
pub(super) static PROVE_TEMPLATES: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static NOTIFY_OWNERS: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static ACCESS_URL: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static NOTIFICATION_METHOD: GucSetting<NotificationMethod> =
    GucSetting::<NotificationMethod>::new(NotificationMethod::Smtp);
pub(super) static NOTIFICATION_INBOX: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static AUDIT_DORMANCY: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static NOTIFY_JOBS: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static LOG_LEVEL: GucSetting<LogLevel> = GucSetting::<LogLevel>::new(LogLevel::Log);
pub(super) static NOTIFY_TRANSITIONS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// The settings that a database, a role or a session can have for itself: all but those
/// of the launcher. A test compares them with `pg_settings`.
pub(crate) const OF_A_SESSION: [&str; 26] = [
    "workspace_autobuild.product_schema",
    "workspace_autobuild.role",
    "workspace_autobuild.action",
    "workspace_autobuild.rules",
    "workspace_autobuild.licensed_rules",
    "workspace_autobuild.failed_stop_retry",
    "workspace_autobuild.batch_size",
    "workspace_autobuild.max_builds_per_tick",
    "workspace_autobuild.max_transitions_share",
    "workspace_autobuild.max_deletes_share",
    "workspace_autobuild.max_start_delay",
    "workspace_autobuild.missed_starts",
    "workspace_autobuild.spread_starts",
    "workspace_autobuild.lock_timeout",
    "workspace_autobuild.statement_timeout",
    "workspace_autobuild.history_retention",
    "workspace_autobuild.audit_interval",
    "workspace_autobuild.prove_templates",
    "workspace_autobuild.notify_owners",
    "workspace_autobuild.access_url",
    "workspace_autobuild.notification_method",
    "workspace_autobuild.notification_inbox",
    "workspace_autobuild.audit_dormancy",
    "workspace_autobuild.notify_jobs",
    "workspace_autobuild.notify_transitions",
    "workspace_autobuild.log_level",
];

/// The largest duration that a setting in seconds takes: 68 years.
const MAX_SECONDS: i32 = i32::MAX;

/// Registers every setting and reserves the prefix, so that a misspelt name is refused.
pub(crate) fn register() {
    string(
        c"workspace_autobuild.databases",
        c"Databases in which the launcher runs ticks: * for all that have the extension, or a list of names.",
        c"A comma-separated list; put a name with a comma, a quote or a space in double quotes.",
        &DATABASES,
        GucContext::Sighup,
        Some(check_databases),
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.tick_interval",
        c"Time between two ticks.",
        c"Ticks are at multiples of this interval on the wall clock. Deadlines and schedules are compared with the tick truncated to the minute, even if the interval is shorter.",
        &TICK_INTERVAL,
        1,
        3600,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    string(
        c"workspace_autobuild.product_schema",
        c"The schema of the product's tables.",
        c"",
        &PRODUCT_SCHEMA,
        GucContext::Suset,
        Some(check_schema),
    );
    string(
        c"workspace_autobuild.role",
        c"The role that a tick uses to read and write the product's tables.",
        c"If empty, the owner of the product's table workspaces. A superuser is never used.",
        &ROLE,
        GucContext::Suset,
        None,
    );
    GucRegistry::define_enum_guc(
        c"workspace_autobuild.action",
        c"What the worker does with due transitions: build, observe (record only) or off.",
        c"Calls of autobuild_tick() ignore this setting and build.",
        &ACTION,
        GucContext::Suset,
        GucFlags::default(),
    );
    string(
        c"workspace_autobuild.rules",
        rules::SETTING_DESCRIPTION,
        c"A comma-separated list; empty for none. The rule delete destroys workspaces, so it is not in the default.",
        &RULES,
        GucContext::Suset,
        Some(check_rules),
    );
    GucRegistry::define_enum_guc(
        c"workspace_autobuild.licensed_rules",
        c"Whether the product has its licence for advanced scheduling: on, off, or auto (determined from its table licenses).",
        c"Without it the template's options (allow_user_autostart, blocked days, TTLs of failure, dormancy and deletion, require_active_version) are ignored, as in the product. auto means on if the executor's role has no right to read licenses.exp.",
        &LICENSED_RULES,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.failed_stop_retry",
        c"Retries a failed stop (rule failed).",
        c"Set to off for the behaviour of older versions of the product.",
        &FAILED_STOP_RETRY,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.batch_size",
        c"Number of workspaces that are decided and built in one transaction.",
        c"",
        &BATCH_SIZE,
        1,
        10_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.max_builds_per_tick",
        c"Maximum number of builds of one tick; 0 for no limit.",
        c"Stops are made before starts, the longest overdue first; the rest waits for the next tick.",
        &MAX_BUILDS_PER_TICK,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_float_guc(
        c"workspace_autobuild.max_transitions_share",
        c"Maximum share of all workspaces for the transitions of one kind within an hour; 0 for no limit.",
        c"Ten are always made. Where more are due, this kind of transition waits until autobuild_resume(), in ticks by hand too.",
        &MAX_TRANSITIONS_SHARE,
        0.0,
        1.0,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_float_guc(
        c"workspace_autobuild.max_deletes_share",
        c"Maximum share of all workspaces for deletions within an hour; 0 for no limit of their own.",
        c"As max_transitions_share; if both are set, the smaller one counts for deletions.",
        &MAX_DELETES_SHARE,
        0.0,
        1.0,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.max_start_delay",
        c"Maximum delay of a scheduled start; 0 for no limit.",
        c"A start that is later than that is skipped until the schedule's next run.",
        &MAX_START_DELAY,
        0,
        MAX_SECONDS,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_enum_guc(
        c"workspace_autobuild.missed_starts",
        c"What becomes of a start whose time is in a hold: drop, or make_up at the end of the hold.",
        c"Stops, deletions and marks are made at the end of a hold in either case.",
        &MISSED_STARTS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.spread_starts",
        c"Window over which the scheduled starts of one minute are spread; 0 for none.",
        c"Each workspace always has the same place in it, a number of full minutes after its run; none is started early.",
        &SPREAD_STARTS,
        0,
        3600,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.lock_timeout",
        c"Maximum time that a tick waits for a lock; 0 for no limit.",
        c"A tick that holds a lock on one of the product's tables waits for at most half of deadlock_timeout, so that the product is never the victim of a deadlock.",
        &LOCK_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.statement_timeout",
        c"Maximum time of one batch or one read of the worker; 0 for no limit.",
        c"The server's own statement_timeout does not apply to the worker.",
        &STATEMENT_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.history_retention",
        c"Time for which rows of autobuild_ticks and autobuild_transitions are kept; 0 for no limit.",
        c"",
        &HISTORY_RETENTION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MIN,
    );
    GucRegistry::define_int_guc(
        c"workspace_autobuild.audit_interval",
        c"Time between two comparisons of the agenda with a scan; 0 for none.",
        c"",
        &AUDIT_INTERVAL,
        0,
        MAX_SECONDS,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.prove_templates",
        c"Proves from a template's source whether its stored parameters are all that decides.",
        c"A start on a new version whose parameters are dynamic needs that proof; if off, such a start is blocked until the owner updates the workspace in the product.",
        &PROVE_TEMPLATES,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.notify_owners",
        c"Queues the product's own messages to owners: updates, dormancy, pauses of tasks, reminders of deadlines.",
        c"Switch it on when the product's own executor is off. Needs workspace_autobuild.access_url, and rights on the product's notification tables: see autobuild_grant().",
        &NOTIFY_OWNERS,
        GucContext::Suset,
        GucFlags::default(),
    );
    string(
        c"workspace_autobuild.access_url",
        c"The product's address in messages to owners, as CODER_ACCESS_URL has it.",
        c"Without it no message is queued that links to the product.",
        &ACCESS_URL,
        GucContext::Suset,
        Some(check_access_url),
    );
    GucRegistry::define_enum_guc(
        c"workspace_autobuild.notification_method",
        c"The product's default method for messages: smtp, webhook, or none if neither is configured.",
        c"As CODER_NOTIFICATIONS_METHOD has it. The inbox has a setting of its own.",
        &NOTIFICATION_METHOD,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.notification_inbox",
        c"Queues each message for the product's inbox too, if the product has one.",
        c"As CODER_NOTIFICATIONS_INBOX_ENABLED has it.",
        &NOTIFICATION_INBOX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.audit_dormancy",
        c"Writes a row of the product's audit log for each workspace marked dormant.",
        c"Only the licensed product does so. Needs INSERT on audit_logs: see autobuild_grant().",
        &AUDIT_DORMANCY,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.notify_jobs",
        c"Notifies waiting provisioner daemons of new jobs on the product's own channel.",
        c"Sends NOTIFY provisioner_job_posted, once for each distinct organization and tags.",
        &NOTIFY_JOBS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"workspace_autobuild.notify_transitions",
        c"Sends NOTIFY workspace_autobuild for each transition that was made.",
        c"Off by default: anyone who can connect may LISTEN. Nothing is sent while the server's notification queue is full.",
        &NOTIFY_TRANSITIONS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"workspace_autobuild.log_level",
        c"Level of the log line for each tick that did work.",
        c"Errors are logged at level log, whatever this setting is.",
        &LOG_LEVEL,
        GucContext::Suset,
        GucFlags::default(),
    );
    // SAFETY: the prefix is a constant C string, which the server copies.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"workspace_autobuild".as_ptr()) };
}

/// Registers one text setting with its check.
fn string(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
    check: pg_sys::GucStringCheckHook,
) {
    // SAFETY: every check hook of this module is guarded by `#[pg_guard]`.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            context,
            GucFlags::default(),
            check,
            None,
            None,
        );
    }
}
