//! A schedule in plain English, for people who don't read cron.
//!
//! It is made of the sets and not of the text, so that two texts that mean the same
//! read the same.

use super::sets::Sets;

/// How many times of day are listed one by one.
const LISTED_TIMES: u32 = 6;

/// Monday first, as the product's own week, with the bit of each in the set.
const WEEK: [(u8, &str); 7] = [
    (1, "Monday"),
    (2, "Tuesday"),
    (3, "Wednesday"),
    (4, "Thursday"),
    (5, "Friday"),
    (6, "Saturday"),
    (0, "Sunday"),
];

/// What the sets mean, in a zone.
pub(super) fn describe(sets: &Sets, zone: &str) -> String {
    if sets.is_empty() {
        return "never".to_owned();
    }
    format!("{} {}, {zone}", times(sets), days(sets.weekdays))
}

fn times(sets: &Sets) -> String {
    let minutes: Vec<u32> = (0..60).filter(|m| sets.minutes >> m & 1 == 1).collect();
    let hours: Vec<u32> = (0..24).filter(|h| sets.hours >> h & 1 == 1).collect();
    if sets.minutes.count_ones() * sets.hours.count_ones() <= LISTED_TIMES {
        let times = hours
            .iter()
            .flat_map(|h| minutes.iter().map(move |m| format!("{h:02}:{m:02}")));
        return format!("at {}", list(&times.collect::<Vec<_>>()));
    }
    let every = every(&minutes);
    let all_day = hours.len() == 24;
    let mut text = match &every {
        Some(every) => every.clone(),
        None => format!("at {}", numbers("minute", &minutes)),
    };
    match (all_day, every) {
        (true, Some(_)) => {}
        (true, None) => text.push_str(" of every hour"),
        (false, _) => text.push_str(&format!(" of {}", numbers("hour", &hours))),
    }
    text
}

/// `every minute`, or `every N minutes` where that goes round the whole hour.
fn every(minutes: &[u32]) -> Option<String> {
    let count = u32::try_from(minutes.len()).ok()?;
    let step = 60u32.checked_div(count)?;
    let even = count > 1 && (0..60).step_by(step as usize).eq(minutes.iter().copied());
    match (even, step) {
        (false, _) => None,
        (true, 1) => Some("every minute".to_owned()),
        (true, step) => Some(format!("every {step} minutes")),
    }
}

/// `minute 5`, `minutes 0 to 10 and 30`.
fn numbers(unit: &str, numbers: &[u32]) -> String {
    let plural = if numbers.len() == 1 { "" } else { "s" };
    let names: Vec<(u32, String)> = numbers.iter().map(|n| (*n, n.to_string())).collect();
    format!("{unit}{plural} {}", list(&runs(&names)))
}

fn days(weekdays: u8) -> String {
    let days: Vec<(u32, String)> = (0..)
        .zip(WEEK)
        .filter(|(_, (bit, _))| weekdays >> bit & 1 == 1)
        .map(|(place, (_, name))| (place, name.to_owned()))
        .collect();
    if days.len() == WEEK.len() {
        return "every day".to_owned();
    }
    format!("on {}", list(&runs(&days)))
}

/// Three or more in a row become `A to B`.
fn runs(places: &[(u32, String)]) -> Vec<String> {
    places
        .chunk_by(|a, b| a.0 + 1 == b.0)
        .flat_map(|run| match run {
            [(_, first), _, .., (_, last)] => vec![format!("{first} to {last}")],
            _ => run.iter().map(|(_, name)| name.clone()).collect(),
        })
        .collect()
}

/// `A`, `A and B`, `A, B and C`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
