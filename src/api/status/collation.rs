//! The server's warning at each connection, which is logged only once for the worker.

use crate::server::error::Error;
use crate::server::query::{Arg, fetch_one};
use crate::worker::region;

/// The database's collation version isn't the system's: what to do about it.
pub(super) fn problem() -> Result<Option<String>, Error> {
    let problem = fetch_one(
        "SELECT pg_catalog.quote_ident(d.datname), d.datcollversion, v.actual \
         FROM pg_catalog.pg_database d, \
         LATERAL (SELECT pg_catalog.pg_database_collation_actual_version(d.oid) AS actual) v \
         WHERE d.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid) \
         AND d.datcollversion IS NOT NULL \
         AND (v.actual IS NULL OR v.actual OPERATOR(pg_catalog.<>) d.datcollversion)",
        vec![Arg::BigInt(Some(i64::from(region::this_database())))],
        |row| {
            let name = row.text(0)?.unwrap_or_default();
            let made = row.text(1)?.unwrap_or_default();
            let now = row
                .text(2)?
                .unwrap_or_else(|| "without a version".to_owned());
            Ok(format!(
                "the database was created with collation version {made}, but the system's is \
                {now}: indexes on text may be \
                 out of order; REINDEX DATABASE {name}, then ALTER DATABASE {name} REFRESH COLLATION VERSION"
            ))
        },
    )?;
    Ok(problem)
}
