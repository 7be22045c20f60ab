//! The conditions: who is put before the rules at all.
//!
//! A workspace that fails a condition is left alone by every rule, on every version of
//! the product, with the skip of the first that it fails. What is left has an owner, a
//! template, a latest build and its job, so that the rules need not ask again.
//!
//! Its job has ended, too, with one exception: the dormancy mark of a workspace that does
//! not run needs no build, and so does not wait for one that is under way.

use crate::instant::{Instant, Micros, Nanos};

use super::facts::{
    BuildTransition, Facts, Job, LatestBuild, OwnerStatus, PREBUILDS_OWNER, Template,
};
use super::outcome::Next;
use super::policy::Policy;
use super::rules::ActingRule;
use super::signs::Signs;
use super::skip::{Build, Skip};
use super::transition::{BuildReason, Transition};

/// The conditions, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// The workspace is not deleted.
    Deleted,
    /// Somebody has claimed it.
    Prebuild,
    /// Its owner exists.
    Owner,
    /// Its template exists.
    Template,
    /// It has a build.
    Build,
    /// That build's job exists.
    Job,
    /// And has ended.
    Complete,
    /// And did not fail. Asked only where the product has no rule for failed builds.
    Succeeded,
}

impl Condition {
    /// All of them, in order.
    pub(super) const ALL: [Condition; 8] = [
        Condition::Deleted,
        Condition::Prebuild,
        Condition::Owner,
        Condition::Template,
        Condition::Build,
        Condition::Job,
        Condition::Complete,
        Condition::Succeeded,
    ];

    /// Its name in `autobuild_explain`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Condition::Deleted => "deleted",
            Condition::Prebuild => "prebuild",
            Condition::Owner => "owner",
            Condition::Template => "template",
            Condition::Build => "build",
            Condition::Job => "job",
            Condition::Complete => "build_in_progress",
            Condition::Succeeded => "build_failed",
        }
    }

    /// Is it asked on this schema?
    pub(super) fn in_force(self, signs: &Signs) -> bool {
        self != Condition::Succeeded || !signs.failed_stop
    }
}

/// A workspace that passed the conditions, and all that a rule looks at but schedules.
pub(super) struct Candidate<'a> {
    pub facts: &'a Facts,
    pub owner: OwnerStatus,
    pub template: &'a Template,
    pub latest: &'a LatestBuild,
    pub job: &'a Job,
    /// The job waits or runs: nothing can be built, but a mark alone can be made.
    pub in_progress: bool,
    /// The job failed.
    pub failed: bool,
    pub signs: &'a Signs,
    pub policy: &'a Policy,
    pub tick: Instant,
}

impl<'a> Candidate<'a> {
    /// Asks the conditions in order; the first that fails comes back with its skip.
    pub(super) fn new(
        facts: &'a Facts,
        signs: &'a Signs,
        policy: &'a Policy,
        tick: Instant,
    ) -> Result<Candidate<'a>, (Condition, Skip)> {
        if facts.deleted {
            return Err((Condition::Deleted, Skip::Deleted));
        }
        if facts.owner_id == PREBUILDS_OWNER {
            return Err((Condition::Prebuild, Skip::Prebuild));
        }
        let owner_id = facts.owner_id;
        let owner = facts
            .owner
            .ok_or((Condition::Owner, Skip::NoOwner { owner_id }))?;
        let template = facts
            .template
            .as_ref()
            .ok_or((Condition::Template, Skip::NoTemplate))?;
        let latest = facts
            .latest
            .as_ref()
            .ok_or((Condition::Build, Skip::NoBuild))?;
        let build = build_of(latest);
        let job = latest
            .job
            .as_ref()
            .ok_or((Condition::Job, Skip::NoJob { build }))?;
        // The product's own word for how the job fares, where it has one, calls a job with
        // an error failed, complete or not.
        let failed = job.failed && (job.completed_at.is_some() || signs.job_status);
        let in_progress = job.completed_at.is_none() && !failed;
        let may_be_marked = signs.dormancy
            && signs.failed_stop
            && facts.dormant_at.is_none()
            && latest.transition != BuildTransition::Start;
        if in_progress && !may_be_marked {
            return Err((Condition::Complete, in_progress_skip(latest, job)));
        }
        if failed && Condition::Succeeded.in_force(signs) {
            return Err((
                Condition::Succeeded,
                Skip::BuildFailed {
                    build,
                    completed_at: job.completed_at,
                },
            ));
        }
        Ok(Candidate {
            facts,
            owner,
            template,
            latest,
            job,
            in_progress,
            failed,
            signs,
            policy,
            tick,
        })
    }

    /// The latest build, as sentences name it.
    pub(super) fn build(&self) -> Build {
        build_of(self.latest)
    }

    /// What is said where the job has not ended.
    pub(super) fn in_progress_skip(&self) -> Skip {
        in_progress_skip(self.latest, self.job)
    }

    /// Did somebody cancel the latest build? It counts for what it was to do, but did not
    /// do it.
    pub(super) fn was_canceled(&self) -> bool {
        !self.failed && self.job.canceled_at.is_some()
    }

    /// Since when the workspace is dormant, where there is dormancy.
    pub(super) fn dormant_at(&self) -> Option<Instant> {
        self.facts.dormant_at.filter(|_| self.signs.dormancy)
    }

    /// The first two reasons for which deadlines and schedules don't count.
    pub(super) fn failed_or_dormant(&self) -> Option<Skip> {
        if self.failed {
            return Some(Skip::BuildFailed {
                build: self.build(),
                completed_at: self.job.completed_at,
            });
        }
        self.dormant_at().map(|since| Skip::Dormant { since })
    }

    /// May a schedule of this owner's start anything?
    pub(super) fn owner_may_start(&self) -> bool {
        !self.signs.active_owner || self.owner == OwnerStatus::Active
    }

    /// How long after a run it is started.
    pub(super) fn spread(&self) -> Micros {
        self.policy.spread_of(self.facts.workspace_id)
    }

    /// The schedule's text, unless there is none.
    pub(super) fn schedule(&self) -> Option<&'a str> {
        self.facts.schedule.as_deref().filter(|s| !s.is_empty())
    }

    /// Does the template allow autostart? Without the licence its flag doesn't count.
    pub(super) fn autostart_allowed(&self) -> bool {
        !self.policy.licensed || self.template.allow_user_autostart
    }

    /// The weekdays on which the template starts nothing; bit 0 is Monday.
    pub(super) fn blocked_days(&self) -> i32 {
        blocked_days(self.template.blocked_days, self.signs, self.policy)
    }

    /// A duration that the template sets; `none` where it sets none.
    /// Without the licence it doesn't count.
    pub(super) fn ttl(
        &self,
        stored: Nanos,
        option: &'static str,
        none: Skip,
    ) -> Result<Nanos, Skip> {
        if stored <= Nanos(0) {
            Err(none)
        } else if !self.policy.licensed {
            Err(Skip::Unlicensed { option })
        } else {
            Ok(stored)
        }
    }

    /// The instant after which `ttl` (above zero) has passed since `since`: rounded down to
    /// the microsecond, so that a tick is later than it just when more than `ttl` has passed.
    pub(super) fn after(since: Instant, ttl: Nanos) -> Instant {
        since.saturating_add(ttl.micros())
    }

    /// What a rule does from an instant on.
    pub(super) fn next_at(
        &self,
        at: Instant,
        rule: ActingRule,
        transition: Transition,
        reason: BuildReason,
    ) -> Next {
        Next {
            rule,
            transition,
            reason,
            at,
            strict: false,
            due: self.tick >= at,
            mark_dormant: false,
        }
    }

    /// What a rule does after an instant, and not yet at it.
    pub(super) fn next_after(
        &self,
        at: Instant,
        rule: ActingRule,
        transition: Transition,
        reason: BuildReason,
    ) -> Next {
        Next {
            strict: true,
            due: self.tick > at,
            ..self.next_at(at, rule, transition, reason)
        }
    }

    /// The reason of a stop by the rules autostop and failed.
    pub(super) fn stop_reason(&self) -> BuildReason {
        if self.signs.task_pause && self.facts.has_task {
            BuildReason::TaskAutoPause
        } else {
            BuildReason::Autostop
        }
    }

    /// In which state the latest build left the workspace, for sentences: one that was
    /// canceled left it in none that is known.
    pub(super) fn since_build(&self, state: &str) -> String {
        let build = self.build();
        if self.was_canceled() {
            format!(
                "The latest, {build}, was canceled, but counts as a {}",
                build.transition.name()
            )
        } else {
            format!("{state} since {build}")
        }
    }
}

/// All seven days in [`Candidate::blocked_days`].
pub(super) const EVERY_DAY: i32 = 0b111_1111;

/// What a template's weekdays, as stored, come to: see [`Candidate::blocked_days`].
pub(super) fn blocked_days(stored: i32, signs: &Signs, policy: &Policy) -> i32 {
    if signs.blocked_days && policy.licensed {
        stored & EVERY_DAY
    } else {
        0
    }
}

fn in_progress_skip(latest: &LatestBuild, job: &Job) -> Skip {
    Skip::BuildInProgress {
        build: build_of(latest),
        canceled_at: job.canceled_at,
    }
}

fn build_of(latest: &LatestBuild) -> Build {
    Build {
        number: latest.build_number,
        transition: latest.transition,
        created_at: latest.created_at,
    }
}
