//! Template versions, read in a set and made ready for planning.
//!
//! Previews of single workspaces, asked in one statement for each of a list, come to the same
//! few versions: what was read is kept as long as the snapshot sees the same rows.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::new_build::inputs::{Proof, Version};
use crate::new_build::plan::{PreparedVersion, is_rendered};
use crate::product::inputs;
use crate::product::schema::Product;
use crate::proofs::{Proofs, known};
use crate::server::catalog;
use crate::server::error::Error;
use crate::server::identity::current_user;
use crate::server::transaction::{Seen, seen};
use crate::settings::Settings;

/// So many are kept at the most.
const MOST: usize = 64;

/// A version that is ready to be planned with.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) version: PreparedVersion,
    /// The stored tags of its import job; `None` where there is no such job.
    pub(super) import_tags: Option<Option<String>>,
}

/// What the reading of versions rests on, beside their ids.
#[derive(PartialEq, Eq)]
struct Basis {
    seen: Seen,
    user: pg_sys::Oid,
    catalog: u64,
    schema: String,
    role: Option<String>,
    prove_templates: bool,
}

/// Versions that were read; `None` for one that is not there.
type Kept = HashMap<Uuid, Option<Rc<Ready>>>;

thread_local! {
    /// What previews read last.
    static KEPT: RefCell<Option<(Basis, Kept)>> = const { RefCell::new(None) };
}

/// Reads versions with what is known of the sources that the product renders; those that are
/// not there are left out.
pub(super) fn read(
    product: &Product,
    settings: &Settings,
    ids: &HashSet<Uuid>,
    proofs: Proofs,
) -> Result<HashMap<Uuid, Rc<Ready>>, Error> {
    // Row security may show other rows to the same user under the same snapshot.
    if proofs != Proofs::Made || product.row_security {
        let read = read_anew(product, settings, ids, proofs)?;
        return Ok(read.into_iter().map(|(id, ready, _)| (id, ready)).collect());
    }
    let basis = Basis {
        seen: seen(),
        user: current_user(),
        catalog: catalog::generation(),
        schema: product.name().to_owned(),
        role: settings.role.clone(),
        prove_templates: settings.prove_templates,
    };
    let kept = KEPT.take().filter(|(on, _)| *on == basis);
    let mut kept = kept.map(|(_, kept)| kept).unwrap_or_default();
    let mut versions = HashMap::new();
    let mut missing = HashSet::new();
    for id in ids {
        match kept.get(id) {
            Some(Some(ready)) => drop(versions.insert(*id, Rc::clone(ready))),
            Some(None) => {}
            None => drop(missing.insert(*id)),
        }
    }
    if !missing.is_empty() {
        if kept.len() + missing.len() > MOST {
            kept.clear();
        }
        let mut there = HashSet::new();
        for (id, ready, lasts) in read_anew(product, settings, &missing, proofs)? {
            there.insert(id);
            if lasts {
                kept.insert(id, Some(Rc::clone(&ready)));
            }
            versions.insert(id, ready);
        }
        let absent = missing.into_iter().filter(|id| !there.contains(id));
        kept.extend(absent.map(|id| (id, None)));
    }
    if kept.len() <= MOST {
        KEPT.set(Some((basis, kept)));
    }
    Ok(versions)
}

/// Reads versions, each with whether it would be read so again: not where there was no time
/// for a proof.
fn read_anew(
    product: &Product,
    settings: &Settings,
    ids: &HashSet<Uuid>,
    proofs: Proofs,
) -> Result<Vec<(Uuid, Rc<Ready>, bool)>, Error> {
    let versions: HashMap<Uuid, Version> = inputs::versions(product, ids)?;
    let rendered: Vec<Uuid> = versions
        .values()
        .filter(|version| is_rendered(version, &product.signs))
        .map(|version| version.id)
        .collect();
    let mut known = known(product, settings, proofs, &rendered)?;
    Ok(versions
        .into_iter()
        .map(|(id, mut version)| {
            let proof = known.remove(&id);
            let lasts = proof != Some(Proof::Unproved);
            if let Some(proof) = proof {
                version.proof = proof;
            }
            let import_tags = version.import.as_ref().map(|import| import.tags.clone());
            let version = PreparedVersion::new(version, &product.signs);
            let ready = Ready {
                version,
                import_tags,
            };
            (id, Rc::new(ready), lasts)
        })
        .collect())
}
