//! Why nothing happens to a workspace: every skip code, with what was seen.
//!
//! The list below is the only one. A [`Skip`] holds its code and the observed values;
//! its sentence is put together when someone asks for it (`Display`), because a scan
//! decides on every workspace each minute and hardly any sentence is read.

use std::fmt;

use chrono::Weekday;
use uuid::Uuid;

use crate::instant::Instant;

use super::facts::{BuildTransition, OwnerStatus};
use super::policy::UNLICENSED;
use super::rules::ActingRule;
use super::schedules::Held;
use super::transition::{BuildReason, Transition};

/// Declares [`Skip`] and its codes from one list.
macro_rules! skips {
    ($($name:ident $({ $($field:ident: $type:ty),+ })? = $code:literal, $meaning:literal;)+) => {
        /// Why nothing happens to a workspace, with what was seen. `Display` gives the
        /// sentence for people.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Skip {
            $(#[doc = $meaning] #[allow(missing_docs)] $name $({ $($field: $type),+ })?,)+
        }

        impl Skip {
            /// Every code, with one sentence on what it means.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $meaning)),+];

            /// The code: short, stable, snake_case.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Skip::$name { .. } => $code,)+
                }
            }
        }
    };
}

skips! {
    Deleted = "deleted", "The workspace is deleted.";
    Prebuild = "prebuild", "The workspace is pre-built and nobody has claimed it; such workspaces are never touched.";
    NoOwner { owner_id: Uuid } = "no_owner", "The workspace's owner has no row in users.";
    NoTemplate = "no_template", "The workspace's template has no row in templates.";
    NoBuild = "no_build", "The workspace has no build, so no rule applies.";
    NoJob { build: Build } = "no_job", "The job of the latest build has no row in provisioner_jobs.";
    BuildInProgress { build: Build, canceled_at: Option<Instant> } = "build_in_progress",
        "The job of the latest build is not complete.";
    BuildFailed { build: Build, completed_at: Option<Instant> } = "build_failed",
        "The latest build failed, so the rules for deadlines and schedules leave the workspace alone.";
    NotRunning { build: Build } = "not_running", "The latest build is not a start, so there is nothing to stop.";
    NotStopped { build: Build } = "not_stopped", "The latest build is not a stop, so there is nothing to start.";
    Dormant { since: Instant } = "dormant", "The workspace is dormant: it is neither started nor stopped.";
    NoDeadline { build: Build, canceled: bool } = "no_deadline",
        "The latest build is a start without a deadline, so nothing stops it.";
    NoSchedule = "no_schedule", "The workspace has no autostart schedule.";
    AutostartForbidden = "autostart_forbidden", "The template does not allow its users autostart.";
    OwnerNotActive { status: OwnerStatus } = "owner_not_active",
        "The workspace's owner is not active, so no schedule starts it.";
    ScheduleInvalid { error: Box<str> } = "schedule_invalid", "The autostart schedule cannot be read.";
    ScheduleNeverRuns { after: Instant } = "schedule_never_runs",
        "The autostart schedule can be read but never runs.";
    AllDaysBlocked = "all_days_blocked", "The template blocks autostart on every day of the week.";
    RunBlocked { run: Instant, weekday: Weekday } = "run_blocked",
        "The first run after the latest build is on a day that the template blocks, and this \
        version of the product considers only the first run.";
    NoAllowedRun { after: Instant, last: Instant } = "no_allowed_run",
        "Every run of the autostart schedule within a week is on a day that the template blocks.";
    NotFailed { build: Build } = "not_failed", "The latest build did not fail.";
    DeleteBuild { build: Build } = "delete_build", "The latest build is a delete, after which no \
    rule applies.";
    FailedStopNotRetried { build: Build } = "failed_stop_not_retried",
        "A stop failed, and workspace_autobuild.failed_stop_retry is off.";
    NoFailureTtl { build: Build } = "no_failure_ttl",
        "The latest build failed, and the template has no failure_ttl.";
    NoDormancyTtl = "no_dormancy_ttl", "The template has no time_til_dormant.";
    NotDormant = "not_dormant", "The workspace is not dormant, so it is not deleted.";
    NoDeletingAt { since: Instant } = "no_deleting_at", "The workspace is dormant, but has no \
    deleting_at.";
    NoAutodeleteTtl { since: Instant } = "no_autodelete_ttl",
        "The workspace is dormant, and the template has no time_til_dormant_autodelete.";
    BuildCanceled { build: Build } = "build_canceled",
        "The latest build was canceled, so nobody is reminded of its deadline.";
    OwnerSuspended = "owner_suspended", "The workspace's owner is suspended, and is not reminded.";
    NoReminderTime = "no_reminder_time", "The template has no time_til_autostop_notify.";
    DeadlineReached { deadline: Instant } = "deadline_reached",
        "The deadline is reached, so nobody is reminded of it.";
    Reminded { deadline: Instant } = "reminded", "The owner was reminded of this deadline.";
    Unlicensed { option: &'static str } = "unlicensed",
        "The template sets an option that needs the product's licence, and there is none \
        according to workspace_autobuild.licensed_rules.";
    Held { rule: ActingRule, transition: Transition, reason: BuildReason, hold: Held, at: Option<Instant> } = "held",
        "A hold covers the workspace at the time at which the transition would be made.";
    RuleOff { rule: ActingRule, transition: Transition, at: Instant } = "rule_off",
        "A rule that would act is not in workspace_autobuild.rules.";
}

/// The latest build as a sentence names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// `workspace_builds.build_number`.
    pub number: i32,
    /// `workspace_builds.transition`.
    pub transition: BuildTransition,
    /// `workspace_builds.created_at`.
    pub created_at: Instant,
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Build {
            number,
            transition,
            created_at,
        } = self;
        write!(
            f,
            "build {number} (a {} of {created_at})",
            transition.name()
        )
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Deleted => f.write_str("The workspace is deleted."),
            Skip::Prebuild => f.write_str("The workspace is pre-built and nobody has claimed it."),
            Skip::NoOwner { owner_id } => {
                write!(f, "The workspace's owner, {owner_id}, has no row in users.")
            }
            Skip::NoTemplate => f.write_str("The workspace's template has no row in templates."),
            Skip::NoBuild => f.write_str("The workspace has no build."),
            Skip::NoJob { build } => write!(
                f,
                "The job of the latest, {build}, has no row in provisioner_jobs."
            ),
            Skip::BuildInProgress { build, canceled_at } => {
                write!(f, "The latest, {build}, is not complete")?;
                match canceled_at {
                    Some(at) => write!(f, "; its cancellation was requested at {at}."),
                    None => f.write_str("."),
                }
            }
            Skip::BuildFailed {
                build,
                completed_at,
            } => {
                write!(f, "The latest, {build}, failed")?;
                match completed_at {
                    Some(at) => write!(f, " at {at}."),
                    None => f.write_str("."),
                }
            }
            Skip::NotRunning { build } => {
                write!(f, "The latest, {build}, did not start the workspace.")
            }
            Skip::NotStopped { build } => {
                write!(f, "The latest, {build}, did not stop the workspace.")
            }
            Skip::Dormant { since } => write!(f, "The workspace is dormant since {since}."),
            Skip::NoDeadline {
                build,
                canceled: true,
            } => write!(
                f,
                "The latest, {build}, was canceled, and has no deadline at which the workspace \
                 would be stopped."
            ),
            Skip::NoDeadline {
                build,
                canceled: false,
            } => write!(
                f,
                "The workspace runs since {build}, which has no deadline."
            ),
            Skip::NoSchedule => f.write_str("The workspace has no autostart schedule."),
            Skip::AutostartForbidden => f.write_str(
                "The template does not allow autostart: its allow_user_autostart is false.",
            ),
            Skip::OwnerNotActive { status } => write!(
                f,
                "The workspace's owner is not active (status: {}).",
                status.name()
            ),
            Skip::ScheduleInvalid { error } => {
                write!(f, "The autostart schedule cannot be read: {error}")
            }
            Skip::ScheduleNeverRuns { after } => {
                write!(f, "The autostart schedule has no run after {after}.")
            }
            Skip::AllDaysBlocked => {
                f.write_str("The template blocks autostart on all seven days of the week.")
            }
            Skip::RunBlocked { run, weekday } => write!(
                f,
                "The first run after the latest build, {run}, is on a {} in the schedule's zone, \
                 which the template blocks; this version of the product considers no later run.",
                day_name(*weekday)
            ),
            Skip::NoAllowedRun { after, last } => write!(
                f,
                "Every run of the autostart schedule after {after} up to {last} is on a day that \
                 the template blocks."
            ),
            Skip::NotFailed { build } => write!(f, "The latest, {build}, did not fail."),
            Skip::DeleteBuild { build } => write!(
                f,
                "The latest, {build}, deletes the workspace; no rule applies after that."
            ),
            Skip::FailedStopNotRetried { build } => write!(
                f,
                "The latest, {build}, failed; workspace_autobuild.failed_stop_retry is off, so \
                 the stop is not tried again."
            ),
            Skip::NoFailureTtl { build } => write!(
                f,
                "The latest, {build}, failed, and the template has no failure_ttl after which it \
                 would be stopped."
            ),
            Skip::NoDormancyTtl => f.write_str("The template has no time_til_dormant."),
            Skip::NotDormant => f.write_str("The workspace is not dormant."),
            Skip::NoDeletingAt { since } => write!(
                f,
                "The workspace is dormant since {since}, but has no deleting_at."
            ),
            Skip::NoAutodeleteTtl { since } => write!(
                f,
                "The workspace is dormant since {since}, and the template has no \
                 time_til_dormant_autodelete."
            ),
            Skip::BuildCanceled { build } => {
                write!(f, "The latest, {build}, was canceled: nobody is reminded.")
            }
            Skip::OwnerSuspended => {
                f.write_str("The workspace's owner is suspended, and is not reminded.")
            }
            Skip::NoReminderTime => f.write_str("The template has no time_til_autostop_notify."),
            Skip::DeadlineReached { deadline } => {
                write!(f, "The deadline, {deadline}, is reached.")
            }
            Skip::Reminded { deadline } => {
                write!(f, "The owner was reminded of the deadline, {deadline}.")
            }
            Skip::Unlicensed { option } => write!(
                f,
                "The template sets {option}, which is ignored: {UNLICENSED}."
            ),
            Skip::Held {
                transition,
                hold,
                at,
                ..
            } => {
                write!(
                    f,
                    "The {} is held by hold {}",
                    transition.name(),
                    hold.hold_id
                )?;
                if let Some(reason) = &hold.reason {
                    write!(f, " (\"{reason}\")")?;
                }
                match (hold.until, at) {
                    (Some(until), Some(at)) => write!(f, " until {until}; it is made at {at}."),
                    (Some(until), None) => write!(f, " until {until}; it is not made after that."),
                    (None, _) => f.write_str(" until that is released."),
                }
            }
            Skip::RuleOff {
                rule,
                transition,
                at,
            } => write!(
                f,
                "The rule {} would act (transition {}, at {at}), but workspace_autobuild.rules \
                 leaves it out.",
                rule.name(),
                transition.name()
            ),
        }
    }
}

/// The English name of a weekday.
pub(super) fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}
