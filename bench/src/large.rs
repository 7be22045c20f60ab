//! A storm whose states are large.

use crate::Config;
use crate::data::tick_of;
use crate::floor;
use crate::measure::Samples;
use crate::report::Report;
use crate::server::Bench;
use crate::tick::{idle_tick, tick};

/// A storm whose states are 200 kB each.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let slots = bench.slots_of(config.large);
    let [one, other, ..] = slots.as_slice() else {
        return;
    };
    let copy = bench.copy();
    let (mut ours_client, mut floor_client) = (copy.connect(), copy.product());
    ours_client
        .batch_execute(&format!(
            "UPDATE workspace_builds b
                SET provisioner_state = (
                    SELECT convert_to(string_agg(md5(p.i || '.' || part), ''), 'UTF8')
                      FROM generate_series(1, 6250) AS part)
               FROM bench.plan p
              WHERE b.id = p.latest_build_id AND p.slot IN ({one}, {other})"
        ))
        .unwrap_or_else(|e| panic!("large states: {e:?}"));
    bench.settle();
    idle_tick(&mut ours_client);
    let (took, built) = tick(&mut ours_client, &tick_of(*one));
    assert_eq!(built, config.large, "built with large states");
    let (mut ours, mut floor) = (Samples::default(), Samples::default());
    ours.add(took);
    floor.add(floor::write(&mut floor_client, *other));
    let what = format!("{} due with 200 kB of state", config.large);
    report.add(bench.size, &what, "floor", "ms", floor.scaled(1e3));
    report.add(bench.size, &what, "scan", "ms", ours.scaled(1e3));
    report.ratio(floor.median() / ours.median(), "of the floor's rate");
}
