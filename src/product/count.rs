//! How many workspaces there are.

use crate::columns::workspaces;
use crate::server::error::Error;
use crate::server::query::{Access, for_each_row};

use super::schema::Product;

/// Counts the workspaces that are not deleted, as far as whoever reads sees them.
pub(crate) fn workspaces(product: &Product) -> Result<i64, Error> {
    let mut count = 0;
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} w WHERE NOT {}",
        product.table(workspaces::TABLE),
        product.read("w", workspaces::DELETED),
    );
    for_each_row(&sql, Access::Read, Vec::new(), |row| {
        count = row.bigint(0)?.unwrap_or(0);
        Ok(())
    })?;
    Ok(count)
}
