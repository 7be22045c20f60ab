//! One hold, and all of them together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::schedule::{Zone, ZoneSource};

use super::error::{HoldError, Problem};
use super::line::{Line, Run, Span, Until, joined, later};
use super::recurrence::Recurrence;
use super::scope::{Scope, Transitions};

/// A longer reason is not kept.
pub(super) const LONGEST_REASON: usize = 1000;

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

/// Is a reason short enough? Previews and `explain` repeat it for each workspace that is held.
pub fn check_reason(reason: &str) -> Result<(), HoldError> {
    if reason.len() > LONGEST_REASON {
        let problem = Problem::TooLong(LONGEST_REASON);
        return Err(HoldError::new("reason", "", problem));
    }
    Ok(())
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

    /// The times in which it holds that lie between two instants, also in part.
    fn spans(&self, from: Instant, to: Instant, mut each: impl FnMut(Instant, Until)) {
        match self {
            When::Once(starts_at, ends_at) => {
                if *starts_at < to && ends_at.is_none_or(|end| from < end) {
                    each(*starts_at, *ends_at);
                }
            }
            When::Again(recurrence) => {
                for (start, end) in recurrence.between(from, to) {
                    each(start, Some(end));
                }
            }
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
        self.run(at).is_some()
    }

    /// The times in which it holds that lie between two instants, also in part, as those of the
    /// hold at a place.
    fn spans(&self, from: Instant, to: Instant, place: usize, spans: &mut Vec<Span>) {
        self.when.spans(from, to, |from, until| {
            let until = until.into_iter().chain(self.released_at).min();
            if until.is_none_or(|until| from < until) {
                spans.push(Span { from, until, place });
            }
        });
    }

    /// Does it hold at an instant, and if so up to when?
    fn run(&self, at: Instant) -> Option<Run> {
        let spans = |from: Instant, to: Instant| {
            let mut spans = Vec::new();
            self.spans(from, to, 0, &mut spans);
            spans
        };
        Line::default().at(at, &spans).map(|(_, run)| run)
    }

    /// When it next begins or ends to hold, after an instant; `None` if never, or not within
    /// a hundred years.
    pub fn next_change(&self, at: Instant) -> Option<Instant> {
        match self.run(at) {
            Some(run) => run.until,
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
    by_scope: HashMap<Scope, OfScope>,
}

/// The holds of a scope.
#[derive(Clone, Debug, Default)]
struct OfScope {
    places: Vec<usize>,
    /// What those of them come to that hold any of some transitions.
    lines: RefCell<HashMap<Transitions, Line>>,
}

/// What holds a workspace.
#[derive(Clone, Copy, Debug)]
pub struct HeldBy<'a, Z> {
    /// The hold that now lasts longest, as far as was looked; of several the first.
    pub hold: &'a Hold<Z>,
    /// When the workspace is no longer held, by this hold or any other.
    pub until: Until,
    /// It is held up to then at least; `None`: it is held for ever.
    pub at_least: Until,
}

impl<Z: Zone> Holds<Z> {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// How many recur by a rule.
    pub fn recurring(&self) -> usize {
        self.recurrences().count()
    }

    /// The zones that rules are in.
    pub fn zones(&self) -> impl Iterator<Item = &Z> {
        self.recurrences().filter_map(Recurrence::zone)
    }

    fn recurrences(&self) -> impl Iterator<Item = &Recurrence<Z>> {
        self.holds.iter().filter_map(|hold| match &hold.when {
            When::Once(..) => None,
            When::Again(recurrence) => Some(&**recurrence),
        })
    }

    /// These.
    pub fn new(holds: Vec<Hold<Z>>) -> Holds<Z> {
        let mut by_scope: HashMap<Scope, OfScope> = HashMap::new();
        for (place, hold) in holds.iter().enumerate() {
            by_scope.entry(hold.scope).or_default().places.push(place);
        }
        Holds { holds, by_scope }
    }

    /// The holds that cover a workspace and hold any of these transitions.
    pub fn of(&self, facts: &Facts, transitions: Transitions) -> impl Iterator<Item = &Hold<Z>> {
        let all = Scope::of(facts).filter_map(|scope| self.by_scope.get(&scope));
        let places = all.flat_map(|of_scope| of_scope.places.iter());
        let holds = places.filter_map(|place| self.holds.get(*place));
        holds.filter(move |hold| hold.transitions.meet(transitions))
    }

    /// Is a workspace held for any of these transitions at an instant, and up to when?
    pub fn held(
        &self,
        facts: &Facts,
        transitions: Transitions,
        at: Instant,
    ) -> Option<HeldBy<'_, Z>> {
        let all = Scope::of(facts);
        let of_scopes: Vec<&OfScope> = all.filter_map(|scope| self.by_scope.get(&scope)).collect();
        let mut longest: Option<Span> = None;
        let mut run: Option<Run> = None;
        for (span, of_scope) in of_scopes
            .iter()
            .filter_map(|of_scope| self.of_scope(of_scope, transitions, at))
        {
            if longest.is_none_or(|longest| {
                later(span.until, longest.until)
                    || span.until == longest.until && span.place < longest.place
            }) {
                longest = Some(span);
            }
            if run.is_none_or(|run| later(of_scope.at_least, run.at_least)) {
                run = Some(of_scope);
            }
        }
        let run = if of_scopes.len() > 1 {
            joined(run?, |at| {
                let runs = of_scopes
                    .iter()
                    .filter_map(|of_scope| self.of_scope(of_scope, transitions, at));
                runs.map(|(_, run)| run).reduce(|one, other| {
                    if later(other.at_least, one.at_least) {
                        other
                    } else {
                        one
                    }
                })
            })
        } else {
            run?
        };
        Some(HeldBy {
            hold: self.holds.get(longest?.place)?,
            until: run.until,
            at_least: run.at_least,
        })
    }

    /// What the holds of one scope say.
    fn of_scope(
        &self,
        of_scope: &OfScope,
        transitions: Transitions,
        at: Instant,
    ) -> Option<(Span, Run)> {
        let mut lines = of_scope.lines.borrow_mut();
        lines.entry(transitions).or_default().at(at, &|from, to| {
            let mut spans = Vec::new();
            for &place in &of_scope.places {
                let hold = self.holds.get(place);
                if let Some(hold) = hold.filter(|hold| hold.transitions.meet(transitions)) {
                    hold.spans(from, to, place, &mut spans);
                }
            }
            spans
        })
    }

    /// The next instant at which any hold begins or ends to hold.
    pub fn next_change(&self, at: Instant) -> Option<Instant> {
        let changes = self.holds.iter().filter_map(|hold| hold.next_change(at));
        changes.min()
    }
}
