//! Wall times: what a zone's clock shows, as seconds since 1970 by that clock.

use crate::schedule::{Span, Zone};

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// A zone's clock is never further from UTC.
pub(super) const FURTHEST: i64 = 26 * 3600;

/// How many stretches of constant offset are looked at to place one wall time: within two
/// days real zones have two, and the bound is for a zone that never gets anywhere.
const MAX_SPANS: usize = 64;

/// What the clock shows at an instant; without a zone it is UTC's.
pub(super) fn wall_at<Z: Zone>(unix: i64, zone: Option<&Z>) -> i64 {
    unix + offset(span_at(unix, zone))
}

/// The first instant at which the clock shows a wall time. One that it never shows is read
/// with the offset before the gap.
pub(crate) fn instant_of<Z: Zone>(wall: i64, zone: Option<&Z>) -> i64 {
    let mut span = span_at(wall - FURTHEST, zone);
    for _ in 0..MAX_SPANS {
        let shown = wall - offset(span);
        let Some(until) = span.until.filter(|until| *until <= shown) else {
            break;
        };
        let next = span_at(until, zone);
        if wall - offset(next) < until {
            break;
        }
        span = next;
    }
    wall - offset(span)
}

fn offset(span: Span) -> i64 {
    i64::from(span.offset).clamp(-FURTHEST, FURTHEST)
}

fn span_at<Z: Zone>(unix: i64, zone: Option<&Z>) -> Span {
    match zone {
        Some(zone) => zone.span_at(unix),
        None => Span {
            offset: 0,
            until: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Bundled, TzifZone, ZoneSource};

    fn unix(text: &str) -> i64 {
        let format = "%Y-%m-%d %H:%M";
        let time = chrono::NaiveDateTime::parse_from_str(text, format).unwrap();
        time.and_utc().timestamp()
    }

    fn placed(zone: &str, wall: &str) -> i64 {
        instant_of(unix(wall), Bundled.zone(zone).as_ref())
    }

    #[test]
    fn a_wall_time_that_does_not_exist_is_read_with_the_offset_before_the_gap() {
        assert_eq!(
            placed("Europe/Berlin", "2026-03-29 02:30"),
            unix("2026-03-29 01:30")
        );
        // Midnights that don't exist.
        assert_eq!(
            placed("America/Havana", "2026-03-08 00:00"),
            unix("2026-03-08 05:00")
        );
        assert_eq!(
            placed("Asia/Beirut", "2026-03-29 00:00"),
            unix("2026-03-28 22:00")
        );
        // A whole day that doesn't.
        assert_eq!(
            placed("Pacific/Apia", "2011-12-30 12:00"),
            unix("2011-12-30 22:00")
        );
    }

    #[test]
    fn a_wall_time_that_comes_twice_is_its_first_pass() {
        assert_eq!(
            placed("Europe/Berlin", "2026-10-25 02:30"),
            unix("2026-10-25 00:30")
        );
        assert_eq!(
            placed("America/New_York", "2026-11-01 01:00"),
            unix("2026-11-01 05:00")
        );
        assert_eq!(
            placed("America/New_York", "2026-11-01 02:00"),
            unix("2026-11-01 07:00")
        );
    }

    #[test]
    fn what_the_clock_shows_once_is_placed_where_it_shows_it() {
        for name in ["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"] {
            let zone: Option<TzifZone> = Bundled.zone(name);
            for unix in (unix("2025-01-01 00:00")..unix("2027-01-01 00:00")).step_by(1740) {
                let wall = wall_at(unix, zone.as_ref());
                let first = instant_of(wall, zone.as_ref());
                assert!(first <= unix && unix - first <= 3600, "{name} {unix}");
                assert_eq!(wall_at(first, zone.as_ref()), wall, "{name} {unix}");
            }
        }
    }
}
