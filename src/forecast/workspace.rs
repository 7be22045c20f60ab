//! What is known of a workspace when a forecast begins.

use std::rc::Rc;

use uuid::Uuid;

use crate::instant::Nanos;
use crate::lifecycle::facts::{BuildTransition, Facts};

/// A workspace, with what its deadlines come of.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// What the rules look at.
    pub facts: Facts,
    /// What the product looks at when it sets a deadline.
    pub terms: Terms,
}

/// What the product looks at when it sets the deadline of a start that has succeeded.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// `workspaces.ttl`; none where that is NULL.
    pub ttl: Nanos,
    /// `templates.default_ttl`.
    pub default_ttl: Nanos,
    /// `templates.allow_user_autostop`.
    pub allow_user_autostop: bool,
    /// When the template asks for a stop, whatever the workspace's own time.
    pub requirement: Requirement,
    /// `users.quiet_hours_schedule` of the owner; none where that is empty.
    pub quiet_hours: Option<Rc<str>>,
}

/// On which days a template has its workspaces stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// `templates.autostop_requirement_days_of_week`: bit 0 is Monday.
    pub days: i32,
    /// `templates.autostop_requirement_weeks`: every so many weeks.
    pub weeks: i64,
}

/// How workspaces are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All together.
    All,
    /// By template.
    Template,
    /// By organization.
    Organization,
}

impl By {
    /// All of them.
    pub const ALL: [By; 3] = [By::All, By::Template, By::Organization];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            By::All => "all",
            By::Template => "template",
            By::Organization => "organization",
        }
    }

    /// The group that a workspace is counted in.
    pub fn group(self, facts: &Facts) -> Option<Uuid> {
        match self {
            By::All => None,
            By::Template => facts.template.as_ref().map(|template| template.id),
            By::Organization => Some(facts.organization_id),
        }
    }
}

/// Does a workspace run? It does when its latest build is a start that did not fail.
pub(super) fn runs(facts: &Facts) -> bool {
    let latest = facts.latest.as_ref();
    !facts.deleted
        && latest.is_some_and(|latest| {
            latest.transition == BuildTransition::Start && !latest.job.is_some_and(|job| job.failed)
        })
}
