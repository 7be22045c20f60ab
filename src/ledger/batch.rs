//! What a batch leaves behind, all of it in the batch's own transaction.

use std::collections::HashMap;

use uuid::Uuid;

use crate::decision::attempt::Attempt;
use crate::decision::report::TickReport;
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::extension::Extension;

use super::back_off::LastAttempt;
use super::ticks::{Source, TickRecord};
use super::{attempts, ticks, transitions};

/// Records what came of a batch: history, back-off, and the tick's own row with the
/// numbers so far.
pub(crate) fn record(
    extension: &Extension,
    tick: &mut TickRecord,
    attempts: &[Attempt],
    report: &TickReport,
    earlier: &HashMap<Uuid, LastAttempt>,
    now: Instant,
) -> Result<(), Error> {
    extension.as_owner(|| {
        let tick_id = ticks::record(extension, tick, report, now)?;
        if attempts.is_empty() {
            return Ok(());
        }
        transitions::record(extension, tick_id, attempts, now)?;
        // The worker's ticks are on the minute: counted from the tick, "in a minute" is
        // the next one; counted from the clock it would be the one after. A timer's are soon
        // after the minute, now a bit earlier, now a bit later.
        let begun = match tick.source {
            Source::Worker => tick.tick_at,
            Source::Timer => tick.tick_at.truncate_to_minute(),
            Source::Manual => now,
        };
        attempts::record(extension, attempts, earlier, now, begun)
    })
}
