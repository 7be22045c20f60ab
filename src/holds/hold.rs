//! One hold, and all of them together.

use std::collections::HashMap;
use std::sync::Arc;

use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::schedule::{Zone, ZoneSource};

use super::error::{HoldError, Problem};
use super::recurrence::Recurrence;
use super::scope::{Scope, Transitions};

/// How many times that follow upon each other without a gap are followed. What is held for
/// longer counts as held without an end.
const MOST_JOINED: usize = 1000;

/// Up to when something is held; `None` where no end is known.
pub type Until = Option<Instant>;

/// A hold.
#[derive(Clone, Debug)]
pub struct Hold<Z> {
    /// Its number.
    pub hold_id: i64,
    /// What it covers.
    pub scope: Scope,
    /// What it holds.
    pub transitions: Transitions,
    /// Why, for people.
    pub reason: Option<Arc<str>>,
    when: When<Z>,
    released_at: Option<Instant>,
}

/// When a hold holds.
#[derive(Clone, Debug)]
pub enum When<Z> {
    /// From the first instant on, before the second, if there is one.
    Once(Instant, Until),
    /// Again and again.
    Again(Box<Recurrence<Z>>),
}

impl<Z: Zone> When<Z> {
    /// Reads the times and the recurrence of a hold.
    pub fn read<S: ZoneSource<Zone = Z>>(
        starts_at: Instant,
        ends_at: Until,
        recurrence: Option<&str>,
        zones: &S,
    ) -> Result<When<Z>, HoldError> {
        match (ends_at, recurrence) {
            (Some(ends_at), _) if ends_at <= starts_at => {
                Err(HoldError::new("ends_at", "", Problem::NoLength))
            }
            (_, None) => Ok(When::Once(starts_at, ends_at)),
            (None, Some(_)) => Err(HoldError::new("recurrence", "", Problem::NoEnd)),
            (Some(ends_at), Some(text)) => Recurrence::read(text, starts_at, ends_at, zones)
                .map(|recurrence| When::Again(Box::new(recurrence))),
        }
    }

    /// Does it hold at an instant, and if so up to when? What follows without a gap is not
    /// looked at.
    fn covering(&self, at: Instant) -> Option<Until> {
        match self {
            When::Once(starts_at, ends_at) => {
                let within = *starts_at <= at && ends_at.is_none_or(|end| at < end);
                within.then_some(*ends_at)
            }
            When::Again(recurrence) => recurrence.covering(at).map(Some),
        }
    }

    /// The first start after an instant.
    fn start_after(&self, at: Instant) -> Option<Instant> {
        match self {
            When::Once(starts_at, _) => Some(*starts_at).filter(|start| *start > at),
            When::Again(recurrence) => recurrence.start_after(at),
        }
    }
}

impl<Z: Zone> Hold<Z> {
    /// A hold.
    pub fn new(
        hold_id: i64,
        scope: Scope,
        transitions: Transitions,
        reason: Option<&str>,
        when: When<Z>,
    ) -> Hold<Z> {
        Hold {
            hold_id,
            scope,
            transitions,
            reason: reason.map(Arc::from),
            when,
            released_at: None,
        }
    }

    /// The same, released at an instant: it still says what was held before that, so that the
    /// starts that were missed under it are not all due at once.
    #[must_use]
    pub fn released(self, at: Instant) -> Hold<Z> {
        Hold {
            released_at: Some(at),
            ..self
        }
    }

    /// Does it hold at an instant?
    pub fn holds_at(&self, at: Instant) -> bool {
        self.covering(at).is_some()
    }

    /// Does it hold at an instant, and if so up to when? What follows without a gap is not
    /// looked at.
    fn covering(&self, at: Instant) -> Option<Until> {
        if self.released_at.is_some_and(|released| released <= at) {
            return None;
        }
        let until = self.when.covering(at)?;
        Some(until.into_iter().chain(self.released_at).min())
    }

    /// When it next begins or ends to hold, after an instant; `None` if never, or not within
    /// a hundred years.
    pub fn next_change(&self, at: Instant) -> Option<Instant> {
        match joined(at, |at| self.covering(at)) {
            Some(until) => until,
            None => {
                let released = |start: &Instant| self.released_at.is_none_or(|at| *start < at);
                self.when.start_after(at).filter(released)
            }
        }
    }
}

/// All holds.
#[derive(Clone, Debug)]
pub struct Holds<Z> {
    holds: Vec<Hold<Z>>,
    by_scope: HashMap<Scope, Vec<usize>>,
}

/// What holds a workspace.
#[derive(Clone, Copy, Debug)]
pub struct HeldBy<'a, Z> {
    /// The hold that now lasts longest; of several the first.
    pub hold: &'a Hold<Z>,
    /// When the workspace is no longer held, by this hold or any other.
    pub until: Until,
}

impl<Z: Zone> Holds<Z> {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// These.
    pub fn new(holds: Vec<Hold<Z>>) -> Holds<Z> {
        let mut by_scope: HashMap<Scope, Vec<usize>> = HashMap::new();
        for (place, hold) in holds.iter().enumerate() {
            by_scope.entry(hold.scope).or_default().push(place);
        }
        Holds { holds, by_scope }
    }

    /// The holds that cover a workspace and hold any of these transitions.
    pub fn of(&self, facts: &Facts, transitions: Transitions) -> impl Iterator<Item = &Hold<Z>> {
        let mut places: Vec<usize> = Scope::of(facts)
            .filter_map(|scope| self.by_scope.get(&scope))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        let holds = places.into_iter().filter_map(|place| self.holds.get(place));
        holds.filter(move |hold| hold.transitions.meet(transitions))
    }

    /// Is a workspace held for any of these transitions at an instant, and up to when?
    pub fn held(
        &self,
        facts: &Facts,
        transitions: Transitions,
        at: Instant,
    ) -> Option<HeldBy<'_, Z>> {
        let mut first: Option<(&Hold<Z>, Until)> = None;
        for hold in self.of(facts, transitions) {
            if let Some(until) = hold.covering(at)
                && first.is_none_or(|(_, first)| later(until, first))
            {
                first = Some((hold, until));
            }
        }
        let (hold, _) = first?;
        let until = joined(at, |at| {
            let holds = self.of(facts, transitions);
            let ends = holds.filter_map(|hold| hold.covering(at));
            ends.reduce(|one, other| if later(other, one) { other } else { one })
        });
        Some(HeldBy {
            hold,
            until: until.flatten(),
        })
    }

    /// The next instant at which any hold begins or ends to hold.
    pub fn next_change(&self, at: Instant) -> Option<Instant> {
        let changes = self.holds.iter().filter_map(|hold| hold.next_change(at));
        changes.min()
    }
}

/// Does an end lie after another? No end is after all.
fn later(one: Until, other: Until) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}

/// Up to when something holds that holds at an instant, with all that follows without a gap.
fn joined(at: Instant, covering: impl Fn(Instant) -> Option<Until>) -> Option<Until> {
    let mut until = covering(at)?;
    for _ in 0..MOST_JOINED {
        let Some(end) = until else {
            return Some(None);
        };
        match covering(end) {
            Some(next) => until = next,
            None => return Some(Some(end)),
        }
    }
    Some(None)
}
