//! From when to when a forecast is made, and in which pieces.

use crate::instant::{HOUR, Instant, MINUTE, Micros};

/// A forecast looks no further: ten years, with three leap days.
pub const LONGEST: Micros = Micros(3653 * 24 * HOUR);

/// Microseconds in a week.
pub(super) const WEEK: i64 = 7 * 24 * HOUR;

/// The buckets of a forecast, and when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From when on the workspaces are as they are known. What is done between this and
    /// `since` is played, and counted nowhere.
    pub begin: Instant,
    /// Where the first bucket begins.
    pub since: Instant,
    /// Where the last bucket ends, whole or not.
    pub until: Instant,
    /// How long a bucket is; above zero.
    pub bucket: Micros,
}

impl Window {
    /// The number of buckets.
    pub fn buckets(&self) -> u64 {
        let length = self.until.micros().saturating_sub(self.since.micros());
        let length = u64::try_from(length).unwrap_or(0);
        length.div_ceil(u64::try_from(self.bucket.0).unwrap_or(0).max(1))
    }

    /// The beginnings of the buckets.
    pub fn starts(&self) -> impl Iterator<Item = Instant> + use<> {
        let Window { since, bucket, .. } = *self;
        (0..self.buckets()).map(move |place| {
            let place = i64::try_from(place).unwrap_or(i64::MAX);
            since.saturating_add_micros(bucket.0.saturating_mul(place))
        })
    }

    /// The first tick that is counted.
    pub(super) fn first_counted(&self) -> Instant {
        self.since.ceil_to_minute()
    }

    /// How many ticks may be counted.
    pub(super) fn ticks(&self) -> usize {
        let length = self.until.micros() - self.first_counted().micros();
        usize::try_from(length.max(0) / MINUTE + 1).unwrap_or(usize::MAX)
    }
}

/// The tick after a tick.
pub(super) fn next_tick(tick: Instant) -> Instant {
    tick.saturating_add_micros(MINUTE)
}
