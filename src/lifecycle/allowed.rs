//! Which run of a schedule counts, where a template blocks weekdays.

use crate::instant::{HOUR, Instant};

use super::candidate::EVERY_DAY;
use super::schedules::Runs;
use super::signs::Signs;
use super::skip::Skip;

/// How far from its beginning a refused run is still searched on from.
const SEARCH: i128 = 7 * 24 * HOUR as i128 * 1000;

/// The first run later than `after` on a weekday that isn't blocked (bit 0 is Monday), in the
/// schedule's own zone. Before `next_start_at` came, only the very first run counted.
pub fn first_allowed<R: Runs>(
    schedule: &R,
    blocked: i32,
    signs: &Signs,
    after: Instant,
) -> Result<Instant, Skip> {
    let mut run = schedule
        .next_after(after)
        .ok_or(Skip::ScheduleNeverRuns { after })?;
    if blocked == 0 {
        return Ok(run);
    }
    if blocked == EVERY_DAY {
        return Err(Skip::AllDaysBlocked);
    }
    loop {
        let weekday = schedule.weekday(run);
        if blocked & (1 << weekday.num_days_from_monday()) == 0 {
            return Ok(run);
        }
        if !signs.next_start_at {
            return Err(Skip::RunBlocked { run, weekday });
        }
        let none = Skip::NoAllowedRun { after, last: run };
        if run.nanos_since(after) >= SEARCH {
            return Err(none);
        }
        run = schedule.after_run(run).ok_or(none)?;
    }
}
