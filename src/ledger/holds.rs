//! `autobuild_holds_made`: holds are made, released and, long after, forgotten.

use crate::holds::Scope;
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, execute, exists, fetch_one, for_each_row};

/// A hold that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewHold {
    /// Its start, or that of its first occurrence.
    pub starts_at: Instant,
    /// Its end, or that of its first occurrence.
    pub ends_at: Option<Instant>,
    /// The rule by which it comes again.
    pub recurrence: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Makes holds of one scope and some transitions; returns their numbers, in order.
pub(crate) fn make(
    extension: &Extension,
    scope: Scope,
    transitions: Option<&str>,
    holds: &[NewHold],
    by: Option<&str>,
) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "INSERT INTO {} (scope, scope_id, transitions, starts_at, ends_at, recurrence,
                                 reason, created_by, created_at)
                 SELECT $1, $2, pg_catalog.string_to_array($3, ','), n.starts_at, n.ends_at,
                        n.recurrence, n.reason, $8, pg_catalog.now()
                   FROM unnest($4, $5, $6, $7)
                        AS n (starts_at, ends_at, recurrence, reason)
                 RETURNING hold_id",
                extension.table("autobuild_holds_made")
            ),
            Access::Write,
            vec![
                Arg::Text(Some(scope.name())),
                Arg::OptionalUuid(scope.id()),
                Arg::Text(transitions),
                Arg::Times(holds.iter().map(|hold| Some(hold.starts_at)).collect()),
                Arg::Times(holds.iter().map(|hold| hold.ends_at).collect()),
                Arg::Texts(holds.iter().map(|hold| hold.recurrence.clone()).collect()),
                Arg::Texts(holds.iter().map(|hold| hold.reason.clone()).collect()),
                Arg::Text(by),
            ],
            |row| {
                numbers.extend(row.bigint(0)?);
                Ok(())
            },
        )
    })?;
    Ok(numbers)
}

/// How many holds are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub all: i64,
    pub recurring: i64,
    pub released: i64,
}

/// Counts them.
pub(crate) fn count(extension: &Extension) -> Result<Count, Error> {
    let counted = extension.as_owner(|| {
        fetch_one(
            &format!(
                "SELECT pg_catalog.count(*), pg_catalog.count(recurrence),
                        pg_catalog.count(released_at) FROM {}",
                extension.table("autobuild_holds_made")
            ),
            vec![],
            |row| {
                Ok(Count {
                    all: row.bigint(0)?.unwrap_or_default(),
                    recurring: row.bigint(1)?.unwrap_or_default(),
                    released: row.bigint(2)?.unwrap_or_default(),
                })
            },
        )
    })?;
    Ok(counted.unwrap_or_default())
}

/// Releases a hold from an instant on. False: there is none, or none any more.
pub(crate) fn release(extension: &Extension, hold_id: i64, at: Instant) -> Result<bool, Error> {
    let released = extension.as_owner(|| {
        execute(
            &format!(
                "UPDATE {} SET released_at = $2
                  WHERE hold_id OPERATOR(pg_catalog.=) $1 AND released_at IS NULL
                    AND (recurrence IS NOT NULL OR ends_at IS NULL
                         OR ends_at OPERATOR(pg_catalog.>) $2)",
                extension.table("autobuild_holds_made")
            ),
            vec![Arg::BigInt(Some(hold_id)), Arg::Time(Some(at))],
        )
    })?;
    Ok(released > 0)
}

/// Those that were released, or have ended for good, before an instant.
const OVER: &str = "released_at < $1 OR recurrence IS NULL AND ends_at < $1";

/// Is there any that has been over for so long? Asked before anything is written.
pub(crate) fn has_over(extension: &Extension, before: Instant) -> Result<bool, Error> {
    extension.as_owner(|| {
        exists(
            &format!(
                "SELECT true FROM {} WHERE {OVER} LIMIT 1",
                extension.table("autobuild_holds_made")
            ),
            vec![Arg::Time(Some(before))],
        )
    })
}

/// Forgets those.
pub(crate) fn forget(extension: &Extension, before: Instant) -> Result<(), Error> {
    extension.as_owner(|| {
        execute(
            &format!(
                "DELETE FROM {} WHERE {OVER}",
                extension.table("autobuild_holds_made")
            ),
            vec![Arg::Time(Some(before))],
        )
    })?;
    Ok(())
}
