//! How far away a moment is, in the words of the product's messages.
//!
//! The product takes them from a library, in the same version ever since it writes messages;
//! the table below has the same marks. A number is cut, never rounded: 59 seconds and 999
//! milliseconds are `59 seconds`.

use crate::instant::{HOUR, MINUTE, Micros, SECOND};

const DAY: u64 = 24 * HOUR as u64;
const WEEK: u64 = 7 * DAY;
/// As the library has it.
const MONTH: u64 = 30 * DAY;
/// As the library has it.
const YEAR: u64 = 12 * MONTH;

/// What is said below a distance.
enum Said {
    /// These words.
    Words(&'static str),
    /// How many there are of this length, and the word for them.
    Many(u64, &'static str),
}

use Said::{Many, Words};

/// Each mark with what is said of a distance below it.
const MARKS: [(u64, Said); 16] = [
    (2 * SECOND as u64, Words("1 second")),
    (MINUTE as u64, Many(SECOND as u64, "seconds")),
    (2 * MINUTE as u64, Words("1 minute")),
    (HOUR as u64, Many(MINUTE as u64, "minutes")),
    (2 * HOUR as u64, Words("1 hour")),
    (DAY, Many(HOUR as u64, "hours")),
    (2 * DAY, Words("1 day")),
    (WEEK, Many(DAY, "days")),
    (2 * WEEK, Words("1 week")),
    (MONTH, Many(WEEK, "weeks")),
    (2 * MONTH, Words("1 month")),
    (YEAR, Many(MONTH, "months")),
    (YEAR + YEAR / 2, Words("1 year")),
    (2 * YEAR, Words("2 years")),
    (37 * YEAR, Many(YEAR, "years")),
    (u64::MAX, Words("a long while")),
];

/// A moment so far from the clock: above zero it is yet to come.
///
/// ```
/// use workspace_autobuild::instant::{HOUR, Micros};
/// use workspace_autobuild::messages::words::words;
///
/// assert_eq!(words(Micros(24 * HOUR)), "1 day from now");
/// assert_eq!(words(Micros(24 * HOUR - 1)), "23 hours from now");
/// assert_eq!(words(Micros(-HOUR)), "1 hour ago");
/// ```
pub fn words(distance: Micros) -> String {
    let length = distance.0.unsigned_abs();
    if length < SECOND as u64 {
        return "now".to_owned();
    }
    let said = MARKS.iter().find(|(mark, _)| length < *mark);
    let said = match said {
        Some((_, Many(unit, name))) => format!("{} {name}", length / unit),
        Some((_, Words(words))) => (*words).to_owned(),
        None => String::new(),
    };
    let side = if distance.0 > 0 { "from now" } else { "ago" };
    format!("{said} {side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds with up to six digits behind the point.
    fn micros(text: &str) -> i64 {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let whole: i64 = whole.parse().unwrap();
        let part: i64 = format!("{part:0<6}").parse().unwrap();
        sign * (whole * SECOND + part)
    }

    #[test]
    fn every_recorded_distance_has_the_words_that_were_recorded() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/humanize.csv");
        let mut reader = csv::Reader::from_path(path).unwrap();
        let (mut count, mut wrong) = (0, Vec::new());
        for record in reader.records() {
            let record = record.unwrap();
            let (seconds, due) = (&record[0], &record[1]);
            let said = words(Micros(micros(seconds)));
            count += 1;
            if said != due {
                wrong.push(format!("{seconds}: {said}, due {due}"));
            }
        }
        assert!(wrong.is_empty(), "{} wrong: {wrong:?}", wrong.len());
        assert_eq!(count, 12_826);
    }

    #[test]
    fn a_distance_too_long_to_be_negated_is_a_long_while() {
        assert_eq!(words(Micros(i64::MIN)), "a long while ago");
        assert_eq!(words(Micros(i64::MAX)), "a long while from now");
    }
}
