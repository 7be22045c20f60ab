//! What came of a transition: the row that a tick returns and history keeps.

use uuid::Uuid;

use crate::build::inputs::Block;
use crate::instant::Instant;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::decide::Due;
use super::report::{KINDS, OUTCOMES, TickReport};

/// What came of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Built,
    /// Someone else built first.
    Conflict,
    /// It can't be made now; the code says why.
    Blocked,
    /// An unexpected error; the SQLSTATE says which.
    Failed,
    /// It would have been made (`action = observe`).
    Observed,
}

impl Outcome {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Built => "built",
            Outcome::Conflict => "conflict",
            Outcome::Blocked => "blocked",
            Outcome::Failed => "failed",
            Outcome::Observed => "observed",
        }
    }
}

/// A transition that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The number of its latest build when it was tried; 0 for none.
    pub latest_build_number: i32,
    /// What was to be done.
    pub transition: Transition,
    /// The product's `build_reason`.
    pub reason: BuildReason,
    /// When it fell due.
    pub due_at: Instant,
    /// What came of it.
    pub outcome: Outcome,
    /// The block code of a blocked one.
    pub code: Option<&'static str>,
    /// `workspace_builds.id` of the new build.
    pub build_id: Option<Uuid>,
    /// `provisioner_jobs.id` of the new job.
    pub job_id: Option<Uuid>,
    /// The new build's number.
    pub build_number: Option<i32>,
    /// SQLSTATE of a failed one.
    pub sqlstate: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// Of what was written or would have been.
    pub fingerprint: i64,
}

impl Attempt {
    /// An attempt at what is due, of which nothing has come yet but the outcome.
    pub fn new(due: &Due, outcome: Outcome) -> Attempt {
        Attempt {
            workspace_id: due.facts.workspace_id,
            latest_build_number: due
                .facts
                .latest
                .as_ref()
                .map_or(0, |latest| latest.build_number),
            transition: due.next.transition,
            reason: due.next.reason,
            due_at: due.next.at,
            outcome,
            code: None,
            build_id: None,
            job_id: None,
            build_number: None,
            sqlstate: None,
            message: None,
            fingerprint: 0,
        }
    }

    /// What is due can't be built now.
    pub fn blocked(due: &Due, block: &Block) -> Attempt {
        Attempt {
            code: Some(block.code),
            message: Some(block.message.clone()),
            ..Attempt::new(due, Outcome::Blocked)
        }
    }

    /// What is due would be built, and with which number; nothing was written.
    pub fn would_be(due: &Due, outcome: Outcome) -> Attempt {
        let latest = due.facts.latest.as_ref();
        Attempt {
            build_number: latest.map(|latest| latest.build_number.saturating_add(1)),
            ..Attempt::new(due, outcome)
        }
    }
}

/// Builds that a tick may still make (`max_builds_per_tick`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildsLeft(Option<usize>);

impl BuildsLeft {
    /// As many as the cap allows; `None` for no cap.
    pub fn new(cap: Option<usize>) -> BuildsLeft {
        BuildsLeft(cap)
    }

    /// May no more be made?
    pub fn is_used_up(self) -> bool {
        self.0 == Some(0)
    }

    /// One more is to be made: is it within the cap?
    pub fn take(&mut self) -> bool {
        if self.is_used_up() {
            return false;
        }
        self.0 = self.0.map(|left| left - 1);
        true
    }

    /// Of those that were to be made so many were not.
    pub fn give_back(&mut self, count: usize) {
        self.0 = self.0.map(|left| left.saturating_add(count));
    }
}

/// May a workspace be written now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its lock is ours.
    Ours,
    /// Somebody else holds its lock.
    Taken,
    /// The server has no more locks for this tick.
    Later,
}

/// Adds attempts to a report.
pub fn count(report: &mut TickReport, attempts: &[Attempt]) {
    for attempt in attempts {
        let kind = KINDS.iter().position(|k| *k == attempt.transition.name());
        let outcome = OUTCOMES.iter().position(|o| *o == attempt.outcome.name());
        if let (Some(kind), Some(outcome)) = (kind, outcome)
            && let Some(count) = report.tried.get_mut(kind).and_then(|k| k.get_mut(outcome))
        {
            *count += 1;
        }
        if attempt.outcome == Outcome::Failed
            && let Some(sqlstate) = &attempt.sqlstate
        {
            match report.failures.iter_mut().find(|(s, _)| s == sqlstate) {
                Some((_, count)) => *count += 1,
                None => report.failures.push((sqlstate.clone(), 1)),
            }
        }
        *match attempt.outcome {
            Outcome::Built => &mut report.built,
            Outcome::Conflict => &mut report.conflict,
            Outcome::Blocked => &mut report.blocked,
            Outcome::Failed => &mut report.failed,
            Outcome::Observed => &mut report.observed,
        } += 1;
    }
}
