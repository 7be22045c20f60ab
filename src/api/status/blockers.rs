//! Who is in a tick's way, for `problem`: processes, what they hold and in which mode, as
//! `pg_locks` shows them to everybody. Never what they execute.

use uuid::Uuid;

use crate::executor::advisory::lock_key;
use crate::instant::{Instant, MINUTE};
use crate::product::holders::{self, IN_THIS_DATABASE, process};
use crate::server::clock;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, for_each_row};
use crate::settings::Settings;
use crate::worker::slot::{Health, Slot};

/// A workspace whose lock somebody keeps for so long is told of: longer than a round of
/// the product's executor takes.
const KEPT: i64 = 3 * MINUTE;

/// What a slot's worker waits for, or waited for in vain at its last tick.
pub(crate) fn problems(settings: &Settings, slot: &Slot) -> Result<Vec<String>, Error> {
    let mut problems = waited_for(slot.worker_pid)?;
    let waited = slot
        .last_sqlstate()
        .is_some_and(|state| state.is_locked_or_deadlock() || state.is_canceled());
    if problems.is_empty() && (slot.health == Health::Busy || slot.last_tick.troubled) && waited {
        problems = holders::of_tables(settings, slot.worker_pid)?;
    }
    problems.extend(of_workspaces(slot, clock::now())?);
    Ok(problems)
}

/// Who keeps this process waiting for more than a second.
fn waited_for(pid: i32) -> Result<Vec<String>, Error> {
    let mut waits = Vec::new();
    if pid == 0 {
        return Ok(waits);
    }
    for_each_row(
        "SELECT DISTINCT b.pid, r.relname::pg_catalog.text, h.mode, w.locktype
           FROM pg_catalog.pg_locks w
          CROSS JOIN pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)
           LEFT JOIN pg_catalog.pg_locks t ON t.pid = w.pid AND t.locktype = 'tuple'
           LEFT JOIN pg_catalog.pg_class r ON r.oid = coalesce(w.relation, t.relation)
           LEFT JOIN pg_catalog.pg_locks h
             ON h.pid = b.pid AND h.granted AND h.locktype = w.locktype
            AND h.relation IS NOT DISTINCT FROM w.relation
            AND h.transactionid IS NOT DISTINCT FROM w.transactionid
          WHERE w.pid = $1 AND NOT w.granted
            AND w.waitstart < pg_catalog.clock_timestamp() - interval '1 s'
          ORDER BY 1 LIMIT 3",
        Access::Read,
        vec![Arg::Int(Some(pid))],
        |row| {
            let relation = row.text(1)?.unwrap_or_else(|| "a transaction".to_owned());
            let relation = match row.text(3)?.as_deref() {
                Some("relation") | None => relation,
                Some(_) => format!("a row of {relation}"),
            };
            let by = process(row.int(0)?.filter(|&pid| pid != 0));
            waits.push(match row.text(2)? {
                Some(mode) => format!("the tick waits: {by} holds {mode} on {relation}"),
                None => format!("the tick waits: {by} is ahead of it in the queue for {relation}"),
            });
            Ok(())
        },
    )?;
    Ok(waits)
}

/// Who keeps the locks of workspaces that are due.
fn of_workspaces(slot: &Slot, now: Instant) -> Result<Vec<String>, Error> {
    let long_ago = now.saturating_add_micros(-KEPT).micros();
    let kept: Vec<(Uuid, i64)> = slot
        .left_out
        .iter()
        .filter(|known| known.since != 0 && known.since <= long_ago)
        .map(|known| (Uuid::from_bytes(known.workspace), known.since))
        .collect();
    let mut problems = Vec::new();
    if kept.is_empty() {
        return Ok(problems);
    }
    let key = |id: &Uuid| lock_key(*id).to_string();
    for_each_row(
        &format!(
            "SELECT l.key, l.pid
               FROM (SELECT l.pid, ((l.classid::pg_catalog.int8 << 32)
                                    | l.objid::pg_catalog.int8)::pg_catalog.text AS key
                       FROM {IN_THIS_DATABASE} l
                      WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted) l
              WHERE l.key = ANY ($1) ORDER BY l.key"
        ),
        Access::Read,
        vec![Arg::Texts(
            kept.iter().map(|(id, _)| Some(key(id))).collect(),
        )],
        |row| {
            let held = Row::required(row.text(0)?, "pg_locks.objid")?;
            let by = process(row.int(1)?);
            if let Some((id, since)) = kept.iter().find(|(id, _)| key(id) == held) {
                let since = Instant::from_micros(*since).unwrap_or(now);
                problems.push(format!(
                    "workspace {id} is due and left out since {since}: {by} holds its advisory lock ({held})"
                ));
            }
            Ok(())
        },
    )?;
    Ok(problems)
}
