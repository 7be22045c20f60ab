//! What the operator set of the rules.

use uuid::Uuid;

use crate::instant::{MINUTE, Micros};

use super::facts::Template;
use super::rules::{ActingRule, RuleSet};
use super::signs::Signs;

/// The settings that the rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `workspace_autobuild.rules`: which of them may act.
    pub rules: RuleSet,
    /// `workspace_autobuild.licensed_rules`: the product has its licence for advanced
    /// scheduling. Without it the template's options don't count.
    pub licensed: bool,
    /// `workspace_autobuild.failed_stop_retry`: a failed stop is tried again.
    pub failed_stop_retry: bool,
    /// `workspace_autobuild.notify_owners`: owners are told, and reminded of deadlines.
    pub notify_owners: bool,
    /// `workspace_autobuild.max_start_delay`; 0 for no limit.
    pub max_start_delay: Micros,
    /// `workspace_autobuild.missed_starts`.
    pub missed_starts: MissedStarts,
    /// `workspace_autobuild.spread_starts`: the window over which the starts of one minute are
    /// spread; 0 for none.
    pub spread_starts: Micros,
}

/// What becomes of a start whose run is in a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedStarts {
    /// The run doesn't count.
    Drop,
    /// It is made at the end of the hold.
    MakeUp,
}

/// Why there is no licence, for sentences.
pub const UNLICENSED: &str =
    "workspace_autobuild.licensed_rules is off, or is auto and finds no licence";

impl Policy {
    /// Every rule may act, and all options count.
    pub const EVERYTHING: Policy = Policy {
        rules: RuleSet::ALL,
        licensed: true,
        failed_stop_retry: true,
        notify_owners: true,
        max_start_delay: Micros(0),
        missed_starts: MissedStarts::Drop,
        spread_starts: Micros(0),
    };

    /// May this rule act?
    pub fn allows(&self, rule: ActingRule) -> bool {
        self.hindrance(rule).is_none()
    }

    /// How long after its run a workspace is started: always at the same place in the window
    /// over which starts are spread, in full minutes, since ticks are. Ids are random, so that
    /// every minute of the window has as many.
    pub fn spread_of(&self, workspace_id: Uuid) -> Micros {
        let minutes = self
            .spread_starts
            .0
            .max(0)
            .unsigned_abs()
            .div_ceil(MINUTE.unsigned_abs());
        let place = workspace_id.as_u128().checked_rem(u128::from(minutes));
        Micros(
            place
                .and_then(|place| i64::try_from(place).ok())
                .unwrap_or(0)
                * MINUTE,
        )
    }

    /// The longest time that any workspace is started after its run.
    pub(super) fn widest_spread(&self) -> Micros {
        Micros(self.spread_starts.0.max(0))
    }

    /// Which setting keeps this rule from acting, for sentences: "It does not act: ...".
    pub fn hindrance(&self, rule: ActingRule) -> Option<&'static str> {
        if !self.rules.contains(rule) {
            Some("workspace_autobuild.rules leaves it out")
        } else if rule.reminds() && !self.notify_owners {
            Some("workspace_autobuild.notify_owners is off")
        } else {
            None
        }
    }

    /// How long after a dormancy mark a workspace is to be deleted, where the mark says so.
    pub fn deleted_after(&self, template: &Template, signs: &Signs) -> Option<Micros> {
        let ttl = template.time_til_dormant_autodelete.0;
        // Nanoseconds, which the product cuts to milliseconds.
        (self.licensed && signs.deletion && ttl > 0).then_some(Micros(ttl / 1_000_000 * 1_000))
    }
}
