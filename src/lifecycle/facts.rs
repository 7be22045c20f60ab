//! What is known of one workspace when it is decided.
//!
//! The product's tables are read into these structs once for each tick, in sets.
//! A column that the product's version does not have takes the value that makes
//! its rule do nothing; which rules are in force is [`super::signs::Signs`]' matter.

use uuid::Uuid;

use crate::instant::{Instant, Nanos};

/// The owner of pre-built workspaces that nobody has claimed yet.
pub const PREBUILDS_OWNER: Uuid = Uuid::from_u128(0xc42f_df75_3097_471c_8c33_fb52_454d_81c0);

/// One workspace, with its owner, its template, its latest build and that build's job.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `workspaces.id`.
    pub workspace_id: Uuid,
    /// `workspaces.owner_id`.
    pub owner_id: Uuid,
    /// `workspaces.organization_id`.
    pub organization_id: Uuid,
    /// `workspaces.deleted`.
    pub deleted: bool,
    /// `workspaces.autostart_schedule`, as stored.
    pub schedule: Option<String>,
    /// `workspaces.dormant_at` (`locked_at` before it was renamed).
    pub dormant_at: Option<Instant>,
    /// `workspaces.deleting_at`.
    pub deleting_at: Option<Instant>,
    /// `workspaces.last_used_at`.
    pub last_used_at: Instant,
    /// `workspaces.next_start_at`.
    pub next_start_at: Option<Instant>,
    /// `workspaces.automatic_updates` is `always`.
    pub always_update: bool,
    /// A row of `tasks`, even a deleted one, names the workspace.
    pub has_task: bool,
    /// The owner's status; `None` when there is no such user.
    pub owner: Option<OwnerStatus>,
    /// The template; `None` when there is no such row.
    pub template: Option<Template>,
    /// The build with the highest number; `None` for a workspace without builds.
    pub latest: Option<LatestBuild>,
}

impl Facts {
    /// A workspace whose latest build was made and has succeeded at that instant, and for
    /// which nothing is set: for tests and examples, and for what would be if it were so.
    pub fn example(transition: BuildTransition, at: Instant) -> Facts {
        let version = Uuid::from_u128(5);
        Facts {
            workspace_id: Uuid::from_u128(1),
            owner_id: Uuid::from_u128(2),
            organization_id: Uuid::from_u128(3),
            deleted: false,
            schedule: None,
            dormant_at: None,
            deleting_at: None,
            last_used_at: at,
            next_start_at: None,
            always_update: false,
            has_task: false,
            owner: Some(OwnerStatus::Active),
            template: Some(Template {
                id: Uuid::from_u128(4),
                organization_id: Uuid::from_u128(9),
                active_version_id: version,
                allow_user_autostart: true,
                blocked_days: 0,
                failure_ttl: Nanos(0),
                time_til_dormant: Nanos(0),
                time_til_dormant_autodelete: Nanos(0),
                time_til_autostop_notify: Nanos(0),
                require_active_version: false,
            }),
            latest: Some(LatestBuild {
                id: Uuid::from_u128(6),
                build_number: 7,
                transition,
                created_at: at,
                deadline: None,
                notified_deadline: None,
                template_version_id: version,
                job: Some(Job {
                    completed_at: Some(at),
                    canceled_at: None,
                    failed: false,
                }),
            }),
        }
    }
}

/// `users.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStatus {
    /// `active`.
    Active,
    /// `dormant`: a user who has not signed in for long.
    Dormant,
    /// `suspended`.
    Suspended,
    /// A status that this version of the extension does not know.
    Other,
}

impl OwnerStatus {
    /// Its name in SQL, for sentences.
    pub fn name(self) -> &'static str {
        match self {
            OwnerStatus::Active => "active",
            OwnerStatus::Dormant => "dormant",
            OwnerStatus::Suspended => "suspended",
            OwnerStatus::Other => "unknown",
        }
    }
}

/// The template's schedule options. Durations are as stored: one that
/// is not above zero means "none".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// `templates.id`.
    pub id: Uuid,
    /// `templates.organization_id`, in which its jobs run.
    pub organization_id: Uuid,
    /// `templates.active_version_id`.
    pub active_version_id: Uuid,
    /// `templates.allow_user_autostart`.
    pub allow_user_autostart: bool,
    /// `templates.autostart_block_days_of_week`, as stored: bit 0 is Monday,
    /// bits above the seventh mean nothing.
    pub blocked_days: i32,
    /// `templates.failure_ttl`.
    pub failure_ttl: Nanos,
    /// `templates.time_til_dormant` (`inactivity_ttl` before it was renamed).
    pub time_til_dormant: Nanos,
    /// `templates.time_til_dormant_autodelete` (`locked_ttl` before it was renamed).
    pub time_til_dormant_autodelete: Nanos,
    /// `templates.time_til_autostop_notify`.
    pub time_til_autostop_notify: Nanos,
    /// `templates.require_active_version`.
    pub require_active_version: bool,
}

/// The build with the highest number, and its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestBuild {
    /// `workspace_builds.id`.
    pub id: Uuid,
    /// `workspace_builds.build_number`.
    pub build_number: i32,
    /// `workspace_builds.transition`.
    pub transition: BuildTransition,
    /// `workspace_builds.created_at`.
    pub created_at: Instant,
    /// `workspace_builds.deadline`; `None` for the product's "no time".
    pub deadline: Option<Instant>,
    /// `workspace_builds.notified_autostop_deadline`, the one that the owner was reminded of;
    /// `None` for the product's "no time".
    pub notified_deadline: Option<Instant>,
    /// `workspace_builds.template_version_id`.
    pub template_version_id: Uuid,
    /// The build's row of `provisioner_jobs`; `None` when there is no such row.
    pub job: Option<Job>,
}

/// `workspace_builds.transition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildTransition {
    /// The build started the workspace.
    Start,
    /// The build stopped it.
    Stop,
    /// The build deleted it.
    Delete,
}

impl BuildTransition {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            BuildTransition::Start => "start",
            BuildTransition::Stop => "stop",
            BuildTransition::Delete => "delete",
        }
    }
}

/// How far the latest build's job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// `provisioner_jobs.completed_at`.
    pub completed_at: Option<Instant>,
    /// `provisioner_jobs.canceled_at`.
    pub canceled_at: Option<Instant>,
    /// `provisioner_jobs.error` is not empty.
    pub failed: bool,
}

impl Job {
    /// That of a build that was just written.
    pub const PENDING: Job = Job {
        completed_at: None,
        canceled_at: None,
        failed: false,
    };
}
