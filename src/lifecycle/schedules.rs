//! What the rules ask of schedules, and nothing more.
//!
//! The rules don't parse: a workspace's text goes in, runs come out. The database
//! gives them its cache of compiled schedules; tests give them something simpler.

use chrono::Weekday;

use crate::instant::Instant;

/// Turns the text of `workspaces.autostart_schedule` into its runs.
pub trait Schedules {
    /// A compiled schedule, owned or borrowed.
    type Schedule<'a>: Runs
    where
        Self: 'a;

    /// The schedule that a text means, or a sentence on what is wrong with it.
    fn schedule<'a>(&'a self, text: &str) -> Result<Self::Schedule<'a>, Box<str>>;
}

/// The runs of one schedule.
pub trait Runs {
    /// The first run strictly later than `after`; `None` if there is none that
    /// PostgreSQL could keep, as for a schedule that never runs.
    fn next_after(&self, after: Instant) -> Option<Instant>;

    /// The weekday of a run in the schedule's own zone.
    fn weekday(&self, run: Instant) -> Weekday;
}
