//! The entries: for each workspace the earliest time at which something may be due.

use std::collections::HashMap;

use uuid::Uuid;

use crate::decision::due::next_look;
use crate::decision::holds::KeptHolds;
use crate::decision::judge::judge;
use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::policy::Policy;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::guc::with_settings;
use crate::server::query::{Access, Arg, Row, execute, for_each_row, uuids};

/// The entry that a workspace's facts ask for, at a tick that is not in the future.
pub(crate) fn entry(
    product: &Product,
    policy: &Policy,
    holds: &KeptHolds,
    facts: &Facts,
    tick: Instant,
) -> Option<Instant> {
    next_look(&judge(product, policy, holds, facts, tick), tick)
}

/// Is this entry as good as the wanted one? All that have passed are the same: the
/// workspace is looked at.
fn serves(entry: Option<&Instant>, wanted: Instant, tick: Instant) -> bool {
    entry.is_some_and(|&entry| entry == wanted || entry.max(wanted) <= tick)
}

/// Does this entry let something pass that is due earlier?
pub(crate) fn is_late(entry: Option<&Instant>, wanted: Instant, tick: Instant) -> bool {
    !serves(entry, wanted, tick) && entry.is_none_or(|&entry| entry > wanted)
}

/// Has the server go along the index of times, whatever it takes the table for: few entries are
/// due, and what a tick removed is passed over from then on, which a bitmap reads again until
/// the next vacuum.
const IN_ORDER_OF_TIME: [(&str, &str); 2] =
    [("enable_bitmapscan", "off"), ("enable_seqscan", "off")];

/// The workspaces whose entry is due by a time.
pub(crate) fn due(extension: &Extension, by: Instant, access: Access) -> Result<Vec<Uuid>, Error> {
    let mut ids = Vec::new();
    let sql = format!(
        "SELECT workspace_id FROM {} WHERE due_at <= $1",
        extension.table("autobuild_agenda")
    );
    extension.as_owner(|| {
        with_settings(&IN_ORDER_OF_TIME, || {
            for_each_row(&sql, access, vec![Arg::Time(Some(by))], |row| {
                ids.extend(row.uuid(0)?);
                Ok(())
            })
        })
    })?;
    Ok(ids)
}

/// The entries after this one, at most so many, of those that are due by a time, in the order
/// of their times.
pub(crate) fn after(
    extension: &Extension,
    (at, id): (Instant, Uuid),
    by: Instant,
    count: i64,
) -> Result<Vec<(Uuid, Instant)>, Error> {
    let mut entries = Vec::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT workspace_id, due_at FROM {}
                  WHERE due_at <= $1 AND due_at >= $2 AND (due_at, workspace_id) > ($2, $3)
                  ORDER BY due_at, workspace_id LIMIT $4",
                extension.table("autobuild_agenda")
            ),
            Access::Read,
            vec![
                Arg::Time(Some(by)),
                Arg::Time(Some(at)),
                Arg::Uuid(id),
                Arg::BigInt(Some(count)),
            ],
            |row| {
                entries.extend(row.uuid(0)?.zip(row.time(1)?));
                Ok(())
            },
        )
    })?;
    Ok(entries)
}

/// The entries of some workspaces.
pub(crate) fn of_workspaces(
    extension: &Extension,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Instant>, Error> {
    read(
        extension,
        "workspace_id = ANY ($1)",
        vec![uuids(ids.iter().copied())],
    )
}

/// The entries after one workspace's id up to another's.
pub(crate) fn between(
    extension: &Extension,
    after: Uuid,
    upto: Uuid,
) -> Result<HashMap<Uuid, Instant>, Error> {
    read(
        extension,
        "workspace_id > $1 AND workspace_id <= $2",
        vec![Arg::Uuid(after), Arg::Uuid(upto)],
    )
}

fn read(
    extension: &Extension,
    condition: &str,
    args: Vec<Arg<'_>>,
) -> Result<HashMap<Uuid, Instant>, Error> {
    let mut entries = HashMap::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT workspace_id, due_at FROM {} WHERE {condition}",
                extension.table("autobuild_agenda")
            ),
            Access::ReadOwn,
            args,
            |row| {
                let id = Row::required(row.uuid(0)?, "autobuild_agenda.workspace_id")?;
                let at = Row::required(row.time(1)?, "autobuild_agenda.due_at")?;
                entries.insert(id, at);
                Ok(())
            },
        )
    })?;
    Ok(entries)
}

/// Sets entries, and removes those of workspaces that have none any more. Writes only
/// what differs from what is there, and returns how many entries that were.
pub(crate) fn set(
    extension: &Extension,
    there: &HashMap<Uuid, Instant>,
    wanted: &HashMap<Uuid, Option<Instant>>,
    tick: Instant,
) -> Result<usize, Error> {
    let mut changed = Vec::new();
    let mut gone = Vec::new();
    for (id, at) in wanted {
        match at {
            Some(at) if !serves(there.get(id), *at, tick) => changed.push((*id, *at)),
            None if there.contains_key(id) => gone.push(*id),
            _ => {}
        }
    }
    // Neighbours in the index of ids one after the other.
    changed.sort_unstable();
    extension.as_owner(|| {
        if !changed.is_empty() {
            execute(
                &format!(
                    "INSERT INTO {} (workspace_id, due_at)
                     SELECT * FROM unnest($1, $2)
                     ON CONFLICT (workspace_id) DO UPDATE SET due_at = EXCLUDED.due_at",
                    extension.table("autobuild_agenda")
                ),
                vec![
                    uuids(changed.iter().map(|(id, _)| *id)),
                    Arg::Times(changed.iter().map(|(_, at)| Some(*at)).collect()),
                ],
            )?;
        }
        if !gone.is_empty() {
            execute(
                &format!(
                    "DELETE FROM {} WHERE workspace_id = ANY ($1)",
                    extension.table("autobuild_agenda")
                ),
                vec![uuids(gone.iter().copied())],
            )?;
        }
        Ok::<(), Error>(())
    })?;
    Ok(changed.len() + gone.len())
}
