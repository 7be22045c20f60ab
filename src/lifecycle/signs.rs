//! Which of the product's rules are in force, as its own tables show it.
//!
//! The product changed its rules over the years, and each change left a sign in
//! the schema: a column, a table or an enum value. The signs are looked for, a
//! version number never is. Each is said once, in the list below: what it means, all
//! that it needs, and how `autobuild_rules` and the documentation list it.

use crate::columns::{
    provisioner_daemons, provisioner_jobs, task_workspace_apps, tasks,
    template_version_preset_parameters, template_version_presets, template_version_workspace_tags,
    templates, users, workspace_builds, workspaces,
};

use super::needs::Need::{Column, Reason};
use super::needs::{Need, Part};
use super::transition::BuildReason;

/// A sign's own row of `autobuild_rules`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// The row's name.
    pub name: &'static str,
    /// Does it ask for the product's licence?
    pub licensed: bool,
    /// What it does.
    pub description: &'static str,
}

/// Declares [`Signs`] and [`Sign`] from one list. After its needs comes a sign's own row of
/// `autobuild_rules`, `listed` or, where it asks for the product's licence, `licensed`; none
/// has the sign of a rule that acts, which is listed with it, or what no one need know.
macro_rules! signs {
    (@row) => { None };
    (@row listed $name:literal $description:literal) => {
        Some(Listed { name: $name, licensed: false, description: $description })
    };
    (@row licensed $name:literal $description:literal) => {
        Some(Listed { name: $name, licensed: true, description: $description })
    };
    ($(
        $(#[$doc:meta])+
        $field:ident: $sign:ident { needs: $needs:expr, $($how:ident $row:literal: $description:literal,)? }
    )+) => {
        /// The signs found in the product's schema, a field each.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Signs {
            $($(#[$doc])+ pub $field: bool,)+
        }

        /// One of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Sign {
            $($sign,)+
        }

        impl Signs {
            /// All of them: the product as it is today.
            pub const ALL: Signs = Signs { $($field: true,)+ };

            /// The signs of a schema that has these parts.
            pub fn found(has: impl Fn(Part) -> bool) -> Signs {
                Signs {
                    $($field: Sign::$sign.needs().iter().all(|need| need.is_met(&has)),)+
                }
            }

            /// Is this one there?
            pub(super) fn has(&self, sign: Sign) -> bool {
                match sign {
                    $(Sign::$sign => self.$field,)+
                }
            }
        }

        impl Sign {
            /// All of them, in the order in which they are listed.
            pub(super) const ALL: &[Sign] = &[$(Sign::$sign,)+];

            /// All that it needs.
            pub(super) fn needs(self) -> &'static [Need] {
                match self {
                    $(Sign::$sign => $needs,)+
                }
            }

            /// Its row of `autobuild_rules`, where it has one of its own.
            pub(super) fn listed(self) -> Option<Listed> {
                match self {
                    $(Sign::$sign => signs!(@row $($how $row $description)?),)+
                }
            }
        }
    };
}

signs! {
    /// Only a failed job blocks, failed builds are stopped, legacy `parameter_schemas`
    /// refuse a start.
    failed_stop: FailedStop {
        needs: &[
            Reason(&[BuildReason::FailedStop]),
            Column(templates::FAILURE_TTL),
        ],
    }
    /// A workspace that nobody uses is marked dormant.
    dormancy: Dormancy {
        needs: &[
            Column(workspaces::DORMANT_AT),
            Column(templates::TIME_TIL_DORMANT),
            Reason(&[BuildReason::Dormancy, BuildReason::Autolock]),
        ],
    }
    /// The reason of dormancy is `dormancy`; without it `autolock`.
    dormancy_reason: DormancyReason {
        needs: &[Reason(&[BuildReason::Dormancy])],
    }
    /// A dormant workspace is deleted; never without `dormancy`, for whoever is to be
    /// deleted must be dormant first.
    deletion: Deletion {
        needs: &[
            Column(workspaces::DORMANT_AT),
            Column(templates::TIME_TIL_DORMANT),
            Reason(&[BuildReason::Dormancy, BuildReason::Autolock]),
            Column(workspaces::DELETING_AT),
            Column(templates::TIME_TIL_DORMANT_AUTODELETE),
            Reason(&[BuildReason::Autodelete]),
        ],
    }
    /// An owner is reminded before a deadline.
    reminder: Reminder {
        needs: &[
            Column(templates::TIME_TIL_AUTOSTOP_NOTIFY),
            Column(workspace_builds::NOTIFIED_AUTOSTOP_DEADLINE),
        ],
    }
    /// An organization's tags have an empty owner.
    empty_owner_tag: EmptyOwnerTag {
        needs: &[Column(provisioner_daemons::API_VERSION)],
    }
    /// A suspended owner's workspace is stopped.
    suspended_owner: SuspendedOwner {
        needs: &[Column(users::GITHUB_COM_USER_ID)],
        listed "suspended_owner": "A running workspace whose owner is suspended is stopped at once.",
    }
    /// A start needs an active owner.
    active_owner: ActiveOwner {
        needs: &[Column(provisioner_daemons::LAST_SEEN_AT)],
        listed "active_owner": "A schedule starts a workspace only while its owner is active.",
    }
    /// A template may block weekdays.
    blocked_days: BlockedDays {
        needs: &[Column(templates::AUTOSTART_BLOCK_DAYS_OF_WEEK)],
        licensed "blocked_days": "A schedule starts nothing on the weekdays that the template blocks, \
                          taken in the schedule's own zone.",
    }
    /// Starts wait for it, a blocked run is searched on from for seven days, tags with an
    /// empty value are dropped.
    next_start_at: NextStartAt {
        needs: &[Column(workspaces::NEXT_START_AT)],
        listed "next_start_at": "A start also waits for next_start_at, which is filled in where it is \
                          NULL. If a run is on a blocked day, later runs are tried for seven \
                          days. Tags with an empty value are dropped.",
    }
    /// A job has a status: with an error it has failed, complete or not, a failed delete
    /// waits for a day, and a job's trace has baggage.
    job_status: JobStatus {
        needs: &[Column(provisioner_jobs::JOB_STATUS)],
        listed "delete_retry": "A delete that failed is tried again only after 24 hours.",
    }
    /// A provisioner must be there that could take the job.
    provisioner: Provisioner {
        needs: &[
            Column(provisioner_jobs::LOGS_OVERFLOWED),
            Column(provisioner_daemons::ORGANIZATION_ID),
            Column(provisioner_daemons::TAGS),
            Column(provisioner_daemons::LAST_SEEN_AT),
        ],
        listed "provisioner": "Nothing is done for a workspace while no provisioner that could take \
                          its job was seen within 90 seconds.",
    }
    /// A workspace may ask for its template's active version.
    automatic_updates: AutomaticUpdates {
        needs: &[Column(workspaces::AUTOMATIC_UPDATES)],
        listed "automatic_updates": "A start takes the template's active version where the workspace asks \
                          for automatic updates.",
    }
    /// A template may require its active version.
    require_active_version: RequireActiveVersion {
        needs: &[Column(templates::REQUIRE_ACTIVE_VERSION)],
        licensed "require_active_version": "A start takes the template's active version where the template \
                          requires it.",
    }
    /// A version may have tags for its workspaces.
    workspace_tags: WorkspaceTags {
        needs: &[Column(template_version_workspace_tags::TEMPLATE_VERSION_ID)],
        listed "workspace_tags": "A version has tags of its own for its workspaces: a build of the \
                          same version takes the tags of the latest build, a start on another is \
                          blocked, unless the template's parameters are dynamic and the version's \
                          source tells the tags.",
    }
    /// A template's parameters may be dynamic.
    dynamic: Dynamic {
        needs: &[Column(templates::USE_CLASSIC_PARAMETER_FLOW)],
        listed "dynamic": "Parameters of a template that is not classic come out of its source: they \
                          are resolved by the stored definitions where these are all that comes of \
                          it; else a build of the same version copies those of the latest, and a \
                          start on another is blocked.",
    }
    /// A build names the preset that it matches.
    preset: Preset {
        needs: &[
            Column(provisioner_jobs::LOGS_OVERFLOWED),
            Column(workspace_builds::TEMPLATE_VERSION_PRESET_ID),
            Column(template_version_presets::ID),
            Column(template_version_presets::TEMPLATE_VERSION_ID),
            Column(template_version_preset_parameters::TEMPLATE_VERSION_PRESET_ID),
            Column(template_version_preset_parameters::NAME),
            Column(template_version_preset_parameters::VALUE),
        ],
        listed "preset": "A build names the version's preset whose parameters all equal its own.",
    }
    /// A build of a task's workspace has a row of `task_workspace_apps`.
    task_row: TaskRow {
        needs: &[
            Column(task_workspace_apps::WORKSPACE_BUILD_NUMBER),
            Column(task_workspace_apps::TASK_ID),
            Column(tasks::ID),
            Column(tasks::WORKSPACE_ID),
            Column(tasks::DELETED_AT),
        ],
        listed "task_row": "A build of a task's workspace has a row of task_workspace_apps.",
    }
    /// The stop of a task's workspace says `task_auto_pause`.
    task_pause: TaskPause {
        needs: &[
            Column(templates::DISABLE_MODULE_CACHE),
            Reason(&[BuildReason::TaskAutoPause]),
            Column(tasks::WORKSPACE_ID),
        ],
        listed "task_pause": "The rules autostop and failed give task_auto_pause as their reason \
                          for the workspace of a task.",
    }
}
