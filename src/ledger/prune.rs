//! Removing history that is kept no longer.

use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Arg, execute, exists};

/// Rows of history that one tick removes at most, so that it stays short.
const PRUNED_AT_ONCE: i64 = 10_000;

/// Is there history older than `before`? Asked before anything is written.
pub(crate) fn has_older(extension: &Extension, before: Instant) -> Result<bool, Error> {
    extension.as_owner(|| {
        exists(
            &format!(
                "(SELECT true FROM {} WHERE started_at < $1 LIMIT 1)
                 UNION ALL
                 (SELECT true FROM {} WHERE decided_at < $1 LIMIT 1)",
                extension.table("autobuild_ticks"),
                extension.table("autobuild_transitions"),
            ),
            vec![Arg::Time(Some(before))],
        )
    })
}

/// Removes history older than `before`.
pub(crate) fn remove(extension: &Extension, before: Instant) -> Result<(), Error> {
    extension.as_owner(|| {
        for (table, time) in [
            ("autobuild_ticks", "started_at"),
            ("autobuild_transitions", "decided_at"),
            // Those that are on stay.
            ("autobuild_brakes", "released_at"),
        ] {
            execute(
                &format!(
                    "DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                         SELECT ctid FROM {table} WHERE {time} < $1 LIMIT $2))",
                    table = extension.table(table)
                ),
                vec![Arg::Time(Some(before)), Arg::BigInt(Some(PRUNED_AT_ONCE))],
            )?;
        }
        Ok(())
    })
}
