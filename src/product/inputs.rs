//! Reading what builds are planned from: template versions with their definitions, the
//! previous values of workspaces, the tags of their latest jobs. Always for a set of
//! workspaces, a handful of statements whatever its size.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::new_build::inputs::{
    Definition, ImportJob, Preset, PreviousSource, PreviousValue, Version,
};
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, run, uuids};

use super::schema::Product;

/// Template versions by id, with all that their builds need. A version without a row
/// is not in the result.
pub fn versions(product: &Product, ids: &HashSet<Uuid>) -> Result<HashMap<Uuid, Version>, Error> {
    let mut versions = HashMap::new();
    if ids.is_empty() {
        return Ok(versions);
    }
    let with_presets = read_versions(product, ids, &mut versions)?;
    read_definitions(product, ids, &mut versions)?;
    if !with_presets.is_empty() {
        read_presets(product, &with_presets, &mut versions)?;
    }
    Ok(versions)
}

/// Reads the versions; returns those that have presets, which few do.
fn read_versions(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<HashSet<Uuid>, Error> {
    let mut with_presets = HashSet::new();
    let exists = |table: &'static str, column: &'static str, of: &str| {
        if product.has(table, column) {
            format!(
                "EXISTS (SELECT FROM {} x WHERE x.{column} = {of})",
                product.table(table)
            )
        } else {
            "false".to_owned()
        }
    };
    let values = "template_version_terraform_values";
    let (values_join, values_column) = if product.has(values, "provisionerd_version") {
        (
            format!(
                "LEFT JOIN {} f ON f.template_version_id = v.id",
                product.table(values)
            ),
            product.read("f", values, "provisionerd_version"),
        )
    } else {
        (String::new(), "NULL::pg_catalog.text".to_owned())
    };
    let sql = format!(
        "SELECT v.id, v.template_id, i.id, i.completed_at IS NOT NULL, i.error <> '',
                i.canceled_at IS NOT NULL, {tags}, {schemas}, {workspace_tags}, {classic},
                {values_column}, {external_agent}, {presets}, {provisioner}
           FROM {template_versions} v
           LEFT JOIN {jobs} i ON i.id = v.job_id
           LEFT JOIN {templates} t ON t.id = v.template_id
           {values_join}
          WHERE v.id = ANY ($1)",
        tags = product.read("i", "provisioner_jobs", "tags"),
        schemas = exists("parameter_schemas", "job_id", "v.job_id"),
        workspace_tags = exists(
            "template_version_workspace_tags",
            "template_version_id",
            "v.id"
        ),
        external_agent = product.read("v", "template_versions", "has_external_agent"),
        provisioner = product.read("t", "templates", "provisioner"),
        classic = product.read("t", "templates", "use_classic_parameter_flow"),
        // Where presets are not matched their table is no business of the executor's.
        presets = if product.signs.preset {
            exists("template_version_presets", "template_version_id", "v.id")
        } else {
            "false".to_owned()
        },
        template_versions = product.table("template_versions"),
        jobs = product.table("provisioner_jobs"),
        templates = product.table("templates"),
    );
    run(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let id = Row::required(row.uuid(0)?, "template_versions.id")?;
            let import = match row.uuid(2)? {
                None => None,
                Some(job) => Some(ImportJob {
                    id: job,
                    completed: row.bool(3)?,
                    failed: row.bool(4)?,
                    canceled: row.bool(5)?,
                    tags: row.text(6)?,
                }),
            };
            if row.bool(12)? {
                with_presets.insert(id);
            }
            versions.insert(
                id,
                Version {
                    id,
                    template_id: row.uuid(1)?,
                    import,
                    external_agent: row.bool(11)?,
                    legacy_parameter_schemas: row.bool(7)?,
                    workspace_tags: row.bool(8)?,
                    provisioner: row.text(13)?.unwrap_or_default(),
                    classic_flow: row.optional_bool(9)?,
                    provisionerd_version: row.text(10)?,
                    parameters: Vec::new(),
                    presets: Vec::new(),
                },
            );
            Ok(())
        },
    )?;
    Ok(with_presets)
}

fn read_definitions(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<(), Error> {
    let p = |column| product.read("p", "template_version_parameters", column);
    let columns = [
        p("template_version_id"),
        p("name"),
        p("type"),
        p("default_value"),
        p("required"),
        p("ephemeral"),
        p("options"),
        p("validation_regex"),
        p("validation_error"),
        p("validation_min"),
        p("validation_max"),
        p("validation_monotonic"),
        p("form_type"),
        p("legacy_variable_name"),
    ];
    let sql = format!(
        "SELECT {} FROM {} p WHERE p.template_version_id = ANY ($1) ORDER BY p.name",
        columns.join(", "),
        product.table("template_version_parameters")
    );
    run(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let version = Row::required(row.uuid(0)?, "a parameter's version")?;
            let text =
                |column| -> Result<String, Error> { Ok(row.text(column)?.unwrap_or_default()) };
            let small = |value: Option<i64>| value.and_then(|v| i32::try_from(v).ok());
            let definition = Definition {
                name: text(1)?,
                kind: text(2)?,
                default_value: text(3)?,
                required: row.bool(4)?,
                ephemeral: row.bool(5)?,
                options: row.text(6)?,
                validation_regex: text(7)?,
                validation_error: text(8)?,
                validation_min: small(row.bigint(9)?),
                validation_max: small(row.bigint(10)?),
                validation_monotonic: text(11)?,
                form_type: text(12)?,
                legacy_variable_name: text(13)?,
            };
            if let Some(version) = versions.get_mut(&version) {
                version.parameters.push(definition);
            }
            Ok(())
        },
    )?;
    Ok(())
}

fn read_presets(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT s.template_version_id, s.id, q.name::pg_catalog.text, q.value::pg_catalog.text
           FROM {} s
           LEFT JOIN {} q ON q.template_version_preset_id = s.id
          WHERE s.template_version_id = ANY ($1)
          ORDER BY s.template_version_id, s.id, q.name",
        product.table("template_version_presets"),
        product.table("template_version_preset_parameters"),
    );
    run(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let version = Row::required(row.uuid(0)?, "a preset's version")?;
            let id = Row::required(row.uuid(1)?, "a preset's id")?;
            let Some(version) = versions.get_mut(&version) else {
                return Ok(());
            };
            if version.presets.last().is_none_or(|last| last.id != id) {
                version.presets.push(Preset {
                    id,
                    parameters: Vec::new(),
                });
            }
            if let (Some(name), Some(preset)) = (row.text(2)?, version.presets.last_mut()) {
                preset
                    .parameters
                    .push((name, row.text(3)?.unwrap_or_default()));
            }
            Ok(())
        },
    )?;
    Ok(())
}

/// The previous values of workspaces, by workspace: those of their latest builds, and
/// the legacy ones where the product has them. Values themselves are read only for the
/// parameters named in `needed`.
pub fn previous_values(
    product: &Product,
    latest_builds: &[(Uuid, Uuid)],
    needed: &HashSet<String>,
) -> Result<HashMap<Uuid, Vec<PreviousValue>>, Error> {
    let mut previous: HashMap<Uuid, Vec<PreviousValue>> = HashMap::new();
    if latest_builds.is_empty() {
        return Ok(previous);
    }
    let needed = || Arg::Texts(needed.iter().cloned().map(Some).collect());
    let mut collect = |source: PreviousSource, row: &Row<'_>| -> Result<(), Error> {
        let workspace = Row::required(row.uuid(0)?, "a workspace's id")?;
        previous.entry(workspace).or_default().push(PreviousValue {
            name: row.text(1)?.unwrap_or_default(),
            source,
            empty: row.bool(2)?,
            value: row.text(3)?,
        });
        Ok(())
    };
    let sql = format!(
        "SELECT d.workspace_id, p.name::pg_catalog.text, p.value = '',
                CASE WHEN p.name = ANY ($3) THEN p.value::pg_catalog.text END
           FROM unnest($1, $2) AS d (workspace_id, build_id)
           JOIN {} p ON p.workspace_build_id = d.build_id",
        product.table("workspace_build_parameters")
    );
    let workspaces = || uuids(latest_builds.iter().map(|(workspace, _)| *workspace));
    let builds = uuids(latest_builds.iter().map(|(_, build)| *build));
    run(
        &sql,
        Access::Read,
        vec![workspaces(), builds, needed()],
        |row| collect(PreviousSource::Build, row),
    )?;
    if has_legacy_values(product) {
        // A legacy value goes by the legacy variable's name, so every one of them is
        // read: there are few, and none on a product of today.
        let sql = format!(
            "SELECT p.scope_id, p.name::pg_catalog.text, p.source_value = '',
                    p.source_value::pg_catalog.text
               FROM {} p
              WHERE p.scope = 'workspace' AND p.scope_id = ANY ($1)",
            product.table("parameter_values")
        );
        run(&sql, Access::Read, vec![workspaces()], |row| {
            collect(PreviousSource::Legacy, row)
        })?;
    }
    Ok(previous)
}

/// Does the product have values of before parameters belonged to builds?
pub fn has_legacy_values(product: &Product) -> bool {
    product.has("template_version_parameters", "legacy_variable_name")
        && product.has("parameter_values", "scope")
        && product.has("parameter_values", "scope_id")
        && product.has("parameter_values", "name")
        && product.has("parameter_values", "source_value")
}

/// The tags of builds' jobs as JSON text, by build.
pub fn job_tags(
    product: &Product,
    builds: &[Uuid],
) -> Result<HashMap<Uuid, Option<String>>, Error> {
    let mut tags = HashMap::new();
    if builds.is_empty() {
        return Ok(tags);
    }
    let sql = format!(
        "SELECT b.id, {}
           FROM {} b JOIN {} j ON j.id = b.job_id
          WHERE b.id = ANY ($1)",
        product.read("j", "provisioner_jobs", "tags"),
        product.table("workspace_builds"),
        product.table("provisioner_jobs"),
    );
    run(
        &sql,
        Access::Read,
        vec![uuids(builds.iter().copied())],
        |row| {
            let id = Row::required(row.uuid(0)?, "workspace_builds.id")?;
            tags.insert(id, row.text(1)?);
            Ok(())
        },
    )?;
    Ok(tags)
}

/// The tasks that name workspaces, by workspace; deleted tasks are left out.
pub fn task_ids(product: &Product, workspaces: &[Uuid]) -> Result<HashMap<Uuid, Vec<Uuid>>, Error> {
    let mut tasks: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    let known = product.has("tasks", "id") && product.has("tasks", "workspace_id");
    if workspaces.is_empty() || !known {
        return Ok(tasks);
    }
    let sql = format!(
        "SELECT k.workspace_id, k.id
           FROM {} k
          WHERE k.workspace_id = ANY ($1) AND {} IS NULL
          ORDER BY k.workspace_id, k.id",
        product.table("tasks"),
        product.read("k", "tasks", "deleted_at"),
    );
    run(
        &sql,
        Access::Read,
        vec![uuids(workspaces.iter().copied())],
        |row| {
            if let (Some(workspace), Some(task)) = (row.uuid(0)?, row.uuid(1)?) {
                tasks.entry(workspace).or_default().push(task);
            }
            Ok(())
        },
    )?;
    Ok(tasks)
}
