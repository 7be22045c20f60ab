//! What came of a transition: the row that a tick returns and history keeps.

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::transition::{BuildReason, Transition};
use crate::new_build::codes::BlockCode;
use crate::new_build::inputs::Block;
use crate::sqlstate::SqlState;

use super::due::Due;
use super::planned::Planned;

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
    /// All of them.
    pub const ALL: [Outcome; 5] = [
        Outcome::Built,
        Outcome::Conflict,
        Outcome::Blocked,
        Outcome::Failed,
        Outcome::Observed,
    ];

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
    pub code: Option<BlockCode>,
    /// `workspace_builds.id` of the new build.
    pub build_id: Option<Uuid>,
    /// `provisioner_jobs.id` of the new job.
    pub job_id: Option<Uuid>,
    /// The number that the new build has, or would have had.
    pub build_number: Option<i32>,
    /// SQLSTATE of a failed one.
    pub sqlstate: Option<SqlState>,
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
            latest_build_number: due.latest_build_number(),
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
            ..Attempt::numbered(due, Outcome::Blocked)
        }
    }

    /// What is due met an unexpected error.
    pub fn failed(planned: &Planned, sqlstate: SqlState, message: String) -> Attempt {
        Attempt {
            sqlstate: Some(sqlstate),
            message: Some(message),
            fingerprint: planned.fingerprint(),
            ..Attempt::numbered(&planned.due, Outcome::Failed)
        }
    }

    /// What is due, with the number that its build has or would have. A reminder has that of
    /// the build whose deadline it is, a mark alone has none.
    pub fn numbered(due: &Due, outcome: Outcome) -> Attempt {
        let latest = due.facts.latest.as_ref();
        let latest = latest.map(|latest| latest.build_number);
        Attempt {
            build_number: match due.next.transition {
                Transition::Dormant => None,
                Transition::Remind => latest,
                _ => latest.and_then(|latest| latest.checked_add(1)),
            },
            ..Attempt::new(due, outcome)
        }
    }

    /// What is due would be made; nothing was written. That is recorded once for each latest
    /// build, so that a mark has a number, too: that of the next build.
    pub fn observed(due: &Due) -> Attempt {
        let next = due.latest_build_number().checked_add(1);
        let observed = Attempt::numbered(due, Outcome::Observed);
        Attempt {
            build_number: observed.build_number.or(next),
            ..observed
        }
    }
}

#[cfg(test)]
impl Attempt {
    /// A start that was made, for tests to vary.
    pub fn example(due_at: Instant) -> Attempt {
        Attempt {
            workspace_id: Uuid::nil(),
            latest_build_number: 1,
            transition: Transition::Start,
            reason: BuildReason::Autostart,
            due_at,
            outcome: Outcome::Built,
            code: None,
            build_id: None,
            job_id: None,
            build_number: None,
            sqlstate: None,
            message: None,
            fingerprint: 0,
        }
    }
}
