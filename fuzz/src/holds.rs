//! Recurrence rules and calendars: whatever the text, they are read or refused in few words,
//! and what is read keeps its promises.

use workspace_autobuild::holds::{HoldError, Recurrence, When, calendar};
use workspace_autobuild::instant::{Instant, SECOND};
use workspace_autobuild::schedule::{Bundled, TzifZone};

/// No message is longer, whatever it tells of.
const LONG: usize = 700;
/// How many starts are looked at.
const STARTS: usize = 12;

/// A rule, after four bytes of its start, two of its length in minutes and four of the time
/// asked; or a calendar, if it begins as one.
pub fn holds(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(10));
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let number = |from: usize, to: usize| {
        let bytes = head.get(from..to).unwrap_or_default();
        bytes
            .iter()
            .fold(0, |number, byte| number * 256 + i64::from(*byte))
    };
    if text.contains("BEGIN:") {
        calendar(text);
        return;
    }
    let instant = |number: i64| {
        // From the year 1833 to 2106, to the second.
        let seconds = number * 2 - (1 << 32);
        Instant::from_unix_seconds(seconds).expect("a time within three centuries")
    };
    let starts_at = instant(number(0, 4));
    let ends_at = starts_at.saturating_add_micros(number(4, 6) * 60 * SECOND);
    match Recurrence::read(text, starts_at, ends_at, &Bundled) {
        Ok(recurrence) => asked(&recurrence, starts_at, ends_at, instant(number(6, 10))),
        Err(error) => refused(&error),
    }
}

fn refused(error: &HoldError) {
    short(&error.to_string());
}

fn short(message: &str) {
    assert!(message.len() < LONG, "{} bytes", message.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

/// Starts are in order, each covers its own length and no more, and before the first nothing
/// is covered.
fn asked(recurrence: &Recurrence<TzifZone>, starts_at: Instant, ends_at: Instant, at: Instant) {
    let length = ends_at.micros() - starts_at.micros();
    let before = |at: Instant| at.saturating_add_micros(-1);
    let first = recurrence
        .start_after(before(starts_at))
        .expect("one at least");
    assert!(first >= starts_at);
    assert_eq!(recurrence.covering(before(first)), None);
    for begin in [before(starts_at), at] {
        let mut last = begin;
        for _ in 0..STARTS {
            let Some(start) = recurrence.start_after(last) else {
                break;
            };
            assert!(start > last);
            let end = start.saturating_add_micros(length);
            assert!(recurrence.covering(start) >= Some(end));
            assert!(recurrence.covering(before(end)) >= Some(end));
            // Nothing began between the two: what is covered before is what was covered then.
            let unchanged = recurrence.covering(before(start));
            assert_eq!(
                unchanged,
                recurrence.covering(last).filter(|end| *end >= start)
            );
            last = start;
        }
    }
}

/// Each hold that is found can be made.
fn calendar(text: &str) {
    match calendar::read(text, None, &Bundled) {
        Ok(found) => {
            for hold in found {
                assert!(hold.starts_at < hold.ends_at);
                let rule = hold.recurrence.as_deref();
                let made = When::read(hold.starts_at, Some(hold.ends_at), rule, &Bundled);
                assert!(made.is_ok(), "{hold:?}");
            }
        }
        Err(error) => {
            short(&error.to_string());
            assert!(
                error
                    .line
                    .is_none_or(|line| line <= text.split('\n').count())
            );
        }
    }
}
