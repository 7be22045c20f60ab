//! Reading what builds are planned from: template versions with their definitions, the
//! previous values of workspaces, the tags of their latest jobs. Always for a set of
//! workspaces, a handful of statements whatever its size.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::columns::{
    COLUMNS, Column, NeededFor, parameter_schemas, parameter_values, provisioner_jobs, tasks,
    template_version_parameters, template_version_preset_parameters, template_version_presets,
    template_version_terraform_values, template_version_workspace_tags, template_versions,
    templates, workspace_build_parameters, workspace_builds,
};
use crate::new_build::inputs::{
    Definition, ImportJob, Preset, PreviousSource, PreviousValue, Proof, Version,
};
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, for_each_row, uuids};

use super::schema::Product;
use super::select::select;

/// Template versions by id, with all that their builds need. A version without a row
/// is not in the result.
pub(crate) fn versions(
    product: &Product,
    ids: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, Version>, Error> {
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

select! {
    /// A template version with its import job.
    struct VersionRow(product) {
        id: uuid = "v.id",
        template_id: uuid = "v.template_id",
        import: uuid = "i.id",
        completed: bool = "i.completed_at IS NOT NULL",
        failed: bool = "i.error <> ''",
        canceled: bool = "i.canceled_at IS NOT NULL",
        tags: text = product.read("i", provisioner_jobs::TAGS),
        legacy_parameter_schemas: bool =
            exists(product, parameter_schemas::JOB_ID, "v.job_id"),
        workspace_tags: bool =
            exists(product, template_version_workspace_tags::TEMPLATE_VERSION_ID, "v.id"),
        classic_flow: optional_bool = product.read("t", templates::USE_CLASSIC_PARAMETER_FLOW),
        provisionerd_version: text =
            product.read("f", template_version_terraform_values::PROVISIONERD_VERSION),
        external_agent: bool = product.read("v", template_versions::HAS_EXTERNAL_AGENT),
        // Where presets are not matched their table is no business of the executor's.
        presets: bool = if product.signs.preset {
            exists(product, template_version_presets::TEMPLATE_VERSION_ID, "v.id")
        } else {
            "false".to_owned()
        },
        provisioner: text = product.read("t", templates::PROVISIONER),
    }
}

/// Is there a row with this value in the column?
fn exists(product: &Product, column: Column, value: &str) -> String {
    if product.has(column) {
        format!(
            "EXISTS (SELECT FROM {} x WHERE x.{} = {value})",
            product.table(column.table),
            product.name_of(column)
        )
    } else {
        "false".to_owned()
    }
}

/// Reads the versions; returns those that have presets, which few do.
fn read_versions(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<HashSet<Uuid>, Error> {
    let mut with_presets = HashSet::new();
    let values_join = if product.has(template_version_terraform_values::PROVISIONERD_VERSION) {
        format!(
            "LEFT JOIN {} f ON f.template_version_id = v.id",
            product.table(template_version_terraform_values::TABLE)
        )
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT {columns}
           FROM {template_versions} v
           LEFT JOIN {jobs} i ON i.id = v.job_id
           LEFT JOIN {templates} t ON t.id = v.template_id
           {values_join}
          WHERE v.id = ANY ($1)",
        columns = VersionRow::list(product),
        template_versions = product.table(template_versions::TABLE),
        jobs = product.table(provisioner_jobs::TABLE),
        templates = product.table(templates::TABLE),
    );
    for_each_row(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let row = VersionRow::read(row)?;
            let id = Row::required(row.id, "template_versions.id")?;
            if row.presets {
                with_presets.insert(id);
            }
            versions.insert(
                id,
                Version {
                    id,
                    template_id: row.template_id,
                    import: row.import.map(|job| ImportJob {
                        id: job,
                        completed: row.completed,
                        failed: row.failed,
                        canceled: row.canceled,
                        tags: row.tags,
                    }),
                    external_agent: row.external_agent,
                    legacy_parameter_schemas: row.legacy_parameter_schemas,
                    workspace_tags: row.workspace_tags,
                    provisioner: row.provisioner.unwrap_or_default(),
                    classic_flow: row.classic_flow,
                    provisionerd_version: row.provisionerd_version,
                    proof: Proof::Unproved,
                    parameters: Vec::new(),
                    presets: Vec::new(),
                },
            );
            Ok(())
        },
    )?;
    Ok(with_presets)
}

select! {
    /// A parameter of a version.
    struct DefinitionRow(product) {
        template_version_id: uuid =
            product.read("p", template_version_parameters::TEMPLATE_VERSION_ID),
        name: text = product.read("p", template_version_parameters::NAME),
        kind: text = product.read("p", template_version_parameters::TYPE),
        default_value: text = product.read("p", template_version_parameters::DEFAULT_VALUE),
        required: bool = product.read("p", template_version_parameters::REQUIRED),
        ephemeral: bool = product.read("p", template_version_parameters::EPHEMERAL),
        options: text = product.read("p", template_version_parameters::OPTIONS),
        validation_regex: text =
            product.read("p", template_version_parameters::VALIDATION_REGEX),
        validation_error: text =
            product.read("p", template_version_parameters::VALIDATION_ERROR),
        validation_min: bigint = product.read("p", template_version_parameters::VALIDATION_MIN),
        validation_max: bigint = product.read("p", template_version_parameters::VALIDATION_MAX),
        validation_monotonic: text =
            product.read("p", template_version_parameters::VALIDATION_MONOTONIC),
        form_type: text = product.read("p", template_version_parameters::FORM_TYPE),
        legacy_variable_name: text =
            product.read("p", template_version_parameters::LEGACY_VARIABLE_NAME),
    }
}

fn read_definitions(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT {} FROM {} p WHERE p.template_version_id = ANY ($1) ORDER BY p.name",
        DefinitionRow::list(product),
        product.table(template_version_parameters::TABLE)
    );
    for_each_row(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let row = DefinitionRow::read(row)?;
            let version = Row::required(row.template_version_id, "a parameter's version")?;
            let small = |value: Option<i64>| value.and_then(|v| i32::try_from(v).ok());
            let definition = Definition {
                name: row.name.unwrap_or_default(),
                kind: row.kind.unwrap_or_default(),
                default_value: row.default_value.unwrap_or_default(),
                required: row.required,
                ephemeral: row.ephemeral,
                options: row.options,
                validation_regex: row.validation_regex.unwrap_or_default(),
                validation_error: row.validation_error.unwrap_or_default(),
                validation_min: small(row.validation_min),
                validation_max: small(row.validation_max),
                validation_monotonic: row.validation_monotonic.unwrap_or_default(),
                form_type: row.form_type.unwrap_or_default(),
                legacy_variable_name: row.legacy_variable_name.unwrap_or_default(),
            };
            if let Some(version) = versions.get_mut(&version) {
                version.parameters.push(definition);
            }
            Ok(())
        },
    )?;
    Ok(())
}

select! {
    /// A parameter of a preset, or a preset without any.
    struct PresetRow(product) {
        template_version_id: uuid =
            product.read("s", template_version_presets::TEMPLATE_VERSION_ID),
        id: uuid = product.read("s", template_version_presets::ID),
        name: text = product.read("q", template_version_preset_parameters::NAME),
        value: text = product.read("q", template_version_preset_parameters::VALUE),
    }
}

fn read_presets(
    product: &Product,
    ids: &HashSet<Uuid>,
    versions: &mut HashMap<Uuid, Version>,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT {}
           FROM {} s
           LEFT JOIN {} q ON q.template_version_preset_id = s.id
          WHERE s.template_version_id = ANY ($1)
          ORDER BY s.template_version_id, s.id, q.name",
        PresetRow::list(product),
        product.table(template_version_presets::TABLE),
        product.table(template_version_preset_parameters::TABLE),
    );
    for_each_row(
        &sql,
        Access::Read,
        vec![uuids(ids.iter().copied())],
        |row| {
            let row = PresetRow::read(row)?;
            let version = Row::required(row.template_version_id, "a preset's version")?;
            let id = Row::required(row.id, "a preset's id")?;
            let Some(version) = versions.get_mut(&version) else {
                return Ok(());
            };
            if version.presets.last().is_none_or(|last| last.id != id) {
                version.presets.push(Preset {
                    id,
                    parameters: Vec::new(),
                });
            }
            if let (Some(name), Some(preset)) = (row.name, version.presets.last_mut()) {
                preset
                    .parameters
                    .push((name, row.value.unwrap_or_default()));
            }
            Ok(())
        },
    )?;
    Ok(())
}

/// The previous values of workspaces, by workspace: those of their latest builds, and
/// the legacy ones where the product has them. Values themselves are read only for the
/// parameters named in `needed`.
pub(crate) fn previous_values(
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
        product.table(workspace_build_parameters::TABLE)
    );
    let workspaces = || uuids(latest_builds.iter().map(|(workspace, _)| *workspace));
    let builds = uuids(latest_builds.iter().map(|(_, build)| *build));
    for_each_row(
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
            product.table(parameter_values::TABLE)
        );
        for_each_row(&sql, Access::Read, vec![workspaces()], |row| {
            collect(PreviousSource::Legacy, row)
        })?;
    }
    Ok(previous)
}

/// Does the product have values of before parameters belonged to builds?
pub(crate) fn has_legacy_values(product: &Product) -> bool {
    COLUMNS
        .iter()
        .filter(|column| column.needed_for == NeededFor::LegacyValues)
        .chain([&template_version_parameters::LEGACY_VARIABLE_NAME])
        .all(|column| product.has(*column))
}

/// The tags of builds' jobs as JSON text, by build.
pub(crate) fn job_tags(
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
        product.read("j", provisioner_jobs::TAGS),
        product.table(workspace_builds::TABLE),
        product.table(provisioner_jobs::TABLE),
    );
    for_each_row(
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
pub(crate) fn task_ids(
    product: &Product,
    workspaces: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Uuid>>, Error> {
    let mut tasks: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    let known = product.has(tasks::ID) && product.has(tasks::WORKSPACE_ID);
    if workspaces.is_empty() || !known {
        return Ok(tasks);
    }
    let sql = format!(
        "SELECT k.workspace_id, k.id
           FROM {} k
          WHERE k.workspace_id = ANY ($1) AND {} IS NULL
          ORDER BY k.workspace_id, k.id",
        product.table(tasks::TABLE),
        product.read("k", tasks::DELETED_AT),
    );
    for_each_row(
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
