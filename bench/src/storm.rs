//! Ticks with few due among many, and storms: by scan and with the agenda, beside the floor and
//! programs outside.

use std::time::Duration;

use postgres::Client;

use crate::Config;
use crate::candidates::Shape;
use crate::data::tick_of;
use crate::executor::{self, Distance};
use crate::floor;
use crate::measure::Samples;
use crate::process::{process_of, processor};
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::sides::{Sides, in_turn};
use crate::tick::{attach, idle_tick, tick};

/// Measures them.
pub(crate) fn run(config: &Config, sides: &Sides, report: &mut Report) {
    let scan = by_scan(config, sides, report);
    let agenda = with_agenda(config, sides, report);
    outside(config, sides.now(), &scan, &agenda, report);
}

/// What a number due at once took the installed extension.
type Medians = Vec<(u32, f64)>;

/// A side's sessions and what was measured there.
struct Side<'b> {
    ours: Client,
    floor: Client,
    took: Samples,
    took_floor: Samples,
    /// The tick after; and by the processor it and one after that.
    after: Samples,
    after_used: Samples,
    idle_used: Samples,
    /// The process that serves ours.
    pid: i32,
    bench: &'b Bench,
    _copies: Vec<Copy<'b>>,
}

impl<'b> Side<'b> {
    /// The floor's rows are written into the last of the copies, ours into the first.
    fn new(bench: &'b Bench, copies: Vec<Copy<'b>>) -> Option<Side<'b>> {
        let mut ours = copies.first()?.connect();
        Some(Side {
            pid: process_of(&mut ours),
            ours,
            floor: copies.last()?.product(),
            took: Samples::default(),
            took_floor: Samples::default(),
            after: Samples::default(),
            after_used: Samples::default(),
            idle_used: Samples::default(),
            bench,
            _copies: copies,
        })
    }

    fn run_ours(&mut self, slot: usize, due: u32) {
        let (took, built) = tick(&mut self.ours, &tick_of(slot));
        assert_eq!(built, due, "built in slot {slot}");
        self.took.add(took);
    }

    /// One more tick after ours, and the processor time that it took.
    fn run_again(&mut self, slot: usize) -> (Duration, Duration) {
        let before = processor(self.pid);
        let (took, built) = tick(&mut self.ours, &tick_of(slot));
        assert_eq!(built, 0, "built again in slot {slot}");
        (took, processor(self.pid).saturating_sub(before))
    }

    fn run_floor(&mut self, slot: usize) {
        self.took_floor.add(floor::write(&mut self.floor, slot));
    }
}

/// What was measured is taken, so that the next starts without.
fn taken(
    sides: &mut [Side<'_>],
    of: for<'s> fn(&'s mut Side<'_>) -> &'s mut Samples,
) -> Vec<Samples> {
    let take = |side: &mut Side<'_>| std::mem::take(of(side));
    sides.iter_mut().map(take).collect()
}

/// Reports each side's storms beside its own floor; the installed one's median.
fn tell(
    report: &mut Report,
    (size, what): (u32, &str),
    (floor, how): (&str, &str),
    sides: &mut [Side<'_>],
) -> f64 {
    let ours = taken(sides, |side| &mut side.took);
    let floors = taken(sides, |side| &mut side.took_floor);
    let medians: Vec<f64> = ours.iter().map(Samples::median).collect();
    let suffixes = ["", ", before"];
    let mut lines: Vec<_> = suffixes.into_iter().zip(ours.iter().zip(&floors)).collect();
    lines.reverse();
    for (suffix, (ours, floors)) in lines {
        let line = format!("{floor}{suffix}");
        report.add(size, what, &line, "ms", floors.scaled(1e3));
        report.add(
            size,
            what,
            &format!("{how}{suffix}"),
            "ms",
            ours.scaled(1e3),
        );
        report.ratio(floors.median() / ours.median(), "of the floor's rate");
    }
    if let [now, before] = medians.as_slice() {
        report.ratio(now / before, "x before");
    }
    medians.first().copied().unwrap_or(f64::NAN)
}

fn all_due(config: &Config) -> impl Iterator<Item = u32> {
    std::iter::once(config.few).chain(config.storms.iter().copied())
}

fn what(config: &Config, due: u32) -> String {
    if due == config.few {
        format!("tick with {due} due")
    } else {
        format!("storm of {due}")
    }
}

/// Ours and the floor in turn, each on workspaces of its own.
fn by_scan(config: &Config, sides: &Sides, report: &mut Report) -> Medians {
    let bench = sides.now();
    let side = |bench| Side::new(bench, vec![bench.copy()]);
    let mut all: Vec<Side<'_>> = sides.all().filter_map(side).collect();
    for side in &mut all {
        idle_tick(&mut side.ours);
    }
    let mut medians = Vec::new();
    for due in all_due(config) {
        let slots = bench.slots_of(due);
        let Some((pairs, rest)) = slots.split_at_checked(2 * config.repeat as usize) else {
            continue;
        };
        for (turn, pair) in pairs.chunks(2).enumerate() {
            let [one, other] = *pair else { continue };
            in_turn(turn, &mut all, |side| {
                // In the order of slots, so that nobody's is overdue in ours; who goes first
                // changes from turn to turn.
                if turn % 2 == 0 {
                    side.run_ours(one, due);
                    side.run_floor(other);
                } else {
                    side.run_floor(one);
                    side.run_ours(other, due);
                }
                side.bench.settle();
            });
        }
        // Nobody's slot must be left over, or the next tick finds it overdue.
        for side in &mut all {
            for slot in rest {
                floor::write(&mut side.floor, *slot);
            }
        }
        let what = what(config, due);
        let of = (bench.size, what.as_str());
        medians.push((due, tell(report, of, ("floor", "scan"), &mut all)));
    }
    medians
}

/// The same with the agenda attached, in turn with the floor on a copy without; and the tick that
/// follows, which takes the marks that the builds left.
fn with_agenda(config: &Config, sides: &Sides, report: &mut Report) -> Medians {
    let bench = sides.now();
    let side = |bench| Side::new(bench, vec![bench.copy(), bench.copy()]);
    let mut all: Vec<Side<'_>> = sides.all().filter_map(side).collect();
    for side in &mut all {
        attach(&mut side.ours);
    }
    let mut medians = Vec::new();
    for due in all_due(config) {
        let slots = bench.slots_of(due);
        if slots.is_empty() {
            continue;
        }
        for (turn, slot) in slots.into_iter().enumerate() {
            in_turn(turn, &mut all, |side| {
                if turn % 2 == 0 {
                    side.bench.settle();
                    side.run_floor(slot);
                }
                side.bench.settle();
                side.run_ours(slot, due);
                let (took, used) = side.run_again(slot);
                side.after.add(took);
                side.after_used.add(used);
                let (_, used) = side.run_again(slot);
                side.idle_used.add(used);
                if turn % 2 == 1 {
                    side.bench.settle();
                    side.run_floor(slot);
                }
            });
        }
        let what = what(config, due);
        let of = (bench.size, what.as_str());
        let median = tell(report, of, ("floor beside agenda", "agenda"), &mut all);
        medians.push((due, median));
        let after = taken(&mut all, |side| &mut side.after);
        let what = format!("the tick after a {what}");
        let after = after.iter().map(|of| of.scaled(1e3));
        report.sides(bench.size, &what, "agenda", "ms", 0.5, after);
        let used = taken(&mut all, |side| &mut side.after_used);
        let idle = taken(&mut all, |side| &mut side.idle_used);
        let each = used.iter().zip(&idle).map(|(used, idle)| {
            let mut of = Samples::default();
            of.push((used.median() - idle.median()).max(0.0) * 1e6 / f64::from(due));
            of
        });
        let what = format!("{what}, processor");
        let how = "agenda, for each build, without an idle tick";
        report.sides(bench.size, &what, how, "µs", 0.5, each);
    }
    medians
}

/// Programs outside, on a copy of their own and near or far from the server.
fn outside(
    config: &Config,
    bench: &Bench,
    scan: &[(u32, f64)],
    agenda: &[(u32, f64)],
    report: &mut Report,
) {
    let copy = bench.copy();
    let mut floor = copy.product();
    let shapes = Shape::possible(&mut copy.connect());
    let runs: Vec<(Shape, Distance)> = [Distance::Socket, Distance::Network]
        .into_iter()
        // Over a network a million takes such a program a quarter of an hour.
        .filter(|distance| *distance == Distance::Socket || bench.size <= 100_000)
        .flat_map(|distance| shapes.iter().map(move |shape| (*shape, distance)))
        .collect();
    for due in all_due(config) {
        let mut slots = bench.slots_of(due).into_iter();
        let runs = if due == config.few {
            &[]
        } else {
            runs.as_slice()
        };
        for ((shape, distance), slot) in runs.iter().zip(slots.by_ref()) {
            let at: String = floor
                .query_one(&format!("SELECT ({})::text", tick_of(slot)), &[])
                .unwrap_or_else(|e| panic!("a time: {e:?}"))
                .get(0);
            let run = executor::tick(bench.server(), copy.name(), &at, *shape, *distance);
            assert_eq!(run.built, due, "built by {}", shape.name());
            let mut took = Samples::default();
            took.add(run.took);
            let how = match distance {
                Distance::Socket => shape.name().to_owned(),
                Distance::Network => format!("{}, 0.5 ms away", shape.name()),
            };
            report.add(bench.size, &what(config, due), &how, "ms", took.scaled(1e3));
            for (ours, of) in [(scan, "x scan"), (agenda, "x agenda")] {
                if let Some((_, ours)) = ours.iter().find(|(of, _)| *of == due) {
                    report.ratio(took.median() / ours, of);
                }
            }
        }
        // Nobody's slot must be left over, or the next tick finds it overdue.
        for slot in slots {
            floor::write(&mut floor, slot);
        }
    }
}
