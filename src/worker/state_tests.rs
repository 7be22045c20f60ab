use std::alloc::{Layout, alloc_zeroed};

use uuid::Uuid;

use super::*;
use crate::decision::report::{LEFT_OUT, TickReport};
use crate::sqlstate::SqlState;
use crate::worker::slot::*;

fn sqlstate(text: &str) -> SqlState {
    SqlState::parse(text).unwrap()
}

/// A state as shared memory gives it: all bytes zero.
fn empty() -> Box<State> {
    // SAFETY: all bytes zero is the empty state (that is what is tested here); the
    // layout is the type's own, so the box may free it.
    unsafe {
        let memory = alloc_zeroed(Layout::new::<State>());
        assert!(!memory.is_null());
        Box::from_raw(memory.cast())
    }
}

fn at(seconds: i64) -> Instant {
    Instant::from_micros(seconds * SECOND).unwrap()
}

#[test]
fn a_database_keeps_its_slot_until_it_is_released() {
    let mut state = empty();
    assert!(state.slot(5).is_none());
    state.claim(5, at(1)).unwrap().failures = 3;
    assert_eq!(state.claim(5, at(2)).unwrap().failures, 3);
    state.release(5);
    assert!(state.slot(5).is_none());
    assert_eq!(state.claim(5, at(3)).unwrap().failures, 0);
}

#[test]
fn there_are_so_many_slots_and_no_more() {
    let mut state = empty();
    for database in 1..=u32::try_from(SLOTS).unwrap() {
        assert!(state.claim(database, at(0)).is_some());
    }
    assert!(state.claim(999_999, at(0)).is_none());
    state.release(17);
    assert!(state.claim(999_999, at(0)).is_some());
}

#[test]
fn a_knock_waits_until_it_is_taken_and_equal_ones_are_one() {
    let mut state = empty();
    for _ in 0..1000 {
        state.knock(5, Knock::Wake);
    }
    state.knock(5, Knock::Look);
    let knocks = state.take_knocks();
    assert_eq!(knocks.at, [(5, Knock::Wake), (5, Knock::Look)]);
    assert!(!knocks.overflow);
    assert!(state.take_knocks().at.is_empty());
}

#[test]
fn knocks_that_have_no_room_are_told_of() {
    let mut state = empty();
    for database in 1..=100 {
        state.knock(database, Knock::Look);
    }
    let knocks = state.take_knocks();
    assert_eq!(knocks.at.len(), KNOCKS);
    assert!(knocks.overflow);
    assert!(!state.take_knocks().overflow);
}

#[test]
fn a_text_is_cut_between_characters() {
    let mut text = Text::<5> {
        len: 0,
        bytes: [0; 5],
    };
    assert_eq!(text.get(), None);
    text.set("äöü");
    assert_eq!(text.get().as_deref(), Some("äö"));
    text.set("");
    assert_eq!(text.get(), None);
}

#[test]
fn ticks_are_counted_by_time_and_outcome() {
    let mut state = empty();
    let slot = state.claim(1, at(0)).unwrap();
    let report = TickReport {
        due: 5,
        tried: [[1, 0, 1, 0, 0], [2, 0, 0, 1, 0], [0; 5], [0; 5], [0; 5]],
        ..TickReport::default()
    };
    slot.record_tick(at(60), at(61), 5, &report);
    slot.record_tick(at(120), at(121), 6, &report);
    slot.record_tick(at(180), at(241), 60_001, &report);
    assert_eq!(slot.counters.ticks, [3, 0, 0, 0, 0]);
    assert_eq!(
        slot.counters.tried,
        [[3, 0, 3, 0, 0], [6, 0, 0, 3, 0], [0; 5], [0; 5], [0; 5]]
    );
    assert_eq!(slot.counters.histogram[..3], [1, 1, 0]);
    assert_eq!(slot.counters.histogram.iter().sum::<u64>(), 2);
    assert_eq!(
        (slot.counters.measured, slot.counters.measured_ms),
        (3, 60_012)
    );
    assert_eq!(slot.last_tick.at, at(180).micros());
    let LastTick {
        built,
        blocked,
        failed,
        ..
    } = slot.last_tick;
    assert_eq!((built, blocked, failed), (3, 1, 1));
}

#[test]
fn errors_are_counted_by_sqlstate_as_far_as_there_is_room() {
    let mut state = empty();
    let slot = state.claim(1, at(0)).unwrap();
    for state in ["40001", "57014", "40001"] {
        slot.record_failure(at(1), 1, sqlstate(state), "no");
    }
    let counted = |slot: &Slot, index: usize| {
        let (state, count) = slot.counters.errors[index];
        (state.get().unwrap_or_default(), count)
    };
    assert_eq!(counted(slot, 0), ("40001".to_owned(), 2));
    assert_eq!(counted(slot, 1), ("57014".to_owned(), 1));
    // Four more kinds than there is room for.
    let room = slot.counters.errors.len();
    for n in 0..room + 2 {
        slot.record_failure(at(2), 1, sqlstate(&format!("XX0{n:02}")), "no");
    }
    assert_eq!(slot.counters.other_errors, 4);
    let last = format!("XX0{:02}: no", room + 1);
    assert_eq!(slot.last_error.get(), Some(last));
}

#[test]
fn who_is_left_out_again_keeps_its_time() {
    let mut state = empty();
    let slot = state.claim(1, at(0)).unwrap();
    let mut tick = |seconds: i64, left_out: &[u128]| {
        let mut report = TickReport::default();
        for id in left_out {
            report.leave_out(Uuid::from_u128(*id));
        }
        slot.record_tick(at(seconds), at(seconds), 1, &report);
        slot.left_out
            .iter()
            .filter(|known| known.since != 0)
            .map(|known| {
                (
                    Uuid::from_bytes(known.workspace).as_u128(),
                    known.since / SECOND,
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(tick(60, &[7, 3]), [(7, 60), (3, 60)]);
    assert_eq!(tick(120, &[5, 3]), [(5, 120), (3, 60)]);
    assert_eq!(tick(180, &[7]), [(7, 180)]);
    assert_eq!(tick(240, &[]), []);
    // As many as there is room for, the first ones.
    let many: Vec<u128> = (1..=100).collect();
    assert_eq!(tick(300, &many).len(), LEFT_OUT);
    assert_eq!(tick(360, &many)[0], (1, 300));
}

#[test]
fn lag_is_the_age_of_the_first_tick_that_was_not_made() {
    let mut state = empty();
    let slot = state.claim(1, at(30)).unwrap();
    assert_eq!(slot.lag(at(59), 60), 0);
    assert_eq!(slot.lag(at(75), 60), 15 * SECOND);
    slot.record_tick(at(60), at(61), 1, &TickReport::default());
    assert_eq!(slot.lag(at(119), 60), 0);
    assert_eq!(slot.lag(at(300), 60), 180 * SECOND);
}

#[test]
fn an_error_has_its_time_and_keeps_it_when_ticks_are_made_again() {
    let mut state = empty();
    let slot = state.claim(1, at(0)).unwrap();
    assert_eq!(slot.last_error_at, 0);
    slot.record_failure(at(61), 1, sqlstate("40001"), "no");
    assert_eq!(slot.last_error_at, at(61).micros());
    slot.record_tick(at(120), at(121), 1, &TickReport::default());
    assert_eq!(slot.last_error_at, at(61).micros());
    slot.record_death(at(185), "gone");
    assert_eq!(slot.last_error_at, at(185).micros());
    let troubled = TickReport {
        error: Some((sqlstate("57014"), "too long".into())),
        ..TickReport::default()
    };
    slot.record_tick(at(240), at(250), 1, &troubled);
    assert_eq!(slot.last_error_at, at(250).micros());
}
