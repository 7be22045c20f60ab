//! Holds for tests: a few times, and what is held in them.

use super::*;
use crate::lifecycle::schedules::Held;
use crate::lifecycle::transition::Transition;

/// A hold of any workspace.
#[derive(Clone, Debug)]
pub(crate) struct PlainHold {
    pub from: Instant,
    pub to: Option<Instant>,
    pub transitions: Vec<Transition>,
}

/// A hold of everything.
pub(crate) fn all_held(from: Instant, to: Option<Instant>) -> PlainHold {
    PlainHold {
        from,
        to,
        transitions: Transition::ALL.to_vec(),
    }
}

/// [`Weekly`] schedules and holds; the number of a hold is its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holding(pub(crate) Vec<PlainHold>);

impl Holding {
    /// Those that hold one of these now.
    fn of(&self, transitions: &[Transition], at: Instant) -> Vec<usize> {
        let holds = self.0.iter().enumerate();
        let now = holds.filter(|(_, hold)| {
            let any = hold
                .transitions
                .iter()
                .any(|held| transitions.contains(held));
            any && hold.from <= at && hold.to.is_none_or(|to| at < to)
        });
        now.map(|(place, _)| place).collect()
    }

    /// Is one of these held?
    pub(crate) fn holds(&self, transitions: &[Transition], at: Instant) -> bool {
        !self.of(transitions, at).is_empty()
    }
}

impl Schedules for Holding {
    type Schedule<'a> = Times;

    fn schedule(&self, text: &str) -> Result<Times, Box<str>> {
        Weekly.schedule(text)
    }

    fn has_holds(&self) -> bool {
        !self.0.is_empty()
    }

    fn held(&self, _: &Facts, transitions: &[Transition], at: Instant) -> Option<Held> {
        let first = *self.of(transitions, at).first()?;
        let mut until = Some(at);
        while let Some(end) = until {
            let holds = self.of(transitions, end);
            let ends: Vec<Option<Instant>> = holds.iter().map(|place| self.0[*place].to).collect();
            if ends.is_empty() {
                break;
            }
            until = ends
                .into_iter()
                .min_by_key(|end| end.unwrap_or(Instant::MAX))
                .flatten();
        }
        Some(Held {
            hold_id: i64::try_from(first).unwrap(),
            reason: Some("test".into()),
            until,
            at_least: until,
        })
    }
}
