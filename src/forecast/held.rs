//! The ticks at which a workspace is held, worked out once for all workspaces that the same
//! holds cover.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::holds::{Holds, Transitions};
use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::transition::Transition;
use crate::schedule::Zone;

/// More stretches of held ticks than these are not kept.
const MOST_KEPT: usize = 100_000;

/// The holds, with what they come to for the workspaces that were asked about.
pub(super) struct HeldAhead<'a, Z> {
    holds: &'a Holds<Z>,
    from: Instant,
    to: Instant,
    known: RefCell<HashMap<Asked, Option<HeldTicks>>>,
}

/// A transition, and the holds of it that cover a workspace.
type Asked = (Transition, Vec<i64>);

/// Stretches of ticks, in order: the first that is held, and the first that is free again.
#[derive(Clone, Debug)]
pub(super) struct HeldTicks {
    stretches: Rc<[(Instant, Instant)]>,
    are_whole: bool,
}

impl Default for HeldTicks {
    /// Nothing is held.
    fn default() -> HeldTicks {
        HeldTicks {
            stretches: Rc::default(),
            are_whole: true,
        }
    }
}

impl HeldTicks {
    /// Do holds begin and end at full minutes?
    pub(super) fn are_whole(&self) -> bool {
        self.are_whole
    }

    /// Is no tick held?
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The first held tick at or after one; `None` if there is none.
    pub(super) fn next(&self, tick: Instant) -> Option<Instant> {
        let after = self.stretches.partition_point(|(_, to)| *to <= tick);
        self.stretches.get(after).map(|(from, _)| tick.max(*from))
    }

    /// The first tick at or after one at which nothing is held.
    pub(super) fn free(&self, tick: Instant) -> Instant {
        let before = self.stretches.partition_point(|(from, _)| *from <= tick);
        let last = before
            .checked_sub(1)
            .and_then(|place| self.stretches.get(place));
        last.map_or(tick, |(_, to)| tick.max(*to))
    }
}

impl<'a, Z: Zone> HeldAhead<'a, Z> {
    /// What these come to between two times.
    pub(super) fn new(holds: &'a Holds<Z>, from: Instant, to: Instant) -> HeldAhead<'a, Z> {
        HeldAhead {
            holds,
            from,
            to,
            known: RefCell::default(),
        }
    }

    /// When a transition of a workspace is held; `None` where that is too often to be kept.
    pub(super) fn ticks(&self, facts: &Facts, transition: Transition) -> Option<HeldTicks> {
        let transitions = Transitions::from(transition);
        if self.holds.is_empty() {
            return Some(HeldTicks::default());
        }
        let ids: Vec<i64> = self
            .holds
            .of(facts, transitions)
            .map(|hold| hold.hold_id)
            .collect();
        if ids.is_empty() {
            return Some(HeldTicks::default());
        }
        let key = (transition, ids);
        let known = self.known.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let ticks = self.work_out(facts, transitions);
            self.known.borrow_mut().insert(key, ticks.clone());
            ticks
        })
    }

    fn work_out(&self, facts: &Facts, transitions: Transitions) -> Option<HeldTicks> {
        let mut stretches: Vec<(Instant, Instant)> = Vec::new();
        let mut are_whole = true;
        let mut at = self.from;
        while at < self.to {
            let next = match self.holds.held(facts, transitions, at) {
                Some(held) => {
                    let from = at.ceil_to_minute();
                    // What is held for longer than is looked at once is looked at again there.
                    let to = held.at_least.map_or(Instant::MAX, Instant::ceil_to_minute);
                    match stretches.last_mut() {
                        Some(last) if last.1 >= from => last.1 = last.1.max(to),
                        _ if from < to => stretches.push((from, to)),
                        _ => {}
                    }
                    held.at_least
                }
                None => {
                    let holds = self.holds.of(facts, transitions);
                    holds.filter_map(|hold| hold.next_change(at)).min()
                }
            };
            if stretches.len() > MOST_KEPT {
                return None;
            }
            match next {
                Some(next) if next > at => at = next,
                _ => break,
            }
            are_whole &= at == at.truncate_to_minute();
        }
        Some(HeldTicks {
            stretches: stretches.into(),
            are_whole,
        })
    }
}
