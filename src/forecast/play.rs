//! Plays workspaces forward, each by itself.

use std::collections::HashSet;
use std::rc::Rc;

use uuid::Uuid;

use crate::holds::Holds;
use crate::instant::{Instant, Micros};
use crate::lifecycle::allowed::first_allowed;
use crate::lifecycle::facts::{BuildTransition, Facts, Job};
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::{MissedStarts, Policy};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Signs;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::steady::{blocked_days_of, steady};
use crate::lifecycle::transition::Transition;
use crate::lifecycle::verdict::{Verdict, verdict};
use crate::schedule::{Schedule, ScheduleCache, Zone, ZoneSource};

use super::counts::{Counted, Counts};
use super::cycle::{At, Cycle};
use super::deadline::Deadlines;
use super::held::HeldAhead;
use super::window::{Window, next_tick};
use super::workspace::{By, Workspace, runs};
use super::zones::{Offsets, ZonesAhead};

/// How many compiled schedules are kept.
const SCHEDULES: usize = 2000;

/// How long before a forecast begins its zones are known, in seconds: quiet hours are looked
/// for on the day of a start.
const BEFORE: i64 = 4 * 86_400;

/// By what is decided.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a, S, Z: ZoneSource, H> {
    /// Which rules are in force.
    pub signs: &'a Signs,
    /// What the operator set.
    pub policy: &'a Policy,
    /// Schedules and holds, as the rules ask them.
    pub schedules: &'a S,
    /// The holds themselves.
    pub holds: &'a Holds<H>,
    /// The zones of the schedules.
    pub zones: &'a Z,
}

/// What is done to a group of workspaces in each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The template's or organization's id; `None` for all workspaces together.
    pub id: Option<Uuid>,
    /// A count for each bucket of the window.
    pub buckets: Vec<Counted>,
}

/// How many groups a forecast of these has.
pub fn groups(workspaces: &[Workspace], by: By) -> usize {
    let ids = workspaces
        .iter()
        .map(|workspace| by.group(&workspace.facts));
    let ids: HashSet<Option<Uuid>> = ids.collect();
    ids.len().max(usize::from(by == By::All))
}

/// Plays all of these forward and counts what is done. `go_on` is asked before each of them.
pub fn forecast<S: Schedules, Z: ZoneSource, H: Zone, E>(
    mut workspaces: Vec<Workspace>,
    by: By,
    window: Window,
    rules: Rules<'_, S, Z, H>,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Vec<Group>, E> {
    workspaces.sort_by_key(|workspace| by.group(&workspace.facts));
    let player = Player::new(window, rules);
    let mut counts = Counts::new(window);
    let mut groups = Vec::new();
    let same_group =
        |one: &Workspace, other: &Workspace| by.group(&one.facts) == by.group(&other.facts);
    for group in workspaces.chunk_by_mut(same_group) {
        for workspace in &mut *group {
            go_on()?;
            player.play(workspace, &mut counts, true);
        }
        groups.push(Group {
            id: group.first().and_then(|first| by.group(&first.facts)),
            buckets: counts.take(),
        });
    }
    if by == By::All && groups.is_empty() {
        groups.push(Group {
            id: None,
            buckets: counts.take(),
        });
    }
    Ok(groups)
}

/// Plays workspaces forward in a window.
pub(super) struct Player<'a, S, Z: ZoneSource, H> {
    window: Window,
    rules: Rules<'a, S, Z, H>,
    /// Nobody is reminded here.
    policy: Policy,
    ahead: ScheduleCache<ZonesAhead<'a, Z>>,
    zones: ZonesAhead<'a, Z>,
    held: HeldAhead<'a, H>,
}

impl<'a, S: Schedules, Z: ZoneSource, H: Zone> Player<'a, S, Z, H> {
    pub(super) fn new(window: Window, rules: Rules<'a, S, Z, H>) -> Player<'a, S, Z, H> {
        let from = window.begin.unix_seconds() - BEFORE;
        let to = window.until.unix_seconds();
        Player {
            window,
            policy: Policy {
                notify_owners: false,
                ..*rules.policy
            },
            ahead: ScheduleCache::new(ZonesAhead::new(rules.zones, from, to), SCHEDULES),
            zones: ZonesAhead::new(rules.zones, from, to),
            held: HeldAhead::new(rules.holds, window.begin, window.until),
            rules,
        }
    }

    /// Plays one workspace. Stretches in which only its schedule and its deadline move it are
    /// walked in one go where that is wanted.
    pub(super) fn play(&self, workspace: &mut Workspace, counts: &mut Counts, in_one_go: bool) {
        let Workspace { facts, terms } = workspace;
        let signs = self.rules.signs;
        let text = facts.schedule.as_deref().filter(|text| !text.is_empty());
        let schedule = text.and_then(|text| self.ahead.get(text).ok());
        let life = Life {
            blocked_days: blocked_days_of(facts, signs, &self.policy),
            deadlines: Deadlines::new(
                terms,
                schedule.clone(),
                blocked_days_of(facts, signs, &self.policy),
                signs,
                &self.policy,
                || self.quiet_hours(terms.quiet_hours.as_deref()),
            ),
            schedule,
        };
        self.end_job(facts, &life);
        if runs(facts) {
            counts.runs();
        }
        let mut tick = self.window.begin.ceil_to_minute();
        while tick < self.window.until {
            if in_one_go {
                tick = self.walk(facts, &life, tick, counts).unwrap_or(tick);
                if tick >= self.window.until {
                    return;
                }
            }
            let verdict = verdict(facts, signs, &self.policy, tick, self.rules.schedules);
            if let Some(next) = verdict.due() {
                self.make(facts, &life, next, tick, counts);
                tick = next_tick(tick);
                continue;
            }
            // As the tick does.
            if let Some(at) = verdict.fill_next_start_at {
                facts.next_start_at = Some(at);
            }
            match next_look(&verdict) {
                Some(at) => tick = next_tick(tick).max(at.ceil_to_minute()),
                None => return,
            }
        }
    }

    /// Quiet hours and their zone; where none are set, or what is set can't be read, the
    /// product's own default.
    fn quiet_hours(&self, text: Option<&str>) -> Option<(Rc<Schedule<Offsets>>, Option<Offsets>)> {
        let own = text.and_then(|text| self.ahead.get(text).ok());
        let quiet_hours = own.or_else(|| self.ahead.get("CRON_TZ=UTC 0 0 * * *").ok())?;
        let zone = self.zones.zone(quiet_hours.timezone());
        Some((quiet_hours, zone))
    }

    /// A build that is under way succeeds as the forecast begins.
    fn end_job(&self, facts: &mut Facts, life: &Life) {
        let begin = self.window.begin;
        let Some(latest) = facts.latest.as_mut() else {
            return;
        };
        let Some(job) = latest.job.as_mut() else {
            return;
        };
        let has_ended = job.completed_at.is_some() || (job.failed && self.rules.signs.job_status);
        if has_ended {
            return;
        }
        job.completed_at = Some(begin);
        if job.failed || job.canceled_at.is_some() {
            return;
        }
        match latest.transition {
            BuildTransition::Start => latest.deadline = life.deadlines.of(begin),
            BuildTransition::Stop => {}
            BuildTransition::Delete => facts.deleted = true,
        }
        facts.next_start_at = self.next_start_at(facts, life, begin);
    }

    /// What the product writes there when a build succeeds.
    fn next_start_at(&self, facts: &Facts, life: &Life, completed: Instant) -> Option<Instant> {
        let signs = self.rules.signs;
        let counts = signs.next_start_at && (facts.dormant_at.is_none() || !signs.dormancy);
        let schedule = life.schedule.as_ref().filter(|_| counts)?;
        first_allowed(schedule, life.blocked_days, signs, completed).ok()
    }

    /// Walks through the stretch in which only schedule and deadline move the workspace, if it
    /// is in one, and returns the tick that follows.
    fn walk(
        &self,
        facts: &mut Facts,
        life: &Life,
        tick: Instant,
        counts: &mut Counts,
    ) -> Option<Instant> {
        let Rules {
            signs, schedules, ..
        } = self.rules;
        let schedule = life.schedule.as_ref()?;
        let latest = facts.latest.as_ref()?;
        let from = match latest.transition {
            BuildTransition::Start => At::Running(latest.created_at, latest.deadline),
            // What was built before may have been missed, by whatever there was then.
            BuildTransition::Stop if latest.created_at >= self.window.begin => {
                At::Stopped(latest.created_at)
            }
            _ => return None,
        };
        let steady = steady(facts, signs, &self.policy, tick, schedules)?;
        let starts_held = self.held.ticks(facts, Transition::Start)?;
        let made_up = self.policy.missed_starts == MissedStarts::MakeUp;
        let spread = self.policy.spread_of(facts.workspace_id);
        // What is too late, or made up for none the less, is for the rule to say; so is a place
        // that counts from an end within a minute.
        let may_be_late = self.policy.max_start_delay > Micros(0);
        let is_special = may_be_late && (made_up || spread > Micros(0))
            || spread > Micros(0) && !starts_held.are_whole();
        if is_special && !starts_held.is_empty() {
            return None;
        }
        let marks_held = self.held.ticks(facts, Transition::Dormant)?;
        let other = steady.until.map(|at| marks_held.free(at.ceil_to_minute()));
        let to = other.map_or(self.window.until, |at| at.min(self.window.until));
        if to <= tick {
            return None;
        }
        let cycle = Cycle {
            schedule,
            blocked_days: steady.blocked_days,
            signs,
            deadlines: &life.deadlines,
            starts_held,
            stops_held: self.held.ticks(facts, Transition::Stop)?,
            made_up,
            spread,
        };
        let (last, next) = cycle.walk(from, tick, to, counts);
        if last == from {
            return next.map(|_| to);
        }
        let (at, transition, deadline) = match last {
            At::Stopped(at) => (at, BuildTransition::Stop, None),
            At::Running(at, deadline) => (at, BuildTransition::Start, deadline),
        };
        self.built(facts, life, transition, deadline, at);
        // Where no run or deadline moves it any more, another rule may.
        Some(next.map_or(next_tick(at), |_| to))
    }

    /// Does what is due at a tick.
    fn make(&self, facts: &mut Facts, life: &Life, next: Next, tick: Instant, counts: &mut Counts) {
        let ran = runs(facts);
        match next.transition {
            Transition::Start => counts.start(tick),
            Transition::Stop if ran => counts.stop(tick),
            other => counts.other(tick, other, ran),
        }
        if next.mark_dormant {
            let template = facts.template.as_ref();
            let after = template.and_then(|t| self.policy.deleted_after(t, self.rules.signs));
            facts.dormant_at = Some(tick);
            facts.deleting_at = after.map(|after| tick.saturating_add(after));
            facts.next_start_at = None;
        }
        match next.transition {
            Transition::Start => {
                let deadline = life.deadlines.of(tick);
                self.built(facts, life, BuildTransition::Start, deadline, tick);
            }
            Transition::Stop => self.built(facts, life, BuildTransition::Stop, None, tick),
            Transition::Delete => facts.deleted = true,
            Transition::Dormant | Transition::Remind => {}
        }
    }

    /// A build that was made at a tick has succeeded.
    fn built(
        &self,
        facts: &mut Facts,
        life: &Life,
        transition: BuildTransition,
        deadline: Option<Instant>,
        tick: Instant,
    ) {
        facts.next_start_at = self.next_start_at(facts, life, tick);
        let Some(latest) = facts.latest.as_mut() else {
            return;
        };
        latest.build_number = latest.build_number.saturating_add(1);
        latest.transition = transition;
        latest.created_at = tick;
        latest.deadline = deadline;
        latest.job = Some(Job {
            completed_at: Some(tick),
            canceled_at: None,
            failed: false,
        });
    }
}

/// What stays as it is for one workspace.
struct Life {
    schedule: Option<Rc<Schedule<Offsets>>>,
    blocked_days: i32,
    deadlines: Deadlines<Offsets>,
}

/// From when on a verdict on these facts may be another one.
fn next_look(verdict: &Verdict) -> Option<Instant> {
    let at = match &verdict.outcome {
        Ok(next) => Some(next.due_from()),
        Err(Skip::Held { at, .. }) => *at,
        Err(_) => None,
    };
    at.into_iter().chain(verdict.look_again_at).min()
}
