//! The capture triggers as they stand on the product's tables.

use std::collections::HashSet;

use crate::columns::{provisioner_jobs, workspace_builds};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, exists, for_each_row};
use crate::server::transaction::with_latest_catalog;

use super::capture::CAPTURED;

/// The row triggers' name.
pub(crate) const ROW_TRIGGER: &str = "autobuild_capture";
/// The statement triggers' name, for TRUNCATE.
pub(crate) const TRUNCATE_TRIGGER: &str = "autobuild_capture_truncate";

/// The capture triggers as they are found.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    /// The tables where one is missing, or doesn't fire always.
    pub missing: Vec<&'static str>,
    /// Is any there?
    pub any: bool,
    /// Differs once a trigger was made anew, or was off for a while.
    pub identity: String,
}

impl Triggers {
    /// Looks for them in the catalog.
    pub(crate) fn find(product: &Product) -> Result<Triggers, Error> {
        let mut there: HashSet<(String, String)> = HashSet::new();
        let mut triggers = Triggers::default();
        for_each_row(
            "SELECT c.relname::pg_catalog.text, t.tgname::pg_catalog.text,
                    t.tgenabled = 'A',
                    pg_catalog.concat_ws('.', t.oid, t.xmin)
               FROM pg_catalog.pg_trigger t
               JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_catalog.pg_depend d
                 ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = t.tgfoid
                    AND d.deptype = 'e'
               JOIN pg_catalog.pg_extension e
                 ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                    AND d.refobjid = e.oid AND e.extname = 'workspace-autobuild'
              WHERE n.nspname = $1 AND NOT t.tgisinternal
              ORDER BY t.oid",
            Access::Read,
            vec![Arg::Text(Some(product.name()))],
            |row| {
                triggers.any = true;
                triggers.identity += &row.text(3)?.unwrap_or_default();
                triggers.identity.push(' ');
                if let (Some(table), Some(trigger), true) =
                    (row.text(0)?, row.text(1)?, row.bool(2)?)
                {
                    there.insert((table, trigger));
                }
                Ok(())
            },
        )?;
        triggers.missing = CAPTURED
            .iter()
            .map(|captured| captured.table)
            .filter(|table| {
                [ROW_TRIGGER, TRUNCATE_TRIGGER]
                    .iter()
                    .any(|trigger| !there.contains(&((*table).to_owned(), (*trigger).to_owned())))
            })
            .collect();
        Ok(triggers)
    }
}

/// Are builds and their jobs kept as they are inserted? Not with a trigger of somebody else's, or
/// a rule, on one of these tables.
pub(crate) fn keep_new_builds(product: &Product) -> Result<bool, Error> {
    let builds = product.table(workspace_builds::TABLE);
    let jobs = product.table(provisioner_jobs::TABLE);
    // Of now, as the server fires them.
    let changed = with_latest_catalog(|| {
        exists(
            "SELECT FROM pg_catalog.pg_class c
              WHERE c.oid IN ($1::pg_catalog.regclass, $2::pg_catalog.regclass)
                AND (c.relhasrules
                     OR EXISTS (SELECT FROM pg_catalog.pg_trigger t
                                 WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
                                   AND t.tgname NOT IN ($3, $4)))",
            vec![
                Arg::Text(Some(&builds)),
                Arg::Text(Some(&jobs)),
                Arg::Text(Some(ROW_TRIGGER)),
                Arg::Text(Some(TRUNCATE_TRIGGER)),
            ],
        )
    })?;
    Ok(!changed)
}
