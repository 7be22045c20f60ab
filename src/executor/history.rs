//! What a tick leaves behind: history and back-off, written as the extension's owner in
//! the very transaction of the builds, so that they agree whatever happens.

use std::collections::HashMap;

use uuid::Uuid;

use crate::build::codes::BlockCode;
use crate::instant::{Instant, MINUTE};
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, run, uuids};
use crate::server::transaction::with_latest_snapshot;

use super::outcome::{Attempt, Outcome};
use super::report::TickReport;

/// Who ran a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The worker.
    Worker,
    /// A call of `autobuild_tick`.
    Manual,
}

/// A tick as history knows it.
#[derive(Clone, Debug)]
pub struct TickRecord {
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

/// An earlier attempt at a workspace, as `autobuild_attempts` keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The number of the latest build then.
    pub build_number: i32,
    /// The transition that was tried.
    pub transition: String,
    /// `blocked` or `failed`.
    pub outcome: String,
    /// The block code.
    pub code: Option<String>,
    /// Since when.
    pub since: Instant,
    /// How often.
    pub attempts: i32,
    /// When it is tried again.
    pub next_attempt_at: Instant,
    /// What would have been written.
    pub fingerprint: i64,
}

/// The longest time between two attempts, in minutes.
const LONGEST: i64 = 60;

/// Is it too soon for an attempt that was put off until then? A time that is further off
/// than any attempt is put off was reckoned before the clock was set back.
pub fn too_soon(next_attempt_at: Instant, now: Instant) -> bool {
    let longest = now.saturating_add_micros(LONGEST * MINUTE);
    (now.saturating_add_micros(1)..=longest).contains(&next_attempt_at)
}

impl Earlier {
    /// Does it wait for a provisioner? That is looked for at each tick, without back-off.
    pub fn is_waiting(&self) -> bool {
        self.outcome == Outcome::Blocked.name()
            && self.code.as_deref() == Some(BlockCode::NoProvisioner.code())
    }
}

/// Did this workspace wait for a provisioner before, and does it still?
pub fn still_waits(earlier: &HashMap<Uuid, Earlier>, attempt: &Attempt) -> bool {
    attempt.code == Some(BlockCode::NoProvisioner.code())
        && earlier
            .get(&attempt.workspace_id)
            .is_some_and(|earlier| earlier.is_waiting() && same_matter(earlier, attempt))
}

/// Every workspace that can't move, with what was tried last.
pub fn earlier_attempts(extension: &Extension) -> Result<HashMap<Uuid, Earlier>, Error> {
    let mut earlier = HashMap::new();
    let sql = format!(
        "SELECT workspace_id, build_number, transition, outcome, code, since, attempts,
                next_attempt_at, fingerprint
           FROM {}",
        extension.table("autobuild_attempts")
    );
    extension.as_owner(|| {
        run(&sql, Access::Read, vec![], |row| {
            let id = Row::required(row.uuid(0)?, "autobuild_attempts.workspace_id")?;
            earlier.insert(
                id,
                Earlier {
                    build_number: row.int(1)?.unwrap_or(0),
                    transition: row.text(2)?.unwrap_or_default(),
                    outcome: row.text(3)?.unwrap_or_default(),
                    code: row.text(4)?,
                    since: Row::required(row.time(5)?, "autobuild_attempts.since")?,
                    attempts: row.int(6)?.unwrap_or(0),
                    next_attempt_at: Row::required(
                        row.time(7)?,
                        "autobuild_attempts.next_attempt_at",
                    )?,
                    fingerprint: row.bigint(8)?.unwrap_or(0),
                },
            );
            Ok(())
        })
    })?;
    Ok(earlier)
}

/// How long after its n-th attempt a workspace is tried again: 1, 2, 4 ... 60 minutes.
/// A missing provisioner is looked for at each tick; what somebody held, or was always
/// just changing, is asked for again after 4 minutes at the latest, since that may end at
/// any time and nothing of the workspace's need change with it.
fn back_off(attempt: &Attempt, attempts: i32) -> i64 {
    if attempt.code == Some(BlockCode::NoProvisioner.code()) {
        return 0;
    }
    let longest = match attempt.sqlstate.as_deref() {
        Some("55P03" | "40001" | "40P01") => 4,
        _ => LONGEST,
    };
    doubling(attempts, longest) * MINUTE
}

/// 1, 2, 4 ... minutes up to the longest.
pub fn minutes(attempts: i32) -> i64 {
    doubling(attempts, LONGEST)
}

fn doubling(attempts: i32, longest: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(6);
    (1_i64 << doublings).min(longest)
}

/// Records what came of a batch: history, back-off, and the tick's own row with the
/// numbers so far.
pub fn record(
    extension: &Extension,
    tick: &mut TickRecord,
    attempts: &[Attempt],
    report: &TickReport,
    earlier: &HashMap<Uuid, Earlier>,
    now: Instant,
) -> Result<(), Error> {
    extension.as_owner(|| {
        let tick_id = record_tick(extension, tick, report, now)?;
        if attempts.is_empty() {
            return Ok(());
        }
        record_transitions(extension, tick_id, attempts, now)?;
        // The worker's ticks are on the minute: counted from the tick, "in a minute" is
        // the next one; counted from the clock it would be the one after.
        let begun = match tick.source {
            Source::Worker => tick.tick_at,
            Source::Manual => now,
        };
        record_back_off(extension, attempts, earlier, now, begun)
    })
}

/// Sets a key's sequence forward where it is behind: logical replication brings rows, but
/// not the numbers that were given out for them. Only the one executor gives out numbers,
/// so nobody else takes one meanwhile. Rows count that are newer than the transaction's
/// snapshot: a caller's may be older than what replication brought last.
fn go_past(table: &str, key: &str) -> Result<(), Error> {
    let mut behind = None;
    with_latest_snapshot(|| {
        run(
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
    run(
        "SELECT pg_catalog.setval(
                    pg_catalog.pg_get_serial_sequence($1, $2)::pg_catalog.regclass, $3)",
        Access::Write,
        vec![
            Arg::Text(Some(table)),
            Arg::Text(Some(key)),
            Arg::BigInt(behind),
        ],
        |_| Ok(()),
    )?;
    Ok(())
}

fn record_tick(
    extension: &Extension,
    tick: &mut TickRecord,
    report: &TickReport,
    now: Instant,
) -> Result<i64, Error> {
    let (sqlstate, message) = match &report.error {
        Some((sqlstate, message)) => (Some(sqlstate.as_str()), Some(message.as_str())),
        None => (None, None),
    };
    let mut args = vec![
        Arg::Time(Some(now)),
        Arg::Int(Some(report.due)),
        Arg::Int(Some(report.built)),
        Arg::Int(Some(report.conflict)),
        Arg::Int(Some(report.blocked)),
        Arg::Int(Some(report.failed)),
        Arg::Int(Some(report.observed)),
        Arg::Text(sqlstate),
        Arg::Text(message),
    ];
    if let Some(tick_id) = tick.tick_id {
        args.push(Arg::BigInt(Some(tick_id)));
        run(
            &format!(
                "UPDATE {}
                    SET finished_at = $1, due = $2, built = $3, conflict = $4, blocked = $5,
                        failed = $6, observed = $7, sqlstate = $8, message = $9
                  WHERE tick_id = $10",
                extension.table("autobuild_ticks")
            ),
            Access::Write,
            args,
            |_| Ok(()),
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
        Arg::Text(Some(match tick.source {
            Source::Worker => "worker",
            Source::Manual => "manual",
        })),
        Arg::Text(Some(tick.mode)),
    ]);
    let mut tick_id = 0;
    run(
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

fn record_transitions(
    extension: &Extension,
    tick_id: i64,
    attempts: &[Attempt],
    now: Instant,
) -> Result<(), Error> {
    let texts =
        |text: &dyn Fn(&Attempt) -> Option<String>| Arg::Texts(attempts.iter().map(text).collect());
    run(
        &format!(
            "INSERT INTO {}
                    (tick_id, decided_at, workspace_id, transition, reason, due_at, outcome,
                     code, build_id, job_id, build_number, sqlstate, message)
             SELECT $1, $2, d.*
               FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS d",
            extension.table("autobuild_transitions")
        ),
        Access::Write,
        vec![
            Arg::BigInt(Some(tick_id)),
            Arg::Time(Some(now)),
            uuids(attempts.iter().map(|a| a.workspace_id)),
            texts(&|a| Some(a.transition.name().to_owned())),
            texts(&|a| Some(a.reason.name().to_owned())),
            Arg::Times(attempts.iter().map(|a| Some(a.due_at)).collect()),
            texts(&|a| Some(a.outcome.name().to_owned())),
            texts(&|a| a.code.map(str::to_owned)),
            Arg::Uuids(attempts.iter().map(|a| a.build_id).collect()),
            Arg::Uuids(attempts.iter().map(|a| a.job_id).collect()),
            Arg::Ints(attempts.iter().map(|a| a.build_number).collect()),
            texts(&|a| a.sqlstate.clone()),
            texts(&|a| a.message.clone()),
        ],
        |_| Ok(()),
    )?;
    Ok(())
}

fn record_back_off(
    extension: &Extension,
    attempts: &[Attempt],
    earlier: &HashMap<Uuid, Earlier>,
    now: Instant,
    begun: Instant,
) -> Result<(), Error> {
    let (stuck, moved): (Vec<&Attempt>, Vec<&Attempt>) = attempts
        .iter()
        .partition(|attempt| matches!(attempt.outcome, Outcome::Blocked | Outcome::Failed));
    let moved: Vec<Uuid> = moved
        .into_iter()
        .map(|attempt| attempt.workspace_id)
        .filter(|id| earlier.contains_key(id))
        .collect();
    forget(extension, &moved)?;
    if stuck.is_empty() {
        return Ok(());
    }
    let history: Vec<(Instant, i32)> = stuck
        .iter()
        .map(|attempt| {
            earlier
                .get(&attempt.workspace_id)
                .filter(|earlier| same_matter(earlier, attempt))
                .map_or((now, 1), |earlier| {
                    (earlier.since, earlier.attempts.saturating_add(1))
                })
        })
        .collect();
    let texts = |text: &dyn Fn(&Attempt) -> Option<String>| {
        Arg::Texts(stuck.iter().map(|attempt| text(attempt)).collect())
    };
    run(
        &format!(
            "INSERT INTO {} AS a
                    (last_attempt_at, workspace_id, build_number, transition, reason, due_at,
                     outcome, code, sqlstate, message, since, attempts, next_attempt_at,
                     fingerprint)
             SELECT $1, d.workspace_id, d.build_number, d.transition, d.reason, d.due_at,
                    d.outcome, d.code, d.sqlstate, d.message, d.since, d.attempts,
                    d.next_attempt_at, d.fingerprint::pg_catalog.int8
               FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                    AS d (workspace_id, build_number, transition, reason, due_at, outcome,
                          code, sqlstate, message, since, attempts, next_attempt_at,
                          fingerprint)
             ON CONFLICT (workspace_id) DO UPDATE
                SET last_attempt_at = EXCLUDED.last_attempt_at,
                    build_number = EXCLUDED.build_number,
                    transition = EXCLUDED.transition, reason = EXCLUDED.reason,
                    due_at = EXCLUDED.due_at, outcome = EXCLUDED.outcome,
                    code = EXCLUDED.code, sqlstate = EXCLUDED.sqlstate,
                    message = EXCLUDED.message, since = EXCLUDED.since,
                    attempts = EXCLUDED.attempts,
                    next_attempt_at = EXCLUDED.next_attempt_at,
                    fingerprint = EXCLUDED.fingerprint",
            extension.table("autobuild_attempts")
        ),
        Access::Write,
        vec![
            Arg::Time(Some(now)),
            uuids(stuck.iter().map(|a| a.workspace_id)),
            Arg::Ints(stuck.iter().map(|a| Some(a.latest_build_number)).collect()),
            texts(&|a| Some(a.transition.name().to_owned())),
            texts(&|a| Some(a.reason.name().to_owned())),
            Arg::Times(stuck.iter().map(|a| Some(a.due_at)).collect()),
            texts(&|a| Some(a.outcome.name().to_owned())),
            texts(&|a| a.code.map(str::to_owned)),
            texts(&|a| a.sqlstate.clone()),
            texts(&|a| a.message.clone()),
            Arg::Times(history.iter().map(|(since, _)| Some(*since)).collect()),
            Arg::Ints(
                history
                    .iter()
                    .map(|(_, attempts)| Some(*attempts))
                    .collect(),
            ),
            Arg::Times(
                stuck
                    .iter()
                    .zip(&history)
                    .map(|(attempt, (_, attempts))| {
                        Some(begun.saturating_add_micros(back_off(attempt, *attempts)))
                    })
                    .collect(),
            ),
            texts(&|a| Some(a.fingerprint.to_string())),
        ],
        |_| Ok(()),
    )?;
    Ok(())
}

/// Is this attempt at the same thing as the earlier one? Back-off counts by workspace,
/// latest build and transition.
fn same_matter(earlier: &Earlier, attempt: &Attempt) -> bool {
    earlier.build_number == attempt.latest_build_number
        && earlier.transition == attempt.transition.name()
}

/// Forgets workspaces that moved, or that nothing is due for any more.
pub fn forget(extension: &Extension, workspaces: &[Uuid]) -> Result<(), Error> {
    if workspaces.is_empty() {
        return Ok(());
    }
    run(
        &format!(
            "DELETE FROM {} WHERE workspace_id = ANY ($1)",
            extension.table("autobuild_attempts")
        ),
        Access::Write,
        vec![uuids(workspaces.iter().copied())],
        |_| Ok(()),
    )?;
    Ok(())
}

/// Of these attempts under `action = observe`, the ones that were not recorded yet:
/// each (workspace, latest build number, transition, reason) is recorded once.
pub fn not_yet_observed(
    extension: &Extension,
    attempts: Vec<Attempt>,
) -> Result<Vec<Attempt>, Error> {
    let mut seen = std::collections::HashSet::new();
    extension.as_owner(|| {
        run(
            &format!(
                "SELECT DISTINCT workspace_id, build_number, transition, reason
                   FROM {}
                  WHERE workspace_id = ANY ($1) AND outcome = 'observed'",
                extension.table("autobuild_transitions")
            ),
            Access::Read,
            vec![uuids(attempts.iter().map(|a| a.workspace_id))],
            |row| {
                seen.insert((row.uuid(0)?, row.int(1)?, row.text(2)?, row.text(3)?));
                Ok(())
            },
        )
    })?;
    Ok(attempts
        .into_iter()
        .filter(|a| {
            !seen.contains(&(
                Some(a.workspace_id),
                a.build_number,
                Some(a.transition.name().to_owned()),
                Some(a.reason.name().to_owned()),
            ))
        })
        .collect())
}

/// Rows of history that one tick removes at the most, so that it stays short.
const PRUNED_AT_ONCE: i64 = 10_000;

/// Is there history older than `before`? Asked before anything is written.
pub fn has_older(extension: &Extension, before: Instant) -> Result<bool, Error> {
    let found = extension.as_owner(|| {
        run(
            &format!(
                "(SELECT true FROM {} WHERE started_at < $1 LIMIT 1)
                 UNION ALL
                 (SELECT true FROM {} WHERE decided_at < $1 LIMIT 1)",
                extension.table("autobuild_ticks"),
                extension.table("autobuild_transitions"),
            ),
            Access::Read,
            vec![Arg::Time(Some(before))],
            |_| Ok(()),
        )
    })?;
    Ok(found > 0)
}

/// Removes history older than `before`.
pub fn prune(extension: &Extension, before: Instant) -> Result<(), Error> {
    extension.as_owner(|| {
        for (table, time) in [
            ("autobuild_ticks", "started_at"),
            ("autobuild_transitions", "decided_at"),
        ] {
            run(
                &format!(
                    "DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                         SELECT ctid FROM {table} WHERE {time} < $1 LIMIT $2))",
                    table = extension.table(table)
                ),
                Access::Write,
                vec![Arg::Time(Some(before)), Arg::BigInt(Some(PRUNED_AT_ONCE))],
                |_| Ok(()),
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::transition::{BuildReason, Transition};

    fn attempt(code: Option<&'static str>) -> Attempt {
        Attempt {
            workspace_id: Uuid::nil(),
            latest_build_number: 1,
            transition: Transition::Start,
            reason: BuildReason::Autostart,
            due_at: Instant::NO_TIME,
            outcome: Outcome::Blocked,
            code,
            build_id: None,
            job_id: None,
            build_number: None,
            sqlstate: None,
            message: None,
            fingerprint: 0,
        }
    }

    #[test]
    fn attempts_back_off_by_doubling_up_to_an_hour() {
        let minutes: Vec<i64> = (1..=9)
            .map(|n| back_off(&attempt(Some("import_job_failed")), n) / MINUTE)
            .collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_clock_that_was_set_back_puts_nothing_off_for_long() {
        let now = Instant::NO_TIME;
        let soon = |minutes| too_soon(now.saturating_add_micros(minutes * MINUTE), now);
        assert_eq!(
            [-1, 0, 1, 60, 61, 600_000].map(soon),
            [false, false, true, true, false, false]
        );
    }

    #[test]
    fn what_somebody_holds_is_asked_for_again_within_minutes() {
        let held = Attempt {
            sqlstate: Some("55P03".to_owned()),
            ..attempt(None)
        };
        let minutes: Vec<i64> = (1..=5).map(|n| back_off(&held, n) / MINUTE).collect();
        assert_eq!(minutes, [1, 2, 4, 4, 4]);
    }

    #[test]
    fn a_missing_provisioner_is_looked_for_at_each_tick() {
        assert_eq!(back_off(&attempt(Some("no_provisioner")), 5), 0);
    }
}
