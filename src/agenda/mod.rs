//! What may fall due when, kept up to date, so that a tick costs what is due and not
//! what exists.
//!
//! `autobuild_attach()` puts triggers on the product's tables ([`capture`]). A change
//! that may move a transition to an earlier time leaves a mark in the product's own
//! transaction; each tick takes the marks ([`marks`]), computes those workspaces'
//! entries anew ([`entries`]) and looks only at entries that are due. An entry may be
//! early, never late: a change that can only postpone leaves no mark, since the tick
//! looks at the workspace and moves the entry.
//!
//! The agenda is a cache. It is used only while all triggers are in place and its
//! entries were computed under the rules and settings of today; else ticks scan, and a
//! pass over all workspaces ([`pass`]) builds it anew. The same pass audits it now and
//! then, mends what differs and reports it.

pub mod attach;
pub mod capture;
pub mod entries;
pub mod marks;
pub mod pass;
pub mod state;

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::signs::Policy;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::Access;

/// For previews, which write nothing: the workspaces for which something may be due by a
/// time, if the agenda can say so. Their facts are then read with the caller's rights.
pub fn due_by(product: &Product, policy: &Policy, by: Instant) -> Result<Option<Vec<Uuid>>, Error> {
    let Some(extension) = Extension::find()? else {
        return Ok(None);
    };
    let state::Agenda::Ready(_) = state::Agenda::find(&extension, product, policy)? else {
        return Ok(None);
    };
    let marks = marks::Marks::look(&extension)?;
    if marks.anything {
        return Ok(None);
    }
    let mut ids = marks.workspaces(product)?;
    ids.extend(entries::due(&extension, by, Access::Read)?);
    Ok(Some(ids.into_iter().collect()))
}
