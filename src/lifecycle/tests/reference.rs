//! The first rules over their whole space, against a plain statement of them.

use super::*;
use crate::lifecycle::transition::Transition;

/// A schedule, and its first run after the build of 09:00 as read off by hand.
const SCHEDULES: [(Option<&str>, Option<&str>); 8] = [
    (None, None),
    (Some(""), None),
    (Some("* * * *"), None),
    (Some("never"), None),
    (Some("60 1 127 0"), Some("2024-01-03T09:01:00Z")),
    (Some(HOURLY), Some("2024-01-03T10:00:00Z")),
    (Some("1440 601 127 0"), Some("2024-01-03T10:01:00Z")),
    (Some("1440 600 2 0"), Some("2024-01-09T10:00:00Z")),
];

/// Name, `completed_at` set, `canceled_at` set, error; `None` for a missing row.
const JOBS: [Option<(bool, bool, bool)>; 8] = [
    None,
    Some((false, false, false)),
    Some((false, true, false)),
    Some((false, false, true)),
    Some((true, false, false)),
    Some((true, true, false)),
    Some((true, false, true)),
    Some((true, true, true)),
];

/// The first rules as a table: transition, reason, time, due.
type Answer = Option<(Transition, &'static str, Instant, bool)>;

#[test]
fn the_first_rules_hold_over_their_whole_space() {
    use BuildTransition::{Delete, Start, Stop};
    let deadlines = [
        None,
        Some(later(-600, 0)),
        Some(later(0, -1)),
        Some(later(0, 0)),
        Some(later(0, 1)),
    ];
    let (mut rows, mut acting) = (0, 0);
    for latest in [None, Some(Start), Some(Stop), Some(Delete)] {
        for job in JOBS {
            for deadline in deadlines {
                for (schedule, run) in SCHEDULES {
                    for flags in 0..8u8 {
                        let [allows, licensed, deleted] = [1, 2, 4].map(|bit| flags & bit != 0);
                        let mut facts = workspace(latest.unwrap_or(Start));
                        facts.deleted = deleted;
                        facts.schedule = schedule.map(str::to_owned);
                        facts.template().allow_user_autostart = allows;
                        facts.latest().deadline = deadline;
                        facts.latest().job = job.map(|(completed, canceled, failed)| Job {
                            completed_at: completed.then_some(later(-59, 0)),
                            canceled_at: canceled.then_some(later(-59, 0)),
                            failed,
                        });
                        if latest.is_none() {
                            facts.latest = None;
                        }

                        let successful = matches!(job, Some((true, _, false)));
                        let expected: Answer = match latest {
                            _ if deleted || !successful => None,
                            Some(Start) => {
                                deadline.map(|at| (Transition::Stop, "autostop", at, at <= tick()))
                            }
                            Some(Stop) if allows || !licensed => run
                                .map(at)
                                .map(|at| (Transition::Start, "autostart", at, at <= tick())),
                            _ => None,
                        };

                        let policy = Policy {
                            licensed,
                            ..ALL_RULES
                        };
                        let seen = verdict(&facts, &Signs::default(), &policy, tick(), &Weekly);
                        let answer: Answer =
                            seen.outcome.as_ref().ok().map(|next| {
                                (next.transition, next.reason.name(), next.at, next.due)
                            });
                        assert_eq!(answer, expected, "{facts:?} {policy:?}");
                        assert_eq!(seen.fill_next_start_at, None);
                        rows += 1;
                        acting += usize::from(answer.is_some());
                    }
                }
            }
        }
    }
    assert_eq!(rows, 4 * 8 * 5 * 8 * 8);
    // Two job states count as successful. Starts: 4 deadlines, 8 schedules, 4 flags;
    // stops: 4 schedules that run, 5 deadlines, 3 of 4 flags.
    assert_eq!(acting, 2 * (4 * 8 * 4 + 4 * 5 * 3));
}
