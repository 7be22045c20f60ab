//! A forecast, and then the ticks themselves, each followed by what the product would do: the
//! counts are the same in every bucket.
//!
//! The short form is part of the tests; `make test-forecast` plays a month of 2,000 workspaces
//! (`FORECAST_DAYS`, `FORECAST_WORKSPACES`).

use std::collections::BTreeMap;

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::install;

use super::scene::{BY, Counted, Played, SINCE, forecast, many};

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Times are multiples of so many minutes. What is done after a time is done a minute later, and
/// a delete a minute after its mark, so that three ticks are enough.
const STEP: usize = 30;

fn is_what_ticks_do(version: Version, count: u32, days: usize) {
    let product = install(version);
    many(&product, count, STEP as u32);
    let operator = product.operator();
    operator.all_rules();
    // All of the unused go within minutes of each other.
    operator.set("max_deletes_share", "0");
    operator.execute(&format!(
        "SELECT autobuild_hold('template', id, timestamptz '{SINCE}' + interval '50 hours',
                               timestamptz '{SINCE}' + interval '75 hours', '{{stop}}')
           FROM templates WHERE name = 'plain';
         SELECT autobuild_hold('template', id, timestamptz '{SINCE}' + interval '30 hours',
                               timestamptz '{SINCE}' + interval '36 hours', NULL, 'nights',
                               'FREQ=DAILY;COUNT=4')
           FROM templates WHERE name = 'blocked'"
    ));
    let expected: Vec<BTreeMap<(String, usize), Counted>> = BY
        .iter()
        .map(|by| forecast(&mut operator.session(), days, by))
        .collect();
    let mut played = Played::new(&product, &operator);
    for minutes in (0..days * 24 * 60).filter(|minutes| minutes % STEP < 3) {
        played.tick(minutes);
    }
    played.ends_as_played();
    let mut seen = [0; 5];
    for ((group, hour), expected) in expected.iter().flatten() {
        let key = (group.clone(), *hour);
        let counted = played.counted.remove(&key).unwrap_or_default();
        assert_eq!(
            counted, *expected,
            "{version}: ticks are left, the forecast right, in hour {hour} of {group}"
        );
        for (seen, counted) in seen.iter_mut().zip(counted) {
            *seen += counted;
        }
    }
    let left: Vec<_> = played
        .counted
        .into_iter()
        .filter(|(_, counted)| *counted != [0; 5])
        .collect();
    assert!(
        left.is_empty(),
        "{version}: ticks did what no forecast says: {left:?}"
    );
    let kinds = if version < Version::V2_5_0 {
        &seen[..2]
    } else {
        &seen[..]
    };
    assert!(
        kinds.iter().all(|seen| *seen > 0),
        "{version}: of each kind something: {seen:?}"
    );
}

#[test]
fn counts_are_those_of_the_ticks_that_follow() {
    let (count, days) = (
        number("FORECAST_WORKSPACES", 60),
        number("FORECAST_DAYS", 10),
    );
    is_what_ticks_do(Version::V2026_06, count as u32, days);
}

#[test]
fn counts_are_those_of_the_ticks_that_follow_on_older_tables() {
    is_what_ticks_do(Version::V2023_06, 40, 3);
    is_what_ticks_do(Version::V2_10_0, 40, 8);
}
