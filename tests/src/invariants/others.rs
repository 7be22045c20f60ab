//! Everything that is not the extension's to change.

use postgres::Client;

use crate::product::{Product, extension_schema, quote_ident, texts};

use super::has_column;

/// Columns of `workspaces` that a tick may write.
const WRITTEN: [&str; 4] = ["dormant_at", "locked_at", "deleting_at", "next_start_at"];

/// The rows of the product's tables at a moment, without those of the extension's builds
/// and without what a tick may write of a workspace: a number for each table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Others {
    tables: Vec<(String, Option<String>)>,
}

impl Others {
    /// As they are now.
    #[track_caller]
    pub fn of(product: &Product) -> Others {
        let mut client = product.superuser();
        let schema = extension_schema(&mut client);
        let tables = texts(
            &mut client,
            &format!(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = {} AND c.relkind = 'r' AND c.relname NOT LIKE 'autobuild%'
                  ORDER BY 1",
                crate::product::quote_literal(product.schema())
            ),
        );
        let tables = tables
            .into_iter()
            .flatten()
            .flatten()
            .map(|table| {
                let sum = checksum(&mut client, &table, schema.as_deref());
                (table, sum)
            })
            .collect();
        Others { tables }
    }

    /// Panics with the tables that differ now.
    #[track_caller]
    pub fn check(&self, product: &Product) {
        let now = Others::of(product);
        let changed: Vec<&str> = self
            .tables
            .iter()
            .filter(|table| !now.tables.contains(table))
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(
            changed.is_empty() && self.tables.len() == now.tables.len(),
            "rows that are not the extension's have changed in: {}",
            changed.join(", ")
        );
    }
}

fn checksum(client: &mut Client, table: &str, schema: Option<&str>) -> Option<String> {
    let ours = |column: &str, key: &str| match schema {
        None => "true".to_owned(),
        Some(schema) => format!(
            "NOT EXISTS (SELECT FROM {schema}.autobuild_transitions h
                          WHERE h.outcome = 'built' AND h.{key} = r.{column})"
        ),
    };
    let condition = match table {
        "provisioner_jobs" => ours("id", "job_id"),
        "workspace_builds" => ours("id", "build_id"),
        "workspace_build_parameters" => ours("workspace_build_id", "build_id"),
        // Written together with a build, keyed by the workspace's build number.
        "task_workspace_apps" => return None,
        _ => "true".to_owned(),
    };
    let without = WRITTEN
        .iter()
        .filter(|column| table == "workspaces" && has_column(client, table, column))
        .map(|column| format!(" - '{column}'"))
        .collect::<String>();
    let sql = format!(
        "SELECT count(*) || ' ' || coalesce(md5(string_agg(t, ',' ORDER BY t)), '')
           FROM (SELECT (to_jsonb(r){without})::text AS t FROM {} r WHERE {condition}) q",
        quote_ident(table)
    );
    texts(client, &sql).into_iter().flatten().flatten().next()
}
