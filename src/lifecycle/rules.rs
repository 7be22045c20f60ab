//! The catalogue of rules, for the view `autobuild_rules`.
//!
//! First the rules that act, in rule order, then the conditions and ways beside them.
//! All are listed on every schema; the sign that the schema has or lacks says why a
//! rule is in force or not, and the settings that govern it show how they stand.

use super::candidate::Candidate;
use super::schedules::Schedules;
use super::signs::{ActingRule, Policy, Signs};
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

/// By what a rule is known to be in force.
enum Sign {
    /// On every version.
    Always,
    /// A column.
    Column(&'static str),
    /// A column under its present or its first name.
    EitherColumn(&'static str, &'static str),
    /// A table.
    Table(&'static str),
    /// A value of the enum `build_reason`.
    Reason(&'static str),
}

impl Sign {
    fn sentence(&self, there: bool) -> String {
        match (self, there) {
            (Sign::Always, _) => "It holds on every version of the product.".to_owned(),
            (Sign::Column(column), true) => format!("The column {column} exists."),
            (Sign::Column(column), false) => format!("There is no column {column}."),
            (Sign::EitherColumn(now, first), true) => {
                format!("The column {now}, or {first}, its first name, exists.")
            }
            (Sign::EitherColumn(now, first), false) => {
                format!("There is no column {now}, nor {first}, its first name.")
            }
            (Sign::Table(table), true) => format!("The table {table} exists."),
            (Sign::Table(table), false) => format!("There is no table {table}."),
            (Sign::Reason(value), true) => format!("The enum build_reason has the value {value}."),
            (Sign::Reason(value), false) => {
                format!("The enum build_reason does not have the value {value}.")
            }
        }
    }
}

/// Every rule, on every schema: those that act, in order, then the others.
pub fn catalogue(signs: &Signs, policy: &Policy) -> Vec<Rule> {
    let acting = ActingRule::ALL.map(|rule| acting(rule, signs, policy));
    acting.into_iter().chain(beside(signs, policy)).collect()
}

fn acting(rule: ActingRule, signs: &Signs, policy: &Policy) -> Rule {
    let licensed = ("licensed_rules", policy.licensed);
    let (sign, other_settings, description): (_, &[_], _) = match rule {
        ActingRule::Autostop => (
            Sign::Always,
            &[],
            "Stops a running workspace at the deadline of its latest build.",
        ),
        ActingRule::Autostart => (
            Sign::Always,
            &[licensed, ("max_start_delay", policy.max_start_delay > 0)],
            "Starts a stopped workspace at the first run of its schedule after the latest \
             build, where the template allows autostart.",
        ),
        ActingRule::Failed => (
            Sign::Reason("failedstop"),
            &[licensed, ("failed_stop_retry", policy.failed_stop_retry)],
            "Stops a workspace once failure_ttl has passed since its start or stop failed. \
             Without this rule a failed build keeps a workspace from every transition.",
        ),
        ActingRule::Dormancy => (
            Sign::EitherColumn("workspaces.dormant_at", "workspaces.locked_at"),
            &[licensed],
            "Marks a workspace dormant that was not used for longer than time_til_dormant, \
             and stops it if it runs.",
        ),
        ActingRule::Delete => (
            Sign::Column("workspaces.deleting_at"),
            &[licensed],
            "Deletes a dormant workspace once its deleting_at has passed.",
        ),
    };
    let in_force = signs.bring(rule);
    let mut because = sign.sentence(in_force);
    if in_force && !policy.allows(rule) {
        because.push_str(" It does not act: workspace_autobuild.rules leaves it out.");
    } else if in_force && !policy.licensed {
        because.push_str(match rule {
            ActingRule::Autostop => "",
            ActingRule::Autostart => {
                " The template's options do not count: workspace_autobuild.licensed_rules is off."
            }
            ActingRule::Failed | ActingRule::Dormancy | ActingRule::Delete => {
                " It does not act: workspace_autobuild.licensed_rules is off."
            }
        });
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
fn beside(signs: &Signs, policy: &Policy) -> Vec<Rule> {
    let rule = |rule, in_force, sign: Sign, description| Rule {
        rule,
        in_force,
        because: sign.sentence(in_force),
        setting: None,
        description,
    };
    let licensed = |mut rule: Rule| {
        rule.setting = setting([("licensed_rules", policy.licensed)].iter());
        if rule.in_force && !policy.licensed {
            rule.because
                .push_str(" It does not count: workspace_autobuild.licensed_rules is off.");
        }
        rule
    };
    vec![
        rule(
            "prebuild",
            true,
            Sign::Always,
            "Pre-built workspaces that nobody has claimed are never touched.",
        ),
        rule(
            "advisory_lock",
            true,
            Sign::Always,
            "A workspace whose advisory lock the product's own executor holds is left to it \
             for this tick.",
        ),
        rule(
            "suspended_owner",
            signs.suspended_owner,
            Sign::Column("users.github_com_user_id"),
            "A running workspace whose owner is suspended is stopped at once.",
        ),
        rule(
            "active_owner",
            signs.active_owner,
            Sign::Column("provisioner_daemons.last_seen_at"),
            "A schedule starts a workspace only while its owner is active.",
        ),
        licensed(rule(
            "blocked_days",
            signs.blocked_days,
            Sign::Column("templates.autostart_block_days_of_week"),
            "A schedule starts nothing on the weekdays that the template blocks, taken in the \
             schedule's own zone.",
        )),
        rule(
            "next_start_at",
            signs.next_start_at,
            Sign::Column("workspaces.next_start_at"),
            "A start also waits for next_start_at, which is filled in where it is NULL. Runs \
             on blocked days are searched on from for seven days, and tags with an empty \
             value are dropped.",
        ),
        rule(
            "delete_retry",
            signs.job_status,
            Sign::Column("provisioner_jobs.job_status"),
            "A delete that failed is tried again only after 24 hours.",
        ),
        rule(
            "provisioner",
            signs.provisioner,
            Sign::Column("provisioner_jobs.logs_overflowed"),
            "Nothing is done for a workspace while no provisioner that could take its job was \
             seen within 90 seconds.",
        ),
        rule(
            "automatic_updates",
            signs.automatic_updates,
            Sign::Column("workspaces.automatic_updates"),
            "A start takes the template's active version where the workspace asks for \
             automatic updates.",
        ),
        licensed(rule(
            "require_active_version",
            signs.require_active_version,
            Sign::Column("templates.require_active_version"),
            "A start takes the template's active version where the template requires it.",
        )),
        rule(
            "workspace_tags",
            signs.workspace_tags,
            Sign::Table("template_version_workspace_tags"),
            "A version's own tags for its workspaces can not be evaluated in SQL: a build of \
             the same version takes the tags of the latest build, a start on another is \
             blocked.",
        ),
        rule(
            "dynamic",
            signs.dynamic,
            Sign::Column("templates.use_classic_parameter_flow"),
            "Parameters of a template that is not classic are evaluated by the product alone: \
             a build of the same version copies those of the latest, a start on another is \
             blocked.",
        ),
        rule(
            "preset",
            signs.provisioner,
            Sign::Column("provisioner_jobs.logs_overflowed"),
            "A build names the version's preset whose parameters all equal its own.",
        ),
        rule(
            "task_row",
            signs.task_row,
            Sign::Column("task_workspace_apps.workspace_build_number"),
            "A build of a task's workspace has a row of task_workspace_apps.",
        ),
        rule(
            "task_pause",
            signs.task_pause,
            Sign::Column("templates.disable_module_cache"),
            "The rules autostop and failed give task_auto_pause as their reason for the \
             workspace of a task.",
        ),
    ]
}
