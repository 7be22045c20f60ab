//! What keeps owners from being told, for `autobuild_status` and `autobuild_explain`.

use crate::decision::due::Due;
use crate::decision::planned::Planned;
use crate::decision::telling::{Telling, hindrances};
use crate::product::locks::hold_messages;
use crate::product::messages::{TABLES, lacking};
use crate::product::role::{executor_role, lacks_rights_to_tell};
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::settings::Settings;

use super::seen_by_ticks;

/// Which messages can't be queued for anybody, and what to do about it.
pub(super) fn problem(product: &Product, settings: &Settings) -> Result<Option<String>, Error> {
    let lacking = lacking(product, settings);
    if !lacking.is_empty() {
        let columns: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        return Ok(Some(format!(
            "owners are not told, or marks not audited: the product's tables lack {}, or have it \
            with a type that can't serve",
            columns.join(", ")
        )));
    }
    // Another problem is told of elsewhere.
    if let Ok(role) = executor_role(product, settings)
        && let Some(grant) = lacks_rights_to_tell(product, settings, role)?
    {
        return Ok(Some(format!("owners are not told: {grant}")));
    }
    let read = || hindrances(product, settings);
    let found = seen_by_ticks::read(product, settings, &TABLES, read)?.unwrap_or_default();
    let mut problems: Vec<(String, Vec<&str>)> = Vec::new();
    for not_made in found {
        let notice = not_made.notice.name();
        match problems.iter_mut().find(|(why, _)| *why == not_made.why) {
            Some((_, notices)) => notices.push(notice),
            None => problems.push((not_made.why, vec![notice])),
        }
    }
    let sentences: Vec<String> = problems
        .into_iter()
        .map(|(why, notices)| format!("owners are not told ({}): {why}", notices.join(", ")))
        .collect();
    Ok((!sentences.is_empty()).then(|| sentences.join("; ")))
}

/// What keeps a reminder that is due from being made, if anything does; read as the caller.
pub(super) fn keeps_from_reminding(
    product: &Product,
    settings: &Settings,
    due: Due,
) -> Result<Option<String>, Error> {
    let planned = Planned::new(due, Ok(None), &[]);
    let hold = || hold_messages(product);
    let not_made = match Telling::read(product, settings, &[&planned], hold)? {
        Some(telling) => telling.messages(&planned, clock::now()).1,
        None => return Ok(Some("the product's tables keep no messages".to_owned())),
    };
    Ok(not_made.into_iter().next().map(|not_made| not_made.why))
}
