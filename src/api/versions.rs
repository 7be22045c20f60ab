//! `autobuild_version_check`: can starts onto a template version be made by us, and what
//! would have to change if not. And of which templates status and metrics tell that they
//! can't.

use std::collections::HashSet;

use pgrx::iter::{SetOfIterator, TableIterator};
use pgrx::prelude::*;
use uuid::Uuid;

use crate::columns::{
    provisioner_jobs, template_version_terraform_values, template_versions, templates, workspaces,
};
use crate::new_build::inputs::{Proof, Version};
use crate::new_build::plan::is_rendered;
use crate::product::inputs;
use crate::product::licence;
use crate::product::locks::{hold_for_preview, hold_sources};
use crate::product::schema::Product;
use crate::product::sources::hindrance;
use crate::proofs::{self, Followed, Proofs, known};
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::identity::current_user;
use crate::server::query::Access;
use crate::settings::Settings;
use crate::template::{Proved, Reason};

use super::seen_by_ticks;

/// The row of a version. Errors: P0002 there is no such version (or the caller may not see
/// it).
fn version(product: &Product, id: Uuid) -> Result<Version, Error> {
    inputs::versions(product, &HashSet::from([id]))?
        .remove(&id)
        .ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_NO_DATA_FOUND,
                format!("template version {id} does not exist"),
            )
            .hint(format!(
                "Is it a template_versions.id of schema {}, and do you have the right to see its \
                row?",
                product.name()
            ))
        })
}

/// What is known of a version's source, for `autobuild_explain`; `None` where the product
/// does not render it at builds.
pub(super) fn of_source(
    product: &Product,
    settings: &Settings,
    id: Uuid,
) -> Result<Option<Proof>, Error> {
    let Some(version) = inputs::versions(product, &HashSet::from([id]))?.remove(&id) else {
        return Ok(None);
    };
    if !is_rendered(&version, &product.signs) {
        return Ok(None);
    }
    Ok(known(product, settings, Proofs::Made, &[id])?.remove(&id))
}

const NOT_COMPLETE: &str = "its import is not complete";

/// What is wrong with the import of a version: nothing is built of it then.
fn not_imported(version: &Version) -> Option<&'static str> {
    match &version.import {
        None => Some("the job that imported it does not exist"),
        Some(import) if !import.completed => Some(NOT_COMPLETE),
        Some(import) if import.canceled => Some("its import was canceled"),
        Some(import) if import.failed => Some("its import failed"),
        Some(_) => None,
    }
}

/// The proof that is kept, or else one made for the caller.
fn proved(product: &Product, settings: &Settings, id: Uuid) -> Result<Proved, Error> {
    let unknown = |what: String| Proved::Unknown(vec![Reason::of_rows(what)]);
    if !settings.prove_templates {
        return Ok(unknown(
            "workspace_autobuild.prove_templates is off".to_owned(),
        ));
    }
    let kept = proofs::find(&Extension::get()?, Access::Read, &[id])?.remove(&id);
    if let Some(proved) = kept {
        return Ok(proved);
    }
    // What keeps ticks from looking counts, whatever the caller may read.
    let of_ticks = known(product, settings, Proofs::Kept, &[id])?.remove(&id);
    if let Some(Proof::Unknown(why)) = of_ticks {
        return Ok(unknown(why));
    }
    if let Some(hindrance) = hindrance(product, current_user())? {
        return Ok(unknown(format!(
            "its source was not looked at by a tick yet, nor may you look at it ({hindrance})"
        )));
    }
    hold_sources(product)?;
    let proved = proofs::of_caller(product, id)?;
    Ok(proved.unwrap_or_else(|| unknown(NOT_COMPLETE.to_owned())))
}

/// Whether starts onto a template version can be made by us: one row `static`, or one
/// `unknown` for each thing in its source that makes it so. A version that no tick has looked
/// at is looked at now, if the caller may read the table `files`.
///
/// Errors: P0002 no such version, 42xxx what the product's tables or the caller's rights lack.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_version_check(
    template_version_id: pgrx::Uuid,
) -> TableIterator<
    'static,
    (
        name!(verdict, String),
        name!(file, Option<String>),
        name!(line, Option<i32>),
        name!(detail, String),
    ),
> {
    let id = Uuid::from_bytes(*template_version_id.as_bytes());
    let settings = licence::settings().or_raise();
    let product = hold_for_preview(&settings.product_schema).or_raise();
    let version = version(&product, id).or_raise();
    let proved = if let Some(wrong) = not_imported(&version) {
        Proved::Unknown(vec![Reason::of_rows(wrong)])
    } else if is_rendered(&version, &product.signs) {
        proved(&product, &settings, id).or_raise()
    } else if product.signs.dynamic && version.classic_flow.is_none() {
        Proved::Unknown(vec![Reason::of_rows(
            "the template does not say whether its parameters are classic or dynamic",
        )])
    } else {
        Proved::Static(Default::default())
    };
    let rows = match proved {
        Proved::Static(_) => vec![(
            "static".to_owned(),
            None,
            None,
            "Starts onto this version can be made: its stored parameters are all that decides."
                .to_owned(),
        )],
        Proved::Unknown(reasons) => reasons
            .into_iter()
            .map(|Reason { file, line, what }| {
                let line = line.and_then(|line| i32::try_from(line).ok());
                ("unknown".to_owned(), file, line, what)
            })
            .collect(),
    };
    TableIterator::new(rows)
}

/// What is read to find templates whose active version is unknown.
const READ: [&str; 5] = [
    templates::TABLE,
    template_versions::TABLE,
    template_version_terraform_values::TABLE,
    provisioner_jobs::TABLE,
    workspaces::TABLE,
];

/// The templates that workspaces follow to versions that can't be built here, as ticks see
/// them, as far as they can be read.
pub(super) fn seen(product: &Product, settings: &Settings) -> Result<Option<Vec<Followed>>, Error> {
    let extension = Extension::get()?;
    seen_by_ticks::read(product, settings, &READ, || {
        proofs::followed_unknown(&extension, product, settings)
    })
}

/// What is wrong with these, for `autobuild_status`.
pub(super) fn problem(unknown: &[Followed]) -> Option<String> {
    let first = unknown.first()?;
    let (templates, its) = match unknown.len() {
        1 => ("1 template has an active version".to_owned(), "its"),
        more => (format!("{more} templates have active versions"), "their"),
    };
    Some(format!(
        "{templates} that workspaces follow and are not started on, since {its} parameters can't \
        be known here: SELECT * FROM autobuild_version_check('{}') says what would have to \
        change in template {}",
        first.version, first.template
    ))
}

/// How many templates have such an active version; not known while they can't be looked at.
fn count_unknown() -> Result<Option<f64>, Error> {
    let Some((product, settings)) = seen_by_ticks::found()? else {
        return Ok(None);
    };
    Ok(seen(&product, &settings)?.map(|unknown| unknown.len() as f64))
}

/// The row of one metric, which has a function of its own, since it looks at workspaces.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_count_unknown_templates() -> SetOfIterator<'static, f64> {
    SetOfIterator::new(count_unknown().or_raise())
}

extension_sql_file!(
    "../../sql/versions.sql",
    name = "versions",
    requires = [autobuild_version_check],
);
