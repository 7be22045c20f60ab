//! Which of the product's rules are in force, as its own tables show it.
//!
//! The product changed its rules over the years, and each change left a sign in
//! the schema: a column, a table or an enum value. The signs are looked for, a
//! version number never is. Each is said once, in the list below: what it means, all
//! that it needs, and how `autobuild_rules` and the documentation list it.

use super::needs::Part::{Column, Reason};
use super::needs::{Needs, Part, missing};
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

/// Declares [`Signs`] and [`Sign`] from one list. What is `listed: None` is the sign of a
/// rule that acts, which is listed with it, or of no consequence to people.
macro_rules! signs {
    ($($(#[$doc:meta])+ $field:ident: $sign:ident { needs: $needs:expr, listed: $listed:expr, })+) => {
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
                    $($field: missing(Sign::$sign.needs(), &has).is_empty(),)+
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
            pub(super) fn needs(self) -> Needs {
                match self {
                    $(Sign::$sign => $needs,)+
                }
            }

            /// Its row of `autobuild_rules`, where it has one of its own.
            pub(super) fn listed(self) -> Option<Listed> {
                match self {
                    $(Sign::$sign => $listed,)+
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
            &[Reason(BuildReason::FailedStop)],
            &[Column("templates", "failure_ttl")],
        ],
        listed: None,
    }
    /// A workspace that nobody uses is marked dormant.
    dormancy: Dormancy {
        needs: &[
            &[Column("workspaces", "dormant_at"), Column("workspaces", "locked_at")],
            &[Column("templates", "time_til_dormant"), Column("templates", "inactivity_ttl")],
            &[Reason(BuildReason::Dormancy), Reason(BuildReason::Autolock)],
        ],
        listed: None,
    }
    /// The reason of dormancy is `dormancy`; without it `autolock`.
    dormancy_reason: DormancyReason {
        needs: &[&[Reason(BuildReason::Dormancy)]],
        listed: None,
    }
    /// A dormant workspace is deleted; never without `dormancy`, for whoever is to be
    /// deleted must be dormant first.
    deletion: Deletion {
        needs: &[
            &[Column("workspaces", "dormant_at"), Column("workspaces", "locked_at")],
            &[Column("templates", "time_til_dormant"), Column("templates", "inactivity_ttl")],
            &[Reason(BuildReason::Dormancy), Reason(BuildReason::Autolock)],
            &[Column("workspaces", "deleting_at")],
            &[
                Column("templates", "time_til_dormant_autodelete"),
                Column("templates", "locked_ttl"),
            ],
            &[Reason(BuildReason::Autodelete)],
        ],
        listed: None,
    }
    /// An organization's tags have an empty owner.
    empty_owner_tag: EmptyOwnerTag {
        needs: &[&[Column("provisioner_daemons", "api_version")]],
        listed: None,
    }
    /// A suspended owner's workspace is stopped.
    suspended_owner: SuspendedOwner {
        needs: &[&[Column("users", "github_com_user_id")]],
        listed: Some(Listed {
            name: "suspended_owner",
            licensed: false,
            description: "A running workspace whose owner is suspended is stopped at once.",
        }),
    }
    /// A start needs an active owner.
    active_owner: ActiveOwner {
        needs: &[&[Column("provisioner_daemons", "last_seen_at")]],
        listed: Some(Listed {
            name: "active_owner",
            licensed: false,
            description: "A schedule starts a workspace only while its owner is active.",
        }),
    }
    /// A template may block weekdays.
    blocked_days: BlockedDays {
        needs: &[&[Column("templates", "autostart_block_days_of_week")]],
        listed: Some(Listed {
            name: "blocked_days",
            licensed: true,
            description: "A schedule starts nothing on the weekdays that the template blocks, \
                          taken in the schedule's own zone.",
        }),
    }
    /// Starts wait for it, a blocked run is searched on from for seven days, tags with an
    /// empty value are dropped.
    next_start_at: NextStartAt {
        needs: &[&[Column("workspaces", "next_start_at")]],
        listed: Some(Listed {
            name: "next_start_at",
            licensed: false,
            description: "A start also waits for next_start_at, which is filled in where it is \
                          NULL. Runs on blocked days are searched on from for seven days, and \
                          tags with an empty value are dropped.",
        }),
    }
    /// A job has a status: with an error it has failed, complete or not, and a failed
    /// delete waits for a day.
    job_status: JobStatus {
        needs: &[&[Column("provisioner_jobs", "job_status")]],
        listed: Some(Listed {
            name: "delete_retry",
            licensed: false,
            description: "A delete that failed is tried again only after 24 hours.",
        }),
    }
    /// A provisioner must be there that could take the job.
    provisioner: Provisioner {
        needs: &[
            &[Column("provisioner_jobs", "logs_overflowed")],
            &[Column("provisioner_daemons", "organization_id")],
            &[Column("provisioner_daemons", "tags")],
            &[Column("provisioner_daemons", "last_seen_at")],
        ],
        listed: Some(Listed {
            name: "provisioner",
            licensed: false,
            description: "Nothing is done for a workspace while no provisioner that could take \
                          its job was seen within 90 seconds.",
        }),
    }
    /// A workspace may ask for its template's active version.
    automatic_updates: AutomaticUpdates {
        needs: &[&[Column("workspaces", "automatic_updates")]],
        listed: Some(Listed {
            name: "automatic_updates",
            licensed: false,
            description: "A start takes the template's active version where the workspace asks \
                          for automatic updates.",
        }),
    }
    /// A template may require its active version.
    require_active_version: RequireActiveVersion {
        needs: &[&[Column("templates", "require_active_version")]],
        listed: Some(Listed {
            name: "require_active_version",
            licensed: true,
            description: "A start takes the template's active version where the template \
                          requires it.",
        }),
    }
    /// A version may have tags for its workspaces.
    workspace_tags: WorkspaceTags {
        needs: &[&[Column("template_version_workspace_tags", "template_version_id")]],
        listed: Some(Listed {
            name: "workspace_tags",
            licensed: false,
            description: "A version's own tags for its workspaces can not be evaluated in SQL: \
                          a build of the same version takes the tags of the latest build, a \
                          start on another is blocked.",
        }),
    }
    /// A template's parameters may be dynamic.
    dynamic: Dynamic {
        needs: &[&[Column("templates", "use_classic_parameter_flow")]],
        listed: Some(Listed {
            name: "dynamic",
            licensed: false,
            description: "Parameters of a template that is not classic are evaluated by the \
                          product alone: a build of the same version copies those of the \
                          latest, a start on another is blocked.",
        }),
    }
    /// A build names the preset that it matches.
    preset: Preset {
        needs: &[
            &[Column("provisioner_jobs", "logs_overflowed")],
            &[Column("workspace_builds", "template_version_preset_id")],
            &[Column("template_version_presets", "id")],
            &[Column("template_version_presets", "template_version_id")],
            &[Column("template_version_preset_parameters", "template_version_preset_id")],
            &[Column("template_version_preset_parameters", "name")],
            &[Column("template_version_preset_parameters", "value")],
        ],
        listed: Some(Listed {
            name: "preset",
            licensed: false,
            description: "A build names the version's preset whose parameters all equal its own.",
        }),
    }
    /// A build of a task's workspace has a row of `task_workspace_apps`.
    task_row: TaskRow {
        needs: &[
            &[Column("task_workspace_apps", "workspace_build_number")],
            &[Column("task_workspace_apps", "task_id")],
            &[Column("tasks", "id")],
            &[Column("tasks", "workspace_id")],
            &[Column("tasks", "deleted_at")],
        ],
        listed: Some(Listed {
            name: "task_row",
            licensed: false,
            description: "A build of a task's workspace has a row of task_workspace_apps.",
        }),
    }
    /// The stop of a task's workspace says `task_auto_pause`.
    task_pause: TaskPause {
        needs: &[
            &[Column("templates", "disable_module_cache")],
            &[Reason(BuildReason::TaskAutoPause)],
            &[Column("tasks", "workspace_id")],
        ],
        listed: Some(Listed {
            name: "task_pause",
            licensed: false,
            description: "The rules autostop and failed give task_auto_pause as their reason \
                          for the workspace of a task.",
        }),
    }
}
