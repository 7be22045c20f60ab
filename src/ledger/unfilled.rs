//! Workspaces whose `next_start_at` could not be filled in: code of the product's kept the
//! tick waiting, or refused the value. They are tried again after 1, 2, 4 ... 60 minutes,
//! so that they don't cost every tick its patience, nor others their turn.

use std::collections::HashMap;

use uuid::Uuid;

use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, for_each_row, uuids};

use super::back_off::pause;

/// When a workspace is tried again, and how often it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deferral {
    /// How often it was tried.
    pub attempts: i32,
    /// It waits until then.
    pub next_attempt_at: Instant,
}

/// Every workspace that is put off.
pub(crate) fn read(extension: &Extension) -> Result<HashMap<Uuid, Deferral>, Error> {
    let mut deferred = HashMap::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT workspace_id, attempts, next_attempt_at FROM {}",
                extension.table("autobuild_unfilled")
            ),
            Access::Read,
            vec![],
            |row| {
                deferred.insert(
                    Row::required(row.uuid(0)?, "autobuild_unfilled.workspace_id")?,
                    Deferral {
                        attempts: row.int(1)?.unwrap_or(0),
                        next_attempt_at: Row::required(
                            row.time(2)?,
                            "autobuild_unfilled.next_attempt_at",
                        )?,
                    },
                );
                Ok(())
            },
        )
    })?;
    Ok(deferred)
}

/// Puts some off, each after so many attempts before the one at `at`.
pub(crate) fn put_off(
    extension: &Extension,
    tried: &[(Uuid, i32)],
    at: Instant,
) -> Result<(), Error> {
    if tried.is_empty() {
        return Ok(());
    }
    let attempts = |earlier: i32| earlier.saturating_add(1);
    let next = |earlier| at.saturating_add(pause(attempts(earlier)));
    extension.as_owner(|| {
        execute(
            &format!(
                "INSERT INTO {} (workspace_id, attempts, next_attempt_at)
                 SELECT * FROM unnest($1, $2, $3)
                 ON CONFLICT (workspace_id) DO UPDATE
                    SET attempts = EXCLUDED.attempts,
                        next_attempt_at = EXCLUDED.next_attempt_at",
                extension.table("autobuild_unfilled")
            ),
            vec![
                uuids(tried.iter().map(|(id, _)| *id)),
                Arg::Ints(tried.iter().map(|(_, n)| Some(attempts(*n))).collect()),
                Arg::Times(tried.iter().map(|(_, n)| Some(next(*n))).collect()),
            ],
        )
    })?;
    Ok(())
}

/// Forgets workspaces: they were filled in, or need it no more.
pub(crate) fn forget(extension: &Extension, workspaces: &[Uuid]) -> Result<(), Error> {
    if workspaces.is_empty() {
        return Ok(());
    }
    extension.as_owner(|| {
        execute(
            &format!(
                "DELETE FROM {} WHERE workspace_id = ANY ($1)",
                extension.table("autobuild_unfilled")
            ),
            vec![uuids(workspaces.iter().copied())],
        )
    })?;
    Ok(())
}
