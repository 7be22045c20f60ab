//! Where the product's tables come from, and who may copy them: a subscription that
//! fills them, and the right that a dump needs beside them.

use pgrx::PgSqlErrorCode;

use crate::columns::{provisioner_jobs, workspace_builds, workspaces};
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::role_name;
use crate::server::query::{Access, Arg, exists, for_each_row};
use crate::server::transaction::with_latest_snapshot;

use super::schema::{Product, quoted};

/// What a tick writes, or decides by: a build made here while they are replicated from
/// elsewhere takes the number, or the turn, of a build that is made there.
const THE_PUBLISHERS: [&str; 3] = [
    workspaces::TABLE,
    workspace_builds::TABLE,
    provisioner_jobs::TABLE,
];

/// Asks what is committed now, whatever snapshot the transaction has.
///
/// Errors: 55000 a subscription fills the product's tables, be it enabled or not: ticks
/// are made where the rows come from.
pub(crate) fn not_subscribed(product: &Product) -> Result<(), Error> {
    let mut found = None;
    with_latest_snapshot(|| {
        for_each_row(
            "SELECT pg_catalog.string_agg(DISTINCT c.relname::pg_catalog.text, ', '),
                    pg_catalog.min(s.subname::pg_catalog.text)
               FROM pg_catalog.pg_subscription_rel r
               JOIN pg_catalog.pg_class c
                 ON c.oid = COALESCE(pg_catalog.pg_partition_root(r.srrelid), r.srrelid)
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
              WHERE n.nspname = $1 AND c.relname = ANY ($2)",
            Access::Read,
            vec![
                Arg::Text(Some(product.name())),
                Arg::Texts(THE_PUBLISHERS.map(|table| Some(table.to_owned())).to_vec()),
            ],
            |row| {
                found = row.text(0)?.zip(row.text(1)?);
                Ok(())
            },
        )
    })?;
    let Some((tables, subscription)) = found else {
        return Ok(());
    };
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "no ticks are made while subscription \"{subscription}\" fills the product's tables \
            ({tables})"
        ),
    )
    .hint(format!(
        "Ticks are made on the publisher. When this server takes over, run DROP SUBSCRIPTION {};",
        quoted(&subscription)
    )))
}

/// What is in the way of a dump by the owner of the product's tables.
pub(crate) fn dump_problem(
    extension: &Extension,
    product: &Product,
) -> Result<Option<String>, Error> {
    let Some(owner) = role_name(product.owner) else {
        return Ok(None);
    };
    let lacking = exists(
        "SELECT true
           FROM pg_catalog.pg_extension e
          WHERE e.extname = 'workspace-autobuild'
            AND NOT pg_catalog.has_schema_privilege($1, e.extnamespace, 'USAGE')",
        vec![Arg::Text(Some(&owner))],
    )?;
    Ok(lacking.then(|| {
        format!(
            "a pg_dump by the owner of the product's tables fails, since that owner lacks \
             USAGE on the extension's schema: GRANT USAGE ON SCHEMA {} TO {};",
            extension.schema,
            quoted(&owner)
        )
    }))
}
