//! The stretch in which a workspace is started by its schedule and stopped at its deadline,
//! again and again, and nothing else is done to it.

use std::rc::Rc;

use crate::instant::{Instant, MINUTE};
use crate::lifecycle::allowed::first_allowed;
use crate::lifecycle::signs::Signs;
use crate::schedule::Schedule;

use super::counts::Counts;
use super::deadline::Deadlines;
use super::held::HeldTicks;
use super::window::{next_tick, tick_at_or_after};
use super::zones::Offsets;

/// Where a workspace is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// It was stopped at a tick.
    Stopped(Instant),
    /// It was started at a tick, and has this deadline, if any.
    Running(Instant, Option<Instant>),
}

/// What drives the cycle of one workspace.
pub(super) struct Cycle<'a> {
    pub schedule: &'a Rc<Schedule<Offsets>>,
    pub blocked_days: i32,
    pub signs: &'a Signs,
    pub deadlines: &'a Deadlines<Offsets>,
    pub starts_held: HeldTicks,
    pub stops_held: HeldTicks,
    /// A run in a hold is made up for at its end.
    pub made_up: bool,
}

impl Cycle<'_> {
    /// Walks on from where the workspace is, and what was due before `from` is made then. At
    /// `to` nothing more is done here. Says where the workspace is in the end, and when it would
    /// move on; `None` for never.
    pub(super) fn walk(
        &self,
        mut at: At,
        from: Instant,
        to: Instant,
        counts: &mut Counts,
    ) -> (At, Option<Instant>) {
        let mut earliest = from;
        loop {
            let next = match at {
                At::Stopped(built) => self.start_after(built),
                At::Running(_, deadline) => deadline.map(|deadline| {
                    let stop = earliest.max(tick_at_or_after(deadline));
                    self.stops_held.free(stop)
                }),
            };
            let Some(tick) = next.filter(|tick| *tick < to) else {
                return (at, next);
            };
            at = match at {
                At::Stopped(_) => {
                    counts.start(tick);
                    At::Running(tick, self.deadlines.of(tick))
                }
                At::Running(..) => {
                    counts.stop(tick);
                    At::Stopped(tick)
                }
            };
            earliest = next_tick(tick);
        }
    }

    /// The tick at which the first run that counts starts the workspace.
    fn start_after(&self, built: Instant) -> Option<Instant> {
        let mut after = built;
        loop {
            let run = first_allowed(self.schedule, self.blocked_days, self.signs, after).ok()?;
            let free = self.starts_held.free(run);
            if free == run || self.made_up {
                return Some(free);
            }
            // A run at the very end of the hold counts.
            after = free.saturating_add_micros(-MINUTE);
        }
    }
}
