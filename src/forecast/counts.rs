//! What is done, counted by tick, and from there by bucket.

use std::collections::BTreeMap;

use crate::instant::{Instant, MINUTE};
use crate::lifecycle::transition::Transition;

use super::window::{WEEK, Window};

/// What is done in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Starts.
    pub starts: i32,
    /// Stops.
    pub stops: i32,
    /// Deletes.
    pub deletes: i32,
    /// Dormancy marks without a stop.
    pub dormant: i32,
    /// The most workspaces that run at once.
    pub running_most: i32,
}

/// The counts of each tick of a window. A group of workspaces after the other is counted in
/// the same one: which ticks have anything is kept, so that few are looked at for a small one.
pub(super) struct Counts {
    window: Window,
    first: Instant,
    starts: Vec<u32>,
    stops: Vec<u32>,
    /// A bit for each tick.
    touched: Vec<u64>,
    /// What is rare, by tick.
    others: BTreeMap<usize, Other>,
    /// How many run when the first bucket begins.
    running: i64,
}

#[derive(Default)]
struct Other {
    deletes: u32,
    dormant: u32,
    /// What is to be added to starts less stops for how many more run than before.
    running: i64,
}

impl Counts {
    pub(super) fn new(window: Window) -> Counts {
        let ticks = window.ticks();
        Counts {
            window,
            first: window.first_counted(),
            starts: vec![0; ticks],
            stops: vec![0; ticks],
            touched: vec![0; ticks / 64 + 1],
            others: BTreeMap::new(),
            running: 0,
        }
    }

    /// A workspace runs when the forecast begins.
    pub(super) fn runs(&mut self) {
        self.running += 1;
    }

    /// A start at a tick.
    pub(super) fn start(&mut self, tick: Instant) {
        match self.place(tick) {
            Some(place) => {
                if let Some(starts) = self.starts.get_mut(place) {
                    *starts += 1;
                }
            }
            None => self.running += 1,
        }
    }

    /// A stop, of a workspace that runs, at a tick.
    pub(super) fn stop(&mut self, tick: Instant) {
        match self.place(tick) {
            Some(place) => {
                if let Some(stops) = self.stops.get_mut(place) {
                    *stops += 1;
                }
            }
            None => self.running -= 1,
        }
    }

    /// The start or stop that was counted at a tick once more in each of so many weeks after it.
    pub(super) fn repeat(&mut self, tick: Instant, is_start: bool, weeks: i64) {
        for week in 1..=weeks {
            let tick = tick.saturating_add_micros(week * WEEK);
            if is_start {
                self.start(tick);
            } else {
                self.stop(tick);
            }
        }
    }

    /// Anything else at a tick, after which a workspace no longer runs or runs as before.
    pub(super) fn other(&mut self, tick: Instant, transition: Transition, ran: bool) {
        let Some(place) = self.place(tick) else {
            self.running -= i64::from(ran);
            return;
        };
        if transition == Transition::Stop
            && let Some(stops) = self.stops.get_mut(place)
        {
            *stops += 1;
        }
        let other = self.others.entry(place).or_default();
        match transition {
            Transition::Delete => {
                other.deletes += 1;
                other.running -= i64::from(ran);
            }
            Transition::Dormant => other.dormant += 1,
            Transition::Stop => other.running += i64::from(!ran),
            Transition::Start | Transition::Remind => {}
        }
    }

    /// The place of a tick, unless it is before the first bucket; it is looked at from now on.
    fn place(&mut self, tick: Instant) -> Option<usize> {
        let minutes = (tick.micros() - self.first.micros()).div_euclid(MINUTE);
        let place = usize::try_from(minutes).ok()?;
        if let Some(bits) = self.touched.get_mut(place / 64) {
            *bits |= 1 << (place % 64);
        }
        Some(place)
    }

    /// The buckets of what was counted, after which nothing is.
    pub(super) fn take(&mut self) -> Vec<Counted> {
        let mut buckets = Vec::with_capacity(usize::try_from(self.window.buckets()).unwrap_or(0));
        let mut running = std::mem::take(&mut self.running);
        let others = std::mem::take(&mut self.others);
        let first = self.first;
        let mut ticks = Ticks {
            touched: &self.touched,
            word: 0,
            bits: self.touched.first().copied().unwrap_or(0),
        }
        .peekable();
        for from in self.window.starts() {
            let to = from
                .saturating_add(self.window.bucket)
                .min(self.window.until);
            let mut bucket = Counted {
                running_most: count(running),
                ..Counted::default()
            };
            while let Some(place) = ticks.next_if(|place| instant(first, *place) < to) {
                let starts = self.starts.get_mut(place).map_or(0, std::mem::take);
                let stops = self.stops.get_mut(place).map_or(0, std::mem::take);
                running += i64::from(starts) - i64::from(stops);
                bucket.starts = bucket.starts.saturating_add(count(starts));
                bucket.stops = bucket.stops.saturating_add(count(stops));
                if let Some(other) = others.get(&place) {
                    running += other.running;
                    bucket.deletes = bucket.deletes.saturating_add(count(other.deletes));
                    bucket.dormant = bucket.dormant.saturating_add(count(other.dormant));
                }
                bucket.running_most = bucket.running_most.max(count(running));
            }
            buckets.push(bucket);
        }
        self.touched.fill(0);
        buckets
    }
}

/// The tick at a place.
fn instant(first: Instant, place: usize) -> Instant {
    let minutes = i64::try_from(place).unwrap_or(i64::MAX);
    first.saturating_add_micros(minutes.saturating_mul(MINUTE))
}

fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// The ticks at which anything was counted, in order.
struct Ticks<'a> {
    touched: &'a [u64],
    word: usize,
    bits: u64,
}

impl Iterator for Ticks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.word += 1;
            self.bits = *self.touched.get(self.word)?;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.word * 64 + usize::try_from(bit).ok()?)
    }
}
