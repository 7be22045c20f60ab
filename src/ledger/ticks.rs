//! `autobuild_ticks`: a row for each tick that did something.

use crate::decision::attempt::Outcome;
use crate::decision::report::TickReport;
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, execute, fetch_one, for_each_row};
use crate::server::transaction::with_latest_snapshot;

/// Who ran a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The worker.
    Worker,
    /// A call of `autobuild_tick`.
    Manual,
    /// A call of `autobuild_run`.
    Timer,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Worker => "worker",
            Source::Manual | Source::Timer => "manual",
        }
    }

    /// Is it a tick in its caller's transaction?
    pub(crate) fn is_a_call(self) -> bool {
        matches!(self, Source::Manual | Source::Timer)
    }

    /// Does it honour `action`, a pause and back-off?
    pub(crate) fn is_automatic(self) -> bool {
        matches!(self, Source::Worker | Source::Timer)
    }
}

/// A tick as history knows it.
#[derive(Clone, Debug)]
pub(crate) struct TickRecord {
    /// Its row, once there is one.
    pub tick_id: Option<i64>,
    /// The time for which it decides.
    pub tick_at: Instant,
    /// When it began.
    pub started_at: Instant,
    /// Who ran it.
    pub source: Source,
    /// `scan` or `agenda`.
    pub mode: &'static str,
}

/// Writes the tick's row, or brings it up to date; returns its number.
pub(super) fn record(
    extension: &Extension,
    tick: &mut TickRecord,
    report: &TickReport,
    now: Instant,
) -> Result<i64, Error> {
    let error = report.error.as_ref();
    let mut told = report.brakes.clone();
    told.extend(report.untold_sentence());
    let told = (!told.is_empty()).then(|| told.join("; "));
    let count = |outcome| Arg::Int(Some(report.ended(outcome)));
    let mut args = vec![
        Arg::Time(Some(now)),
        Arg::Int(Some(report.due)),
        count(Outcome::Built),
        count(Outcome::Conflict),
        count(Outcome::Blocked),
        count(Outcome::Failed),
        count(Outcome::Observed),
        Arg::Text(error.map(|(sqlstate, _)| sqlstate.as_str())),
        Arg::Text(
            error
                .map(|(_, message)| message.as_str())
                .or(told.as_deref()),
        ),
    ];
    if let Some(tick_id) = tick.tick_id {
        args.push(Arg::BigInt(Some(tick_id)));
        execute(
            &format!(
                "UPDATE {}
                    SET finished_at = $1, due = $2, built = $3, conflict = $4, blocked = $5,
                        failed = $6, observed = $7, sqlstate = $8, message = $9
                  WHERE tick_id = $10",
                extension.table("autobuild_ticks")
            ),
            args,
        )?;
        return Ok(tick_id);
    }
    for (table, key) in [
        ("autobuild_ticks", "tick_id"),
        ("autobuild_transitions", "transition_id"),
    ] {
        go_past(&extension.table(table), key)?;
    }
    args.extend([
        Arg::Time(Some(tick.tick_at)),
        Arg::Time(Some(tick.started_at)),
        Arg::Text(Some(tick.source.name())),
        Arg::Text(Some(tick.mode)),
    ]);
    let mut tick_id = 0;
    for_each_row(
        &format!(
            "INSERT INTO {}
                    (finished_at, due, built, conflict, blocked, failed, observed, sqlstate,
                     message, tick_at, started_at, source, mode)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             RETURNING tick_id",
            extension.table("autobuild_ticks")
        ),
        Access::Write,
        args,
        |row| {
            tick_id = row.bigint(0)?.unwrap_or(0);
            Ok(())
        },
    )?;
    tick.tick_id = Some(tick_id);
    Ok(tick_id)
}

/// Sets a key's sequence forward where it is behind: logical replication brings rows, but
/// not the numbers that were given out for them. Only the one executor gives out numbers,
/// so nobody else takes one meanwhile. Rows count that are newer than the transaction's
/// snapshot: a caller's may be older than what replication brought last.
fn go_past(table: &str, key: &str) -> Result<(), Error> {
    let mut behind = None;
    with_latest_snapshot(|| {
        for_each_row(
            &format!(
                "SELECT m.last
                   FROM (SELECT pg_catalog.max({key}) AS last FROM {table}) m
                  WHERE m.last > COALESCE(pg_catalog.pg_sequence_last_value(
                            pg_catalog.pg_get_serial_sequence($1, $2)::pg_catalog.regclass), 0)"
            ),
            Access::Read,
            vec![Arg::Text(Some(table)), Arg::Text(Some(key))],
            |row| {
                behind = row.bigint(0)?;
                Ok(())
            },
        )
    })?;
    if behind.is_none() {
        return Ok(());
    }
    execute(
        "SELECT pg_catalog.setval(
                    pg_catalog.pg_get_serial_sequence($1, $2)::pg_catalog.regclass, $3)",
        vec![
            Arg::Text(Some(table)),
            Arg::Text(Some(key)),
            Arg::BigInt(behind),
        ],
    )?;
    Ok(())
}

/// A tick as its row has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    /// The time for which it decided.
    pub tick_at: Option<Instant>,
    /// When it began.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Workspaces that were due.
    pub due: i32,
    /// Transitions made.
    pub built: i32,
    /// Could not be built.
    pub blocked: i32,
    /// Unexpected errors.
    pub failed: i32,
    /// Recorded under `action = observe`.
    pub observed: i32,
    /// A batch of it ended on an error.
    pub troubled: bool,
}

/// The last tick that was recorded. Needs the rights of the extension's owner.
pub(crate) fn last(extension: &Extension) -> Result<Option<Recorded>, Error> {
    let last = fetch_one(
        &format!(
            "SELECT t.tick_at, t.started_at, t.finished_at, t.due, t.built, t.blocked, t.failed, \
             t.sqlstate IS NOT NULL, t.observed \
             FROM {} t ORDER BY t.tick_id USING OPERATOR(pg_catalog.>) LIMIT 1",
            extension.table("autobuild_ticks")
        ),
        Vec::new(),
        |row| {
            Ok(Recorded {
                tick_at: row.time(0)?,
                started_at: row.time(1)?,
                finished_at: row.time(2)?,
                due: row.int(3)?.unwrap_or(0),
                built: row.int(4)?.unwrap_or(0),
                blocked: row.int(5)?.unwrap_or(0),
                failed: row.int(6)?.unwrap_or(0),
                observed: row.int(8)?.unwrap_or(0),
                troubled: row.bool(7)?,
            })
        },
    )?;
    Ok(last)
}
