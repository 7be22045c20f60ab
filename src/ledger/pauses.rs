//! `autobuild_pauses`: whether the worker's ticks are paused in this database.

use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Arg, execute, fetch_one};

/// A pause of this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Why.
    pub reason: Option<String>,
}

/// The pause of this database, if there is one, under the active snapshot: the latest, where
/// one is replicated from elsewhere. Needs the rights of the extension's owner.
pub(crate) fn find(extension: &Extension) -> Result<Option<Pause>, Error> {
    let pause = fetch_one(
        &format!(
            "SELECT p.reason FROM {} p ORDER BY p.paused_at USING OPERATOR(pg_catalog.>) LIMIT 1",
            extension.table("autobuild_pauses")
        ),
        Vec::new(),
        |row| {
            Ok(Pause {
                reason: row.text(0)?,
            })
        },
    )?;
    Ok(pause)
}

/// Begins a pause, in place of one that there was.
pub(crate) fn begin(
    extension: &Extension,
    reason: Option<&str>,
    by: Option<&str>,
) -> Result<(), Error> {
    extension.as_owner(|| {
        execute(
            &format!(
                "WITH earlier AS (DELETE FROM {pauses}) \
                 INSERT INTO {pauses} (reason, paused_at, paused_by) \
                 VALUES ($1, pg_catalog.now(), $2)",
                pauses = extension.table("autobuild_pauses")
            ),
            vec![Arg::Text(reason), Arg::Text(by)],
        )
    })?;
    Ok(())
}

/// Ends a pause; without one it does nothing.
pub(crate) fn end(extension: &Extension) -> Result<(), Error> {
    extension.as_owner(|| {
        execute(
            &format!("DELETE FROM {}", extension.table("autobuild_pauses")),
            Vec::new(),
        )
    })?;
    Ok(())
}
