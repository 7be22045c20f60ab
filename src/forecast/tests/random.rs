//! Random workspaces, policies and holds: what a forecast counts is what comes of asking the
//! verdict at each minute, and the stretches that it walks in one go change nothing.

use proptest::prelude::*;

use super::super::counts::Counts;
use super::super::play::Player;
use super::*;
use crate::holds::{Hold, Scope, Transitions, When};
use crate::instant::MINUTE;
use crate::lifecycle::facts::{Job, LatestBuild, OwnerStatus, Template};
use crate::lifecycle::policy::MissedStarts;
use crate::lifecycle::rules::{ActingRule, RuleSet};
use crate::lifecycle::transition::Transition;
use crate::lifecycle::verdict::verdict;

/// Saturday noon: in the night the clocks of Berlin, and two weeks before those of New York,
/// are moved.
const BEGIN: &str = "2026-03-28 12:00";

#[derive(Clone, Debug)]
struct Case {
    workspace: Workspace,
    signs: Signs,
    policy: Policy,
    holds: Vec<(Scope, Transitions, When<TzifZone>)>,
}

impl Case {
    fn holds(&self) -> Holds<TzifZone> {
        let holds = self
            .holds
            .iter()
            .zip(1..)
            .map(|((scope, transitions, when), id)| {
                Hold::new(id, *scope, *transitions, None, when.clone())
            });
        Holds::new(holds.collect())
    }

    fn window(days: i64) -> Window {
        let begin = at(BEGIN);
        Window {
            begin,
            since: begin,
            until: begin.saturating_add_micros(days * 24 * HOUR),
            bucket: Micros(HOUR),
        }
    }

    /// What the forecast counts.
    fn counted(&self, days: i64, in_one_go: bool) -> Vec<Counted> {
        let window = Case::window(days);
        let holds = self.holds();
        let schedules = ScheduleCache::new(Bundled, 10);
        let rules = Rules {
            signs: &self.signs,
            policy: &self.policy,
            schedules: &WithHolds {
                schedules: &schedules,
                holds: &holds,
            },
            holds: &holds,
            zones: &Bundled,
        };
        let mut counts = Counts::new(window);
        Player::new(window, rules).play(&mut self.workspace.clone(), &mut counts, in_one_go);
        counts.take()
    }

    /// The same by asking the verdict at each tick.
    fn minute_by_minute(&self, days: i64) -> Vec<Counted> {
        let window = Case::window(days);
        let holds = self.holds();
        let schedules = ScheduleCache::new(Bundled, 10);
        let schedules = WithHolds {
            schedules: &schedules,
            holds: &holds,
        };
        let Workspace { mut facts, terms } = self.workspace.clone();
        let mut buckets = vec![Counted::default(); (days * 24) as usize];
        for minute in 0..days * 24 * 60 {
            let tick = window.begin.saturating_add_micros(minute * MINUTE);
            let bucket = &mut buckets[(minute / 60) as usize];
            if minute % 60 == 0 {
                bucket.running_most = i32::from(is_running(&facts));
            }
            let found = verdict(&facts, &self.signs, &self.policy, tick, &schedules);
            let next = found.outcome.as_ref().ok().filter(|next| next.due);
            let Some(next) = next else {
                facts.next_start_at = found.fill_next_start_at.or(facts.next_start_at);
                continue;
            };
            let dormant = next.mark_dormant;
            match next.transition {
                Transition::Start => bucket.starts += 1,
                Transition::Stop => bucket.stops += 1,
                Transition::Delete => bucket.deletes += 1,
                Transition::Dormant | Transition::Remind => bucket.dormant += 1,
            }
            let transition = match next.transition {
                Transition::Start => Some(BuildTransition::Start),
                Transition::Stop => Some(BuildTransition::Stop),
                Transition::Delete => {
                    facts.deleted = true;
                    None
                }
                _ => None,
            };
            if dormant {
                let ttl = facts.template().time_til_dormant_autodelete.0;
                let deleted = ttl > 0 && self.policy.licensed && self.signs.deletion;
                facts.dormant_at = Some(tick);
                facts.deleting_at =
                    deleted.then(|| tick.saturating_add_micros(ttl / 1_000_000 * 1000));
                facts.next_start_at = None;
            }
            if let Some(transition) = transition {
                let deadline = (transition == BuildTransition::Start && terms.ttl.0 > 0)
                    .then(|| self.deadline(&facts, tick))
                    .flatten();
                *facts.latest() = LatestBuild {
                    transition,
                    created_at: tick,
                    deadline,
                    job: Some(Job {
                        completed_at: Some(tick),
                        canceled_at: None,
                        failed: false,
                    }),
                    ..facts.latest().clone()
                };
                // The product's own; what the tick fills in is the same without holds.
                let mut asked = facts.clone();
                asked.next_start_at = None;
                asked.latest().transition = BuildTransition::Stop;
                let plain = ScheduleCache::new(Bundled, 10);
                let filled = verdict(&asked, &self.signs, &self.policy, tick, &plain);
                facts.next_start_at = filled.fill_next_start_at;
            }
            bucket.running_most = bucket.running_most.max(i32::from(is_running(&facts)));
        }
        buckets
    }

    /// By the workspace's own time alone.
    fn deadline(&self, facts: &Facts, tick: Instant) -> Option<Instant> {
        let ttl = self.workspace.terms.ttl.micros();
        let deadline = tick.saturating_add(ttl);
        let run = facts.schedule.as_deref().and_then(|text| {
            let schedule = crate::schedule::Schedule::parse(text, &Bundled).ok()?;
            let run = schedule.next(tick)?;
            let day = schedule.weekday(run).num_days_from_monday();
            let blocked = if self.signs.blocked_days && self.policy.licensed {
                facts.template.as_ref()?.blocked_days
            } else {
                0
            };
            (blocked & (1 << day) == 0).then_some(run)
        });
        match run.filter(|run| self.signs.workspace_tags && *run < deadline) {
            Some(run) => Some(run.saturating_add(ttl)),
            None => Some(deadline),
        }
    }
}

fn is_running(facts: &Facts) -> bool {
    let latest = facts.latest.as_ref().unwrap();
    !facts.deleted && latest.transition == BuildTransition::Start && !latest.job.unwrap().failed
}

/// Minutes from the beginning, as an instant.
fn minutes(range: std::ops::Range<i64>) -> impl Strategy<Value = Instant> {
    (range, prop_oneof![4 => Just(0i64), 1 => -1..=1i64])
        .prop_map(|(minutes, micros)| at(BEGIN).saturating_add_micros(minutes * MINUTE + micros))
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    weight: f64,
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(weight, some)
}

fn ttls(most_hours: i64) -> impl Strategy<Value = Nanos> {
    let minutes = prop_oneof![
        2 => Just(0i64),
        6 => 1..most_hours * 60,
        2 => (1..most_hours).prop_map(|hours| hours * 60),
    ];
    (minutes, prop_oneof![4 => Just(0i64), 1 => -1001..1001i64])
        .prop_map(|(minutes, ns)| Nanos(minutes * 60_000_000_000 + ns))
}

fn schedules() -> impl Strategy<Value = Option<String>> {
    let zones = prop_oneof![
        Just(""),
        Just("CRON_TZ=Europe/Berlin "),
        Just("CRON_TZ=America/New_York "),
        Just("CRON_TZ=Asia/Kathmandu "),
        Just("CRON_TZ=Australia/Lord_Howe "),
    ];
    let hours = prop_oneof![Just("*"), Just("9"), Just("1-3"), Just("*/6"), Just("7,19")];
    let days = prop_oneof![Just("*"), Just("1-5"), Just("6,0"), Just("3"), Just("0")];
    let minutes =
        prop_oneof![3 => (0..60u8).prop_map(|m: u8| m.to_string()), 1 => Just("*/20".to_owned())];
    let text = (zones, minutes, hours, days)
        .prop_map(|(zone, minute, hour, day)| format!("{zone}{minute} {hour} * * {day}"));
    prop_oneof![
        1 => Just(None),
        1 => prop_oneof![Just(""), Just(", 9 * * *"), Just("nonsense")].prop_map(|t| Some(t.to_owned())),
        12 => text.prop_map(Some),
    ]
}

fn templates() -> impl Strategy<Value = Template> {
    let blocked = prop_oneof![3 => Just(0), 4 => 0..128, 1 => any::<i32>()];
    (
        blocked,
        ttls(48),
        ttls(200),
        ttls(100),
        proptest::bool::weighted(0.9),
    )
        .prop_map(
            |(blocked_days, failure_ttl, time_til_dormant, autodelete, allows)| Template {
                allow_user_autostart: allows,
                blocked_days,
                failure_ttl,
                time_til_dormant,
                time_til_dormant_autodelete: autodelete,
                ..Facts::example(BuildTransition::Stop, at(BEGIN))
                    .template
                    .unwrap()
            },
        )
}

fn latest() -> impl Strategy<Value = LatestBuild> {
    let transition = prop_oneof![
        6 => Just(BuildTransition::Start), 6 => Just(BuildTransition::Stop), 1 => Just(BuildTransition::Delete),
    ];
    let parts = (
        transition,
        minutes(-14 * 1440..1),
        maybe(0.7, minutes(-1440..2 * 1440)),
        maybe(0.05, minutes(-1440..1)),
        proptest::bool::weighted(0.1),
    );
    parts.prop_map(
        |(transition, created_at, deadline, canceled_at, failed)| LatestBuild {
            transition,
            created_at,
            deadline: deadline.filter(|_| transition == BuildTransition::Start),
            job: Some(Job {
                completed_at: Some(created_at),
                canceled_at,
                failed,
            }),
            ..Facts::example(transition, at(BEGIN)).latest.unwrap()
        },
    )
}

fn workspaces() -> impl Strategy<Value = Workspace> {
    let owners = prop_oneof![
        12 => Just(OwnerStatus::Active), 1 => Just(OwnerStatus::Suspended), 1 => Just(OwnerStatus::Dormant),
    ];
    let dormant = maybe(0.1, (minutes(-1440..1), maybe(0.8, minutes(-10..3 * 1440))));
    let next_start_at = maybe(0.5, minutes(-1440..2 * 1440));
    let parts = (
        owners,
        templates(),
        latest(),
        schedules(),
        dormant,
        minutes(-7 * 1440..1),
        next_start_at,
        (ttls(30), any::<u128>()),
    );
    parts.prop_map(
        |(owner, template, latest, schedule, dormant, last_used_at, next_start_at, (ttl, id))| {
            let facts = Facts {
                workspace_id: uuid::Uuid::from_u128(id),
                owner: Some(owner),
                template: Some(template),
                latest: Some(latest),
                schedule,
                dormant_at: dormant.map(|(at, _)| at),
                deleting_at: dormant.and_then(|(_, at)| at),
                last_used_at,
                next_start_at,
                ..Facts::example(BuildTransition::Stop, at(BEGIN))
            };
            Workspace {
                facts,
                terms: Terms {
                    ttl,
                    allow_user_autostop: true,
                    ..Terms::default()
                },
            }
        },
    )
}

fn signs() -> impl Strategy<Value = Signs> {
    let mixed = proptest::array::uniform8(any::<bool>()).prop_map(
        |[
            failed_stop,
            dormancy,
            deletion,
            job_status,
            days,
            owners,
            next,
            tags,
        ]| Signs {
            failed_stop,
            dormancy,
            deletion: deletion && dormancy,
            job_status,
            blocked_days: days,
            active_owner: owners,
            suspended_owner: owners,
            next_start_at: next,
            workspace_tags: tags,
            ..Signs::ALL
        },
    );
    prop_oneof![4 => Just(Signs::ALL), 1 => Just(Signs::default()), 2 => mixed]
}

fn policies() -> impl Strategy<Value = Policy> {
    let rules = prop_oneof![
        3 => Just(RuleSet::ALL),
        1 => proptest::array::uniform6(proptest::bool::weighted(0.8)).prop_map(|allowed| {
            let rules = ActingRule::ALL.into_iter().zip(allowed);
            rules.filter(|(_, allowed)| *allowed).map(|(rule, _)| rule).collect()
        }),
    ];
    let delays = prop_oneof![3 => Just(0), 1 => 1..200i64];
    let spreads = prop_oneof![3 => Just(0), 2 => 1..61i64];
    (
        rules,
        proptest::bool::weighted(0.8),
        delays,
        any::<bool>(),
        spreads,
    )
        .prop_map(|(rules, licensed, delay, make_up, spread)| Policy {
            spread_starts: Micros(spread * MINUTE),
            rules,
            licensed,
            max_start_delay: Micros(delay * MINUTE),
            missed_starts: if make_up {
                MissedStarts::MakeUp
            } else {
                MissedStarts::Drop
            },
            notify_owners: false,
            ..Policy::EVERYTHING
        })
}

fn holds() -> impl Strategy<Value = Vec<(Scope, Transitions, When<TzifZone>)>> {
    let transitions = prop_oneof![
        2 => Just(Transitions::ALL),
        1 => Just(Transitions::from(Transition::Start)),
        1 => Just(Transitions::from(Transition::Stop)),
        1 => Just(Transitions::from(Transition::Dormant)),
    ];
    let when =
        (minutes(-1440..3 * 1440), 1..2 * 1440i64, 0..4u8).prop_map(|(from, length, kind)| {
            let to = from.saturating_add_micros(length * MINUTE);
            match kind {
                0 => When::Once(from, None),
                1 => {
                    let to = from.saturating_add_micros(length % 600 * MINUTE + MINUTE);
                    When::read(from, Some(to), Some("FREQ=DAILY;COUNT=5"), &Bundled).unwrap()
                }
                _ => When::Once(from, Some(to)),
            }
        });
    let scope = prop_oneof![3 => Just(Scope::All), 1 => Just(Scope::Workspace(uuid::Uuid::nil()))];
    prop_oneof![
        1 => Just(vec![]),
        2 => proptest::collection::vec((scope, transitions, when), 1..4),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    (workspaces(), signs(), policies(), holds()).prop_map(|(workspace, signs, policy, holds)| {
        Case {
            workspace,
            signs,
            policy,
            holds,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_forecast_is_what_comes_of_asking_at_each_minute(case in cases()) {
        let expected = case.minute_by_minute(4);
        let (one_by_one, in_one_go) = (case.counted(4, false), case.counted(4, true));
        prop_assert_eq!(&one_by_one, &expected);
        prop_assert_eq!(&in_one_go, &expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn what_is_walked_in_one_go_is_what_each_rule_says_in_turn(case in cases(), days in 0..14i32, weeks in 1..3i64) {
        let mut case = case;
        case.workspace.terms.requirement = Requirement { days: (days - 8).max(0) * 9, weeks };
        prop_assert_eq!(case.counted(80, true), case.counted(80, false));
    }
}

#[test]
fn a_year_is_what_each_rule_says_in_turn_whenever_clocks_are_moved() {
    let third = Some("FREQ=MONTHLY;BYMONTHDAY=3");
    let (from, to) = (at("2026-04-03 06:00"), at("2026-04-04 06:00"));
    let when = When::read(from, Some(to), third, &Bundled).unwrap();
    let hold = (Scope::All, Transitions::ALL, when);
    for zone in [
        "",
        "CRON_TZ=Europe/Berlin ",
        "CRON_TZ=Australia/Lord_Howe ",
        "CRON_TZ=Africa/Cairo ",
    ] {
        for (cron, ttl) in [
            ("30 9 * * 1-5", 8),
            ("15 0,12 * * *", 5),
            ("30 2 * * 0", 30),
            ("0 9 * * 1,3", 100),
        ] {
            let mut workspace = workspace(BuildTransition::Stop, BEGIN).ttl_hours(ttl);
            workspace.facts.schedule = Some(format!("{zone}{cron}"));
            for holds in [vec![], vec![hold.clone()]] {
                let case = Case {
                    workspace: workspace.clone(),
                    signs: Signs::ALL,
                    policy: Policy::EVERYTHING,
                    holds,
                };
                let year = case.counted(365, true);
                assert_eq!(year, case.counted(365, false), "{zone}{cron}, {ttl} h");
                assert!(year.iter().filter(|counted| counted.starts > 0).count() > 40);
            }
        }
    }
}
