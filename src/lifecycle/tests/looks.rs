//! When a workspace is looked at again, by facts that were not read from the tables: an agenda's
//! entry may be early by them, never late.

use proptest::prelude::*;

use super::random::{Case, any_case, instants, moves};
use super::random_held::held_case;
use super::*;
use crate::decision::due::{Due, next_look};
use crate::decision::planned::Planned;
use crate::instant::SECOND;
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::transition::Transition;
use crate::new_build::plan::Plan;

/// Any case, with holds or without, also where starts are spread past holds.
fn cases() -> BoxedStrategy<Case> {
    let spread = (held_case(), 0..3600i64).prop_map(|(case, seconds)| Case {
        policy: Policy {
            spread_starts: Micros(seconds * SECOND),
            ..case.policy
        },
        ..case
    });
    prop_oneof![any_case(), held_case(), spread.boxed()].boxed()
}

/// A job in any state, ended before or after the tick.
fn jobs() -> impl Strategy<Value = Job> {
    let end = || proptest::option::of(instants());
    (end(), end(), any::<bool>()).prop_map(|(completed_at, canceled_at, failed)| Job {
        completed_at,
        canceled_at,
        failed,
    })
}

/// When it is looked at again; never comes last.
fn look(case: &Case) -> Instant {
    next_look(&case.verdict(), tick()).unwrap_or(Instant::MAX)
}

fn with_job(case: &Case, job: Job) -> Case {
    let mut case = case.clone();
    if let Some(latest) = case.facts.latest.as_mut() {
        latest.job = Some(job);
    }
    case
}

/// Are failed builds of its template stopped?
fn stops_failed(case: &Case) -> bool {
    let failed = ActingRule::Failed;
    let template = case.facts.template.as_ref();
    case.signs.bring(failed)
        && case.policy.allows(failed)
        && template.is_some_and(|template| template.failure_ttl > Nanos(0))
}

/// What is planned of a case of which a build is due, alone: the rows of a build.
fn planned(case: &Case) -> Option<Planned> {
    let verdict = case.verdict();
    let next = verdict.due()?;
    next.transition.is_a_build().then(|| Planned {
        due: Due {
            facts: case.facts.clone(),
            next,
            fill_next_start_at: verdict.fill_next_start_at,
        },
        work: Ok(Some(Plan {
            template_version_id: Uuid::from_u128(77),
            tags: "{}".to_owned(),
            provisioner: "terraform".to_owned(),
            preset_id: None,
            parameters: vec![],
        })),
        same_parameters: false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    /// So a pass need not look the job up.
    #[test]
    fn where_failed_builds_stay_a_job_that_ended_well_is_looked_at_no_later_than_any(
        case in cases(), job in jobs(),
    ) {
        let created_at = case.facts.latest.as_ref().map(|latest| latest.created_at);
        let Some(created_at) = created_at.filter(|_| !stops_failed(&case)) else {
            return Ok(());
        };
        let ended_well = Job {
            completed_at: Some(created_at),
            ..Job::PENDING
        };
        let (truly, as_if) = (with_job(&case, job), with_job(&case, ended_well));
        prop_assert!(look(&as_if) <= look(&truly), "{} after {}", look(&as_if), look(&truly));
        prop_assert!(look(&as_if) <= look(&case), "{} after {}", look(&as_if), look(&case));
    }

    /// So its entry is known before its build is written.
    #[test]
    fn nothing_happens_to_a_workspace_before_the_entry_that_it_gets_with_its_build(
        case in cases(), seconds in 0..59i64, after in 0..3000i64,
    ) {
        let Some(planned) = planned(&case) else {
            return Ok(());
        };
        let now = later(0, seconds * SECOND);
        let alone = !planned.due.next.mark_dormant && planned.due.fill_next_start_at.is_none();
        let Some(facts) = planned.facts_once_built(now) else {
            prop_assert!(!alone, "a build alone: {:?}", planned.due.next);
            return Ok(());
        };
        prop_assert!(alone, "not a build alone: {:?}", planned.due.next);
        let before = case.facts.latest.clone().expect("a build is due");
        let number = before.build_number;
        // What is read of the rows once they are written.
        let written = Facts {
            latest: Some(LatestBuild {
                id: before.id,
                build_number: number + 1,
                transition: match planned.due.next.transition {
                    Transition::Start => BuildTransition::Start,
                    Transition::Stop => BuildTransition::Stop,
                    Transition::Delete => BuildTransition::Delete,
                    other => panic!("{other:?} is no build"),
                },
                created_at: now,
                deadline: None,
                notified_deadline: None,
                template_version_id: Uuid::from_u128(77),
                job: Some(Job { completed_at: None, canceled_at: None, failed: false }),
            }),
            ..case.facts.clone()
        };
        prop_assert_eq!(&facts, &written);
        let mut case = Case { facts, ..case };
        // With a limit on lateness what is due changes as the clock goes on.
        case.policy.max_start_delay = Micros(0);
        let entry = look(&case);
        for minutes in [1, 2, after, 20 * 1440] {
            let then = later(minutes, 0);
            if then < entry {
                prop_assert_eq!(moves(&case, then), None, "{} before {}", then, entry);
            }
        }
    }
}

#[test]
fn what_is_not_written_as_a_build_alone_has_no_facts_once_built() {
    let mut facts = running();
    facts.latest().deadline = Some(later(-1, 0));
    let case = Case {
        facts,
        signs: TODAY,
        policy: ALL_RULES,
        holds: super::holding::Holding::default(),
    };
    let planned = planned(&case).expect("a stop is due");
    assert!(planned.facts_once_built(tick()).is_some());
    let changed = |change: &dyn Fn(&mut Planned)| {
        let mut planned = planned.clone();
        change(&mut planned);
        planned.facts_once_built(tick())
    };
    assert_eq!(
        changed(&|planned| planned.due.next.mark_dormant = true),
        None
    );
    let fill = &|planned: &mut Planned| planned.due.fill_next_start_at = Some(later(60, 0));
    assert_eq!(changed(fill), None);
    assert_eq!(changed(&|planned| planned.work = Ok(None)), None);
}
