//! How many workspaces there are.

use crate::columns::workspaces;
use crate::server::error::Error;
use crate::server::query::fetch_one;

use super::schema::Product;

/// Counts the workspaces that are not deleted, as far as whoever reads sees them.
pub(crate) fn workspaces(product: &Product) -> Result<i64, Error> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} w WHERE NOT {}",
        product.table(workspaces::TABLE),
        product.read("w", workspaces::DELETED),
    );
    let count = fetch_one(&sql, Vec::new(), |row| row.bigint(0))?;
    Ok(count.flatten().unwrap_or(0))
}
