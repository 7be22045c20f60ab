//! The deadline that the product gives a start, by the schedule, the template and the owner's
//! quiet hours.

use std::rc::Rc;

use crate::holds::instant_of;
use crate::instant::{HOUR, Instant, MINUTE, Micros, Nanos};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::schedules::Runs;
use crate::lifecycle::signs::Signs;
use crate::schedule::{Schedule, Zone};

use super::workspace::{Requirement, Terms};

const DAY: i64 = 86_400;
/// Days from 1 January 1970 to Monday, 2 January 2023, from which weeks are counted.
const FIRST_MONDAY: i64 = 19_359;
/// No quiet hours are this long before what is asked for: so that they are found when they
/// begin at that very time.
const BEFORE: Micros = Micros(15 * MINUTE);

/// When the required stops of a workspace are.
#[derive(Clone, Debug)]
pub(super) struct Required<Z> {
    requirement: Requirement,
    quiet_hours: Rc<Schedule<Z>>,
    zone: Option<Z>,
    /// A start that ends so long before a day counts as one of that day.
    ahead: Micros,
}

/// What the deadlines of one workspace come of.
#[derive(Clone, Debug)]
pub(super) struct Deadlines<Z> {
    schedule: Option<Rc<Schedule<Z>>>,
    blocked: i32,
    ttl: Option<Micros>,
    /// A run before the deadline moves it: the workspace is to last from there.
    moved_by_a_run: bool,
    required: Option<Required<Z>>,
}

impl<Z: Zone + Clone> Deadlines<Z> {
    /// Those of a workspace with this schedule, where these weekdays are blocked; its quiet
    /// hours are looked at where the template requires a stop.
    pub(super) fn new(
        terms: &Terms,
        schedule: Option<Rc<Schedule<Z>>>,
        blocked: i32,
        signs: &Signs,
        policy: &Policy,
        quiet_hours: impl FnOnce() -> Option<(Rc<Schedule<Z>>, Option<Z>)>,
    ) -> Deadlines<Z> {
        let Nanos(ttl) = if terms.allow_user_autostop || !policy.licensed {
            terms.ttl
        } else {
            terms.default_ttl
        };
        let requires = policy.licensed && terms.requirement.days & EVERY_DAY != 0;
        let required = requires.then(quiet_hours).flatten();
        let ahead = if signs.next_start_at { 2 } else { 1 };
        Deadlines {
            schedule,
            blocked,
            ttl: (ttl > 0).then(|| Nanos(ttl).micros()),
            moved_by_a_run: signs.workspace_tags,
            required: required.map(|(quiet_hours, zone)| Required {
                requirement: terms.requirement,
                quiet_hours,
                zone,
                ahead: Micros(ahead * HOUR),
            }),
        }
    }

    /// Do they depend on nothing but the week's own times, as long as no clock is moved?
    pub(super) fn are_weekly(&self) -> bool {
        self.required.is_none()
    }

    /// The deadline of a start that succeeded at an instant; `None` for none.
    pub(super) fn of(&self, completed: Instant) -> Option<Instant> {
        let own = self.ttl.map(|ttl| self.own(completed, ttl));
        let required = self.required.as_ref();
        let required = required.and_then(|required| required.after(completed));
        own.into_iter().chain(required).min()
    }

    /// By the workspace's own time.
    fn own(&self, completed: Instant, ttl: Micros) -> Instant {
        let deadline = completed.saturating_add(ttl);
        if !self.moved_by_a_run {
            return deadline;
        }
        let schedule = self.schedule.as_ref();
        let run = schedule.and_then(|schedule| schedule.next(completed));
        let is_blocked = |run: Instant| {
            self.blocked != 0
                && schedule.is_some_and(|schedule| {
                    let day = Runs::weekday(schedule, run).num_days_from_monday();
                    self.blocked & (1 << day) != 0
                })
        };
        match run.filter(|run| *run < deadline) {
            Some(run) if !is_blocked(run) => run.saturating_add(ttl),
            _ => deadline,
        }
    }
}

/// The bits of the days of a week.
const EVERY_DAY: i32 = 0b111_1111;

impl<Z: Zone> Required<Z> {
    /// The stop that is required of a start that succeeded at an instant: when the owner's
    /// quiet hours begin, on the first day that the template names.
    fn after(&self, completed: Instant) -> Option<Instant> {
        let Requirement { days, weeks } = self.requirement;
        // More than a lifetime is as good as never.
        let weeks = weeks.min(10_000);
        let mut day = self.day_of(completed.saturating_add(self.ahead));
        let week = (day - FIRST_MONDAY).div_euclid(7);
        if weeks > 1 && week.rem_euclid(weeks) != 0 {
            let next = week - week.rem_euclid(weeks) + weeks;
            day = FIRST_MONDAY + 7 * next;
        }
        if self.quiet_hours_of(day)? < completed.saturating_add_micros(2 * HOUR) {
            day += 1;
        }
        // A week has each of the days. Bit 0 is Monday.
        day = (day..day + 7).find(|day| days & (1 << (day - FIRST_MONDAY).rem_euclid(7)) != 0)?;
        if self.midnight(day) < completed.saturating_add_micros(HOUR) {
            self.quiet_hours.next(completed.saturating_add_micros(HOUR))
        } else {
            self.quiet_hours_of(day)
        }
    }

    fn quiet_hours_of(&self, day: i64) -> Option<Instant> {
        self.quiet_hours
            .next(self.midnight(day).saturating_sub(BEFORE))
    }

    /// The day, counted from 1970, that the owner's calendar shows.
    fn day_of(&self, at: Instant) -> i64 {
        let unix = at.unix_seconds();
        let offset = self
            .zone
            .as_ref()
            .map_or(0, |zone| zone.span_at(unix).offset);
        (unix + i64::from(offset)).div_euclid(DAY)
    }

    /// When a day begins there.
    fn midnight(&self, day: i64) -> Instant {
        let unix = instant_of(day.saturating_mul(DAY), self.zone.as_ref());
        Instant::from_unix_seconds(unix).unwrap_or(Instant::MAX)
    }
}
