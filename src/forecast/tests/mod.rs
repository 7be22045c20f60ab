//! What a forecast counts.

mod deadlines;
mod random;
mod rules;

use std::convert::Infallible;

use crate::holds::{Holds, WithHolds};
use crate::instant::{HOUR, Instant, Micros, Nanos};
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::signs::Signs;
use crate::schedule::{Bundled, ScheduleCache, TzifZone};

use super::*;

/// The instant of `2026-12-31 18:00`, in UTC.
pub(super) fn at(text: &str) -> Instant {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    Instant::from_unix_seconds(time.and_utc().timestamp()).unwrap()
}

pub(super) const HOUR_NS: i64 = HOUR * 1000;

/// A workspace without a schedule whose latest build was made then; the template allows
/// everything.
pub(super) fn workspace(transition: BuildTransition, built: &str) -> Workspace {
    Workspace {
        facts: Facts::example(transition, at(built)),
        terms: Terms {
            allow_user_autostop: true,
            ..Terms::default()
        },
    }
}

impl Workspace {
    pub(super) fn schedule(mut self, text: &str) -> Workspace {
        self.facts.schedule = Some(text.to_owned());
        self
    }

    pub(super) fn ttl_hours(mut self, hours: i64) -> Workspace {
        self.terms.ttl = Nanos(hours * HOUR_NS);
        self
    }

    pub(super) fn deadline(mut self, text: &str) -> Workspace {
        self.facts.latest().deadline = Some(at(text));
        self
    }
}

/// Buckets of so many hours.
pub(super) fn window(since: &str, until: &str, hours: i64) -> Window {
    Window {
        begin: at(since),
        since: at(since),
        until: at(until),
        bucket: Micros(hours * HOUR),
    }
}

/// A forecast today, with every rule and these holds.
pub(super) fn with_holds(
    workspaces: Vec<Workspace>,
    by: By,
    window: Window,
    holds: &Holds<TzifZone>,
) -> Vec<Group> {
    let schedules = ScheduleCache::new(Bundled, 100);
    let rules = Rules {
        signs: &Signs::ALL,
        policy: &Policy::EVERYTHING,
        schedules: &WithHolds {
            schedules: &schedules,
            holds,
        },
        holds,
        zones: &Bundled,
    };
    let go_on = || Ok::<(), Infallible>(());
    let Ok(groups) = forecast(workspaces, by, window, rules, go_on);
    groups
}

/// A forecast of workspaces as one group, without holds.
pub(super) fn all(workspaces: Vec<Workspace>, window: Window) -> Vec<Counted> {
    let mut groups = with_holds(workspaces, By::All, window, &Holds::new(vec![]));
    assert_eq!(groups.len(), 1);
    groups.remove(0).buckets
}

/// The places of the buckets in which there is something.
pub(super) fn places(buckets: &[Counted], of: impl Fn(&Counted) -> i32) -> Vec<usize> {
    let places = buckets.iter().enumerate();
    places
        .filter(|(_, counted)| of(counted) > 0)
        .map(|(place, _)| place)
        .collect()
}
