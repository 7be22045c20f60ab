//! The catalogue of rules, for the view `autobuild_rules`.
//!
//! First the rules that act, in rule order, then the conditions and ways beside them.
//! All are listed on every schema; what the schema has or lacks of a rule's needs says why
//! it is in force or not, and the settings that govern it show how they stand.

use super::candidate::Candidate;
use super::needs::{self, Part};
use super::schedules::Schedules;
use super::signs::{ActingRule, Policy, UNLICENSED};
use super::verdict::Outcome;
use super::{autostart, autostop, delete, dormancy, failed};

/// A row of `autobuild_rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub rule: &'static str,
    /// Does the product's schema bring it?
    pub in_force: bool,
    /// A sentence on the sign that says so, and on a setting that keeps it from acting.
    pub because: String,
    /// The settings that govern it, each with how it stands.
    pub setting: Option<String>,
    /// What it does.
    pub description: &'static str,
}

/// Puts a workspace before one rule.
pub(super) fn evaluate<S: Schedules>(
    rule: ActingRule,
    candidate: &Candidate<'_>,
    schedules: &S,
) -> Outcome {
    match rule {
        ActingRule::Autostop => autostop::evaluate(candidate),
        ActingRule::Autostart => autostart::evaluate(candidate, schedules),
        ActingRule::Failed => failed::evaluate(candidate),
        ActingRule::Dormancy => dormancy::evaluate(candidate),
        ActingRule::Delete => delete::evaluate(candidate),
    }
}

/// Every rule, on every schema: those that act, in order, then the others.
pub fn catalogue(has: impl Fn(Part) -> bool, policy: &Policy) -> Vec<Rule> {
    let acting = ActingRule::ALL.map(|rule| acting(rule, &has, policy));
    acting.into_iter().chain(beside(&has, policy)).collect()
}

fn acting(rule: ActingRule, has: impl Fn(Part) -> bool, policy: &Policy) -> Rule {
    let licensed = ("licensed_rules", policy.licensed);
    let (needs, other_settings, description): (_, &[_], _) = match rule {
        ActingRule::Autostop => (
            needs::NOTHING,
            &[],
            "Stops a running workspace at the deadline of its latest build.",
        ),
        ActingRule::Autostart => (
            needs::NOTHING,
            &[licensed, ("max_start_delay", policy.max_start_delay > 0)],
            "Starts a stopped workspace at the first run of its schedule after the latest \
             build, where the template allows autostart.",
        ),
        ActingRule::Failed => (
            needs::FAILED_STOP,
            &[licensed, ("failed_stop_retry", policy.failed_stop_retry)],
            "Stops a workspace once failure_ttl has passed since its start or stop failed. \
             Without this rule a failed build keeps a workspace from every transition.",
        ),
        ActingRule::Dormancy => (
            needs::DORMANCY,
            &[licensed],
            "Marks a workspace dormant that was not used for longer than time_til_dormant, \
             and stops it if it runs.",
        ),
        ActingRule::Delete => (
            needs::DELETION,
            &[licensed],
            "Deletes a dormant workspace once its deleting_at has passed.",
        ),
    };
    let (in_force, mut because) = needs::look(needs, has);
    if in_force && !policy.allows(rule) {
        because.push_str(" It does not act: workspace_autobuild.rules leaves it out.");
    } else if in_force && !policy.licensed {
        let consequence = match rule {
            ActingRule::Autostop => None,
            ActingRule::Autostart => Some("The template's options do not count"),
            ActingRule::Failed | ActingRule::Dormancy | ActingRule::Delete => {
                Some("It does not act")
            }
        };
        if let Some(consequence) = consequence {
            because.push_str(&format!(" {consequence}: {UNLICENSED}."));
        }
    }
    let allowed = [("rules", policy.allows(rule))];
    Rule {
        rule: rule.name(),
        in_force,
        because,
        setting: setting(allowed.iter().chain(other_settings)),
        description,
    }
}

/// Names the settings and how they stand.
fn setting<'a>(settings: impl Iterator<Item = &'a (&'static str, bool)>) -> Option<String> {
    let named: Vec<String> = settings
        .map(|(name, on)| {
            format!(
                "workspace_autobuild.{name} ({})",
                if *on { "on" } else { "off" }
            )
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// The conditions and ways.
fn beside(has: impl Fn(Part) -> bool, policy: &Policy) -> Vec<Rule> {
    let rule = |rule, needs, description| {
        let (in_force, because) = needs::look(needs, &has);
        Rule {
            rule,
            in_force,
            because,
            setting: None,
            description,
        }
    };
    let licensed = |mut rule: Rule| {
        rule.setting = setting([("licensed_rules", policy.licensed)].iter());
        if rule.in_force && !policy.licensed {
            rule.because
                .push_str(&format!(" It does not count: {UNLICENSED}."));
        }
        rule
    };
    vec![
        rule(
            "prebuild",
            needs::NOTHING,
            "Pre-built workspaces that nobody has claimed are never touched.",
        ),
        rule(
            "advisory_lock",
            needs::NOTHING,
            "A workspace whose advisory lock the product's own executor holds is left to it \
             for this tick.",
        ),
        rule(
            "suspended_owner",
            needs::SUSPENDED_OWNER,
            "A running workspace whose owner is suspended is stopped at once.",
        ),
        rule(
            "active_owner",
            needs::ACTIVE_OWNER,
            "A schedule starts a workspace only while its owner is active.",
        ),
        licensed(rule(
            "blocked_days",
            needs::BLOCKED_DAYS,
            "A schedule starts nothing on the weekdays that the template blocks, taken in the \
             schedule's own zone.",
        )),
        rule(
            "next_start_at",
            needs::NEXT_START_AT,
            "A start also waits for next_start_at, which is filled in where it is NULL. Runs \
             on blocked days are searched on from for seven days, and tags with an empty \
             value are dropped.",
        ),
        rule(
            "delete_retry",
            needs::JOB_STATUS,
            "A delete that failed is tried again only after 24 hours.",
        ),
        rule(
            "provisioner",
            needs::PROVISIONER,
            "Nothing is done for a workspace while no provisioner that could take its job was \
             seen within 90 seconds.",
        ),
        rule(
            "automatic_updates",
            needs::AUTOMATIC_UPDATES,
            "A start takes the template's active version where the workspace asks for \
             automatic updates.",
        ),
        licensed(rule(
            "require_active_version",
            needs::REQUIRE_ACTIVE_VERSION,
            "A start takes the template's active version where the template requires it.",
        )),
        rule(
            "workspace_tags",
            needs::WORKSPACE_TAGS,
            "A version's own tags for its workspaces can not be evaluated in SQL: a build of \
             the same version takes the tags of the latest build, a start on another is \
             blocked.",
        ),
        rule(
            "dynamic",
            needs::DYNAMIC,
            "Parameters of a template that is not classic are evaluated by the product alone: \
             a build of the same version copies those of the latest, a start on another is \
             blocked.",
        ),
        rule(
            "preset",
            needs::PRESET,
            "A build names the version's preset whose parameters all equal its own.",
        ),
        rule(
            "task_row",
            needs::TASK_ROW,
            "A build of a task's workspace has a row of task_workspace_apps.",
        ),
        rule(
            "task_pause",
            needs::TASK_PAUSE,
            "The rules autostop and failed give task_auto_pause as their reason for the \
             workspace of a task.",
        ),
    ]
}
