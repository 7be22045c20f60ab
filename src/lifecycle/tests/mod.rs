//! What the tests of the rules share: facts to vary, and schedules simple enough to be
//! read off by hand.

mod bound;
mod boundaries;
mod cases;
mod conditions;
mod explained;
mod held;
mod holding;
mod listed;
mod looks;
mod random;
mod random_held;
mod reference;
mod reminders;
mod spread;
mod unreadable;

use chrono::Weekday;
use uuid::Uuid;

use crate::instant::{Instant, MINUTE, Micros, Nanos};

use super::facts::{BuildTransition, Facts, Job, LatestBuild, OwnerStatus, Template};
use super::outcome::Next;
use super::policy::{MissedStarts, Policy};
use super::rules::RuleSet;
use super::schedules::{Runs, Schedules};
use super::signs::Signs;
use super::skip::Skip;
use super::verdict::{Verdict, verdict};

/// Nanoseconds in a minute, as the template's durations are stored.
pub(crate) const MINUTE_NS: i64 = MINUTE * 1000;

/// Every sign: the product as it is today.
pub(crate) const TODAY: Signs = Signs::ALL;

/// Everything allowed.
pub(crate) const ALL_RULES: Policy = Policy::EVERYTHING;

/// The instant of a UTC text.
pub(crate) fn at(text: &str) -> Instant {
    let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
    let whole = Instant::from_unix_seconds(time.timestamp()).unwrap();
    whole.saturating_add_micros(i64::from(time.timestamp_subsec_micros()))
}

/// Wednesday, 3 January 2024, 10:00 UTC.
pub(crate) fn tick() -> Instant {
    at("2024-01-03T10:00:00Z")
}

/// The tick moved by minutes and microseconds.
pub(crate) fn later(minutes: i64, micros: i64) -> Instant {
    tick().saturating_add_micros(minutes * MINUTE + micros)
}

/// A workspace whose latest build, made an hour ago, has succeeded; nothing is set.
pub(crate) fn workspace(transition: BuildTransition) -> Facts {
    let mut facts = Facts::example(transition, later(-60, 0));
    facts.job().completed_at = Some(later(-59, 0));
    facts
}

/// A running workspace.
pub(crate) fn running() -> Facts {
    workspace(BuildTransition::Start)
}

/// A stopped workspace with an hourly schedule: one run, at the tick, since its build.
pub(crate) fn stopped() -> Facts {
    let mut facts = workspace(BuildTransition::Stop);
    facts.schedule = Some(HOURLY.to_owned());
    facts
}

/// A workspace whose latest build failed at that instant.
pub(crate) fn failed(transition: BuildTransition, completed_at: Instant) -> Facts {
    let mut facts = workspace(transition);
    *facts.job() = Job {
        completed_at: Some(completed_at),
        canceled_at: None,
        failed: true,
    };
    facts
}

/// A stopped workspace, dormant since a day, to be deleted at that instant.
pub(crate) fn dormant(deleting_at: Instant) -> Facts {
    let mut facts = stopped();
    facts.dormant_at = Some(later(-24 * 60, 0));
    facts.deleting_at = Some(deleting_at);
    facts.template().time_til_dormant_autodelete = Nanos(MINUTE_NS);
    facts
}

impl Facts {
    /// Its template, to be varied.
    pub fn template(&mut self) -> &mut Template {
        self.template.as_mut().unwrap()
    }

    /// Its latest build, to be varied.
    pub fn latest(&mut self) -> &mut LatestBuild {
        self.latest.as_mut().unwrap()
    }

    /// The job of its latest build, to be varied.
    pub fn job(&mut self) -> &mut Job {
        self.latest().job.as_mut().unwrap()
    }
}

/// The verdict today, everything allowed.
pub(crate) fn today(facts: &Facts) -> Verdict {
    verdict(facts, &TODAY, &ALL_RULES, tick(), &Weekly)
}

/// What happens next today.
pub(crate) fn next(facts: &Facts) -> Next {
    today(facts).outcome.unwrap()
}

/// The code of the reason why nothing happens today.
pub(crate) fn skipped(facts: &Facts) -> &'static str {
    today(facts).outcome.unwrap_err().code()
}

/// A run on every hour of every day, UTC.
pub(crate) const HOURLY: &str = "60 0 127 0";

/// Schedules as four numbers: minutes between runs on a local day, the minute of the
/// first, a set of weekdays (bit 0 is Monday), and the zone's distance from UTC in
/// minutes. `never` is a schedule without runs; what is not numbers is refused.
pub(crate) struct Weekly;

/// One of [`Weekly`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    every: i64,
    first: i64,
    days: i64,
    zone: i64,
}

impl Schedules for Weekly {
    type Schedule<'a> = Times;

    fn schedule(&self, text: &str) -> Result<Times, Box<str>> {
        let text = if text == "never" { "1 0 0 0" } else { text };
        let numbers: Vec<i64> = text.split(' ').flat_map(str::parse).collect();
        match numbers[..] {
            [every, first, days, zone] => Ok(Times {
                every,
                first,
                days,
                zone,
            }),
            _ => Err("field 1 is not a number".into()),
        }
    }
}

impl Times {
    /// Minutes since 2000-01-01 00:00 on the local clock.
    fn local(&self, instant: Instant) -> i64 {
        instant.micros().div_euclid(MINUTE) + self.zone
    }

    /// Days after Monday.
    fn day(&self, local: i64) -> i64 {
        (local.div_euclid(1440) + 5).rem_euclid(7)
    }

    /// Is there a run at this instant?
    pub(crate) fn runs_at(&self, instant: Instant) -> bool {
        let local = self.local(instant);
        let minute = local.rem_euclid(1440);
        instant.micros().rem_euclid(MINUTE) == 0
            && minute >= self.first
            && (minute - self.first) % self.every == 0
            && self.days & (1 << self.day(local)) != 0
    }

    /// The day after Monday of this instant.
    pub(crate) fn weekday_number(&self, instant: Instant) -> i64 {
        self.day(self.local(instant))
    }
}

impl Runs for Times {
    fn next_after(&self, after: Instant) -> Option<Instant> {
        let local = self.local(after) + 1;
        let today = local.div_euclid(1440);
        (today..today + 9)
            .filter(|day| self.days & (1 << self.day(day * 1440)) != 0)
            .flat_map(|day| {
                (self.first..1440)
                    .step_by(usize::try_from(self.every).unwrap())
                    .map(move |minute| day * 1440 + minute)
            })
            .find(|minute| *minute >= local)
            .and_then(|minute| Instant::from_micros((minute - self.zone) * MINUTE))
    }

    fn after_run(&self, run: Instant) -> Option<Instant> {
        self.next_after(run)
    }

    fn weekday(&self, run: Instant) -> Weekday {
        Weekday::try_from(u8::try_from(self.weekday_number(run)).unwrap()).unwrap()
    }

    fn bound(&self, at: Instant, blocked: i32) -> Option<Instant> {
        let last = at.truncate_to_minute();
        // What was a week ago comes again.
        let minutes = (0..7 * 1440).map(|ago| last.saturating_add_micros(-ago * MINUTE));
        let mut runs = minutes.filter(|minute| self.runs_at(*minute));
        runs.find(|run| blocked & (1 << self.weekday_number(*run)) == 0)
    }
}
