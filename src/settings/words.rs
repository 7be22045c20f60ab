//! The words that settings take.

use std::ffi::c_char;

use pgrx::guc::{GucEnum, PostgresGucEnum};
use pgrx::{PgLogLevel, pg_sys};

use crate::lifecycle::policy::MissedStarts;

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

// YAML turns `off` into `False`, and so what configures servers by YAML writes that: as with the
// server's own settings, every word for "off" is one.
setting_enum!(Action {
    Build: c"build";
    Observe: c"observe";
    Off: c"off", c"false", c"no", c"0";
});
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
