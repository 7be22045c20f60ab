//! Schedules and holds together, as the rules ask them.

use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::schedules::{Held, Schedules};
use crate::lifecycle::transition::Transition;
use crate::schedule::Zone;

use super::hold::Holds;
use super::scope::Transitions;

/// Schedules, and the holds beside them.
#[derive(Clone, Copy, Debug)]
pub struct WithHolds<'a, S, Z> {
    /// The schedules.
    pub schedules: &'a S,
    /// The holds.
    pub holds: &'a Holds<Z>,
}

impl<S: Schedules, Z: Zone> Schedules for WithHolds<'_, S, Z> {
    type Schedule<'a>
        = S::Schedule<'a>
    where
        Self: 'a;

    fn schedule<'a>(&'a self, text: &str) -> Result<Self::Schedule<'a>, Box<str>> {
        self.schedules.schedule(text)
    }

    fn has_holds(&self) -> bool {
        !self.holds.is_empty()
    }

    fn held(&self, facts: &Facts, transitions: &[Transition], at: Instant) -> Option<Held> {
        let any = transitions.iter().copied().collect::<Transitions>();
        let held = self.holds.held(facts, any, at)?;
        Some(Held {
            hold_id: held.hold.hold_id,
            reason: held.hold.reason.clone(),
            until: held.until,
            at_least: held.at_least,
        })
    }
}
