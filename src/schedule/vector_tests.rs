//! The recorded cases: texts, instants and the answers that are due.

use super::Schedule;
use super::files::Bundled;
use crate::instant::Instant;

/// Reads `2024-01-05T09:29:59.999999Z`.
pub(super) fn instant(text: &str) -> Instant {
    let at: jiff::Timestamp = text.parse().unwrap();
    let micros = at.as_microsecond() - 946_684_800_000_000;
    Instant::from_micros(micros).unwrap()
}

#[test]
fn every_recorded_case_is_answered_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cron_vectors.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let zones = Bundled;
    let (mut cases, mut wrong) = (0, Vec::new());
    for record in reader.records() {
        let record = record.unwrap();
        let (id, text, after, due) = (&record[0], &record[1], &record[2], &record[3]);
        let answer = match Schedule::parse(text, &zones) {
            Err(_) => "refused".to_owned(),
            Ok(schedule) => match schedule.next(instant(after)) {
                None => {
                    assert!(schedule.never_runs(), "{id}");
                    assert_eq!(schedule.prev(Instant::MAX), None, "{id}");
                    "zero".to_owned()
                }
                Some(next) => {
                    assert_eq!(schedule.prev(next), Some(next), "{id}");
                    let before = schedule.prev(next.saturating_add_micros(-1));
                    assert!(before < Some(next), "{id}: {before:?}");
                    let bound = schedule.bound(next, 0);
                    assert!(Some(instant(after)) < bound, "{id}: {bound:?}");
                    next.to_string()
                }
            },
        };
        cases += 1;
        if answer != due {
            wrong.push(format!("{id} {text:?} after {after}: {answer}, due {due}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(cases, 6271);
}
