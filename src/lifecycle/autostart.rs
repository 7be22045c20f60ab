//! Starts a stopped workspace at the first run of its schedule after the latest build.
//!
//! Runs on weekdays that the template blocks don't count. A search over them always
//! ends: at the first run that is refused a week or more after it began. A schedule
//! without a run is a reason not to start, never a start at once.

use crate::instant::{HOUR, Instant};

use super::candidate::{Candidate, EVERY_DAY};
use super::facts::BuildTransition;
use super::schedules::{Runs, Schedules};
use super::signs::ActingRule;
use super::skip::Skip;
use super::verdict::{Next, Outcome, Transition};

/// How far from its beginning a refused run is still searched on from.
const SEARCH: i128 = 7 * 24 * HOUR as i128 * 1000;

pub(super) fn evaluate<S: Schedules>(candidate: &Candidate<'_>, schedules: &S) -> Outcome {
    let run = next_run(candidate, schedules)?;
    // A run that has been reached still waits for a later next_start_at.
    let at = match candidate.facts.next_start_at {
        Some(next_start_at) if candidate.signs.next_start_at => run.max(next_start_at),
        _ => run,
    };
    Ok(Next {
        rule: ActingRule::Autostart,
        transition: Transition::Start,
        reason: "autostart",
        at,
        strict: false,
        due: at <= candidate.tick,
        mark_dormant: false,
    })
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
    first_allowed(candidate, &schedule, search_from(candidate))
}

/// When the limit on lateness may let a workspace start of which [`next_run`] says now
/// that no run starts it: when the refused run that it saw is too late to count.
pub(super) fn look_again_at<S: Schedules>(
    candidate: &Candidate<'_>,
    schedules: &S,
) -> Option<Instant> {
    let limit = candidate.policy.max_start_delay;
    if limit <= 0 || candidate.in_progress || !candidate.policy.allows(ActingRule::Autostart) {
        return None;
    }
    match next_run(candidate, schedules) {
        Err(Skip::RunBlocked { run, .. }) => Some(run.saturating_add_micros(limit)),
        // A run that starts it is later than all those that were refused.
        Err(Skip::NoAllowedRun { last, .. }) => Some(last),
        _ => None,
    }
}

/// Runs up to this instant don't count: those before the latest build, and with a limit
/// on lateness those that are later than it allows.
pub(super) fn search_from(candidate: &Candidate<'_>) -> Instant {
    let created_at = candidate.latest.created_at;
    let limit = candidate.policy.max_start_delay;
    // A start that can't be built while a build is under way is not given up either.
    if limit > 0 && !candidate.in_progress {
        created_at.max(candidate.tick.saturating_add_micros(-limit))
    } else {
        created_at
    }
}

/// The first run later than `after` on a weekday that the template doesn't block, in
/// the schedule's own zone. Before `next_start_at` came, only the very first run counted.
pub(super) fn first_allowed<R: Runs>(
    candidate: &Candidate<'_>,
    schedule: &R,
    after: Instant,
) -> Result<Instant, Skip> {
    let blocked = candidate.blocked_days();
    let mut run = schedule
        .next_after(after)
        .ok_or(Skip::ScheduleNeverRuns { after })?;
    if blocked == 0 {
        return Ok(run);
    }
    if blocked == EVERY_DAY {
        return Err(Skip::AllDaysBlocked);
    }
    loop {
        let weekday = schedule.weekday(run);
        if blocked & (1 << weekday.num_days_from_monday()) == 0 {
            return Ok(run);
        }
        if !candidate.signs.next_start_at {
            return Err(Skip::RunBlocked { run, weekday });
        }
        let none = Skip::NoAllowedRun { after, last: run };
        if run.nanos_since(after) >= SEARCH {
            return Err(none);
        }
        run = schedule.after_run(run).ok_or(none)?;
    }
}
