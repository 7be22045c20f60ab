//! The time zones that schedules name.

use crate::columns::workspaces;
use crate::server::error::Error;
use crate::server::identity::acting_as;
use crate::server::query::{Access, for_each_row};
use crate::server::zones;
use crate::settings::Settings;

use super::role::{executor_role, missing_rights};
use super::schema::Product;

/// The tables that are read.
pub(crate) const READ: [&str; 1] = [workspaces::TABLE];

/// Which zones the server has no file of, though a workspace's schedule names them, and what
/// mends it. Read as the executor's role, so that everybody comes to the same; a role that
/// can't read is a problem of its own.
pub(crate) fn problem(product: &Product, settings: &Settings) -> Result<Option<String>, Error> {
    let Ok(role) = executor_role(product, settings) else {
        return Ok(None);
    };
    if missing_rights(product, role)?.is_some() {
        return Ok(None);
    }
    let schedule = product.read("w", workspaces::AUTOSTART_SCHEDULE);
    // The zone ends at the first space.
    let sql = format!(
        "SELECT DISTINCT pg_catalog.split_part(pg_catalog.substr({schedule}, 9), ' ', 1)
           FROM {} w
          WHERE pg_catalog.starts_with({schedule}, 'CRON_TZ=') AND NOT w.deleted
          ORDER BY 1",
        product.table(workspaces::TABLE)
    );
    let mut names = Vec::new();
    acting_as(role, || {
        for_each_row(&sql, Access::Read, vec![], |row| {
            names.extend(row.text(0)?);
            Ok(())
        })
    })?;
    Ok(zones::problem(&names))
}
