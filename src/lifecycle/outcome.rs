//! What a rule comes to: what happens next and when, or why nothing does.

use crate::instant::Instant;

use super::rules::ActingRule;
use super::skip::Skip;
use super::transition::{BuildReason, Transition};

/// The next transition of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The rule that makes it.
    pub rule: ActingRule,
    /// What is done.
    pub transition: Transition,
    /// The reason that is written with it.
    pub reason: BuildReason,
    /// When it falls due. Not to be compared with the tick: some rules act at this
    /// very instant, others only after it.
    pub at: Instant,
    /// Does the rule act only after `at`, not at that very instant?
    pub strict: bool,
    /// Is it due at the tick, by the rule's own comparison?
    pub due: bool,
    /// Is the workspace marked dormant, with the build or alone?
    pub mark_dormant: bool,
}

impl Next {
    /// The first instant at which it is due.
    pub fn due_from(&self) -> Instant {
        self.at.saturating_add_micros(i64::from(self.strict))
    }
}

/// What happens next, or why nothing does.
pub type Outcome = Result<Next, Skip>;
