//! Verdicts: any facts at any tick, under any rules.

use arbitrary::Unstructured;
use workspace_autobuild::instant::{HOUR, Instant, MINUTE, Micros};
use workspace_autobuild::lifecycle::explain::explain;
use workspace_autobuild::lifecycle::facts::Facts;
use workspace_autobuild::lifecycle::outcome::Next;
use workspace_autobuild::lifecycle::policy::Policy;
use workspace_autobuild::lifecycle::rules::ActingRule;
use workspace_autobuild::lifecycle::signs::Signs;
use workspace_autobuild::lifecycle::skip::Skip;
use workspace_autobuild::lifecycle::verdict::{Verdict, verdict as decide};
use workspace_autobuild::schedule::{Bundled, ScheduleCache};

use crate::input;

thread_local! {
    static SCHEDULES: ScheduleCache<Bundled> = ScheduleCache::new(Bundled, 64);
}

/// Facts, what holds of them, and a tick.
pub fn verdict(data: &[u8]) {
    let _ = try_verdict(&mut Unstructured::new(data));
}

/// Who is judged, by what.
struct Case {
    facts: Facts,
    signs: Signs,
    policy: Policy,
}

impl Case {
    fn at(&self, tick: Instant) -> Verdict {
        SCHEDULES.with(|schedules| decide(&self.facts, &self.signs, &self.policy, tick, schedules))
    }
}

fn try_verdict(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let case = Case {
        signs: input::signs(u)?,
        policy: input::policy(u)?,
        facts: input::facts(u)?,
    };
    let tick = input::instant(u)?.truncate_to_minute();
    let other = input::instant(u)?.truncate_to_minute();
    let verdict = case.at(tick);
    assert_eq!(verdict, case.at(tick), "it is a function of its arguments");
    admitted(&case, &verdict, tick);
    explained(&case, &verdict, tick);
    never_early(&case, &verdict, tick);
    never_late(&case, &verdict, tick);
    nothing_before_its_time(&case, &verdict, tick, other);
    reminded(&case, &verdict, tick);
    if let Some(fill) = verdict.fill_next_start_at {
        assert!(case.signs.next_start_at && case.facts.next_start_at.is_none());
        // A run may be cut down by less than a minute.
        assert!(
            fill > tick.saturating_add_micros(-MINUTE),
            "{fill} at {tick}"
        );
    }
    Ok(())
}

/// What no rule may do.
fn admitted(case: &Case, verdict: &Verdict, tick: Instant) {
    match &verdict.outcome {
        Ok(next) => {
            assert!(case.policy.allows(next.rule), "{next:?} is not allowed");
            assert!(case.signs.bring(next.rule), "{next:?} is not there");
            assert!(!case.facts.deleted);
            assert!(!next.due || next.at <= tick, "{next:?} at {tick} is early");
        }
        Err(skip) => {
            assert!(!skip.code().is_empty() && !skip.to_string().is_empty());
            if let Skip::RuleOff { rule, .. } = skip {
                assert!(!case.policy.allows(*rule));
            }
        }
    }
}

/// A reminder comes before the deadline that it is about, and never with a transition.
fn reminded(case: &Case, verdict: &Verdict, tick: Instant) {
    let Some(made) = verdict.reminder else { return };
    let latest = case.facts.latest.as_ref().expect("a build");
    let deadline = latest.deadline.expect("a deadline");
    assert!(case.policy.allows(ActingRule::Remind) && case.signs.bring(ActingRule::Remind));
    assert!(!verdict.outcome.as_ref().is_ok_and(|next| next.due));
    assert!(made.at <= deadline && tick < deadline, "{made:?}");
    assert!(latest.notified_deadline != Some(deadline), "{made:?}");
    assert_eq!(made.due, made.at <= tick, "{made:?} at {tick}");
    assert_eq!(verdict.due().is_some(), made.due);
}

/// The explanation ends with what the verdict says.
fn explained(case: &Case, verdict: &Verdict, tick: Instant) {
    let steps = SCHEDULES
        .with(|schedules| explain(&case.facts, &case.signs, &case.policy, tick, schedules));
    let last = steps.last().expect("a step");
    match verdict.due() {
        Some(next) => assert!(last.passed && last.rule == next.rule.name(), "{last:?}"),
        None => assert!(!last.passed, "{last:?}"),
    }
    for step in &steps {
        assert!(!step.observed.is_empty(), "{step:?}");
    }
}

/// Does a rule's time depend on the tick? A suspended owner's stop is due at any, and with a
/// limit on lateness the schedule's runs move on with the clock.
fn moves(case: &Case, next: &Next, tick: Instant) -> bool {
    next.due && next.at == tick
        || next.rule == ActingRule::Autostart && case.policy.max_start_delay > Micros(0)
}

/// What is due was not so a minute before its time.
fn never_early(case: &Case, verdict: &Verdict, tick: Instant) {
    let Ok(next) = &verdict.outcome else { return };
    let before = next.at.saturating_add_micros(-MINUTE).truncate_to_minute();
    if moves(case, next, tick) || before >= next.at {
        return;
    }
    if let Ok(earlier) = case.at(before).outcome {
        assert!(
            !(earlier.due && earlier.rule == next.rule),
            "{next:?} at {tick}, but {earlier:?} at {before}"
        );
    }
}

/// What comes next is due, or something else is, at the first tick after its time.
fn never_late(case: &Case, verdict: &Verdict, tick: Instant) {
    let Ok(next) = &verdict.outcome else { return };
    let after = next.at.saturating_add_micros(MINUTE).truncate_to_minute();
    // With a limit on lateness a start may be given up: one that comes between two ticks
    // further apart than that, or whose run waits for a next_start_at that is later.
    let limit = case.policy.max_start_delay;
    let given_up = next.rule == ActingRule::Autostart
        && limit > Micros(0)
        && (limit <= Micros(MINUTE) || case.facts.next_start_at.is_some());
    if next.due || after <= next.at || given_up {
        return;
    }
    let later = case.at(after);
    assert!(
        later.outcome.as_ref().is_ok_and(|next| next.due),
        "{next:?} at {tick}, but at {after} {:?}",
        later.outcome
    );
}

/// What the agenda is built on: as long as the facts stay, nothing is due and nothing is to
/// be filled in before the time that the verdict gives.
fn nothing_before_its_time(case: &Case, verdict: &Verdict, tick: Instant, other: Instant) {
    if verdict.due().is_some() || verdict.fill_next_start_at.is_some() {
        return;
    }
    let next = verdict.outcome.as_ref().ok();
    let times = next.into_iter().chain(&verdict.reminder);
    let look = times.map(|next| next.at).chain(verdict.look_again_at).min();
    let just_before = look.map(|at| at.saturating_add_micros(-1).truncate_to_minute());
    let days = (1..9).map(|day| tick.saturating_add_micros(day * 24 * HOUR));
    for at in days.chain(just_before).chain([other]) {
        let at = at.truncate_to_minute();
        if at < tick || look.is_some_and(|look| at >= look) {
            continue;
        }
        let then = case.at(at);
        assert!(
            then.due().is_none(),
            "{:?} at {tick}, to be looked at {look:?}, but at {at} {:?}",
            verdict.outcome,
            then.outcome
        );
        assert_eq!(then.fill_next_start_at, None, "{tick} {at}");
    }
}
