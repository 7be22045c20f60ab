//! The verdict: what happens next to a workspace and when, or why nothing does.

use std::borrow::Cow;

use crate::instant::Instant;

use super::signs::ActingRule;

/// What a rule does to a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A build that starts it.
    Start,
    /// A build that stops it.
    Stop,
    /// A build that deletes it.
    Delete,
    /// The dormancy mark alone, without a build.
    Dormant,
}

impl Transition {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Transition::Start => "start",
            Transition::Stop => "stop",
            Transition::Delete => "delete",
            Transition::Dormant => "dormant",
        }
    }
}

/// The next transition of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The rule that makes it.
    pub rule: ActingRule,
    /// What is done.
    pub transition: Transition,
    /// The product's `build_reason`.
    pub reason: &'static str,
    /// When it falls due.
    pub at: Instant,
    /// Is it due at the tick?
    pub due: bool,
    /// Is the workspace marked dormant as well (`dormancy`)?
    pub mark_dormant: bool,
}

/// Why nothing happens to a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Short, stable, snake_case.
    pub code: &'static str,
    /// A sentence for people, with what was seen.
    pub detail: Cow<'static, str>,
}

/// What happens next, or why nothing does.
pub type Outcome = Result<Next, Skip>;

/// The verdict on a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happens next, or why nothing does.
    pub outcome: Outcome,
    /// The value that `workspaces.next_start_at` is to be filled in with, where it is
    /// NULL and the product would fill it.
    pub fill_next_start_at: Option<Instant>,
}

/// One step of the explanation of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule or the condition, by its name in `autobuild_rules` where it has one.
    pub rule: &'static str,
    /// Did it let the workspace pass (a condition), or does it apply (a rule)?
    pub passed: bool,
    /// What was observed.
    pub observed: String,
}
