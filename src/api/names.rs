//! What people call workspaces.

use std::collections::HashMap;

use uuid::Uuid;

use crate::columns::{templates, users, workspaces};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::query::{Access, for_each_row, uuids};

/// The names of a workspace, its owner and its template.
pub(super) type Names = (Option<String>, Option<String>, Option<String>);

/// The names of some workspaces, as the caller may read them.
pub(super) fn names(
    product: &Product,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Names>, Error> {
    let mut names = HashMap::new();
    for_each_row(
        &format!(
            "SELECT w.id, w.name::pg_catalog.text, u.username::pg_catalog.text,
                    t.name::pg_catalog.text
               FROM {} w
               LEFT JOIN {} u ON u.id = w.owner_id
               LEFT JOIN {} t ON t.id = w.template_id
              WHERE w.id = ANY ($1)",
            product.table(workspaces::TABLE),
            product.table(users::TABLE),
            product.table(templates::TABLE)
        ),
        Access::Read,
        vec![uuids(ids)],
        |row| {
            if let Some(id) = row.uuid(0)? {
                names.insert(id, (row.text(1)?, row.text(2)?, row.text(3)?));
            }
            Ok(())
        },
    )?;
    Ok(names)
}
