//! How long a workspace that can't move is put off, by what came of it last.

use std::collections::HashMap;

use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::planned::Planned;
use crate::instant::{Instant, MINUTE, Micros};
use crate::lifecycle::transition::Transition;
use crate::new_build::codes::BlockCode;

/// The last attempt at a workspace that can't move, as `autobuild_attempts` keeps it. A name
/// that this version of the extension does not know is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// The number of the latest build then.
    pub build_number: i32,
    /// The transition that was tried.
    pub transition: Option<Transition>,
    /// Blocked or failed.
    pub outcome: Option<Outcome>,
    /// The block code.
    pub code: Option<BlockCode>,
    /// Since when.
    pub since: Instant,
    /// How often.
    pub attempts: i32,
    /// When it is tried again.
    pub next_attempt_at: Instant,
    /// What would have been written.
    pub fingerprint: i64,
}

/// The longest time between two attempts, in minutes.
const LONGEST: i64 = 60;
/// The longest time, in minutes, where somebody else's work is in the way.
const LONGEST_HELD: i64 = 4;

impl LastAttempt {
    /// Does it wait for what is looked at again at each tick, without back-off?
    pub fn is_waiting(&self) -> bool {
        self.outcome == Some(Outcome::Blocked) && self.code.is_some_and(is_waited_for)
    }

    /// Is this attempt at the same thing? Back-off counts by workspace, latest build and
    /// transition.
    pub fn is_the_same_matter(&self, attempt: &Attempt) -> bool {
        self.build_number == attempt.latest_build_number
            && self.transition == Some(attempt.transition)
    }

    /// Does the workspace wait for a later attempt? Not when something changed: a block that
    /// is gone or another one, other facts behind a failure, a newer build.
    pub fn puts_off(&self, planned: &Planned, now: Instant) -> bool {
        let due = &planned.due;
        if self.build_number != due.latest_build_number()
            || self.transition != Some(due.next.transition)
        {
            return false;
        }
        let same = match (&planned.work, self.outcome) {
            (Err(block), Some(Outcome::Blocked)) => self.code == Some(block.code),
            (_, Some(Outcome::Failed)) => self.fingerprint == planned.fingerprint(),
            _ => false,
        };
        same && (self.is_waiting() || is_too_soon(self.next_attempt_at, now))
    }
}

/// Blocks that end without anybody's doing anything to the workspace: a provisioner comes, a
/// version is proved, a brake is released. They are looked at again at each tick, without back-off.
fn is_waited_for(code: BlockCode) -> bool {
    matches!(
        code,
        BlockCode::NoProvisioner | BlockCode::VersionUnproved | BlockCode::Braked
    )
}

/// Did this workspace wait for the same thing before, and does it still? That was recorded
/// when it began.
pub fn still_waits(last: &HashMap<Uuid, LastAttempt>, attempt: &Attempt) -> bool {
    let waits_again = |last: &LastAttempt| {
        last.is_waiting() && last.code == attempt.code && last.is_the_same_matter(attempt)
    };
    attempt.code.is_some_and(is_waited_for)
        && last.get(&attempt.workspace_id).is_some_and(waits_again)
}

/// Is it too soon for an attempt that was put off until then? A time that is further off
/// than any attempt is put off was reckoned before the clock was set back.
pub fn is_too_soon(next_attempt_at: Instant, now: Instant) -> bool {
    let longest = now.saturating_add_micros(LONGEST * MINUTE);
    (now.saturating_add_micros(1)..=longest).contains(&next_attempt_at)
}

/// How long after its n-th attempt a workspace is tried again: 1, 2, 4 ...
/// 60 minutes. What is waited for is looked at again at each tick; what somebody held, or was
/// always just changing, is asked for again after at most 4 minutes, since that may end at
/// any time and nothing of the workspace need change with it; so is a reminder that can't be
/// made.
pub fn pause_after(attempt: &Attempt, attempts: i32) -> Micros {
    if attempt.code.is_some_and(is_waited_for) {
        return Micros(0);
    }
    // A reminder is worth nothing after its deadline.
    if attempt.transition == Transition::Remind
        || attempt.sqlstate.is_some_and(|state| state.is_held())
    {
        doubling(attempts, LONGEST_HELD)
    } else {
        pause(attempts)
    }
}

/// 1, 2, 4 ... 60 minutes.
pub fn pause(attempts: i32) -> Micros {
    doubling(attempts, LONGEST)
}

fn doubling(attempts: i32, longest: i64) -> Micros {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(6);
    Micros((1_i64 << doublings).min(longest) * MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlstate::SqlState;

    fn blocked(code: BlockCode) -> Attempt {
        Attempt {
            outcome: Outcome::Blocked,
            code: Some(code),
            ..Attempt::example(Instant::NO_TIME)
        }
    }

    #[test]
    fn attempts_back_off_by_doubling_up_to_an_hour() {
        let minutes: Vec<i64> = (1..=9)
            .map(|n| pause_after(&blocked(BlockCode::ImportJobFailed), n).0 / MINUTE)
            .collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_clock_that_was_set_back_puts_nothing_off_for_long() {
        let now = Instant::NO_TIME;
        let soon = |minutes| is_too_soon(now.saturating_add_micros(minutes * MINUTE), now);
        assert_eq!(
            [-1, 0, 1, 60, 61, 600_000].map(soon),
            [false, false, true, true, false, false]
        );
    }

    #[test]
    fn what_somebody_holds_and_a_reminder_are_asked_for_again_within_minutes() {
        let held = Attempt {
            outcome: Outcome::Failed,
            sqlstate: SqlState::parse("55P03"),
            ..Attempt::example(Instant::NO_TIME)
        };
        let reminder = Attempt {
            transition: Transition::Remind,
            ..Attempt::example(Instant::NO_TIME)
        };
        for attempt in [held, reminder] {
            let pauses = (1..=5).map(|n| pause_after(&attempt, n).0 / MINUTE);
            assert_eq!(pauses.collect::<Vec<i64>>(), [1, 2, 4, 4, 4]);
        }
    }

    #[test]
    fn a_missing_provisioner_or_proof_and_a_brake_are_looked_at_at_each_tick() {
        for code in [
            BlockCode::NoProvisioner,
            BlockCode::VersionUnproved,
            BlockCode::Braked,
        ] {
            assert_eq!(pause_after(&blocked(code), 5), Micros(0));
        }
    }
}
