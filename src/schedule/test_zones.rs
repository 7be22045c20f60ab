//! Zone sources for tests: made-up zones.

use super::{Span, Zone, ZoneSource};

/// A made-up zone: an offset from the start and the shifts after it, in order.
#[derive(Clone, Debug)]
pub(crate) struct ShiftingZone {
    pub(crate) offset: i32,
    /// Unix seconds and the offset from then on.
    pub(crate) shifts: Vec<(i64, i32)>,
}

impl Zone for ShiftingZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let past = self.shifts.iter().rev().find(|s| s.0 <= unix_seconds);
        Span {
            offset: past.map_or(self.offset, |s| s.1),
            until: self
                .shifts
                .iter()
                .map(|s| s.0)
                .find(|at| *at > unix_seconds),
        }
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        let mut shifts = self.shifts.iter().rev().map(|s| s.0);
        shifts.find(|at| *at <= unix_seconds)
    }
}

/// A source in which every name is the same zone.
pub(crate) struct OnlyZone<Z>(pub(crate) Z);

impl<Z: Zone + Clone> ZoneSource for OnlyZone<Z> {
    type Zone = Z;

    fn zone(&self, _name: &str) -> Option<Z> {
        Some(self.0.clone())
    }
}
