//! Every rule against a second, plain statement of them, on random facts.
//!
//! The statement below answers one question, whether a workspace moves at an instant
//! and how, from the conditions under which the product reads a workspace and those
//! under which it then acts. It computes no time: when a transition falls due is found
//! by asking it just before and just after.

use proptest::prelude::*;

use super::holding::Holding;
use super::*;
use crate::instant::{HOUR, SECOND};
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::transition::{BuildReason, Transition};

const DAY: i64 = 24 * HOUR;
const WEEK_NS: i128 = 7 * DAY as i128 * 1000;

/// Everything that a verdict depends on but the tick.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub facts: Facts,
    pub signs: Signs,
    pub policy: Policy,
    pub holds: Holding,
}

/// A transition, its reason, and whether the workspace is marked dormant.
pub(super) type Move = (Transition, BuildReason, bool);

/// The first run after `x` on a day that isn't blocked, minute by minute. Where missed runs are
/// dropped, those in holds don't count: after one the search begins anew at the hold's end.
fn next_counted(case: &Case, mut x: Instant) -> Option<Instant> {
    loop {
        let run = next_allowed(case, x)?;
        let held = |at| case.holds.holds(&[Transition::Start], at);
        if case.policy.missed_starts == MissedStarts::MakeUp || !held(run) {
            return Some(run);
        }
        x = run;
        while held(x) {
            if x > later(100 * 1440, 0) {
                return None;
            }
            x = x.truncate_to_minute().saturating_add_micros(MINUTE);
        }
        x = x.saturating_add_micros(-1);
    }
}

/// Was a run up to `x` in a hold that went on to `x`? Then it is made up for after the hold,
/// however late it is by then.
fn was_missed(case: &Case, x: Instant) -> bool {
    let Case { facts, holds, .. } = case;
    let (Some(text), Some(latest)) = (&facts.schedule, &facts.latest) else {
        return false;
    };
    let (Ok(times), Some(template)) = (Weekly.schedule(text), &facts.template) else {
        return false;
    };
    let counts = case.policy.licensed && case.signs.blocked_days;
    let blocked = if counts { template.blocked_days } else { 0 };
    let mut minute = x.truncate_to_minute();
    while minute > latest.created_at && holds.holds(&[Transition::Start], minute) {
        let is_blocked = blocked & (1 << times.weekday_number(minute)) != 0;
        if times.runs_at(minute) && !is_blocked {
            return true;
        }
        minute = minute.saturating_add_micros(-MINUTE);
    }
    false
}

/// The first run after `x` on a day that isn't blocked, minute by minute.
fn next_allowed(case: &Case, x: Instant) -> Option<Instant> {
    let text = case.facts.schedule.as_deref().filter(|s| !s.is_empty())?;
    let times = Weekly.schedule(text).ok()?;
    let template = case.facts.template.as_ref()?;
    let counts = case.policy.licensed && case.signs.blocked_days;
    let blocked = if counts { template.blocked_days } else { 0 };
    let mut minute = x.truncate_to_minute();
    for _ in 0..16 * 1440 {
        minute = minute.saturating_add_micros(MINUTE);
        if !times.runs_at(minute) {
            continue;
        }
        if blocked & (1 << times.weekday_number(minute)) == 0 {
            return Some(minute);
        }
        if !case.signs.next_start_at || minute.nanos_since(x) >= WEEK_NS {
            return None;
        }
    }
    None
}

/// Whether, and how, the workspace moves at `t`: the first rule that matches has it, also
/// where its build is then refused because another one is under way.
pub(super) fn moves(case: &Case, t: Instant) -> Option<Move> {
    let found = matches(case, t)?;
    let job = case.facts.latest.as_ref()?.job?;
    let refused = job.completed_at.is_none() && !has_failed(case, job);
    let needs_a_build = found.0 != Transition::Dormant;
    // The rule that would have it but for a hold still keeps a mark away from such a build.
    let without_holds = Case {
        holds: Holding::default(),
        ..case.clone()
    };
    let first = || matches(&without_holds, t).map(|(transition, _, _)| transition);
    let marks = || !needs_a_build && first() == Some(Transition::Dormant);
    (!refused || case.signs.failed_stop && marks()).then_some(found)
}

/// With the column for it, a job with an error has failed, whenever it is complete.
fn has_failed(case: &Case, job: Job) -> bool {
    job.failed && (job.completed_at.is_some() || case.signs.job_status)
}

fn matches(case: &Case, t: Instant) -> Option<Move> {
    let Case {
        facts,
        signs,
        policy,
        holds,
    } = case;
    let held = |transitions: &[Transition]| holds.holds(transitions, t);
    let (owner, template) = (facts.owner?, facts.template.as_ref()?);
    let latest = facts.latest.as_ref()?;
    let job = latest.job?;
    let job_failed = has_failed(case, job);
    let in_progress = job.completed_at.is_none() && !job_failed;
    if facts.deleted || facts.owner_id == PREBUILDS_OWNER {
        return None;
    }
    if job_failed && !signs.failed_stop {
        return None;
    }

    let [autostop, autostart, failed, dormancy, delete, _] =
        ActingRule::ALL.map(|rule| policy.rules.contains(rule));
    let start = latest.transition == BuildTransition::Start;
    let stop = latest.transition == BuildTransition::Stop;
    let dormant = signs.dormancy && facts.dormant_at.is_some();
    let counts = |ttl: Nanos| policy.licensed && ttl > Nanos(0);
    let passed = |since: Instant, Nanos(ttl)| t.nanos_since(since) > i128::from(ttl);
    // The product's query cuts durations to milliseconds.
    let passed_ms = |since: Instant, Nanos(ttl)| passed(since, Nanos(ttl / 1_000_000 * 1_000_000));
    let day = |since: Option<Instant>| since.is_none_or(|since| passed(since, Nanos(DAY * 1000)));
    let stop_reason = if signs.task_pause && facts.has_task {
        BuildReason::TaskAutoPause
    } else {
        BuildReason::Autostop
    };

    let suspended = signs.suspended_owner && owner == OwnerStatus::Suspended;
    let overdue = latest.deadline.is_some_and(|deadline| deadline <= t);
    let stop_held = held(&[Transition::Stop]);
    if autostop && !job_failed && !dormant && start && (suspended || overdue) && !stop_held {
        return Some((Transition::Stop, stop_reason, false));
    }

    let active = !signs.active_owner || owner == OwnerStatus::Active;
    // A start that is spread is made when it would have been made so long ago.
    let s = t.saturating_sub(policy.spread_of(facts.workspace_id));
    let reached = !signs.next_start_at || facts.next_start_at.is_none_or(|at| at <= s);
    let x = match policy.max_start_delay {
        Micros(0) => latest.created_at,
        _ if in_progress => latest.created_at,
        Micros(delay) => latest.created_at.max(s.saturating_add_micros(-delay)),
    };
    let makes_up = policy.missed_starts == MissedStarts::MakeUp;
    if autostart
        && active
        && !job_failed
        && !dormant
        && stop
        && reached
        && (template.allow_user_autostart || !policy.licensed)
        && !held(&[Transition::Start])
        && next_counted(case, x)
            .is_some_and(|run| run <= s || makes_up && x > latest.created_at && was_missed(case, x))
    {
        return Some((Transition::Start, BuildReason::Autostart, false));
    }

    if failed
        && signs.failed_stop
        && counts(template.failure_ttl)
        && job_failed
        && !stop_held
        && (start || stop && policy.failed_stop_retry)
        && job.completed_at.is_some_and(|at| {
            passed_ms(at, template.failure_ttl) && passed(at, template.failure_ttl)
        })
    {
        return Some((Transition::Stop, stop_reason, false));
    }

    let marked = if start {
        vec![Transition::Stop, Transition::Dormant]
    } else {
        vec![Transition::Dormant]
    };
    if dormancy
        && signs.dormancy
        && !dormant
        && !held(&marked)
        && counts(template.time_til_dormant)
        && passed_ms(facts.last_used_at, template.time_til_dormant)
        && passed(facts.last_used_at, template.time_til_dormant)
    {
        let reason = if signs.dormancy_reason {
            BuildReason::Dormancy
        } else {
            BuildReason::Autolock
        };
        let transition = if start {
            Transition::Stop
        } else {
            Transition::Dormant
        };
        return Some((transition, reason, true));
    }

    let failed_delete = signs.job_status && job_failed && !start && !stop;
    let (completed_at, canceled_at) = (job.completed_at, job.canceled_at);
    let ended = completed_at.is_some() || canceled_at.is_some();
    let retries = ended
        && day(completed_at.or(canceled_at))
        && (!signs.next_start_at || day(canceled_at.or(completed_at)));
    if delete
        && !held(&[Transition::Delete])
        && signs.deletion
        && dormant
        && facts.deleting_at.is_some_and(|at| at < t)
        && counts(template.time_til_dormant_autodelete)
        && (!failed_delete || retries)
    {
        return Some((Transition::Delete, BuildReason::Autodelete, false));
    }
    None
}

/// Would the product's query for starts give this workspace, for want of a time?
fn awaits_a_time(case: &Case) -> bool {
    let facts = &case.facts;
    let Some(latest) = &facts.latest else {
        return false;
    };
    let usual = !facts.deleted
        && facts.owner_id != PREBUILDS_OWNER
        && facts.template.is_some()
        && facts.owner.is_some();
    usual
        && (!case.signs.active_owner || facts.owner == Some(OwnerStatus::Active))
        && latest.transition == BuildTransition::Stop
        && latest
            .job
            .is_some_and(|job| job.completed_at.is_some() && !job.failed)
}

/// Is a start reached, but for the workspace's place in the spread?
fn waits_in_the_spread(case: &Case) -> bool {
    let mut at_once = case.clone();
    at_once.policy.spread_starts = Micros(0);
    at_once.policy.max_start_delay = Micros(0);
    let lateness = case.policy.max_start_delay;
    let spread = case.policy.spread_of(case.facts.workspace_id);
    if lateness > Micros(0) {
        let earliest = tick().saturating_sub(lateness).saturating_sub(spread);
        let latest = at_once.facts.latest.as_mut().expect("it awaits a time");
        latest.created_at = latest.created_at.max(earliest);
    }
    at_once.policy.rules = [ActingRule::Autostart].into_iter().collect();
    moves(&at_once, tick()).is_some()
}

/// Instants near the tick, and near whole minutes, hours and days from it.
pub(super) fn instants() -> impl Strategy<Value = Instant> {
    let minutes = prop_oneof![
        4 => -90..90i64,
        2 => Just(0i64),
        1 => (-10..10i64).prop_map(|days| days * 1440),
    ];
    (minutes, -1..=1i64).prop_map(|(minutes, micros)| later(minutes, micros))
}

fn past() -> impl Strategy<Value = Instant> {
    instants().prop_map(|at| at.min(later(0, 1)))
}

fn ttls() -> impl Strategy<Value = Nanos> {
    let nanos = prop_oneof![
        2 => Just(0i64),
        1 => prop_oneof![Just(-1), Just(i64::MIN), Just(i64::MAX), Just(1)],
        6 => (1..120i64, prop_oneof![Just(0), Just(1), Just(-1), Just(1000), Just(-1000)])
            .prop_map(|(minutes, ns)| minutes * MINUTE_NS + ns),
    ];
    nanos.prop_map(Nanos)
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

fn latest_builds() -> impl Strategy<Value = LatestBuild> {
    let transition = prop_oneof![
        4 => Just(BuildTransition::Start),
        5 => Just(BuildTransition::Stop),
        2 => Just(BuildTransition::Delete),
    ];
    let job = (
        proptest::option::weighted(0.8, past()),
        maybe(past()),
        any::<bool>(),
    );
    let job = job.prop_map(|(completed_at, canceled_at, failed)| Job {
        completed_at,
        canceled_at,
        failed,
    });
    let job = proptest::option::weighted(0.98, job);
    // Of which deadline the owner was told: of none, this one or another.
    let told = (any::<bool>(), maybe(instants()));
    (transition, past(), maybe(instants()), told, job).prop_map(
        |(transition, created_at, deadline, (of_this, other), job)| LatestBuild {
            transition,
            created_at,
            deadline,
            notified_deadline: deadline.filter(|_| of_this).or(other),
            job,
            ..running().latest.unwrap()
        },
    )
}

fn templates() -> impl Strategy<Value = Template> {
    let blocked = prop_oneof![3 => Just(0), 5 => 0..128, 1 => any::<i32>()];
    let allows = proptest::bool::weighted(0.8);
    (blocked, ttls(), ttls(), ttls(), ttls(), allows).prop_map(
        |(blocked_days, failure_ttl, time_til_dormant, autodelete, remind, allows)| Template {
            organization_id: Uuid::from_u128(9),
            allow_user_autostart: allows,
            blocked_days,
            failure_ttl,
            time_til_dormant,
            time_til_dormant_autodelete: autodelete,
            time_til_autostop_notify: remind,
            ..running().template.unwrap()
        },
    )
}

fn schedules() -> impl Strategy<Value = Option<String>> {
    let times = (
        prop_oneof![Just(60), Just(1440), Just(7)],
        0..1440i64,
        0..128i64,
        -720..840i64,
    );
    prop_oneof![
        1 => Just(None),
        1 => prop_oneof![Just(""), Just("never"), Just("nonsense")]
            .prop_map(|text| Some(text.to_owned())),
        6 => times.prop_map(|(every, first, days, zone)| {
            Some(format!("{every} {first} {days} {zone}"))
        }),
        3 => Just(Some(HOURLY.to_owned())),
    ]
}

fn workspaces() -> impl Strategy<Value = Facts> {
    let owners = prop_oneof![
        6 => Just(OwnerStatus::Active),
        2 => Just(OwnerStatus::Suspended),
        1 => Just(OwnerStatus::Dormant),
        1 => Just(OwnerStatus::Other),
    ];
    let parts = (
        proptest::option::weighted(0.98, owners),
        proptest::option::weighted(0.98, templates()),
        proptest::option::weighted(0.98, latest_builds()),
        schedules(),
        (maybe(past()), maybe(instants()), past(), maybe(instants())),
        (
            proptest::bool::weighted(0.02),
            proptest::bool::weighted(0.02),
            any::<bool>(),
        ),
        0..60u128,
    );
    parts.prop_map(|(owner, template, latest, schedule, times, flags, id)| {
        let (dormant_at, deleting_at, last_used_at, next_start_at) = times;
        let (deleted, prebuild, has_task) = flags;
        let mut facts = running();
        if prebuild {
            facts.owner_id = PREBUILDS_OWNER;
        }
        Facts {
            workspace_id: Uuid::from_u128(id),
            owner,
            template,
            latest,
            schedule,
            dormant_at,
            deleting_at,
            last_used_at,
            next_start_at,
            deleted,
            has_task,
            ..facts
        }
    })
}

/// Signs of today, of the first version, or any mix that a schema could show.
fn signs() -> impl Strategy<Value = Signs> {
    let mixed = proptest::array::uniform10(any::<bool>()).prop_map(
        |[
            failed_stop,
            dormancy,
            reason,
            deletion,
            job_status,
            days,
            owners,
            next,
            task,
            reminder,
        ]| Signs {
            failed_stop,
            dormancy,
            dormancy_reason: reason,
            deletion: deletion && dormancy,
            job_status,
            blocked_days: days,
            active_owner: owners,
            suspended_owner: owners && next,
            next_start_at: next,
            task_pause: task,
            reminder,
            ..Signs::default()
        },
    );
    prop_oneof![4 => Just(TODAY), 1 => Just(Signs::default()), 5 => mixed]
}

fn policies() -> impl Strategy<Value = Policy> {
    let rules = prop_oneof![
        2 => Just(RuleSet::ALL),
        1 => proptest::collection::vec(proptest::bool::weighted(0.7), ActingRule::ALL.len())
            .prop_map(|among| {
                let rules = ActingRule::ALL.into_iter().zip(among);
                rules.filter(|(_, among)| *among).map(|(rule, _)| rule).collect()
            }),
    ];
    let delay = prop_oneof![2 => Just(0), 1 => (1..90i64).prop_map(|minutes| minutes * MINUTE)];
    let spread = prop_oneof![2 => Just(0), 1 => (1..3600i64).prop_map(|seconds| seconds * SECOND)];
    let flags = (
        proptest::bool::weighted(0.8),
        any::<bool>(),
        proptest::bool::weighted(0.8),
    );
    (rules, flags, delay, spread).prop_map(|(rules, flags, max_start_delay, spread_starts)| {
        let (licensed, failed_stop_retry, notify_owners) = flags;
        Policy {
            rules,
            licensed,
            failed_stop_retry,
            notify_owners,
            max_start_delay: Micros(max_start_delay),
            missed_starts: MissedStarts::Drop,
            spread_starts: Micros(spread_starts),
        }
    })
}

/// In boxes: a strategy is as large as all of its parts, and a test's stack is small.
pub(super) fn any_case() -> BoxedStrategy<Case> {
    let parts = (workspaces().boxed(), signs().boxed(), policies().boxed());
    let case = parts.prop_map(|(facts, signs, policy)| Case {
        facts,
        signs,
        policy,
        holds: Holding::default(),
    });
    case.boxed()
}

impl Case {
    pub(super) fn verdict(&self) -> Verdict {
        verdict(&self.facts, &self.signs, &self.policy, tick(), &self.holds)
    }
}

pub(super) fn as_move(next: &Next) -> Move {
    (next.transition, next.reason, next.mark_dormant)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn what_is_due_is_what_the_plain_statement_says(case in any_case()) {
        let due = case.verdict().outcome.ok().filter(|next| next.due);
        prop_assert_eq!(due.as_ref().map(as_move), moves(&case, tick()));
    }

    #[test]
    fn what_comes_next_happens_at_its_time_and_nothing_before_it(mut case in any_case()) {
        // A limit on lateness moves with the tick.
        case.policy.max_start_delay = Micros(0);
        match case.verdict().outcome {
            Ok(next) if next.due => {}
            Ok(next) => {
                let between = (next.at.micros() - tick().micros()) / 2;
                let end = Instant::from_micros(Instant::END.micros() - 1);
                if Some(next.at) == end {
                    return Ok(());
                }
                prop_assert_eq!(moves(&case, next.at.saturating_add_micros(-1)), None);
                prop_assert_eq!(moves(&case, later(0, between.max(0)).min(next.at.saturating_add_micros(-1))), None);
                let then = moves(&case, next.at)
                    .or_else(|| moves(&case, next.at.saturating_add_micros(1)));
                prop_assert_eq!(then, Some(as_move(&next)));
            }
            Err(_) => {
                for minutes in [0, 1, 60, 1440, 8 * 1440, 366 * 1440, 300 * 366 * 1440] {
                    prop_assert_eq!(moves(&case, later(minutes, 0)), None);
                }
            }
        }
    }

    #[test]
    fn next_start_at_is_filled_in_as_the_plain_statement_says(case in any_case()) {
        let facts = &case.facts;
        let dormant = case.signs.dormancy && facts.dormant_at.is_some();
        let open = case.signs.next_start_at
            && facts.next_start_at.is_none()
            && !dormant
            && case.policy.allows(ActingRule::Autostart);
        let looked_at = match moves(&case, tick()) {
            Some((_, _, marks)) => !marks,
            // A time to come would lose a start that is made only later.
            None => awaits_a_time(&case) && !waits_in_the_spread(&case),
        };
        let expected = if open && looked_at { next_allowed(&case, tick()) } else { None };
        prop_assert_eq!(case.verdict().fill_next_start_at, expected);
    }
}
