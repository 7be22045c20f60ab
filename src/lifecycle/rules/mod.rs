//! The rules that act, a file for each, and the one list of them.
//!
//! A rule is a line in the list below and a file of the same name that says everything
//! about it (`rule::Rule`). Whatever walks the rules walks the list: the verdict, the
//! explanation, the view `autobuild_rules`, the setting `workspace_autobuild.rules` and
//! the documentation name none of them.

use std::ffi::CStr;
use std::fmt;

mod autostart;
mod autostop;
mod delete;
mod dormancy;
pub(super) mod each;
mod failed;
mod remind;
mod rule;
mod runs;

/// Hands the list to another macro. Each rule has its name, which is that of its file too,
/// then its type, and whether it acts unless the setting says otherwise.
macro_rules! rules {
    ($then:ident) => {
        $then! {
            /// Stops a workspace at its deadline, or whose owner is suspended.
            autostop: Autostop, by_default: true;
            /// Starts a workspace by its schedule.
            autostart: Autostart, by_default: true;
            /// Stops a workspace whose build failed.
            failed: Failed, by_default: true;
            /// Marks a workspace dormant that nobody uses, and stops it.
            dormancy: Dormancy, by_default: true;
            /// Deletes a workspace that was dormant for too long.
            delete: Delete, by_default: false;
            /// Reminds an owner of a deadline; no transition.
            remind: Remind, by_default: true;
        }
    };
}
use rules;

macro_rules! declare {
    ($($(#[$doc:meta])+ $name:ident: $rule:ident, by_default: $by_default:literal;)+) => {
        /// A rule that acts, in the order in which the first that applies wins.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ActingRule {
            $($(#[$doc])+ $rule,)+
        }

        impl ActingRule {
            /// All of them, in rule order.
            pub const ALL: [ActingRule; [$(ActingRule::$rule),+].len()] = [$(ActingRule::$rule,)+];

            /// Its name in `autobuild_rules` and in the setting `workspace_autobuild.rules`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ActingRule::$rule => stringify!($name),)+
                }
            }

            /// Does it act unless the setting says otherwise?
            const fn acts_by_default(self) -> bool {
                match self {
                    $(ActingRule::$rule => $by_default,)+
                }
            }
        }
    };
}
rules!(declare);

/// Some of the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSet(u32);

impl RuleSet {
    /// All of them.
    pub const ALL: RuleSet = {
        assert!(ActingRule::ALL.len() < 32, "a bit for each rule");
        RuleSet((1 << ActingRule::ALL.len()) - 1)
    };

    /// Is the rule among them?
    pub fn contains(self, rule: ActingRule) -> bool {
        self.0 & (1 << rule as u32) != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, rule: ActingRule) -> RuleSet {
        RuleSet(self.0 | 1 << rule as u32)
    }

    /// These but one.
    #[must_use]
    pub fn without(self, rule: ActingRule) -> RuleSet {
        RuleSet(self.0 & !(1 << rule as u32))
    }

    /// The rules that a comma-separated list names; an error says which name is none.
    pub fn from_names(text: &str) -> Result<RuleSet, String> {
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                ActingRule::ALL
                    .into_iter()
                    .find(|rule| rule.name() == name)
                    .ok_or_else(|| {
                        format!("\"{name}\" is not a rule; the rules are {}", RuleSet::ALL)
                    })
            })
            .collect()
    }
}

impl FromIterator<ActingRule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = ActingRule>>(rules: I) -> RuleSet {
        rules.into_iter().fold(RuleSet::default(), RuleSet::with)
    }
}

impl fmt::Display for RuleSet {
    /// Their names in rule order, as the setting takes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let among = |rule: &ActingRule| self.contains(*rule);
        for (place, rule) in ActingRule::ALL.into_iter().filter(among).enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            f.write_str(rule.name())?;
        }
        Ok(())
    }
}

/// The default of the setting `workspace_autobuild.rules`.
pub const SETTING_DEFAULT: &CStr = {
    const TEXT: [u8; SPACE] = names("", false, "");
    c_str(&TEXT)
};

/// What the setting says of itself.
pub const SETTING_DESCRIPTION: &CStr = {
    const TEXT: [u8; SPACE] = names("The rules that may act, of ", true, ".");
    c_str(&TEXT)
};

/// Space enough for the names of all rules, as constants must have it.
const SPACE: usize = 512;

const fn c_str(text: &[u8; SPACE]) -> &CStr {
    match CStr::from_bytes_until_nul(text) {
        Ok(text) => text,
        Err(_) => panic!("the names are longer than the space for them"),
    }
}

/// The names of all rules, or of those that act by default, as the setting takes them,
/// between two texts.
const fn names(before: &str, all: bool, after: &str) -> [u8; SPACE] {
    let mut text = [0; SPACE];
    let mut space = write(before, &mut text);
    let mut rules: &[ActingRule] = &ActingRule::ALL;
    let mut separator = "";
    while let [rule, rest @ ..] = rules {
        rules = rest;
        if all || rule.acts_by_default() {
            space = write(separator, space);
            space = write(rule.name(), space);
            separator = ", ";
        }
    }
    write(after, space);
    text
}

/// Writes a text; what is left of the space comes back.
const fn write<'a>(text: &str, space: &'a mut [u8]) -> &'a mut [u8] {
    let (written, left) = space.split_at_mut(text.len());
    written.copy_from_slice(text.as_bytes());
    left
}
