//! `autobuild_attempts`: the workspaces that can't move, and until when each is put off.

use std::collections::HashMap;

use uuid::Uuid;

use crate::decision::attempt::{Attempt, Outcome};
use crate::instant::Instant;
use crate::lifecycle::transition::Transition;
use crate::new_build::codes::BlockCode;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, fetch_all, fetch_one, for_each_row, uuids};
use crate::sqlstate::SqlState;

use super::back_off::{LastAttempt, pause_after};

/// The value of this name; `None` for a name of another version of the extension.
fn named<T: Copy>(name: Option<String>, all: &[T], name_of: fn(T) -> &'static str) -> Option<T> {
    let name = name?;
    all.iter().copied().find(|known| name_of(*known) == name)
}

/// Every workspace that can't move, with what was tried last.
pub(crate) fn read(extension: &Extension) -> Result<HashMap<Uuid, LastAttempt>, Error> {
    let mut last = HashMap::new();
    let sql = format!(
        "SELECT workspace_id, build_number, transition, outcome, code, since, attempts,
                next_attempt_at, fingerprint
           FROM {}",
        extension.table("autobuild_attempts")
    );
    extension.as_owner(|| {
        for_each_row(&sql, Access::Read, vec![], |row| {
            let id = Row::required(row.uuid(0)?, "autobuild_attempts.workspace_id")?;
            last.insert(
                id,
                LastAttempt {
                    build_number: row.int(1)?.unwrap_or(0),
                    transition: named(row.text(2)?, &Transition::ALL, Transition::name),
                    outcome: named(row.text(3)?, &Outcome::ALL, Outcome::name),
                    code: named(row.text(4)?, BlockCode::ALL, BlockCode::code),
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
    Ok(last)
}

/// Keeps what is stuck, and until when it is put off (counted from `begun`); forgets what
/// moved.
pub(super) fn record(
    extension: &Extension,
    attempts: &[Attempt],
    earlier: &HashMap<Uuid, LastAttempt>,
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
                .filter(|earlier| earlier.is_the_same_matter(attempt))
                .map_or((now, 1), |earlier| {
                    (earlier.since, earlier.attempts.saturating_add(1))
                })
        })
        .collect();
    let texts = |text: &dyn Fn(&Attempt) -> Option<String>| {
        Arg::Texts(stuck.iter().map(|attempt| text(attempt)).collect())
    };
    execute(
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
        vec![
            Arg::Time(Some(now)),
            uuids(stuck.iter().map(|a| a.workspace_id)),
            Arg::Ints(stuck.iter().map(|a| Some(a.latest_build_number)).collect()),
            texts(&|a| Some(a.transition.name().to_owned())),
            texts(&|a| Some(a.reason.name().to_owned())),
            Arg::Times(stuck.iter().map(|a| Some(a.due_at)).collect()),
            texts(&|a| Some(a.outcome.name().to_owned())),
            texts(&|a| a.code.map(|code| code.code().to_owned())),
            texts(&|a| a.sqlstate.map(|state| state.to_string())),
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
                        Some(begun.saturating_add(pause_after(attempt, *attempts)))
                    })
                    .collect(),
            ),
            texts(&|a| Some(a.fingerprint.to_string())),
        ],
    )?;
    Ok(())
}

/// Forgets workspaces that moved, or that nothing is due for any more.
pub(crate) fn forget(extension: &Extension, workspaces: &[Uuid]) -> Result<(), Error> {
    if workspaces.is_empty() {
        return Ok(());
    }
    execute(
        &format!(
            "DELETE FROM {} WHERE workspace_id = ANY ($1)",
            extension.table("autobuild_attempts")
        ),
        vec![uuids(workspaces.iter().copied())],
    )?;
    Ok(())
}

/// The workspaces that can't move, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stuck {
    /// All of them.
    pub all: i64,
    /// Those that failed; what somebody held may be free at any time, and isn't among them.
    pub failed: i64,
    /// The SQLSTATE of the last that failed.
    pub sqlstate: String,
}

/// Counts the workspaces that can't move. Needs the rights of the extension's owner.
pub(crate) fn count_stuck(extension: &Extension) -> Result<Stuck, Error> {
    let held = SqlState::HELD.map(|state| Some(state.to_string()));
    let stuck = fetch_one(&format!(
            "SELECT pg_catalog.count(*), pg_catalog.count(f.sqlstate), \
             (pg_catalog.array_agg(f.sqlstate ORDER BY a.last_attempt_at USING OPERATOR(pg_catalog.>)) \
              FILTER (WHERE f.sqlstate IS NOT NULL))[1] \
             FROM {} a, \
             LATERAL (SELECT CASE WHEN a.outcome OPERATOR(pg_catalog.=) 'failed' \
              AND a.sqlstate OPERATOR(pg_catalog.<>) ALL ($1) THEN a.sqlstate END AS sqlstate) f",
            extension.table("autobuild_attempts")
        ), vec![Arg::Texts(held.to_vec())], |row| Ok(Stuck {
                all: row.bigint(0)?.unwrap_or(0),
                failed: row.bigint(1)?.unwrap_or(0),
                sqlstate: row.text(2)?.unwrap_or_default(),
            }))?.unwrap_or_default();
    Ok(stuck)
}

/// Why workspaces can't move, by code or SQLSTATE, and how many for each; the most first.
/// Needs the rights of the extension's owner.
pub(crate) fn why_stuck(extension: &Extension) -> Result<Vec<(String, i64)>, Error> {
    fetch_all(
        &format!(
            "SELECT COALESCE(a.code, a.sqlstate, a.outcome), pg_catalog.count(*)
               FROM {} a GROUP BY 1 ORDER BY 2 DESC, 1",
            extension.table("autobuild_attempts")
        ),
        Vec::new(),
        |row| {
            Ok((
                row.text(0)?.unwrap_or_default(),
                row.bigint(1)?.unwrap_or(0),
            ))
        },
    )
}

/// The rows of `autobuild_blocked`. Needs the rights of the extension's owner.
pub(crate) fn count_blocked(extension: &Extension) -> Result<i64, Error> {
    let count = fetch_one(
        &format!(
            "SELECT pg_catalog.count(*) FROM {}",
            extension.table("autobuild_blocked")
        ),
        Vec::new(),
        |row| Ok(row.bigint(0)?.unwrap_or(0)),
    )?
    .unwrap_or_default();
    Ok(count)
}
