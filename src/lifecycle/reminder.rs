//! The reminder: an owner is told that the workspace will be stopped soon.
//!
//! It is no transition, and never keeps one away: where a rule is due there is no reminder.
//! One is made for each deadline, from a while before it on that the template sets, until
//! just before the deadline. The build keeps of which deadline the owner was told: a
//! deadline that moves is told anew, one that moves back to that one is not.
//!
//! Whether anybody uses the workspace doesn't matter, nor the licence, nor a provisioner.

use std::fmt;

use crate::instant::{Instant, Micros, Nanos};

use super::candidate::Candidate;
use super::facts::{BuildTransition, Facts, OwnerStatus};
use super::outcome::Outcome;
use super::policy::Policy;
use super::schedules::Schedules;
use super::signs::Signs;
use super::skip::{Build, Skip};
use super::verdict::decided;

/// A reminder that is made, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// The deadline of which the owner is told.
    pub deadline: Instant,
    /// From when on.
    pub at: Instant,
    /// Is it due at the tick?
    pub due: bool,
}

/// Why no reminder is made, as long as the facts stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReminder {
    /// The product has no reminders.
    NotInForce,
    /// As with a stop: the same keeps both away.
    Skip(Skip),
    /// A transition is due, and goes first.
    TransitionDue,
    /// The build was canceled.
    Canceled {
        /// The build.
        build: Build,
    },
    /// The owner is suspended.
    OwnerSuspended,
    /// The template has no `time_til_autostop_notify`.
    NoTime,
    /// The deadline is reached.
    Reached {
        /// The deadline.
        deadline: Instant,
    },
    /// The owner was told of this deadline.
    Told {
        /// The deadline.
        deadline: Instant,
    },
}

/// The reminder of a workspace at a tick (already cut down to the minute).
///
/// ```
/// use workspace_autobuild::instant::{Instant, MINUTE, Nanos};
/// use workspace_autobuild::lifecycle::facts::{BuildTransition, Facts};
/// use workspace_autobuild::lifecycle::policy::Policy;
/// use workspace_autobuild::lifecycle::reminder::reminder;
/// use workspace_autobuild::lifecycle::signs::Signs;
/// # use workspace_autobuild::schedule::{ScheduleCache, Span, Zone, ZoneSource};
/// # struct Utc;
/// # impl Zone for Utc { fn span_at(&self, _: i64) -> Span { Span { offset: 0, until: None } } }
/// # impl ZoneSource for Utc {
/// #     type Zone = Utc;
/// #     fn zone(&self, name: &str) -> Option<Utc> { (name == "UTC").then_some(Utc) }
/// # }
///
/// let tick = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
/// let mut running = Facts::example(BuildTransition::Start, tick);
/// running.template.as_mut().expect("it has one").time_til_autostop_notify =
///     Nanos(30 * MINUTE * 1000);
/// let deadline = tick.saturating_add_micros(20 * MINUTE);
/// running.latest.as_mut().expect("it has one").deadline = Some(deadline);
///
/// let schedules = ScheduleCache::new(Utc, 100);
/// let reminder = reminder(&running, &Signs::ALL, &Policy::EVERYTHING, tick, &schedules);
/// assert!(reminder.is_ok_and(|reminder| reminder.due && reminder.deadline == deadline));
/// ```
pub fn reminder<S: Schedules>(
    facts: &Facts,
    signs: &Signs,
    policy: &Policy,
    tick: Instant,
    schedules: &S,
) -> Result<Reminder, NoReminder> {
    if !signs.reminder {
        return Err(NoReminder::NotInForce);
    }
    let decided = decided(facts, signs, policy, tick, schedules);
    let (candidate, outcome) = decided.map_err(|(_, skip)| NoReminder::Skip(skip))?;
    of(&candidate, &outcome)
}

/// The reminder of a workspace for which this is decided.
fn of(candidate: &Candidate<'_>, outcome: &Outcome) -> Result<Reminder, NoReminder> {
    if outcome.as_ref().is_ok_and(|next| next.due) {
        return Err(NoReminder::TransitionDue);
    }
    let build = candidate.build();
    if candidate.latest.transition != BuildTransition::Start {
        return Err(NoReminder::Skip(Skip::NotRunning { build }));
    }
    if let Some(skip) = candidate.failed_or_dormant() {
        return Err(NoReminder::Skip(skip));
    }
    if candidate.was_canceled() {
        return Err(NoReminder::Canceled { build });
    }
    if candidate.owner == OwnerStatus::Suspended {
        return Err(NoReminder::OwnerSuspended);
    }
    let none = NoReminder::Skip(Skip::NoDeadline {
        build,
        canceled: false,
    });
    let deadline = candidate.latest.deadline.ok_or(none)?;
    let before = candidate.template.time_til_autostop_notify;
    if before <= Nanos(0) {
        return Err(NoReminder::NoTime);
    }
    if deadline <= candidate.tick {
        return Err(NoReminder::Reached { deadline });
    }
    if candidate.latest.notified_deadline == Some(deadline) {
        return Err(NoReminder::Told { deadline });
    }
    let at = deadline.saturating_sub(whole_milliseconds(before));
    Ok(Reminder {
        deadline,
        at,
        due: candidate.tick >= at,
    })
}

/// The product looks for workspaces with the template's duration cut so.
fn whole_milliseconds(duration: Nanos) -> Micros {
    Micros(duration.0.div_euclid(1_000_000).saturating_mul(1000))
}

impl fmt::Display for NoReminder {
    /// A sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoReminder::NotInForce => {
                f.write_str("This version of the product reminds nobody of a deadline.")
            }
            NoReminder::Skip(skip) => skip.fmt(f),
            NoReminder::TransitionDue => {
                f.write_str("A transition is due, which goes before a reminder.")
            }
            NoReminder::Canceled { build } => {
                write!(f, "The latest, {build}, was canceled: nobody is reminded.")
            }
            NoReminder::OwnerSuspended => {
                f.write_str("The workspace's owner is suspended, and is not reminded.")
            }
            NoReminder::NoTime => f.write_str("The template has no time_til_autostop_notify."),
            NoReminder::Reached { deadline } => {
                write!(f, "The deadline, {deadline}, is reached.")
            }
            NoReminder::Told { deadline } => {
                write!(f, "The owner was reminded of the deadline, {deadline}.")
            }
        }
    }
}
