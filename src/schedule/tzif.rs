//! A zone as a TZif file says: read by `jiff`, all versions of the format, footers too.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::zone::{Span, Zone};

/// After so many seconds the calendar, weekdays too, comes again: 400 years.
const CYCLE: i64 = 146_097 * 86_400;

/// The last second that is asked for: `jiff`'s time ends with the year 9999.
const LAST: i64 = 253_000_000_000;

/// A zone of a TZif file.
#[derive(Clone, Debug)]
pub struct TzifZone(TimeZone);

impl TzifZone {
    /// Reads a file's bytes; the error says what is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<TzifZone, String> {
        // The zone's name is for texts that nobody reads here.
        TimeZone::tzif("", bytes)
            .map(TzifZone)
            .map_err(|error| error.to_string())
    }
}

/// By how much an instant is moved for `jiff`, whose time ends before PostgreSQL's: the years
/// after 9999 are as the same years of the cycle before it.
fn cycles(unix_seconds: i64) -> i64 {
    let past = unix_seconds.saturating_sub(LAST).max(0);
    (past / CYCLE + i64::from(past % CYCLE > 0)) * CYCLE
}

impl Zone for TzifZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let cycles = cycles(unix_seconds);
        let seconds = unix_seconds - cycles;
        let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN);
        let next = self.0.following(at).next();
        Span {
            offset: self.0.to_offset(at).seconds(),
            // A file without a footer can end with a transition that is not ahead.
            until: next
                .map(|next| next.timestamp().as_second())
                .filter(|until| *until > seconds)
                .map(|until| until + cycles),
        }
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        let cycles = cycles(unix_seconds);
        let seconds = unix_seconds - cycles;
        // `jiff` gives transitions before an instant, and one of its own where time begins.
        let after = Timestamp::from_second(seconds.saturating_add(1)).unwrap_or(Timestamp::MIN);
        let last = self.0.preceding(after).next()?.timestamp();
        let since = last.as_second();
        (since <= seconds && last != Timestamp::MIN).then_some(since + cycles)
    }
}

#[cfg(test)]
mod tests {
    use super::super::iana::data;
    use super::*;

    fn bundled(name: &str) -> TzifZone {
        TzifZone::read(data(name).unwrap()).unwrap()
    }

    #[test]
    fn the_years_after_9999_are_as_the_same_years_of_the_cycle() {
        let berlin = bundled("Europe/Berlin");
        for at in (LAST - CYCLE..LAST + CYCLE).step_by(86_400 * 50) {
            let (now, later) = (berlin.span_at(at), berlin.span_at(at + CYCLE));
            assert_eq!(now.offset, later.offset, "{at}");
            assert_eq!(now.until.map(|until| until + CYCLE), later.until, "{at}");
        }
        assert_eq!(bundled("Asia/Tokyo").span_at(i64::MAX / 4).until, None);
    }

    #[test]
    fn an_offset_holds_since_the_last_shift_and_no_earlier() {
        let berlin = bundled("Europe/Berlin");
        let mut at = LAST + 2 * CYCLE;
        let mut shifts = 0;
        while let Some(since) = berlin.since(at) {
            assert_eq!(berlin.span_at(since).offset, berlin.span_at(at).offset);
            assert_eq!(berlin.since(since), Some(since));
            assert_eq!(berlin.span_at(since - 1).until, Some(since));
            at = since - 1;
            shifts += 1;
        }
        // Twice a year since 1980, and those before.
        assert!(
            shifts > 2 * 8000 && berlin.span_at(at).offset == 3208,
            "{shifts}"
        );
        assert_eq!(bundled("UTC").since(0), None);
    }

    /// Where a file has no footer, nothing is known after its last transition, and `jiff` gives
    /// that one again and again.
    #[test]
    fn without_a_footer_the_last_offset_holds_for_ever() {
        let whole = data("Europe/Berlin").unwrap();
        let rest = whole.strip_suffix(b"\n").unwrap();
        let footer = rest.iter().rposition(|byte| *byte == b'\n').unwrap();
        let zone = TzifZone::read(&[&whole[..footer], b"\n\n"].concat()).unwrap();
        assert_eq!(zone.span_at(2_000_000_000).until, None);
        assert_eq!(zone.span_at(2_000_000_000), zone.span_at(3_000_000_000));
    }

    #[test]
    fn what_is_no_tzif_is_refused() {
        let whole = data("Europe/Berlin").unwrap();
        for length in 0..whole.len() {
            assert!(TzifZone::read(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(TzifZone::read(b"# tzdb data for Europe").is_err());
    }
}
