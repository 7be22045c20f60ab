//! Of which templates the workspaces that follow them can't be started by us.

use uuid::Uuid;

use crate::product::schema::Product;
use crate::product::sources::{self, Versions, hindrance};
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::current_user;
use crate::server::query::Access;
use crate::settings::Settings;
use crate::template::Proved;

use super::kept;

/// A template and its active version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// `templates.id`.
    pub template: Uuid,
    /// `templates.active_version_id`.
    pub version: Uuid,
}

/// The templates whose active version is known to be unknown, and that workspaces follow; by
/// id. As whoever acts: the executor's role. While that may not read sources, what isn't proved
/// yet is unknown as well.
pub(crate) fn followed_unknown(
    extension: &Extension,
    product: &Product,
    settings: &Settings,
) -> Result<Vec<Followed>, Error> {
    if !product.signs.dynamic || !settings.prove_templates {
        return Ok(Vec::new());
    }
    let rendered = sources::rendered(product, Versions::Active)?;
    let ids: Vec<Uuid> = rendered.iter().map(|(version, _)| *version).collect();
    let kept = kept::find(extension, Access::Read, &ids)?;
    let hindered = kept.len() < ids.len() && hindrance(product, current_user())?.is_some();
    let mut unknown: Vec<Followed> = rendered
        .into_iter()
        .filter(|(version, _)| match kept.get(version) {
            Some(Proved::Unknown(_)) => true,
            Some(Proved::Static(_)) => false,
            None => hindered,
        })
        .map(|(version, template)| Followed { template, version })
        .collect();
    if unknown.is_empty() {
        return Ok(unknown);
    }
    let asked: Vec<Uuid> = unknown.iter().map(|one| one.template).collect();
    let followed = sources::followed(product, &asked, settings.policy.licensed)?;
    unknown.retain(|one| followed.contains(&one.template));
    unknown.sort_unstable_by_key(|one| one.template);
    Ok(unknown)
}
