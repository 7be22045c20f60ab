//! What the operator set of the rules.

use super::rules::{ActingRule, RuleSet};

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
    /// `workspace_autobuild.max_start_delay` in microseconds; 0 for no limit.
    pub max_start_delay: i64,
}

/// Why there is no licence, for sentences.
pub const UNLICENSED: &str =
    "workspace_autobuild.licensed_rules is off, or is auto and finds no licence";

impl Policy {
    /// May this rule act?
    pub fn allows(&self, rule: ActingRule) -> bool {
        self.rules.contains(rule)
    }
}
