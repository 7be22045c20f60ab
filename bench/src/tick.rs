//! Ticks by hand, and what they build the agenda with.

use std::time::Duration;

use postgres::Client;

use crate::data::{IDLE, statement, tick_of};
use crate::measure::{Samples, timed};
use crate::server::Bench;

/// A tick by hand at a time given as SQL; how long it took, up to the commit, and how
/// many builds it made.
pub(crate) fn tick(client: &mut Client, at: &str) -> (Duration, u32) {
    let (took, result) = timed(|| -> Result<i64, postgres::Error> {
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
        let row = client.query_one(
            &format!("SELECT count(*) FROM autobuild_tick({at}) WHERE outcome = 'built'"),
            &[],
        )?;
        client.batch_execute("COMMIT")?;
        Ok(row.get(0))
    });
    let built = result.unwrap_or_else(|e| panic!("a tick at {at}: {e:?}"));
    (took, u32::try_from(built).unwrap_or(u32::MAX))
}

/// Storms in each of these slots, in databases of three kinds, which take turns in who is first.
/// `check` sees each kind's session before a storm, and gives what sees it after it.
pub(crate) fn in_turn<C: FnOnce(&mut Client)>(
    bench: &Bench,
    clients: &mut [Client; 3],
    slots: Vec<usize>,
    due: u32,
    mut check: impl FnMut(usize, &mut Client) -> C,
) -> [Samples; 3] {
    let mut samples = [Samples::default(), Samples::default(), Samples::default()];
    for (turn, slot) in slots.into_iter().enumerate() {
        for place in 0..clients.len() {
            let kind = (place + turn) % clients.len();
            let (Some(client), Some(samples)) = (clients.get_mut(kind), samples.get_mut(kind))
            else {
                continue;
            };
            let after = check(kind, client);
            bench.settle();
            let (took, built) = tick(client, &tick_of(slot));
            assert_eq!(built, due, "built in slot {slot}");
            after(client);
            samples.add(took);
        }
    }
    samples
}

/// A tick at which nothing is due.
pub(crate) fn idle_tick(client: &mut Client) -> Duration {
    let (took, built) = tick(client, &format!("timestamptz '{IDLE}'"));
    assert_eq!(built, 0, "nothing is due");
    took
}

/// Attaches, and ticks by hand until the agenda is built; how many ticks that took.
pub(crate) fn attach(client: &mut Client) -> u32 {
    statement(client, "SELECT autobuild_attach()");
    let mut ticks = 0;
    while !has_row(client, "SELECT FROM autobuild_status WHERE mode = 'agenda'") {
        idle_tick(client);
        ticks += 1;
    }
    ticks
}

/// Does a query give a row?
pub(crate) fn has_row(client: &mut Client, sql: &str) -> bool {
    let rows = client.query(sql, &[]);
    !rows.unwrap_or_else(|e| panic!("{sql}: {e:?}")).is_empty()
}
