//! What a rule has to say of itself. But for holds, nothing has a default: what is forgotten
//! does not compile.

use crate::instant::Instant;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::held::unless_held;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Sign;

/// A rule that acts.
pub(super) trait Rule {
    /// What people read of it.
    const ABOUT: About;

    /// What it comes to for a workspace that passed the conditions, if nothing is held.
    fn evaluate<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Outcome;

    /// What becomes of that where there are holds. Most wait for the end of one.
    fn unless_held<S: Schedules>(next: Next, candidate: &Candidate<'_>, schedules: &S) -> Outcome {
        unless_held(next, candidate, schedules)
    }

    /// What was seen where it acts, now or later, for `autobuild_explain`.
    fn observed<S: Schedules>(next: &Next, candidate: &Candidate<'_>, schedules: &S) -> String;

    /// Is the workspace's state what this rule is about? Then its reason is the one that
    /// people want to read when no rule will ever act. Never true of two rules.
    fn is_about(candidate: &Candidate<'_>) -> bool;

    /// From when on it may come to more than now, although no fact changes; `None` where
    /// it only waits for the time that it gives.
    fn look_again_at<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Option<Instant>;

    /// What an empty `next_start_at` is to be filled in with, where the rule reads it.
    fn fill_next_start_at<S: Schedules>(
        candidate: &Candidate<'_>,
        outcome: &Outcome,
        schedules: &S,
    ) -> Option<Instant>;
}

/// What people read of a rule: its row of `autobuild_rules`.
pub(in crate::lifecycle) struct About {
    /// The sign by which it is in force; `None` where it holds on every version.
    pub sign: Option<Sign>,
    /// What becomes of it without the product's licence; `None` where it asks for none.
    pub without_licence: Option<&'static str>,
    /// The settings that govern it beside `rules` and `licensed_rules`.
    pub settings: &'static [Setting],
    /// It reminds the owner, and makes no transition: it is asked only where none is due.
    pub reminds: bool,
    /// What it does.
    pub description: &'static str,
}

/// A setting that governs a rule.
pub(in crate::lifecycle) struct Setting {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// Is it on, as it stands?
    pub is_on: fn(&Policy) -> bool,
}
