//! What is known of versions when builds of them are planned.

use std::collections::HashMap;
use std::time::Instant;

use uuid::Uuid;

use crate::new_build::inputs::Proof;
use crate::product::locks::hold_sources;
use crate::product::role::executor_role;
use crate::product::schema::Product;
use crate::product::sources::hindrance;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::current_user;
use crate::server::query::Access;
use crate::settings::Settings;
use crate::template::{Proved, Reason};

use super::kept;
use super::make::{PATIENCE, of_caller};

/// Which proofs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proofs {
    /// Those that are kept: for the worker, which makes them in transactions before.
    Kept,
    /// Also those that the same statement made: for a tick by hand.
    KeptNow,
    /// Those that are kept, and for others one is made if the caller may read the source: for
    /// previews, which so say what a tick by hand would do, and write nothing.
    Made,
}

/// What is known of these versions, whose sources the product renders at each build.
pub(crate) fn known(
    product: &Product,
    settings: &Settings,
    proofs: Proofs,
    versions: &[Uuid],
) -> Result<HashMap<Uuid, Proof>, Error> {
    if versions.is_empty() {
        return Ok(HashMap::new());
    }
    let all = |proof: Proof| versions.iter().map(|id| (*id, proof.clone())).collect();
    if !settings.prove_templates {
        return Ok(all(Proof::Unknown(
            "workspace_autobuild.prove_templates is off".to_owned(),
        )));
    }
    let access = match proofs {
        Proofs::KeptNow => Access::ReadOwn,
        Proofs::Kept | Proofs::Made => Access::Read,
    };
    let extension = Extension::to_read()?;
    let kept = kept::find(&extension, access, versions)?;
    let mut known: HashMap<Uuid, Proof> = kept
        .into_iter()
        .map(|(id, proved)| (id, in_words(id, proved)))
        .collect();
    let missing = || versions.iter().filter(|id| !known.contains_key(*id));
    if missing().next().is_none() {
        return Ok(known);
    }
    let unproved = match hindrance(product, executor_role(product, settings)?)? {
        Some(hindrance) => Proof::Unknown(hindrance),
        None => Proof::Unproved,
    };
    let makes = proofs == Proofs::Made
        && unproved == Proof::Unproved
        && hindrance(product, current_user())?.is_none();
    let missing: Vec<Uuid> = missing().copied().collect();
    if makes {
        hold_sources(product)?;
    }
    let begun = Instant::now();
    for id in missing {
        let made = match makes && begun.elapsed() < PATIENCE {
            true => of_caller(product, id)?,
            false => None,
        };
        let proof = made.map_or_else(|| unproved.clone(), |proved| in_words(id, proved));
        known.insert(id, proof);
    }
    Ok(known)
}

/// The proof as a plan looks at it: of several reasons the first, and where the others are
/// told.
fn in_words(id: Uuid, proved: Proved) -> Proof {
    match proved {
        Proved::Static(facts) => Proof::Static(facts),
        Proved::Unknown(reasons) => Proof::Unknown(match reasons.as_slice() {
            [] => "its source was not understood".to_owned(),
            [reason] => Reason::to_string(reason),
            [reason, others @ ..] => format!(
                "{reason} (and {} more: SELECT * FROM autobuild_version_check('{id}'))",
                others.len()
            ),
        }),
    }
}
