//! What the rules ask of schedules and of holds, and nothing more.
//!
//! The rules don't parse: a workspace's text goes in, runs come out. The database
//! gives them its cache of compiled schedules, with the holds beside it; tests give them
//! something simpler.

use std::rc::Rc;
use std::sync::Arc;

use chrono::Weekday;

use crate::instant::Instant;
use crate::schedule::{Schedule, ScheduleCache, Zone, ZoneSource};

use super::facts::Facts;
use super::transition::Transition;

/// Turns the text of `workspaces.autostart_schedule` into its runs.
pub trait Schedules {
    /// A compiled schedule, owned or borrowed.
    type Schedule<'a>: Runs
    where
        Self: 'a;

    /// The schedule that a text means, or a sentence on what is wrong with it.
    fn schedule<'a>(&'a self, text: &str) -> Result<Self::Schedule<'a>, Box<str>>;

    /// Is there any hold at all? Without one nothing more is asked.
    fn has_holds(&self) -> bool {
        false
    }

    /// What holds any of these transitions of a workspace at an instant, if anything does.
    fn held(&self, _facts: &Facts, _transitions: &[Transition], _at: Instant) -> Option<Held> {
        None
    }
}

/// What holds a transition of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The hold.
    pub hold_id: i64,
    /// Why, for people.
    pub reason: Option<Arc<str>>,
    /// Up to when, by this hold or others that follow it without a gap; `None` where no end
    /// is known.
    pub until: Option<Instant>,
    /// It is held up to then at least: the end, or as far as one was looked for. `None` where
    /// it never ends.
    pub at_least: Option<Instant>,
}

/// The runs of one schedule.
pub trait Runs {
    /// The first run strictly later than `after`, cut down to the minute; `None` if there is none that
    /// PostgreSQL could keep, as for a schedule that never runs.
    fn next_after(&self, after: Instant) -> Option<Instant>;

    /// The first run later than another one.
    fn after_run(&self, run: Instant) -> Option<Instant>;

    /// The weekday of a run in the schedule's own zone.
    fn weekday(&self, run: Instant) -> Weekday;

    /// What an instant must be earlier than for [`Runs::next_after`] to give a run up to `at`;
    /// with blocked weekdays (bit 0 is Monday), for any run on another day to follow up to
    /// `at`. `None`: there is no such run.
    fn bound(&self, at: Instant, blocked: i32) -> Option<Instant>;
}

impl<Z: ZoneSource> Schedules for ScheduleCache<Z> {
    type Schedule<'a>
        = Rc<Schedule<Z::Zone>>
    where
        Z: 'a;

    fn schedule<'a>(&'a self, text: &str) -> Result<Self::Schedule<'a>, Box<str>> {
        self.get(text)
            .map_err(|error| error.to_string().into_boxed_str())
    }
}

impl<Z: Zone> Runs for Rc<Schedule<Z>> {
    fn next_after(&self, after: Instant) -> Option<Instant> {
        self.next(after)
    }

    fn after_run(&self, run: Instant) -> Option<Instant> {
        Schedule::after_run(self, run)
    }

    fn weekday(&self, run: Instant) -> Weekday {
        Schedule::weekday(self, run)
    }

    fn bound(&self, at: Instant, blocked: i32) -> Option<Instant> {
        // There Sunday is the first, and what is no day means nothing.
        let [days, ..] = (blocked << 1 | blocked >> 6).to_le_bytes();
        Schedule::bound(self, at, days)
    }
}
