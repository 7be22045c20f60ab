//! What a tick would do, read as the caller.

use crate::executor::decide::{self, Decided};
use crate::executor::outcome::{Attempt, Outcome};
use crate::executor::plan::plan_all;
use crate::instant::Instant;
use crate::product::facts::Scope;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::settings::Settings;

use super::observed;

/// The rows and outcomes that [`manual()`](super::manual()) would give now, as the caller; nothing is
/// written and no lock is taken.
pub fn preview(at: Instant, settings: &Settings) -> Result<Vec<Attempt>, Error> {
    let product = Product::find(&settings.product_schema)?;
    let tick = at.truncate_to_minute();
    let scope = crate::agenda::due_by(&product, settings, tick, tick)?
        .map_or(Scope::DueAt(tick), Scope::These);
    let Decided { due, .. } = decide::due(&product, &settings.policy, scope, tick)?;
    let planned = plan_all(&product, &settings.policy, due, at)?;
    let mut builds_left = settings.max_builds_per_tick;
    Ok(planned
        .iter()
        .filter_map(|planned| match &planned.work {
            Err(block) => Some(Attempt {
                code: Some(block.code),
                message: Some(block.message.clone()),
                ..Attempt::new(&planned.due, Outcome::Blocked)
            }),
            Ok(None) => Some(Attempt::new(&planned.due, Outcome::Built)),
            Ok(Some(_)) if builds_left == Some(0) => None,
            Ok(Some(_)) => {
                builds_left = builds_left.map(|left| left - 1);
                Some(Attempt {
                    outcome: Outcome::Built,
                    ..observed(planned)
                })
            }
        })
        .collect())
}
