//! The zones that come with `jiff`: the machine's own aren't looked at.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use workspace_autobuild::schedule::{Span, Zone, ZoneSource};

/// The zone database that is compiled in.
pub(crate) struct Bundled(TimeZoneDatabase);

/// One of its zones.
#[derive(Clone, Debug)]
pub(crate) struct BundledZone(TimeZone);

impl Bundled {
    /// It.
    pub(crate) fn new() -> Bundled {
        Bundled(TimeZoneDatabase::bundled())
    }
}

impl ZoneSource for Bundled {
    type Zone = BundledZone;

    fn zone(&self, name: &str) -> Option<BundledZone> {
        let zone = self.0.get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(BundledZone(zone))
    }
}

impl BundledZone {
    /// The offset alone.
    pub(crate) fn offset(&self, unix_seconds: i64) -> i64 {
        i64::from(self.0.to_offset(timestamp(unix_seconds)).seconds())
    }
}

impl Zone for BundledZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let at = timestamp(unix_seconds);
        let next = self.0.following(at).next();
        Span {
            offset: self.0.to_offset(at).seconds(),
            until: next.map(|t| t.timestamp().as_second()),
        }
    }
}

/// The nearest instant that `jiff` can hold; it ends at the years -9999 and 9999.
fn timestamp(unix_seconds: i64) -> Timestamp {
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    let seconds = unix_seconds.clamp(*range.start(), *range.end());
    Timestamp::from_second(seconds).expect("a clamped timestamp is in range")
}
