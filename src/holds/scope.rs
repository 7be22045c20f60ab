//! Which workspaces a hold covers, and which of their transitions.

use uuid::Uuid;

use crate::lifecycle::facts::Facts;
use crate::lifecycle::transition::Transition;

use super::error::{HoldError, Problem};

/// The workspaces that a hold covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every workspace.
    All,
    /// Those of an organization.
    Organization(Uuid),
    /// Those of a template.
    Template(Uuid),
    /// Those of an owner.
    Owner(Uuid),
    /// One.
    Workspace(Uuid),
}

impl Scope {
    /// Reads the arguments `scope` and `scope_id`.
    pub fn read(name: &str, id: Option<Uuid>) -> Result<Scope, HoldError> {
        let with_id: fn(Uuid) -> Scope = match name {
            "all" => {
                return match id {
                    None => Ok(Scope::All),
                    Some(_) => Err(HoldError::new("scope", name, Problem::IdOfAll)),
                };
            }
            "organization" => Scope::Organization,
            "template" => Scope::Template,
            "owner" => Scope::Owner,
            "workspace" => Scope::Workspace,
            _ => return Err(HoldError::new("scope", name, Problem::NotAScope)),
        };
        let id = id.ok_or(HoldError::new("scope", name, Problem::NoId))?;
        Ok(with_id(id))
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Scope::All => "all",
            Scope::Organization(_) => "organization",
            Scope::Template(_) => "template",
            Scope::Owner(_) => "owner",
            Scope::Workspace(_) => "workspace",
        }
    }

    /// The id of what is covered; none for all.
    pub fn id(self) -> Option<Uuid> {
        match self {
            Scope::All => None,
            Scope::Organization(id)
            | Scope::Template(id)
            | Scope::Owner(id)
            | Scope::Workspace(id) => Some(id),
        }
    }

    /// The scopes that a workspace is in.
    pub(super) fn of(facts: &Facts) -> impl Iterator<Item = Scope> {
        let always = [
            Scope::All,
            Scope::Organization(facts.organization_id),
            Scope::Owner(facts.owner_id),
            Scope::Workspace(facts.workspace_id),
        ];
        let template = facts.template.as_ref();
        let template = template.map(|template| Scope::Template(template.id));
        always.into_iter().chain(template)
    }
}

/// Some of the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transitions(u8);

/// What a hold may hold.
const HELD: [Transition; 4] = [
    Transition::Start,
    Transition::Stop,
    Transition::Delete,
    Transition::Dormant,
];

impl Transitions {
    /// All of them.
    pub const ALL: Transitions = {
        let [a, b, c, d] = HELD;
        Transitions(1 << a as u8 | 1 << b as u8 | 1 << c as u8 | 1 << d as u8)
    };

    /// Those of a list of names.
    pub fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Transitions, HoldError> {
        let mut read = Transitions(0);
        for name in names {
            let fault = HoldError::new("transitions", name, Problem::NotATransition);
            let transition = HELD.into_iter().find(|held| held.name() == name);
            read = read.with(transition.ok_or(fault)?);
        }
        match read {
            Transitions(0) => Err(HoldError::new("transitions", "", Problem::NoTransitions)),
            read => Ok(read),
        }
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, transition: Transition) -> Transitions {
        Transitions(self.0 | Transitions::from(transition).0)
    }

    /// Are any of those among these?
    pub fn meet(self, those: Transitions) -> bool {
        self.0 & those.0 != 0
    }
}

impl FromIterator<Transition> for Transitions {
    fn from_iter<I: IntoIterator<Item = Transition>>(transitions: I) -> Transitions {
        let none = Transitions(0);
        transitions.into_iter().fold(none, Transitions::with)
    }
}

impl From<Transition> for Transitions {
    fn from(transition: Transition) -> Transitions {
        Transitions(1 << transition as u8)
    }
}
