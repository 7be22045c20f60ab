//! The stretch in which a workspace is started by its schedule and stopped at its deadline,
//! again and again, and nothing else is done to it.

use std::rc::Rc;

use crate::instant::{Instant, MINUTE, Micros};
use crate::lifecycle::allowed::first_allowed;
use crate::lifecycle::signs::Signs;
use crate::schedule::Schedule;

use super::counts::Counts;
use super::deadline::Deadlines;
use super::held::HeldTicks;
use super::window::{WEEK, next_tick};
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
    /// How long after a run, or the end of a hold, the workspace is started.
    pub spread: Micros,
}

/// What was done since a workspace was stopped.
#[derive(Default)]
struct Week {
    begin: Option<Instant>,
    /// Each tick, and was it a start?
    done: Vec<(Instant, bool)>,
}

/// How many holds that a place after a run is in are followed, as the rule does.
const MOST_HELD: usize = 12;

/// A week in which more is done than this is not repeated at once.
const MOST_DONE: usize = 500;

impl Week {
    fn add(&mut self, tick: Instant, is_start: bool) {
        if self.begin.is_some() && self.done.len() < MOST_DONE {
            self.done.push((tick, is_start));
        }
    }
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
        let mut week = Week::default();
        loop {
            let next = match at {
                At::Stopped(built) => self.start_after(built),
                At::Running(_, deadline) => deadline.map(|deadline| {
                    let stop = earliest.max(deadline.ceil_to_minute());
                    self.stops_held.free(stop)
                }),
            };
            let Some(tick) = next.filter(|tick| *tick < to) else {
                return (at, next);
            };
            at = match at {
                At::Stopped(_) => {
                    counts.start(tick);
                    week.add(tick, true);
                    At::Running(tick, self.deadlines.of(tick))
                }
                At::Running(..) => {
                    counts.stop(tick);
                    At::Stopped(self.repeated(&mut week, tick, to, counts))
                }
            };
            let (At::Stopped(tick) | At::Running(tick, _)) = at;
            earliest = next_tick(tick);
        }
    }

    /// A workspace that was stopped at a tick, and just a week before too, does in the weeks that
    /// follow what it did in that one, as long as no clock is moved and nothing is held: that is
    /// counted at once. Returns when it was last stopped.
    fn repeated(
        &self,
        week: &mut Week,
        stop: Instant,
        to: Instant,
        counts: &mut Counts,
    ) -> Instant {
        if !self.deadlines.are_weekly() {
            return stop;
        }
        week.add(stop, false);
        let begin = week.begin.unwrap_or(stop);
        let length = stop.micros() - begin.micros();
        if week.begin.is_some() && length < WEEK {
            return stop;
        }
        let is_whole = length == WEEK && week.done.len() < MOST_DONE;
        let weeks = if is_whole {
            self.same_weeks(begin, to)
        } else {
            0
        };
        for (tick, is_start) in week.done.drain(..).filter(|_| weeks > 0) {
            counts.repeat(tick, is_start, weeks);
        }
        let last = stop.saturating_add_micros(weeks * WEEK);
        week.begin = Some(last);
        last
    }

    /// How many weeks after the one that began then are as that one.
    fn same_weeks(&self, begin: Instant, to: Instant) -> i64 {
        let clock = self.schedule.clock_stays_until(begin);
        // The run after a stop is looked for up to a week later.
        let clock = clock.map(|clock| clock.saturating_add_micros(-WEEK));
        let ends = [
            self.starts_held.next(begin),
            self.stops_held.next(begin),
            clock,
        ];
        let end = ends.into_iter().flatten().fold(to, Instant::min);
        // The last stop, at the end of the last week, is before that.
        ((end.micros() - 1 - begin.micros()) / WEEK - 1).max(0)
    }

    /// The tick at which the first run that counts starts the workspace.
    fn start_after(&self, built: Instant) -> Option<Instant> {
        let mut after = built;
        loop {
            let run = first_allowed(self.schedule, self.blocked_days, self.signs, after).ok()?;
            let free = self.starts_held.free(run);
            if free == run || self.made_up {
                return Some(self.spread_from(free));
            }
            // A run at the very end of the hold counts.
            after = free.saturating_add_micros(-MINUTE);
        }
    }

    /// The workspace's place after what counts as its run; one in a hold counts from its end.
    fn spread_from(&self, counts: Instant) -> Instant {
        let mut place = counts.saturating_add(self.spread);
        for _ in 0..MOST_HELD {
            let free = self.starts_held.free(place);
            if free == place {
                break;
            }
            place = free.saturating_add(self.spread);
        }
        self.starts_held.free(place)
    }
}
