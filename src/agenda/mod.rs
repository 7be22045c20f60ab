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

pub(crate) mod attach;
#[allow(unsafe_code)]
pub(crate) mod capture;
pub(crate) mod entries;
pub(crate) mod marks;
pub(crate) mod pass;
pub(crate) mod state;
pub(crate) mod triggers;

use std::collections::HashSet;
use std::rc::Rc;

use uuid::Uuid;

use crate::decision::holds;
use crate::instant::{Instant, Micros};
use crate::lifecycle::policy::Policy;
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::Access;
use crate::settings::Settings;

use marks::Burden;
use state::Agenda;

/// Does the agenda know what was due at this tick? With a limit on lateness the times of
/// starts move on with the clock, and entries with them: of a tick that is past it may
/// know too little.
pub(crate) fn remembers(policy: &Policy, tick: Instant) -> bool {
    policy.max_start_delay <= Micros(0) || tick >= clock::now().truncate_to_minute()
}

/// Does a tick by hand at this time keep the agenda as it goes? Not for a time to come, as of
/// which it must not write entries: it only reads it.
pub(crate) fn serves_by_hand(policy: &Policy, at: Instant) -> bool {
    at <= clock::now() && remembers(policy, at.truncate_to_minute())
}

/// For previews, which write nothing: the workspaces for which something may be due by a
/// time, if the agenda can say so. Their facts are then read with the caller's rights.
pub(crate) fn due_by(
    product: &Product,
    settings: &Settings,
    tick: Instant,
    by: Instant,
) -> Result<Option<Vec<Uuid>>, Error> {
    let Some(Pages {
        extension,
        marked: mut ids,
        ..
    }) = pages(product, settings, tick)?
    else {
        return Ok(None);
    };
    ids.extend(entries::due(&extension, by, Access::Read)?);
    Ok(Some(ids.into_iter().collect()))
}

/// The agenda in the order of its times.
pub(crate) struct Pages {
    extension: Rc<Extension>,
    /// These were changed since; their entries say nothing.
    pub marked: HashSet<Uuid>,
    /// The entry that was read last.
    last: (Instant, Uuid),
}

/// As [`due_by`], page by page.
pub(crate) fn pages(
    product: &Product,
    settings: &Settings,
    tick: Instant,
) -> Result<Option<Pages>, Error> {
    if !remembers(&settings.policy, tick) {
        return Ok(None);
    }
    let Some(extension) = Extension::known()? else {
        return Ok(None);
    };
    if holds::released_after(&extension, tick)? {
        return Ok(None);
    }
    let Agenda::Ready(_) = Agenda::find(&extension, product, settings, Access::Read)? else {
        return Ok(None);
    };
    let marks = marks::Marks::look(&extension)?;
    if !marks::are_of_this_snapshot(&extension)? {
        return Ok(None);
    }
    let Some(marked) = marks.workspaces(product)? else {
        return Ok(None);
    };
    Ok(Some(Pages {
        extension,
        marked,
        last: (Instant::MIN, Uuid::nil()),
    }))
}

impl Pages {
    /// The next entries, each with its time, at most so many, of those up to a time.
    pub(crate) fn turn(&mut self, by: Instant, count: i64) -> Result<Vec<(Uuid, Instant)>, Error> {
        let page = entries::after(&self.extension, self.last, by, count)?;
        if let Some(&(id, at)) = page.last() {
            self.last = (at, id);
        }
        Ok(page)
    }
}

/// What is wrong with the agenda and what to do about it.
pub(crate) fn problem(
    extension: &Extension,
    agenda: &Agenda,
    product: &Product,
) -> Result<Option<String>, Error> {
    Ok(match agenda {
        Agenda::Broken(missing) => Some(format!(
            "every tick scans all workspaces: the capture triggers of {} are missing or disabled \
            (was a table recreated?); run autobuild_attach() to restore them, or \
            autobuild_detach() to remove the agenda",
            missing
                .iter()
                .map(|table| product.table(table))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        Agenda::Overrun => Some(
            "every tick scans all workspaces: autobuild_marks is full, since no tick took the \
            marks. The worker empties the table as soon as no session reads it; if ticks are \
            made by hand, run autobuild_detach() and then autobuild_attach()"
                .to_owned(),
        ),
        Agenda::Ready(_) | Agenda::Building(_) | Agenda::Unbuilt(_)
            if marks::burden(extension)? == Burden::TooMany =>
        {
            Some(
                "marks of changes accumulate in autobuild_marks, since no ticks are made; enable \
                ticks, or run autobuild_detach()"
                    .to_owned(),
            )
        }
        Agenda::Ready(state) | Agenda::Building(state) => state.drift_sentence(),
        Agenda::Detached | Agenda::Unbuilt(_) => None,
    })
}
