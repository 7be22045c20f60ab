//! Every setting of the extension, in one place: `workspace_autobuild.*`.
//!
//! Each has its unit, its range and a sentence in `pg_settings`; a value that makes no
//! sense is refused when it is set, with the reason. `SUSET` settings can be set for
//! one database with `ALTER DATABASE ... SET`; the worker connects anew for each tick
//! and so takes them up at its next one.

mod checks;
mod register;
mod words;

use std::ffi::CString;

use pgrx::PgLogLevel;
use pgrx::guc::GucSetting;

use crate::instant::{MINUTE, Micros, Millis, SECOND};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::RuleSet;
use crate::messages::access_url::AccessUrl;

use checks::parse_names;
use register::*;
pub(crate) use register::{OF_A_SESSION, register};
pub(crate) use words::{Action, LicensedRules, NotificationMethod};

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
