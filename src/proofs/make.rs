//! Making proofs: the source is read as the executor's role, looked at, and what it comes to
//! is kept.

use std::time::Duration;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::product::schema::Product;
use crate::product::sources::{self, Archive, Sources, Versions};
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::query::Access;
use crate::template::{LARGEST_ARCHIVE, Proved, Reason, Source, prove};

use super::kept;

/// No tick of the worker's and no preview begins a proof after this; one takes a few
/// milliseconds, and no more than this. What isn't proved then is proved at the next tick.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// Those of these versions that the product renders at each build and of which no proof is
/// kept, in the order given; asked as `role`.
pub(crate) fn wanted(
    extension: &Extension,
    product: &Product,
    role: pg_sys::Oid,
    versions: Versions,
) -> Result<Vec<Uuid>, Error> {
    let rendered = acting_as(role, || sources::rendered(product, versions))?;
    let mut ids: Vec<Uuid> = rendered.into_iter().map(|(version, _)| version).collect();
    let kept = kept::find(extension, Access::ReadOwn, &ids)?;
    ids.retain(|id| !kept.contains_key(id));
    if !ids.is_empty() && sources::hindrance(product, role)?.is_some() {
        ids.clear();
    }
    Ok(ids)
}

/// Proves a version and keeps the proof; nothing where there is no such version, or its import
/// is not complete. The tables are locked already.
pub(crate) fn make(
    extension: &Extension,
    product: &Product,
    role: pg_sys::Oid,
    version: Uuid,
) -> Result<(), Error> {
    match acting_as(role, || of_caller(product, version))? {
        None => Ok(()),
        Some(proved) => kept::keep(extension, version, &proved, clock::now()),
    }
}

/// Proves a version by what the acting role may read; `None` where there is no such version,
/// or its import is not complete.
pub(crate) fn of_caller(product: &Product, version: Uuid) -> Result<Option<Proved>, Error> {
    let largest = i32::try_from(LARGEST_ARCHIVE).unwrap_or(i32::MAX);
    Ok(sources::read(product, version, largest)?.map(|sources| proved(&sources)))
}

fn proved(sources: &Sources) -> Proved {
    let source = || -> Result<Source<'_>, String> {
        let (mimetype, archive) = readable(&sources.archive, "the template")?;
        let modules = sources.modules.as_ref();
        let modules = modules.map(|modules| readable(modules, "its modules"));
        Ok(Source {
            archive,
            mimetype,
            modules: modules.transpose()?.map(|(_, bytes)| bytes),
            parameters: &sources.parameters,
            variables: &sources.variables,
        })
    };
    match source() {
        Ok(source) => prove(&source),
        Err(what) => Proved::Unknown(vec![Reason::of_rows(what)]),
    }
}

/// Media type and bytes of an archive, or why there are none.
fn readable<'a>(archive: &'a Archive, of: &str) -> Result<(&'a str, &'a [u8]), String> {
    match archive {
        Archive::Read { mimetype, bytes } => Ok((mimetype, bytes)),
        Archive::Absent => Err(format!("the archive of {of} is not in the table files")),
        Archive::TooLarge(size) => Err(format!(
            "the archive of {of} has {size} bytes; at most {LARGEST_ARCHIVE} are looked at"
        )),
    }
}
