//! What proofs are made from: the archives of a template version's source, its variables,
//! its parameters. Read as the executor's role, or as whoever asks for a proof.

use std::collections::HashSet;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::columns::{
    COLUMNS, Column, NeededFor, files, provisioner_jobs, template_version_parameters,
    template_version_terraform_values, template_version_variables, template_versions, templates,
    workspaces,
};
use crate::new_build::plan::renders_dynamically;
use crate::server::error::Error;
use crate::server::identity::role_name;
use crate::server::query::{Access, Arg, fetch_all, for_each_row, uuids};
use crate::template::{StoredParameter, Variable};

use super::inputs;
use super::schema::Product;
use super::select::select;

/// The source of a template version.
pub(crate) struct Sources {
    /// The template's archive.
    pub archive: Archive,
    /// That of the modules that it has from elsewhere; `None` where there is none.
    pub modules: Option<Archive>,
    /// The parameters that the import stored.
    pub parameters: Vec<StoredParameter>,
    /// The variables.
    pub variables: Vec<Variable>,
}

/// A row of `files`.
pub(crate) enum Archive {
    /// It is not there, or not to be seen.
    Absent,
    /// It has so many bytes, more than are read.
    TooLarge(i64),
    /// It was read.
    Read {
        /// `mimetype`.
        mimetype: String,
        /// `data`.
        bytes: Vec<u8>,
    },
}

/// What keeps a role from reading the sources of templates, in words; `None` if nothing does.
pub(crate) fn hindrance(product: &Product, role: pg_sys::Oid) -> Result<Option<String>, Error> {
    let needed = || {
        COLUMNS
            .iter()
            .filter(|column| column.needed_for == NeededFor::Proof)
    };
    if let Some(missing) = needed().find(|column| !product.has(**column)) {
        return Ok(Some(format!("the product's tables have no {missing}")));
    }
    let name = role_name(role).unwrap_or_default();
    let lacking: Vec<String> = fetch_all(
        "SELECT pg_catalog.concat(d.name, '.', d.col)
           FROM unnest($2, $3, $4) AS d (name, col, relation)
          WHERE NOT pg_catalog.has_column_privilege($1, d.relation, d.col, 'SELECT')",
        vec![
            Arg::Text(Some(&name)),
            Arg::Texts(needed().map(|c| Some(c.table.to_owned())).collect()),
            Arg::Texts(
                needed()
                    .map(|c| Some(product.name_of(*c).to_owned()))
                    .collect(),
            ),
            Arg::Texts(needed().map(|c| Some(product.table(c.table))).collect()),
        ],
        |row| row.text(0),
    )?
    .into_iter()
    .flatten()
    .collect();
    Ok((!lacking.is_empty()).then(|| {
        format!(
            "the executor's role may not read {}: SELECT autobuild_grant('{}');",
            lacking.join(", "),
            name.replace('\'', "''")
        )
    }))
}

select! {
    /// A version with the files that its source is in.
    struct SourceRow(product) {
        complete: bool = "i.completed_at IS NOT NULL",
        archive: uuid = product.read("f", files::ID),
        mimetype: text = product.read("f", files::MIMETYPE),
        size: bigint = size(product, "f"),
        bytes: bytes = bytes(product, "f"),
        modules_id: uuid =
            product.read("t", template_version_terraform_values::CACHED_MODULE_FILES),
        modules: uuid = product.read("m", files::ID),
        modules_mimetype: text = product.read("m", files::MIMETYPE),
        modules_size: bigint = size(product, "m"),
        modules_bytes: bytes = bytes(product, "m"),
    }
}

fn size(product: &Product, alias: &str) -> String {
    let data = product.read(alias, files::DATA);
    format!("pg_catalog.octet_length({data})::pg_catalog.int8")
}

/// A file that is too large is not even fetched.
fn bytes(product: &Product, alias: &str) -> String {
    let data = product.read(alias, files::DATA);
    format!("CASE WHEN pg_catalog.octet_length({data}) <= $2 THEN {data} END")
}

fn archive(
    id: Option<Uuid>,
    mimetype: Option<String>,
    size: Option<i64>,
    bytes: Option<Vec<u8>>,
) -> Archive {
    match (id, size, bytes) {
        (None, _, _) | (Some(_), None, _) => Archive::Absent,
        (Some(_), Some(size), None) => Archive::TooLarge(size),
        (Some(_), Some(_), Some(bytes)) => Archive::Read {
            mimetype: mimetype.unwrap_or_default(),
            bytes,
        },
    }
}

/// The source of a version; `None` where its import is not complete, or there is no such
/// version. `largest`: the most bytes of an archive that are read.
pub(crate) fn read(product: &Product, id: Uuid, largest: i32) -> Result<Option<Sources>, Error> {
    let mut found = None;
    for_each_row(
        &format!(
            "SELECT {columns}
               FROM {versions} v
               JOIN {jobs} i ON i.id = v.job_id
               LEFT JOIN {files} f ON f.id = i.file_id
               LEFT JOIN {values} t ON t.template_version_id = v.id
               LEFT JOIN {files} m ON m.id = t.cached_module_files
              WHERE v.id = $1",
            columns = SourceRow::list(product),
            versions = product.table(template_versions::TABLE),
            jobs = product.table(provisioner_jobs::TABLE),
            files = product.table(files::TABLE),
            values = product.table(template_version_terraform_values::TABLE),
        ),
        Access::Read,
        vec![Arg::Uuid(id), Arg::Int(Some(largest))],
        |row| {
            let row = SourceRow::read(row)?;
            if row.complete {
                let modules = || {
                    archive(
                        row.modules,
                        row.modules_mimetype,
                        row.modules_size,
                        row.modules_bytes,
                    )
                };
                found = Some((
                    row.modules_id.map(|_| modules()),
                    archive(row.archive, row.mimetype, row.size, row.bytes),
                ));
            }
            Ok(())
        },
    )?;
    let Some((modules, archive)) = found else {
        return Ok(None);
    };
    Ok(Some(Sources {
        archive,
        modules,
        parameters: parameters(product, id)?,
        variables: variables(product, id)?,
    }))
}

fn parameters(product: &Product, id: Uuid) -> Result<Vec<StoredParameter>, Error> {
    let mutable: HashSet<String> = fetch_all(
        &format!(
            "SELECT {}
               FROM {} p WHERE p.template_version_id = $1 AND p.mutable",
            product.read("p", template_version_parameters::NAME),
            product.table(template_version_parameters::TABLE)
        ),
        vec![Arg::Uuid(id)],
        |row| row.text(0),
    )?
    .into_iter()
    .flatten()
    .collect();
    let mut versions = inputs::versions(product, &HashSet::from([id]))?;
    let definitions = versions.remove(&id).map(|version| version.parameters);
    Ok(definitions
        .unwrap_or_default()
        .into_iter()
        .map(|definition| StoredParameter {
            mutable: mutable.contains(&definition.name),
            definition,
        })
        .collect())
}

fn variables(product: &Product, id: Uuid) -> Result<Vec<Variable>, Error> {
    let read = |column: Column| product.read("a", column);
    fetch_all(
        &format!(
            "SELECT {}, {}, {}, {}
               FROM {} a WHERE a.template_version_id = $1 ORDER BY a.name",
            read(template_version_variables::NAME),
            read(template_version_variables::TYPE),
            read(template_version_variables::VALUE),
            read(template_version_variables::DEFAULT_VALUE),
            product.table(template_version_variables::TABLE)
        ),
        vec![Arg::Uuid(id)],
        |row| {
            Ok(Variable {
                name: row.text(0)?.unwrap_or_default(),
                kind: row.text(1)?.unwrap_or_default(),
                value: row.text(2)?.unwrap_or_default(),
                default_value: row.text(3)?.unwrap_or_default(),
            })
        },
    )
}

/// Which versions are meant.
pub(crate) enum Versions {
    /// These.
    These(Vec<Uuid>),
    /// The active one of each template.
    Active,
}

/// Those of which the product renders the source at each build, and whose import is complete:
/// each with its template.
pub(crate) fn rendered(product: &Product, versions: Versions) -> Result<Vec<(Uuid, Uuid)>, Error> {
    // Without the table the product renders by the rows alone.
    if !product.has(template_version_terraform_values::PROVISIONERD_VERSION) {
        return Ok(Vec::new());
    }
    let (which, ids) = match versions {
        Versions::These(ids) => ("v.id = ANY ($1)", ids),
        Versions::Active => ("v.id = t.active_version_id AND $1 IS NOT NULL", Vec::new()),
    };
    let found = fetch_all(
        &format!(
            "SELECT v.id, t.id, {version}
               FROM {templates} t
               JOIN {versions} v ON v.template_id = t.id
               JOIN {jobs} i ON i.id = v.job_id
               JOIN {values} f ON f.template_version_id = v.id
              WHERE {which} AND NOT {classic}
                AND i.completed_at IS NOT NULL AND i.canceled_at IS NULL
                AND COALESCE(i.error, '') = ''",
            version = product.read("f", template_version_terraform_values::PROVISIONERD_VERSION),
            templates = product.table(templates::TABLE),
            versions = product.table(template_versions::TABLE),
            jobs = product.table(provisioner_jobs::TABLE),
            values = product.table(template_version_terraform_values::TABLE),
            classic = product.read("t", templates::USE_CLASSIC_PARAMETER_FLOW),
        ),
        vec![uuids(ids)],
        |row| {
            let version = row.text(2)?;
            let ids = row.uuid(0)?.zip(row.uuid(1)?);
            Ok(ids.filter(|_| renders_dynamically(version.as_deref())))
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// Those of these templates of which a workspace is started on the active version: it follows
/// the template, or the template requires it.
pub(crate) fn followed(
    product: &Product,
    templates_asked: &[Uuid],
    licensed: bool,
) -> Result<Vec<Uuid>, Error> {
    let required = match licensed {
        true => product.read("t", templates::REQUIRE_ACTIVE_VERSION),
        false => "false".to_owned(),
    };
    Ok(fetch_all(
        &format!(
            "SELECT t.id
               FROM {} t
              WHERE t.id = ANY ($1)
                AND EXISTS (SELECT FROM {} w
                             WHERE w.template_id = t.id AND NOT w.deleted
                               AND ({required} OR {} = 'always'))",
            product.table(templates::TABLE),
            product.table(workspaces::TABLE),
            product.read("w", workspaces::AUTOMATIC_UPDATES),
        ),
        vec![uuids(templates_asked.iter().copied())],
        |row| row.uuid(0),
    )?
    .into_iter()
    .flatten()
    .collect())
}
