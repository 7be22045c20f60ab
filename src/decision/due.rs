//! What is due, in the order of a tick, and when the rest is to be looked at again.

use uuid::Uuid;

use crate::instant::{Instant, Micros};
use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::signs::Signs;
use crate::lifecycle::transition::Transition;
use crate::lifecycle::verdict::Verdict;

/// A workspace that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// What is known of it.
    pub facts: Facts,
    /// What is to be done.
    pub next: Next,
    /// What `next_start_at` is filled in with together with the build.
    pub fill_next_start_at: Option<Instant>,
}

impl Due {
    /// The number of the latest build; 0 for none.
    pub fn latest_build_number(&self) -> i32 {
        let latest = self.facts.latest.as_ref();
        latest.map_or(0, |latest| latest.build_number)
    }

    /// How long after a dormancy mark the workspace is to be deleted, where the mark says so.
    pub fn deleted_after(&self, signs: &Signs, policy: &Policy) -> Option<Micros> {
        policy.deleted_after(self.facts.template.as_ref()?, signs)
    }
}

/// Where a workspace that is due stands in the order of a tick: stops, starts, deletes, marks,
/// reminders; in each by due time, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    kind: u8,
    at: Instant,
    /// The workspace.
    pub workspace_id: Uuid,
}

const REMINDERS: u8 = 4;

impl Place {
    fn of(due: &Due) -> Place {
        let kind = match due.next.transition {
            Transition::Stop => 0,
            Transition::Start => 1,
            Transition::Delete => 2,
            Transition::Dormant => 3,
            Transition::Remind => REMINDERS,
        };
        Place {
            kind,
            at: due.next.at,
            workspace_id: due.facts.workspace_id,
        }
    }
}

/// What a reading keeps of each workspace that is due.
pub trait Kept {
    /// Of this one; `version` says which version of its template a build of it takes.
    fn of(due: Due, version: impl FnOnce(&Due) -> Option<Uuid>) -> Self;

    /// Where it stands.
    fn place(&self) -> Place;
}

impl Kept for Due {
    fn of(due: Due, _: impl FnOnce(&Due) -> Option<Uuid>) -> Due {
        due
    }

    fn place(&self) -> Place {
        Place::of(self)
    }
}

/// A workspace that is due, without its facts, which the worker reads again batch by batch: of
/// a hundred thousand it holds no more than this.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    place: Place,
    /// The template version that a build of it takes, if it gets one.
    pub version: Option<Uuid>,
}

impl Kept for Listed {
    fn of(due: Due, version: impl FnOnce(&Due) -> Option<Uuid>) -> Listed {
        Listed {
            place: Place::of(&due),
            version: version(&due),
        }
    }

    fn place(&self) -> Place {
        self.place
    }
}

/// How many of what is due, in the order of a tick, come before the reminders: what keeps those
/// from being made, however long, is waited for when all else is built.
pub fn before_reminders<D: Kept>(due: &[D]) -> usize {
    let is_reminder = |due: &D| due.place().kind == REMINDERS;
    due.iter().position(is_reminder).unwrap_or(due.len())
}

/// What `next_start_at` of a workspace is filled in with, and the schedule's text that
/// it was computed from.
pub type Fill = (Uuid, String, Instant);

/// What a reading of facts came to.
#[derive(Debug)]
pub struct Decided<D = Due> {
    /// What is due, in the order of a tick.
    pub due: Vec<D>,
    /// `next_start_at` of workspaces for which nothing is due.
    pub fills: Vec<Fill>,
    /// When those for which nothing is due are to be looked at again; see [`next_look`].
    pub later: Vec<(Uuid, Instant)>,
    /// Only those were read that the agenda has as due.
    pub by_agenda: bool,
}

impl<D> Default for Decided<D> {
    fn default() -> Decided<D> {
        Decided {
            due: Vec::new(),
            fills: Vec::new(),
            later: Vec::new(),
            by_agenda: false,
        }
    }
}

impl<D: Kept> Decided<D> {
    /// `scan` or `agenda`, as history shows it.
    pub fn mode(&self) -> &'static str {
        if self.by_agenda { "agenda" } else { "scan" }
    }

    /// Adds the verdict on a workspace; `version` is asked which one a build of it takes.
    pub fn add(
        &mut self,
        facts: Facts,
        verdict: Verdict,
        tick: Instant,
        version: impl FnOnce(&Due) -> Option<Uuid>,
    ) {
        let look = next_look(&verdict, tick);
        match verdict.due() {
            Some(next) => {
                let due = Due {
                    next,
                    fill_next_start_at: verdict.fill_next_start_at,
                    facts,
                };
                self.due.push(D::of(due, version));
            }
            None => {
                self.later.extend(look.map(|at| (facts.workspace_id, at)));
                if let (Some(at), Some(text)) = (verdict.fill_next_start_at, facts.schedule) {
                    self.fills.push((facts.workspace_id, text, at));
                }
            }
        }
    }

    /// Puts what is due into the order of a tick.
    pub fn sort(&mut self) {
        self.due.sort_by_key(Kept::place);
    }
}

/// From when on a workspace with this verdict must be looked at, as long as its facts
/// stay as they are; `None` for never. Before that time no tick that is not earlier than
/// this one has anything to do for it.
pub fn next_look(verdict: &Verdict, tick: Instant) -> Option<Instant> {
    if verdict.fill_next_start_at.is_some() {
        return Some(Instant::MIN);
    }
    let next = verdict.outcome.as_ref().ok().map(|next| {
        // What is due at any tick (a suspended owner's stop) is so at an earlier one too.
        if next.due && next.at == tick {
            Instant::MIN
        } else {
            next.at
        }
    });
    let reminder = verdict.reminder.map(|reminder| reminder.at);
    next.into_iter()
        .chain(verdict.look_again_at)
        .chain(reminder)
        .min()
}
