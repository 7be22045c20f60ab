use super::*;

fn at(seconds: i64) -> Instant {
    Instant::from_micros(seconds * SECOND).unwrap()
}

/// A roster with a tick each minute that knows the extension to be in database 1.
fn ticking() -> Roster {
    let mut roster = Roster::new(60, at(30), false);
    roster.list(at(30), &[1]);
    assert_eq!(roster.due(at(30)), [(1, Errand::Probe)]);
    roster.started(1, Errand::Probe, at(30));
    roster.ended(1, Ending::Present, at(31));
    roster
}

/// Runs the errand that is due at a time, and ends it the same second.
fn run(roster: &mut Roster, now: i64, ending: Ending) -> Option<Errand> {
    let errand = roster.due(at(now)).first().map(|&(_, errand)| errand)?;
    roster.started(1, errand, at(now));
    roster.ended(1, ending, at(now));
    Some(errand)
}

#[test]
fn a_new_database_is_probed_at_once_and_ticks_from_the_next_multiple_on() {
    let mut roster = ticking();
    assert_eq!(roster.due(at(59)), []);
    assert_eq!(roster.next_event(), Some(at(60)));
    assert_eq!(
        run(&mut roster, 60, Ending::Ticked),
        Some(Errand::Tick(at(60)))
    );
    assert_eq!(run(&mut roster, 119, Ending::Ticked), None);
    assert_eq!(
        run(&mut roster, 120, Ending::Ticked),
        Some(Errand::Tick(at(120)))
    );
}

#[test]
fn a_database_has_one_errand_at_a_time() {
    let mut roster = ticking();
    roster.started(1, Errand::Tick(at(60)), at(60));
    assert_eq!(roster.due(at(500)), []);
    assert_eq!(roster.next_event(), None);
}

#[test]
fn missed_ticks_make_one_tick_of_the_last_multiple() {
    let mut roster = ticking();
    roster.started(1, Errand::Tick(at(60)), at(60));
    roster.ended(1, Ending::Ticked, at(317));
    assert_eq!(roster.next_event(), Some(at(360)));
    // Nobody came to start it for a while.
    assert_eq!(
        run(&mut roster, 1000, Ending::Ticked),
        Some(Errand::Tick(at(960)))
    );
    assert_eq!(roster.next_event(), Some(at(1020)));
}

#[test]
fn a_database_without_the_extension_is_looked_at_again_rarely() {
    let mut roster = Roster::new(60, at(30), false);
    roster.list(at(30), &[1]);
    run(&mut roster, 30, Ending::Absent);
    assert_eq!(roster.due(at(629)), []);
    assert_eq!(run(&mut roster, 630, Ending::Absent), Some(Errand::Probe));
}

#[test]
fn an_eager_roster_looks_with_every_tick() {
    let mut roster = Roster::new(60, at(30), true);
    roster.list(at(30), &[1]);
    run(&mut roster, 30, Ending::Absent);
    assert_eq!(run(&mut roster, 60, Ending::Present), Some(Errand::Probe));
}

#[test]
fn a_look_probes_at_once_whatever_is_known() {
    let mut roster = ticking();
    roster.knock(1, Knock::Look, at(35));
    assert_eq!(run(&mut roster, 35, Ending::Absent), Some(Errand::Probe));
    assert_eq!(roster.due(at(60)), []);
    roster.knock(1, Knock::Look, at(61));
    assert_eq!(run(&mut roster, 61, Ending::Present), Some(Errand::Probe));
    assert_eq!(roster.next_event(), Some(at(120)));
}

#[test]
fn a_look_during_a_probe_probes_again() {
    let mut roster = Roster::new(60, at(30), false);
    roster.list(at(30), &[1]);
    roster.started(1, Errand::Probe, at(30));
    roster.knock(1, Knock::Look, at(31));
    roster.ended(1, Ending::Absent, at(32));
    assert_eq!(roster.due(at(32)), [(1, Errand::Probe)]);
}

#[test]
fn a_wake_ticks_at_once_and_the_multiple_still_has_its_tick() {
    let mut roster = ticking();
    roster.knock(1, Knock::Wake, at(40));
    assert_eq!(
        run(&mut roster, 40, Ending::Ticked),
        Some(Errand::Tick(at(40)))
    );
    assert_eq!(roster.next_event(), Some(at(60)));
}

#[test]
fn while_a_tick_runs_the_next_one_is_at_the_next_multiple() {
    let mut roster = ticking();
    roster.knock(1, Knock::Wake, at(75));
    roster.started(1, Errand::Tick(at(75)), at(75));
    assert_eq!(roster.entries().next().unwrap().1.next_at, at(120));
}

#[test]
fn a_wake_during_a_tick_is_answered_after_it() {
    let mut roster = ticking();
    roster.started(1, Errand::Tick(at(60)), at(60));
    roster.knock(1, Knock::Wake, at(61));
    roster.ended(1, Ending::Ticked, at(62));
    assert_eq!(roster.due(at(62)), [(1, Errand::Tick(at(62)))]);
}

#[test]
fn a_wake_before_the_probe_ticks_after_it_and_nowhere_without_the_extension() {
    let mut roster = Roster::new(60, at(30), false);
    roster.list(at(30), &[1]);
    roster.knock(1, Knock::Wake, at(30));
    assert_eq!(run(&mut roster, 30, Ending::Present), Some(Errand::Probe));
    assert_eq!(roster.due(at(30)), [(1, Errand::Tick(at(30)))]);

    let mut roster = Roster::new(60, at(30), false);
    roster.list(at(30), &[1]);
    roster.knock(1, Knock::Wake, at(30));
    assert_eq!(run(&mut roster, 30, Ending::Absent), Some(Errand::Probe));
    assert_eq!(roster.due(at(31)), []);
}

#[test]
fn the_first_failure_costs_nothing_and_further_ones_double_the_pause() {
    let mut roster = ticking();
    let mut now = 60;
    for pause in [60, 120, 240, 480] {
        assert!(run(&mut roster, now, Ending::Died).is_some());
        assert_eq!(roster.next_event(), Some(at(now + pause)));
        now += pause;
    }
    assert_eq!(
        run(&mut roster, now, Ending::Ticked),
        Some(Errand::Tick(at(now)))
    );
    assert_eq!(roster.next_event(), Some(at(now + 60)));
    run(&mut roster, now + 60, Ending::Failed);
    assert_eq!(roster.next_event(), Some(at(now + 120)));
}

#[test]
fn a_busy_tick_is_no_failure_and_the_next_is_at_the_next_multiple() {
    let mut roster = ticking();
    run(&mut roster, 60, Ending::Failed);
    for now in (120..2000).step_by(60) {
        assert_eq!(
            run(&mut roster, now, Ending::Busy),
            Some(Errand::Tick(at(now)))
        );
        assert_eq!(roster.next_event(), Some(at(now + 60)));
        assert_eq!(roster.entries().next().unwrap().1.failures, 0);
    }
}

#[test]
fn the_pause_ends_at_a_quarter_of_an_hour_or_an_interval() {
    for (interval, longest) in [(1, 900), (60, 900), (3600, 3600)] {
        for failures in [30, 63, 64, 1000, u32::MAX] {
            assert_eq!(pause(failures, interval * SECOND), longest * SECOND);
        }
    }
}

#[test]
fn a_wake_ends_the_pause() {
    let mut roster = ticking();
    for now in [60, 120, 240] {
        run(&mut roster, now, Ending::Failed);
    }
    roster.knock(1, Knock::Wake, at(250));
    assert_eq!(
        run(&mut roster, 250, Ending::Ticked),
        Some(Errand::Tick(at(250)))
    );
    assert_eq!(roster.next_event(), Some(at(300)));
}

#[test]
fn making_room_is_neither_failure_nor_health() {
    let mut roster = ticking();
    run(&mut roster, 60, Ending::Failed);
    run(&mut roster, 120, Ending::Yielded);
    assert_eq!(roster.next_event(), Some(at(180)));
    assert_eq!(roster.entries().next().unwrap().1.failures, 1);
}

#[test]
fn those_that_wait_longest_come_first() {
    let mut roster = Roster::new(60, at(0), false);
    roster.list(at(10), &[7]);
    roster.list(at(20), &[3, 7]);
    assert_eq!(roster.due(at(30)), [(7, Errand::Probe), (3, Errand::Probe)]);
}

#[test]
fn a_database_that_is_gone_is_forgotten_also_while_its_worker_runs() {
    let mut roster = ticking();
    roster.started(1, Errand::Tick(at(60)), at(60));
    assert_eq!(roster.list(at(61), &[2]), [1]);
    roster.ended(1, Ending::Died, at(62));
    roster.knock(1, Knock::Wake, at(62));
    assert_eq!(roster.due(at(62)), [(2, Errand::Probe)]);
}

#[test]
fn a_clock_that_is_set_back_makes_no_gap() {
    let mut roster = ticking();
    roster.see_clock(at(7200));
    run(&mut roster, 7200, Ending::Ticked);
    assert_eq!(roster.next_event(), Some(at(7260)));
    roster.see_clock(at(3610));
    assert_eq!(roster.next_event(), Some(at(3660)));
}

#[test]
fn a_shorter_interval_counts_at_once() {
    let mut roster = ticking();
    roster.set_interval(1, at(31));
    assert_eq!(roster.next_event(), Some(at(32)));
}

#[test]
fn what_could_not_be_started_is_put_off() {
    let mut roster = ticking();
    roster.postpone(1, at(60));
    assert_eq!(roster.due(at(61)), []);
    assert_eq!(roster.next_event(), Some(at(660)));
}
