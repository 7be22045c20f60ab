//! Who may copy the product's tables: the right that a dump needs beside them.

use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::role_name;
use crate::server::query::{Access, Arg, run};

use super::schema::{Product, quoted};

/// What is in the way of a dump by the owner of the product's tables.
pub fn dump_problem(extension: &Extension, product: &Product) -> Result<Option<String>, Error> {
    let Some(owner) = role_name(product.owner) else {
        return Ok(None);
    };
    let lacking = run(
        "SELECT true
           FROM pg_catalog.pg_extension e
          WHERE e.extname = 'workspace-autobuild'
            AND NOT pg_catalog.has_schema_privilege($1, e.extnamespace, 'USAGE')",
        Access::Read,
        vec![Arg::Text(Some(&owner))],
        |_| Ok(()),
    )?;
    Ok((lacking > 0).then(|| {
        format!(
            "a pg_dump by the owner of the product's tables fails, for want of a right on the extension's schema: \
             GRANT USAGE ON SCHEMA {} TO {};",
            extension.schema,
            quoted(&owner)
        )
    }))
}
