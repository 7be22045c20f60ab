//! By which run of its schedule a workspace is started, and when: the runs that count, the
//! workspace's place in the spread, lateness.

use crate::instant::{Instant, Micros};
use crate::lifecycle::allowed;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::facts::BuildTransition;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::schedules::{Held, Runs, Schedules};
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};

use super::ActingRule;

/// How many holds that runs are in are looked beyond, from the latest build on and from the last
/// run before the tick on. A schedule may have none but runs that are held, and each of them costs.
pub(super) const MOST_HELD: usize = 12;

/// A start by a run, or what counts as one, at the workspace's place after it. One that has
/// been reached still waits for a later `next_start_at`.
pub(super) fn start_from(candidate: &Candidate<'_>, run: Instant) -> Next {
    let counts = next_start_at(candidate).map_or(run, |at| run.max(at));
    candidate.next_at(
        counts.saturating_add(candidate.spread()),
        ActingRule::Autostart,
        Transition::Start,
        BuildReason::Autostart,
    )
}

/// The same where there are holds: a place in one counts from its end, so that the starts that
/// it puts off are spread as well.
pub(super) fn spread_from<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
    run: Instant,
) -> Next {
    let mut next = start_from(candidate, run);
    if candidate.spread() > Micros(0) {
        for _ in 0..MOST_HELD {
            let hold = hold_at(candidate, schedules, next.at);
            let Some(until) = hold.and_then(|hold| hold.until) else {
                break;
            };
            next = start_from(candidate, until);
        }
    }
    next
}

/// The column, where there is one.
pub(super) fn next_start_at(candidate: &Candidate<'_>) -> Option<Instant> {
    let at = candidate.facts.next_start_at;
    at.filter(|_| candidate.signs.next_start_at)
}

/// What holds the workspace's starts.
pub(super) fn hold_at<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
    at: Instant,
) -> Option<Held> {
    schedules.held(candidate.facts, &[Transition::Start], at)
}

/// The run that starts the workspace, as far as schedule, template and owner have a say.
pub(super) fn next_run<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
) -> Result<Instant, Skip> {
    if candidate.latest.transition != BuildTransition::Stop {
        return Err(Skip::NotStopped {
            build: candidate.build(),
        });
    }
    if let Some(skip) = candidate.failed_or_dormant() {
        return Err(skip);
    }
    let text = candidate.schedule().ok_or(Skip::NoSchedule)?;
    if !candidate.autostart_allowed() {
        return Err(Skip::AutostartForbidden);
    }
    if !candidate.owner_may_start() {
        return Err(Skip::OwnerNotActive {
            status: candidate.owner,
        });
    }
    let schedule = schedules
        .schedule(text)
        .map_err(|error| Skip::ScheduleInvalid { error })?;
    let after = counts_from(candidate, &schedule, schedules);
    first_allowed(candidate, &schedule, after)
}

/// As [`search_from`], but for the last run up to there that is in no hold, where its place in
/// the spread is in one: such a start is late from its place after the hold on.
pub(super) fn counts_from<S: Schedules>(
    candidate: &Candidate<'_>,
    schedule: &impl Runs,
    schedules: &S,
) -> Instant {
    let from = search_from(candidate);
    let put_off = || {
        let before = |at: Instant| schedule.bound(at, candidate.blocked_days());
        let runs = std::iter::successors(before(from), |run| before(run.saturating_add_micros(-1)));
        let last = runs
            .take(2 * MOST_HELD)
            .take_while(|run| *run > candidate.latest.created_at)
            .find(|run| hold_at(candidate, schedules, *run).is_none())?;
        hold_at(candidate, schedules, start_from(candidate, last).at)?;
        let at = spread_from(candidate, schedules, last).at;
        let late = at.saturating_add(candidate.policy.max_start_delay);
        (late > candidate.tick).then(|| last.saturating_add_micros(-1))
    };
    let may_be = candidate.spread() > Micros(0)
        && from > candidate.latest.created_at
        && schedules.has_holds();
    may_be.then(put_off).flatten().unwrap_or(from)
}

/// Runs up to this instant don't count: those before the latest build, and with a limit
/// on lateness those that are later than it allows.
pub(super) fn search_from(candidate: &Candidate<'_>) -> Instant {
    let created_at = candidate.latest.created_at;
    let limit = candidate.policy.max_start_delay;
    // A start that can't be built while a build is under way is not given up either.
    if limit > Micros(0) && !candidate.in_progress {
        created_at.max(too_late(candidate))
    } else {
        created_at
    }
}

/// With a limit on lateness, which counts from the workspace's place in the spread on: the
/// latest instant at which a run was too long ago.
pub(super) fn too_late(candidate: &Candidate<'_>) -> Instant {
    let limit = candidate.policy.max_start_delay;
    let late = candidate.tick.saturating_sub(limit);
    late.saturating_sub(candidate.spread())
}

/// The first run later than `after` that counts.
pub(super) fn first_allowed<R: Runs>(
    candidate: &Candidate<'_>,
    schedule: &R,
    after: Instant,
) -> Result<Instant, Skip> {
    let blocked = candidate.blocked_days();
    allowed::first_allowed(schedule, blocked, candidate.signs, after)
}
