//! Which template version a build takes, and what speaks against that version.

use uuid::Uuid;

use crate::lifecycle::policy::UNLICENSED;
use crate::lifecycle::transition::Transition;

use super::codes::BlockCode;
use super::inputs::{Block, Version};
use super::request::Request;

/// The version that the build takes: a start takes the template's active one where the
/// template requires it (a licensed option) or the workspace is set to follow it; every
/// other build takes the latest build's. `None` for a workspace without builds.
pub fn chosen_version(request: &Request<'_>) -> Option<Uuid> {
    let facts = request.facts;
    let latest = facts.latest.as_ref()?.template_version_id;
    let Some(template) = facts.template.as_ref() else {
        return Some(latest);
    };
    let required = request.signs.require_active_version
        && request.policy.licensed
        && template.require_active_version;
    let followed = request.signs.automatic_updates && facts.always_update;
    if request.next.transition == Transition::Start && (required || followed) {
        Some(template.active_version_id)
    } else {
        Some(latest)
    }
}

/// Can the version be built at all?
pub(super) fn check(request: &Request<'_>, version: &Version) -> Result<(), Block> {
    let id = version.id;
    let template = request.facts.template.as_ref().ok_or_else(|| {
        BlockCode::TemplateMissing.block("the template of the workspace does not exist")
    })?;
    if version.template_id != Some(template.id) {
        return Err(BlockCode::VersionOfOtherTemplate.block(format!(
            "template version {id} does not belong to the template of the workspace"
        )));
    }
    let Some(import) = &version.import else {
        return Err(BlockCode::ImportJobMissing.block(format!(
            "the job that imported template version {id} does not exist"
        )));
    };
    if !import.completed {
        return Err(BlockCode::ImportJobPending.block(format!(
            "the import of template version {id} is not complete (job {})",
            import.id
        )));
    }
    if import.failed {
        return Err(BlockCode::ImportJobFailed.block(format!(
            "the import of template version {id} failed (job {})",
            import.id
        )));
    }
    if import.canceled {
        return Err(BlockCode::ImportJobCanceled.block(format!(
            "the import of template version {id} was canceled (job {})",
            import.id
        )));
    }
    // What the product refuses without its licence.
    if !request.policy.licensed && version.external_agent {
        return Err(BlockCode::UnlicensedExternalAgent.block(format!(
            "template version {id} has an external agent, which the product does not build \
            without a licence ({UNLICENSED})"
        )));
    }
    if request.next.transition == Transition::Start
        && request.signs.failed_stop
        && version.legacy_parameter_schemas
    {
        return Err(BlockCode::LegacyParameterSchemas.block(format!(
            "template version {id} uses legacy parameters, which the product no longer starts; \
             the workspace needs a newer version of its template"
        )));
    }
    Ok(())
}
