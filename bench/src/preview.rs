//! Previews: single workspaces by a prepared statement, and the list of what is coming.

use postgres::Client;
use uuid::Uuid;

use crate::Config;
use crate::data::{IDLE, tick_of};
use crate::measure::{Samples, timed};
use crate::process::Session;
use crate::report::Report;
use crate::sides::{Sides, in_turn, tell};

/// Calls for different workspaces.
const CALLS: i64 = 2_000;

/// Measures them.
pub(crate) fn run(config: &Config, sides: &Sides, report: &mut Report) {
    let bench = sides.now();
    let mut all: Vec<Session> = sides.all().map(|side| Session::new(side.read())).collect();
    let first_slot = bench.slots_of(config.few).first().copied().unwrap_or(1);
    let idle = format!("timestamptz '{IDLE}'");
    let slot = format!("slot = {first_slot}");
    for (of, at, condition) in [
        ("not due", idle.as_str(), "true"),
        ("due", &tick_of(first_slot), &slot),
    ] {
        let ids = workspaces(&mut bench.read(), condition);
        for (what, sql) in [
            (
                "one preview",
                format!("SELECT due FROM autobuild_next_transition($1, {at})"),
            ),
            (
                "one explanation",
                format!("SELECT count(*) FROM autobuild_explain($1, {at})"),
            ),
        ] {
            single(config, &mut all, &ids, &sql);
            let what = format!("{what}, {of}");
            tell(report, bench.size, &what, "scan", "µs", all.iter_mut());
        }
    }
    let mut client = bench.read();
    let trivial = client
        .prepare("SELECT $1::uuid IS NULL")
        .unwrap_or_else(|e| panic!("a trivial query: {e:?}"));
    let mut samples = Samples::default();
    for _ in 0..CALLS {
        let (took, _) = timed(|| client.query_one(&trivial, &[&Uuid::nil()]));
        samples.add(took);
    }
    report.add(
        bench.size,
        "a query of nothing",
        "round trip",
        "µs",
        samples.scaled(1e6),
    );
    upcoming(config, bench.size, &mut all, "scan", report);
}

fn workspaces(client: &mut Client, condition: &str) -> Vec<Uuid> {
    let sql = format!(
        "SELECT workspace_id FROM bench.plan WHERE {condition} ORDER BY workspace_id LIMIT {CALLS}"
    );
    let rows = client.query(&sql, &[]);
    let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// Calls a statement for each of these workspaces, again and again, a hundred on each side in turn.
fn single(config: &Config, sessions: &mut [Session], ids: &[Uuid], sql: &str) {
    let mut prepared: Vec<_> = sessions
        .iter_mut()
        .map(|session| {
            let call = session.client.prepare(sql);
            (session, call.unwrap_or_else(|e| panic!("{sql}: {e:?}")))
        })
        .collect();
    // Of few workspaces more rounds, so that the least of many is known.
    let rounds = (CALLS as usize / ids.len().max(1)).clamp(1, 10) * config.repeat as usize;
    for round in 0..=rounds {
        for (turn, ids) in ids.chunks(100).enumerate() {
            in_turn(round + turn, &mut prepared, |(session, call)| {
                session.time_each(ids, |client, id| {
                    let row = client.query_one(&*call, &[id]);
                    row.unwrap_or_else(|e| panic!("{sql}, {id}: {e:?}"));
                });
            });
        }
        // The first round warms up.
        if round == 0 {
            prepared.iter_mut().for_each(|(session, _)| session.anew());
        }
    }
}

/// What is coming within the hour: of all workspaces, and the first fifty of all and of some.
pub(crate) fn upcoming(
    config: &Config,
    size: u32,
    sessions: &mut [Session],
    how: &str,
    report: &mut Report,
) {
    let one = |of: &str| format!(", max_rows => 50, {of}_id => (SELECT {of}_id FROM one)");
    for (what, arguments) in [
        ("upcoming within the hour", String::new()),
        ("the first 50 of these", ", max_rows => 50".to_owned()),
        ("the first 50 of a template", one("template")),
        ("those of an owner", one("owner")),
        ("those of a workspace", one("workspace")),
    ] {
        let sql = format!(
            "WITH one AS MATERIALIZED (
                  SELECT id AS workspace_id, template_id, owner_id FROM workspaces
                   WHERE NOT deleted ORDER BY id LIMIT 1)
             SELECT count(*)
               FROM autobuild_upcoming('1 hour', timestamptz '{IDLE}'{arguments})"
        );
        for round in 0..=config.repeat as usize {
            in_turn(round, sessions, |session| {
                session.time(|client| {
                    let row = client.query_one(&sql, &[]);
                    row.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
                });
            });
        }
        tell(report, size, what, how, "ms", sessions.iter_mut());
    }
}
