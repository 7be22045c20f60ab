//! What a tick would do, read as the caller.

use crate::decision::attempt::{Attempt, Outcome};
use crate::decision::due::Decided;
use crate::decision::judge::{read_due, scan};
use crate::decision::plan::plan_all;
use crate::decision::planned::Planned;
use crate::decision::turn::BuildsLeft;
use crate::executor::brakes::{braked, brakes};
use crate::instant::Instant;
use crate::product::count;
use crate::product::facts::Selection;
use crate::product::locks::hold_for_preview;
use crate::product::starts::Wanted;
use crate::proofs::Proofs;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::settings::Settings;

/// The rows and outcomes that [`manual()`](super::manual()) would give now, as the
/// caller; nothing is written, and nothing is locked but as any reader locks it.
pub(crate) fn preview(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    let product = hold_for_preview(&settings.product_schema)?;
    let tick = at.truncate_to_minute();
    let policy = &settings.policy;
    let Decided { due, .. } = match crate::agenda::due_by(&product, settings, tick, tick)? {
        Some(ids) => read_due(&product, policy, Selection::These(ids), tick)?,
        None => scan(&product, policy, Wanted::Due, tick)?,
    };
    let planned = plan_all(&product, settings, due, at, Proofs::Made)?;
    let mut builds_left = BuildsLeft::new(settings.max_builds_per_tick);
    let extension = Extension::get()?;
    let mut brakes = brakes(&extension, settings, &planned, clock::now(), || {
        count::workspaces(&product)
    })?;
    let mut attempts = Vec::new();
    for Planned { due, work, .. } in &planned {
        let kind = due.next.transition;
        let builds = match work {
            Err(block) => {
                attempts.push(Attempt::blocked(due, block));
                continue;
            }
            Ok(plan) => plan.is_some(),
        };
        if let Some(brake) = brakes.against(kind) {
            attempts.push(braked(due, brake));
        } else if !builds || builds_left.take() {
            brakes.take(kind);
            attempts.push(Attempt::numbered(due, Outcome::Built));
        }
    }
    Ok(attempts)
}
