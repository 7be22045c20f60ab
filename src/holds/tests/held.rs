//! Holds together: whom they cover, what they hold, and up to when.

use uuid::Uuid;

use super::at;
use crate::holds::{Hold, Holds, Scope, Transitions, When};
use crate::lifecycle::facts::{BuildTransition, Facts};
use crate::lifecycle::transition::Transition;
use crate::schedule::{Bundled, TzifZone};

fn hold(
    hold_id: i64,
    scope: Scope,
    from: &str,
    to: Option<&str>,
    recurrence: Option<&str>,
) -> Hold<TzifZone> {
    let when = When::read(at(from), to.map(at), recurrence, &Bundled).unwrap();
    Hold::new(hold_id, scope, Transitions::ALL, None, when)
}

fn example() -> Facts {
    Facts::example(BuildTransition::Stop, at("2026-01-01 00:00"))
}

/// The hold, and up to when; `ever` where no end is known.
fn held(holds: &Holds<TzifZone>, transition: Transition, when: &str) -> Option<(i64, String)> {
    let held = holds.held(&example(), transition.into(), at(when))?;
    let until = held
        .until
        .map_or("ever".to_owned(), |until| until.to_string());
    Some((held.hold.hold_id, until))
}

fn start_held(holds: &Holds<TzifZone>, when: &str) -> Option<String> {
    held(holds, Transition::Start, when).map(|(_, until)| until)
}

#[test]
fn a_hold_covers_all_or_those_of_its_scope_and_nobody_else() {
    let (from, to) = ("2026-01-01 09:00", Some("2026-01-01 10:00"));
    let id = |n| Some(Uuid::from_u128(n));
    let covers = |name: &str, id| {
        let scope = Scope::read(name, id).unwrap();
        assert_eq!((scope.name(), scope.id()), (name, id));
        let holds = Holds::new(vec![hold(1, scope, from, to, None)]);
        start_held(&holds, "2026-01-01 09:30").is_some()
    };
    assert!(covers("all", None));
    // As the example has them; 9 is the organization of its template only.
    for (name, own) in [
        ("workspace", 1),
        ("owner", 2),
        ("organization", 3),
        ("template", 4),
    ] {
        assert!(covers(name, id(own)), "{name}");
        assert!(!covers(name, id(9)), "{name}");
    }
    let refused = |name, id| Scope::read(name, id).unwrap_err().to_string();
    assert_eq!(
        refused("all", id(1)),
        "scope: \"all\" has no id: all are held"
    );
    assert_eq!(
        refused("owner", None),
        "scope: \"owner\" needs an id: scope_id"
    );
    assert_eq!(
        refused("user", id(1)),
        "scope: \"user\" isn't all, organization, template, owner or workspace"
    );
}

#[test]
fn a_hold_holds_from_its_start_on_and_not_at_its_end() {
    let holds = Holds::new(vec![hold(
        1,
        Scope::All,
        "2026-01-01 09:00:00.000001",
        Some("2026-01-01 10:00"),
        None,
    )]);
    let until = Some("2026-01-01T10:00:00Z".to_owned());
    assert_eq!(start_held(&holds, "2026-01-01 09:00"), None);
    assert_eq!(start_held(&holds, "2026-01-01 09:00:00.000001"), until);
    assert_eq!(start_held(&holds, "2026-01-01 09:59:59.999999"), until);
    assert_eq!(start_held(&holds, "2026-01-01 10:00"), None);
}

#[test]
fn only_the_transitions_that_it_names_are_held() {
    let when = When::read(at("2026-01-01 09:00"), None, None, &Bundled).unwrap();
    let transitions = Transitions::read(["stop", "delete"]).unwrap();
    let holds = Holds::new(vec![Hold::new(1, Scope::All, transitions, None, when)]);
    let held = |transition| held(&holds, transition, "2026-01-01 09:00").is_some();
    assert!(held(Transition::Stop) && held(Transition::Delete));
    assert!(!held(Transition::Start) && !held(Transition::Dormant));
    // A stop that marks as dormant is held by either.
    let both = Transitions::from(Transition::Dormant).with(Transition::Stop);
    assert!(
        holds
            .held(&example(), both, at("2026-01-01 09:00"))
            .is_some()
    );
    let refused = |names: &[&str]| {
        let read = Transitions::read(names.iter().copied());
        read.unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[]),
        "transitions is empty: such a hold would hold nothing"
    );
    assert_eq!(
        refused(&["start", "restart"]),
        "transitions: \"restart\" isn't start, stop, delete or dormant"
    );
}

#[test]
fn holds_that_overlap_or_follow_upon_each_other_hold_as_one() {
    let holds = Holds::new(vec![
        hold(
            1,
            Scope::All,
            "2026-01-01 09:00",
            Some("2026-01-01 10:00"),
            None,
        ),
        hold(
            2,
            Scope::All,
            "2026-01-01 09:30",
            Some("2026-01-01 11:00"),
            None,
        ),
        hold(
            3,
            Scope::All,
            "2026-01-01 11:00",
            Some("2026-01-01 12:00"),
            None,
        ),
        hold(
            4,
            Scope::All,
            "2026-01-01 12:01",
            Some("2026-01-01 13:00"),
            None,
        ),
    ]);
    let held = |when| held(&holds, Transition::Start, when);
    let noon = "2026-01-01T12:00:00Z".to_owned();
    assert_eq!(held("2026-01-01 09:00"), Some((1, noon.clone())));
    // The one that now lasts longest is named.
    assert_eq!(held("2026-01-01 09:45"), Some((2, noon.clone())));
    assert_eq!(held("2026-01-01 11:00"), Some((3, noon)));
    assert_eq!(held("2026-01-01 12:00"), None);
}

#[test]
fn without_an_end_it_holds_until_released() {
    let holds = Holds::new(vec![
        hold(1, Scope::All, "2026-01-01 09:00", None, None),
        hold(
            2,
            Scope::All,
            "2026-01-01 08:00",
            Some("2026-01-02 08:00"),
            None,
        ),
    ]);
    let ever = |hold_id| Some((hold_id, "ever".to_owned()));
    assert_eq!(held(&holds, Transition::Start, "2026-01-01 08:30"), ever(2));
    assert_eq!(held(&holds, Transition::Start, "2026-01-01 09:30"), ever(1));
    // Every day, all day.
    let daily = hold(
        3,
        Scope::All,
        "2026-01-01 09:00",
        Some("2026-01-02 09:00"),
        Some("FREQ=DAILY"),
    );
    let holds = Holds::new(vec![daily]);
    assert_eq!(held(&holds, Transition::Start, "2026-01-01 09:30"), ever(3));
}

#[test]
fn a_weekend_is_one_hold_from_its_first_minute_to_its_last() {
    let rule = "TZID=America/New_York;FREQ=WEEKLY;BYDAY=SA,SU";
    let weekends = hold(
        1,
        Scope::All,
        "2026-01-03 05:00",
        Some("2026-01-04 05:00"),
        Some(rule),
    );
    assert!(!weekends.holds_at(at("2026-06-06 03:59:59.999999")));
    assert!(weekends.holds_at(at("2026-06-06 04:00")));
    let change = |when| weekends.next_change(at(when)).unwrap().to_string();
    assert_eq!(change("2026-06-03 00:00"), "2026-06-06T04:00:00Z");
    assert_eq!(change("2026-06-06 04:00"), "2026-06-08T04:00:00Z");
    assert_eq!(change("2026-06-08 04:00"), "2026-06-13T04:00:00Z");
}

#[test]
fn the_next_change_is_that_of_any_hold_and_none_after_all() {
    let holds = Holds::new(vec![
        hold(
            1,
            Scope::All,
            "2026-01-01 09:00",
            Some("2026-01-01 10:00"),
            None,
        ),
        hold(2, Scope::All, "2026-01-01 09:30", None, None),
    ]);
    let change = |when| holds.next_change(at(when)).map(|change| change.to_string());
    assert_eq!(
        change("2026-01-01 08:00").as_deref(),
        Some("2026-01-01T09:00:00Z")
    );
    assert_eq!(
        change("2026-01-01 09:00").as_deref(),
        Some("2026-01-01T09:30:00Z")
    );
    assert_eq!(
        change("2026-01-01 09:30").as_deref(),
        Some("2026-01-01T10:00:00Z")
    );
    assert_eq!(change("2026-01-01 10:00"), None);
}

#[test]
fn a_recurrence_without_an_end_of_its_first_and_an_end_before_the_start_are_refused() {
    let refused = |to: Option<&str>, rule| {
        let read = When::<TzifZone>::read(at("2026-01-01 09:00"), to.map(at), rule, &Bundled);
        read.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        refused(None, Some("FREQ=DAILY")),
        "recurrence needs an end of its first occurrence: ends_at"
    );
    assert_eq!(
        refused(Some("2026-01-01 09:00"), None),
        "ends_at isn't after starts_at"
    );
}
