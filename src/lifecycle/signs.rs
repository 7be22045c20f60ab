//! Which of the product's rules are in force, as its own tables show it.
//!
//! The product changed its rules over the years, and each change left a sign in
//! the schema: a column, a table or an enum value. The signs are looked for, a
//! version number never is. Settings of the operator's stand beside them. All that each
//! of them needs is listed in [`super::needs`].

/// The signs found in the product's schema, a field each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// `build_reason` has `failedstop`: only a failed job blocks, failed builds are
    /// stopped, legacy `parameter_schemas` refuse a start.
    pub failed_stop: bool,
    /// `workspaces.dormant_at`, or `locked_at`, its first name.
    pub dormancy: bool,
    /// `build_reason` has `dormancy`; without it the reason is `autolock`.
    pub dormancy_reason: bool,
    /// `workspaces.deleting_at` and the template's TTL for it; never without `dormancy`.
    pub deletion: bool,
    /// `provisioner_jobs.job_status`: a failed delete waits for a day.
    pub job_status: bool,
    /// `workspaces.automatic_updates`.
    pub automatic_updates: bool,
    /// `templates.require_active_version`.
    pub require_active_version: bool,
    /// `templates.autostart_block_days_of_week`.
    pub blocked_days: bool,
    /// `provisioner_daemons.last_seen_at`: a start needs an active owner.
    pub active_owner: bool,
    /// `provisioner_daemons.api_version`: an organization's tags have an empty owner.
    pub empty_owner_tag: bool,
    /// The table `template_version_workspace_tags`.
    pub workspace_tags: bool,
    /// `users.github_com_user_id`: a suspended owner's workspace is stopped.
    pub suspended_owner: bool,
    /// `workspaces.next_start_at`: starts wait for it, a blocked run is searched on
    /// from for seven days, tags with an empty value are dropped.
    pub next_start_at: bool,
    /// `templates.use_classic_parameter_flow`: templates may be dynamic.
    pub dynamic: bool,
    /// `provisioner_jobs.logs_overflowed`: a provisioner must be there.
    pub provisioner: bool,
    /// `provisioner_jobs.logs_overflowed` and the tables of presets: presets match.
    pub preset: bool,
    /// `task_workspace_apps.workspace_build_number`.
    pub task_row: bool,
    /// `templates.disable_module_cache`: a task's stop says `task_auto_pause`.
    pub task_pause: bool,
}

impl Signs {
    /// Does the product's schema bring this rule?
    pub fn bring(&self, rule: ActingRule) -> bool {
        match rule {
            ActingRule::Autostop | ActingRule::Autostart => true,
            ActingRule::Failed => self.failed_stop,
            ActingRule::Dormancy => self.dormancy,
            ActingRule::Delete => self.deletion,
        }
    }
}

/// A rule that acts, in the order in which the first that applies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActingRule {
    /// Stops a workspace at its deadline, or whose owner is suspended.
    Autostop,
    /// Starts a workspace by its schedule.
    Autostart,
    /// Stops a workspace whose build failed.
    Failed,
    /// Marks a workspace dormant that nobody uses, and stops it.
    Dormancy,
    /// Deletes a workspace that was dormant for too long.
    Delete,
}

impl ActingRule {
    /// All of them, in rule order.
    pub const ALL: [ActingRule; 5] = [
        ActingRule::Autostop,
        ActingRule::Autostart,
        ActingRule::Failed,
        ActingRule::Dormancy,
        ActingRule::Delete,
    ];

    /// Its name in `autobuild_rules` and in the setting `workspace_autobuild.rules`.
    pub fn name(self) -> &'static str {
        match self {
            ActingRule::Autostop => "autostop",
            ActingRule::Autostart => "autostart",
            ActingRule::Failed => "failed",
            ActingRule::Dormancy => "dormancy",
            ActingRule::Delete => "delete",
        }
    }
}

/// What the operator set of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `workspace_autobuild.rules`: which of [`ActingRule::ALL`] may act, in that order.
    pub rules: [bool; 5],
    /// `workspace_autobuild.licensed_rules`: the product has its licence for advanced
    /// scheduling. Without it the template's options don't count.
    pub licensed: bool,
    /// `workspace_autobuild.failed_stop_retry`: a failed stop is tried again.
    pub failed_stop_retry: bool,
    /// `workspace_autobuild.max_start_delay` in microseconds; 0 for no limit.
    pub max_start_delay: i64,
}

/// Why there is no licence, for sentences.
pub const UNLICENSED: &str =
    "workspace_autobuild.licensed_rules is off, or is auto and finds no licence";

impl Policy {
    /// May this rule act?
    pub fn allows(&self, rule: ActingRule) -> bool {
        self.rules.get(rule as usize) == Some(&true)
    }
}
