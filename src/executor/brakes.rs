//! What the brakes let be made of a batch, looked at where it is planned.

use crate::decision::attempt::Attempt;
use crate::decision::brakes::{ALWAYS, Brake, Brakes, KINDS, share};
use crate::decision::due::Due;
use crate::decision::planned::Planned;
use crate::instant::Instant;
use crate::ledger::brakes as ledger;
use crate::new_build::codes::BlockCode;
use crate::new_build::inputs::Block;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::settings::Settings;

/// The brakes as they are for these. Where nothing can be written nothing is asked, and all
/// workspaces are counted only where some kind comes to more than are always made. A catalog of
/// another version, with which previews alone have to do, has no brakes.
pub(super) fn brakes(
    extension: &Extension,
    settings: &Settings,
    planned: &[Planned],
    now: Instant,
    count: impl FnOnce() -> Result<i64, Error>,
) -> Result<Brakes, Error> {
    let ready = KINDS.map(|kind| {
        let of_kind =
            |planned: &&Planned| planned.work.is_ok() && planned.due.next.transition == kind;
        let ready = planned.iter().filter(of_kind).count();
        (kind, i64::try_from(ready).unwrap_or(i64::MAX))
    });
    if ready.iter().all(|(_, ready)| *ready == 0) || !extension.is_current() {
        return Ok(Brakes::default());
    }
    let on = ledger::on(extension)?;
    let mut limited = Vec::new();
    for (kind, ready) in ready {
        let share = share(
            kind,
            settings.max_transitions_share,
            settings.max_deletes_share,
        );
        if let Some(share) = share
            && ready > 0
            && on.iter().all(|brake| brake.transition != kind)
        {
            limited.push((kind, ready, share));
        }
    }
    let mut brakes = Brakes::on(on);
    if limited.is_empty() {
        return Ok(brakes);
    }
    let kinds: Vec<_> = limited.iter().map(|(kind, _, _)| *kind).collect();
    let made = ledger::made(extension, &kinds, now)?;
    let made_of = |kind| {
        let made = made.iter().find(|(of, _)| *of == kind);
        made.map_or(0, |(_, made)| *made)
    };
    limited.retain(|(kind, ready, _)| made_of(*kind).saturating_add(*ready) > ALWAYS);
    if limited.is_empty() {
        return Ok(brakes);
    }
    let workspaces = count()?;
    for (kind, _, share) in limited {
        brakes.limit(kind, share, made_of(kind), workspaces, now);
    }
    Ok(brakes)
}

/// What is due waits for its brake to be released.
pub(super) fn braked(due: &Due, brake: &Brake) -> Attempt {
    let block = Block {
        code: BlockCode::Braked,
        message: brake.sentence(),
    };
    Attempt::blocked(due, &block)
}
