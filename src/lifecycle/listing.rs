//! The rows of the view `autobuild_rules`.
//!
//! First the rules that act, in rule order, then the conditions and ways beside them.
//! All are listed on every schema; what the schema has or lacks of a rule's needs says why
//! it is in force or not, and the settings that govern it show how they stand.

use super::needs::{Part, look};
use super::policy::{Policy, UNLICENSED};
use super::rules::ActingRule;
use super::signs::{Listed, Sign};

/// A row of `autobuild_rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The rule's name.
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

/// What holds on every version, and so has no sign.
const ALWAYS: [Listed; 2] = [
    Listed {
        name: "prebuild",
        licensed: false,
        description: "Pre-built workspaces that nobody has claimed are never touched.",
    },
    Listed {
        name: "advisory_lock",
        licensed: false,
        description: "If the product's own executor holds a workspace's advisory lock, the \
        workspace is left to it in this tick.",
    },
];

/// Every rule, on every schema: those that act, in order, then the others.
pub fn rows(has: impl Fn(Part) -> bool, policy: &Policy) -> Vec<Row> {
    let acting = ActingRule::ALL.map(|rule| acting(rule, &has, policy));
    let always = ALWAYS.map(|listed| (listed, None));
    let signs = Sign::ALL
        .iter()
        .filter_map(|&sign| Some((sign.listed()?, Some(sign))));
    let beside = always
        .into_iter()
        .chain(signs)
        .map(|(listed, sign)| beside(&listed, sign, &has, policy));
    acting.into_iter().chain(beside).collect()
}

fn acting(rule: ActingRule, has: impl Fn(Part) -> bool, policy: &Policy) -> Row {
    let about = rule.about();
    let (in_force, mut because) = look(about.sign.map_or(&[], Sign::needs), has);
    if let Some(hindrance) = policy.hindrance(rule).filter(|_| in_force) {
        because.push_str(&format!(" It does not act: {hindrance}."));
    } else if in_force
        && !policy.licensed
        && let Some(consequence) = about.without_licence
    {
        because.push_str(&format!(" {consequence}: {UNLICENSED}."));
    }
    let mut settings = vec![("rules", policy.rules.contains(rule))];
    if about.without_licence.is_some() {
        settings.push(("licensed_rules", policy.licensed));
    }
    let others = about.settings.iter();
    settings.extend(others.map(|setting| (setting.name, (setting.is_on)(policy))));
    Row {
        rule: rule.name(),
        in_force,
        because,
        setting: named(&settings),
        description: about.description,
    }
}

fn beside(listed: &Listed, sign: Option<Sign>, has: impl Fn(Part) -> bool, policy: &Policy) -> Row {
    let (in_force, mut because) = look(sign.map_or(&[], Sign::needs), has);
    let mut settings = Vec::new();
    if listed.licensed {
        settings.push(("licensed_rules", policy.licensed));
        if in_force && !policy.licensed {
            because.push_str(&format!(" It is ignored: {UNLICENSED}."));
        }
    }
    Row {
        rule: listed.name,
        in_force,
        because,
        setting: named(&settings),
        description: listed.description,
    }
}

/// Names the settings and how they stand.
fn named(settings: &[(&str, bool)]) -> Option<String> {
    let named: Vec<String> = settings
        .iter()
        .map(|(name, on)| {
            format!(
                "workspace_autobuild.{name} ({})",
                if *on { "on" } else { "off" }
            )
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}
