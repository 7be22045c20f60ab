//! Every setting of the extension, in one place: `workspace_autobuild.*`.
//!
//! Each has its unit, its range and a sentence in `pg_settings`; a value that makes no
//! sense is refused when it is set, with the reason. `SUSET` settings can be set for
//! one database with `ALTER DATABASE ... SET`; the worker connects anew for each tick
//! and so takes them up at its next one.

use std::ffi::{CStr, CString, c_char, c_void};

use pgrx::guc::{GucContext, GucEnum, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use pgrx::{PgLogLevel, pg_guard, pg_sys};

use crate::instant::{MINUTE, Micros, Millis, SECOND};
use crate::lifecycle::policy::{MissedStarts, Policy};
use crate::lifecycle::rules::{self, RuleSet};
use crate::messages::access_url::AccessUrl;

/// What a tick does with what is due (`workspace_autobuild.action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Write the builds.
    Build,
    /// Decide and record what would be done; write nothing of the product's.
    Observe,
    /// Do nothing.
    Off,
}

impl Action {
    /// As the setting is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Action::Build => "build",
            Action::Observe => "observe",
            Action::Off => "off",
        }
    }
}

/// A word that a setting takes; a hidden one is taken and not named in lists. Of several
/// with one value the first is shown.
const fn word(name: &'static CStr, value: i32, hidden: bool) -> pg_sys::config_enum_entry {
    pg_sys::config_enum_entry {
        name: name.as_ptr(),
        val: value,
        hidden,
    }
}

/// What ends a list of words.
const END_OF_WORDS: pg_sys::config_enum_entry = pg_sys::config_enum_entry {
    name: std::ptr::null(),
    val: 0,
    hidden: false,
};

/// YAML turns `off` into `False`, and so what configures servers by YAML writes that: as
/// with the server's own settings, every word for "off" is one.
const ACTIONS: &[pg_sys::config_enum_entry] = &[
    word(c"build", 0, false),
    word(c"observe", 1, false),
    word(c"off", 2, false),
    word(c"false", 2, true),
    word(c"no", 2, true),
    word(c"0", 2, true),
    END_OF_WORDS,
];

// SAFETY: the list is a constant of constant C strings, and ends with a NULL name.
unsafe impl GucEnum for Action {
    fn from_ordinal(ordinal: i32) -> Action {
        match ordinal {
            0 => Action::Build,
            1 => Action::Observe,
            _ => Action::Off,
        }
    }

    fn to_ordinal(&self) -> i32 {
        *self as i32
    }

    const CONFIG_ENUM_ENTRY: *const pg_sys::config_enum_entry = ACTIONS.as_ptr();
}

/// At which level a tick that did something is logged (`workspace_autobuild.log_level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
pub enum LogLevel {
    /// Least of all.
    #[name = c"debug5"]
    Debug5,
    /// For developers.
    #[name = c"debug1"]
    Debug1,
    /// As what a client asked for.
    #[name = c"info"]
    Info,
    /// As what a client may want to know.
    #[name = c"notice"]
    Notice,
    /// As what is likely wrong.
    #[name = c"warning"]
    Warning,
    /// For administrators.
    #[name = c"log"]
    Log,
}

impl From<LogLevel> for PgLogLevel {
    fn from(level: LogLevel) -> PgLogLevel {
        match level {
            LogLevel::Debug5 => PgLogLevel::DEBUG5,
            LogLevel::Debug1 => PgLogLevel::DEBUG1,
            LogLevel::Info => PgLogLevel::INFO,
            LogLevel::Notice => PgLogLevel::NOTICE,
            LogLevel::Warning => PgLogLevel::WARNING,
            LogLevel::Log => PgLogLevel::LOG,
        }
    }
}

/// The way on which messages go that have none of their own
/// (`workspace_autobuild.notification_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotificationMethod {
    /// By mail.
    Smtp,
    /// To a webhook.
    Webhook,
    /// On none: the deployment has neither.
    None,
}

impl NotificationMethod {
    /// The value of the product's `notification_method`.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            NotificationMethod::Smtp => Some("smtp"),
            NotificationMethod::Webhook => Some("webhook"),
            NotificationMethod::None => None,
        }
    }
}

/// Whether the product has its licence for advanced scheduling
/// (`workspace_autobuild.licensed_rules`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LicensedRules {
    /// It has: the template's options count.
    On,
    /// It has none.
    Off,
    /// It has one while its table has one that has not expired.
    Auto,
}

/// Makes an enum the type of a setting: for each value the name that is shown, then others
/// that are taken as well.
macro_rules! setting_enum {
    ($type:ident { $($value:ident: $name:literal $(, $other:literal)*;)+ }) => {
        // SAFETY: the entries are a constant array that ends with a NULL name.
        unsafe impl GucEnum for $type {
            fn from_ordinal(ordinal: i32) -> $type {
                match ordinal {
                    $(ordinal if ordinal == $type::$value as i32 => $type::$value,)+
                    _ => unreachable!("the server has only the values of the entries"),
                }
            }

            fn to_ordinal(&self) -> i32 {
                *self as i32
            }

            const CONFIG_ENUM_ENTRY: *const pg_sys::config_enum_entry = [
                $(
                    enum_entry($name.as_ptr(), $type::$value as i32, false),
                    $(enum_entry($other.as_ptr(), $type::$value as i32, true),)*
                )+
                enum_entry(std::ptr::null(), 0, false),
            ]
            .as_ptr();
        }
    };
}

const fn enum_entry(name: *const c_char, val: i32, hidden: bool) -> pg_sys::config_enum_entry {
    pg_sys::config_enum_entry { name, val, hidden }
}

// It was a boolean at first: whatever was one is taken.
setting_enum!(LicensedRules {
    On: c"on", c"true", c"tru", c"tr", c"t", c"yes", c"ye", c"y", c"1";
    Off: c"off", c"of", c"false", c"fals", c"fal", c"fa", c"f", c"no", c"n", c"0";
    Auto: c"auto";
});
setting_enum!(MissedStarts {
    Drop: c"drop";
    MakeUp: c"make_up";
});
setting_enum!(NotificationMethod {
    Smtp: c"smtp";
    Webhook: c"webhook";
    None: c"none";
});

static DATABASES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"*"));
static TICK_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60);
static PRODUCT_SCHEMA: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"public"));
static ROLE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static ACTION: GucSetting<Action> = GucSetting::<Action>::new(Action::Build);
static RULES: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(rules::SETTING_DEFAULT));
static LICENSED_RULES: GucSetting<LicensedRules> =
    GucSetting::<LicensedRules>::new(LicensedRules::On);
static FAILED_STOP_RETRY: GucSetting<bool> = GucSetting::<bool>::new(true);
static BATCH_SIZE: GucSetting<i32> = GucSetting::<i32>::new(500);
static MAX_BUILDS_PER_TICK: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_TRANSITIONS_SHARE: GucSetting<f64> = GucSetting::<f64>::new(0.0);
static MAX_DELETES_SHARE: GucSetting<f64> = GucSetting::<f64>::new(0.05);
static MAX_START_DELAY: GucSetting<i32> = GucSetting::<i32>::new(0);
static SPREAD_STARTS: GucSetting<i32> = GucSetting::<i32>::new(0);
static MISSED_STARTS: GucSetting<MissedStarts> =
    GucSetting::<MissedStarts>::new(MissedStarts::Drop);
static LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(2_000);
static STATEMENT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(60_000);
static HISTORY_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(30 * 24 * 60);
static AUDIT_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60 * 60);
static PROVE_TEMPLATES: GucSetting<bool> = GucSetting::<bool>::new(true);
static NOTIFY_OWNERS: GucSetting<bool> = GucSetting::<bool>::new(false);
static ACCESS_URL: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static NOTIFICATION_METHOD: GucSetting<NotificationMethod> =
    GucSetting::<NotificationMethod>::new(NotificationMethod::Smtp);
static NOTIFICATION_INBOX: GucSetting<bool> = GucSetting::<bool>::new(true);
static AUDIT_DORMANCY: GucSetting<bool> = GucSetting::<bool>::new(false);
static NOTIFY_JOBS: GucSetting<bool> = GucSetting::<bool>::new(true);
static LOG_LEVEL: GucSetting<LogLevel> = GucSetting::<LogLevel>::new(LogLevel::Log);
static NOTIFY_TRANSITIONS: GucSetting<bool> = GucSetting::<bool>::new(false);

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

/// The settings as they stand, read once for each tick or call.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `product_schema`.
    pub product_schema: String,
    /// `role`; `None` for the owner of the product's `workspaces`.
    pub role: Option<String>,
    /// `action`.
    pub action: Action,
    /// `licensed_rules`.
    pub licensed_rules: LicensedRules,
    /// The settings that the rules look at. Whether the licence is there is as set; `auto`
    /// is [`crate::product::licence`]'s matter, and `on` until it was asked.
    pub policy: Policy,
    /// `batch_size`, at least 1.
    pub batch_size: usize,
    /// `max_builds_per_tick`; `None` for no cap.
    pub max_builds_per_tick: Option<usize>,
    /// `max_transitions_share`; 0 for no limit.
    pub max_transitions_share: f64,
    /// `max_deletes_share`; 0 for no limit of their own.
    pub max_deletes_share: f64,
    /// `lock_timeout`.
    pub lock_timeout: Millis,
    /// `statement_timeout`.
    pub statement_timeout: Millis,
    /// `history_retention`; `None` for ever.
    pub history_retention: Option<Micros>,
    /// `audit_interval`; `None` for never.
    pub audit_interval: Option<Micros>,
    /// `prove_templates`.
    pub prove_templates: bool,
    /// `access_url`; `None` where it is not set.
    pub access_url: Option<AccessUrl>,
    /// `notification_method`.
    pub notification_method: NotificationMethod,
    /// `notification_inbox`.
    pub notification_inbox: bool,
    /// `audit_dormancy`.
    pub audit_dormancy: bool,
    /// `notify_jobs`.
    pub notify_jobs: bool,
    /// `notify_transitions`.
    pub notify_transitions: bool,
    /// `log_level`.
    pub log_level: PgLogLevel,
}

/// How long a transaction may wait, and take; 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For each lock.
    pub lock_timeout: Millis,
    /// Altogether.
    pub statement_timeout: Millis,
}

impl Settings {
    /// The limits as set; `hurried`: a quarter of them, for what was waited for in vain
    /// just before.
    pub(crate) fn limits(&self, hurried: bool) -> Limits {
        let share = |limit: Millis| match limit {
            Millis(1..) if hurried => Millis((limit.0 / 4).max(1)),
            _ => limit,
        };
        Limits {
            lock_timeout: share(self.lock_timeout),
            statement_timeout: share(self.statement_timeout),
        }
    }
}

/// Reads the settings as they stand in this session.
pub(crate) fn read() -> Settings {
    let rules = RuleSet::from_names(&text(&RULES)).unwrap_or_default();
    let role = text(&ROLE);
    Settings {
        product_schema: text(&PRODUCT_SCHEMA),
        role: (!role.is_empty()).then_some(role),
        action: ACTION.get(),
        licensed_rules: LICENSED_RULES.get(),
        policy: Policy {
            missed_starts: MISSED_STARTS.get(),
            spread_starts: Micros(i64::from(SPREAD_STARTS.get()) * SECOND),
            rules,
            licensed: LICENSED_RULES.get() != LicensedRules::Off,
            failed_stop_retry: FAILED_STOP_RETRY.get(),
            notify_owners: NOTIFY_OWNERS.get(),
            max_start_delay: Micros(i64::from(MAX_START_DELAY.get()) * SECOND),
        },
        batch_size: usize::try_from(BATCH_SIZE.get()).unwrap_or(1).max(1),
        max_builds_per_tick: usize::try_from(MAX_BUILDS_PER_TICK.get())
            .ok()
            .filter(|&cap| cap > 0),
        max_transitions_share: MAX_TRANSITIONS_SHARE.get(),
        max_deletes_share: MAX_DELETES_SHARE.get(),
        lock_timeout: Millis(LOCK_TIMEOUT.get()),
        statement_timeout: Millis(STATEMENT_TIMEOUT.get()),
        history_retention: unless_zero(HISTORY_RETENTION.get(), MINUTE),
        audit_interval: unless_zero(AUDIT_INTERVAL.get(), SECOND),
        prove_templates: PROVE_TEMPLATES.get(),
        access_url: AccessUrl::parse(&text(&ACCESS_URL)).ok(),
        notification_method: NOTIFICATION_METHOD.get(),
        notification_inbox: NOTIFICATION_INBOX.get(),
        audit_dormancy: AUDIT_DORMANCY.get(),
        notify_jobs: NOTIFY_JOBS.get(),
        notify_transitions: NOTIFY_TRANSITIONS.get(),
        log_level: LOG_LEVEL.get().into(),
    }
}

/// A duration of so many units, which are microseconds; `None` for 0.
fn unless_zero(count: i32, unit: i64) -> Option<Micros> {
    (count > 0).then(|| Micros(i64::from(count) * unit))
}

/// `tick_interval` in seconds.
pub(crate) fn tick_interval() -> i64 {
    i64::from(TICK_INTERVAL.get())
}

/// Does `databases` name this database?
pub(crate) fn names_database(name: &str) -> bool {
    match parse_names(&text(&DATABASES)) {
        Ok(names) => names.iter().any(|n| n == "*" || n == name),
        Err(_) => false,
    }
}

/// The value of `databases` that names this database beside those that it names.
pub(crate) fn databases_with(name: &str) -> String {
    let named = text(&DATABASES);
    let named = named.trim().trim_end_matches(',');
    let separator = if named.is_empty() { "" } else { ", " };
    format!("{named}{separator}\"{}\"", name.replace('"', "\"\""))
}

fn text(setting: &'static GucSetting<Option<CString>>) -> String {
    setting
        .get()
        .map(|value| value.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The names in a comma-separated list; a quoted name keeps every character.
fn parse_names(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut chars = text.trim().chars().peekable();
    while chars.peek().is_some() {
        let mut name = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
                    Some('"') => break,
                    Some(c) => name.push(c),
                    None => return Err("a quoted name has no closing quote".into()),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|&c| c != ',') {
                name.push(c);
            }
            name = name.trim().to_owned();
        }
        if name.is_empty() {
            return Err("a name is empty".into());
        }
        names.push(name);
        match chars.next() {
            Some(',') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            Some(c) => return Err(format!("\"{c}\" after a quoted name")),
            None => {}
        }
    }
    Ok(names)
}

/// # Safety
/// For the server, as a check hook; so are those below.
#[pg_guard]
unsafe extern "C-unwind" fn check_rules(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe { check(value, |text| RuleSet::from_names(text).map(drop)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_databases(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe { check(value, |text| parse_names(text).map(drop)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_access_url(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe {
        check(value, |text| match text {
            "" => Ok(()),
            text => AccessUrl::parse(text)
                .map(drop)
                .map_err(|refused| format!("{refused}; give it as https://coder.example.com")),
        })
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_schema(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe {
        check(value, |text| {
            if text.is_empty() {
                Err("give the name of a schema, such as public".into())
            } else {
                Ok(())
            }
        })
    }
}

/// Runs a check of a text setting and reports its reason to the server.
///
/// # Safety
/// `value` points to the new value, a C string or NULL, as in a GUC check hook.
unsafe fn check(value: *mut *mut c_char, check: impl Fn(&str) -> Result<(), String>) -> bool {
    // SAFETY: see above; NULL stands for an empty text.
    let text = unsafe {
        if (*value).is_null() {
            String::new()
        } else {
            CStr::from_ptr(*value).to_string_lossy().into_owned()
        }
    };
    match check(&text) {
        Ok(()) => true,
        Err(reason) => {
            let reason = CString::new(reason.replace('\0', "")).unwrap_or_default();
            // SAFETY: the server reads this text right after the hook returns, and
            // ErrorContext keeps it until then.
            unsafe {
                pg_sys::GUC_check_errdetail_string =
                    pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, reason.as_ptr());
            }
            false
        }
    }
}
