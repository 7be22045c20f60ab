//! A parsed schedule, and the search for its next run.

use chrono::Weekday;

use crate::instant::{Instant, MINUTE, SECOND};

use super::error::{Field, Problem, ScheduleError};
use super::sets::{Sets, weekday};
use super::zone::{Span, Zone, ZoneSource, find_zone};
use super::{describe, text};

/// How many stretches of constant offset one search may cross. A real zone needs a
/// handful, as every combination of minute, hour and weekday comes back each week;
/// the bound is for a zone that never gets anywhere.
pub(super) const MAX_SPANS: usize = 4096;

/// A parsed weekly schedule in its zone.
///
/// ```
/// # use workspace_autobuild::schedule::{Schedule, Span, Zone, ZoneSource};
/// # #[derive(Debug)]
/// # struct Fixed;
/// # impl Zone for Fixed {
/// #     fn span_at(&self, _: i64) -> Span { Span { offset: 3600, until: None } }
/// #     fn since(&self, _: i64) -> Option<i64> { None }
/// # }
/// # impl ZoneSource for Fixed {
/// #     type Zone = Fixed;
/// #     fn zone(&self, name: &str) -> Option<Fixed> { (name == "Etc/GMT-1").then_some(Fixed) }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // `Fixed` knows one zone, Etc/GMT-1.
/// let schedule = Schedule::parse("CRON_TZ=Etc/GMT-1 30 9 * * 1-5", &Fixed)?;
/// assert_eq!(schedule.timezone(), "Etc/GMT-1");
/// assert_eq!(schedule.cron(), "30 9 * * 1-5");
/// assert_eq!(schedule.description(), "at 09:30 on Monday to Friday, Etc/GMT-1");
///
/// let error = Schedule::parse("0 9 * * MON-FRY", &Fixed).expect_err("no such day");
/// assert_eq!(
///     error.to_string(),
///     r#"day of week: "MON-FRY" isn't a number or a weekday such as MON"#
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Schedule<Z> {
    pub(super) sets: Sets,
    /// The zone and its name; none is UTC, which needs no database.
    zone: Option<(Box<str>, Z)>,
    cron: Box<str>,
}

impl<Z: Zone> Schedule<Z> {
    /// Reads a schedule text, e.g. `CRON_TZ=US/Central 30 9 * * 1-5`.
    pub fn parse<S: ZoneSource<Zone = Z>>(text: &str, zones: &S) -> Result<Self, ScheduleError> {
        let parts = text::split(text)?;
        let sets = text::sets(&parts.fields)?;
        let zone = match parts.zone {
            None | Some("") => None,
            Some(name) => {
                let found = find_zone(name, zones).ok_or_else(|| {
                    ScheduleError::at(Field::TimeZone, name, Problem::NotAnIanaZone)
                })?;
                Some((name.into(), found))
            }
        };
        Ok(Schedule {
            sets,
            zone,
            cron: parts.fields.join(" ").into(),
        })
    }

    /// The next run: the first whole second strictly later than `after` whose wall
    /// clock shows second 0 and a minute, hour and weekday of the sets, cut down to
    /// the UTC minute. None for a schedule that never runs, and past the last
    /// instant that PostgreSQL keeps.
    ///
    /// The cut changes something only where a zone's offset isn't a whole number of
    /// minutes (local mean times, the last of them until 1972): only there can the
    /// answer be up to a minute before `after`.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// # use workspace_autobuild::schedule::{Schedule, Span, Zone, ZoneSource};
    /// # #[derive(Debug)]
    /// # struct Fixed;
    /// # impl Zone for Fixed {
    /// #     fn span_at(&self, _: i64) -> Span { Span { offset: 3600, until: None } }
    /// #     fn since(&self, _: i64) -> Option<i64> { None }
    /// # }
    /// # impl ZoneSource for Fixed {
    /// #     type Zone = Fixed;
    /// #     fn zone(&self, name: &str) -> Option<Fixed> { (name == "Etc/GMT-1").then_some(Fixed) }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let at_nine = Schedule::parse("CRON_TZ=Etc/GMT-1 0 9 * * *", &Fixed)?;
    /// let midnight = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
    /// let run = at_nine.next(midnight).expect("it runs each day");
    /// assert_eq!(run.to_string(), "1970-01-01T08:00:00Z"); // 9 o'clock there
    /// // Strictly later: after this run comes tomorrow's.
    /// let tomorrow = at_nine.next(run).expect("it runs each day");
    /// assert_eq!(tomorrow.to_string(), "1970-01-02T08:00:00Z");
    ///
    /// // A field of commas is accepted, and empty.
    /// let never = Schedule::parse(", 9 * * *", &Fixed)?;
    /// assert_eq!(never.next(midnight), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&self, after: Instant) -> Option<Instant> {
        let mut from = after.unix_seconds() + 1;
        for _ in 0..MAX_SPANS {
            let span = self.span_at(from);
            let offset = i64::from(span.offset);
            // The first whole local minute at or after `from`.
            let minute = (from + offset + 59).div_euclid(60);
            let run = self.sets.at_or_after(minute)? * 60 - offset;
            match span.until {
                // The clock is moved before it shows that time. An `until` that isn't
                // ahead is a zone's mistake, and must not stop us.
                Some(until) if until <= run => from = until.max(from + 1),
                _ => return Instant::from_unix_seconds(run - run.rem_euclid(60)),
            }
        }
        None
    }

    /// The run after one that [`Schedule::next`] gave; later than it in any zone. `next` of
    /// a run can be the same run again, where it was cut down to the minute.
    pub fn after_run(&self, run: Instant) -> Option<Instant> {
        self.next(run.saturating_add_micros(MINUTE - SECOND))
    }

    /// The last run that is reached by `at`: of all that [`Schedule::next`] gives, the latest
    /// that is not later. None where there is none that PostgreSQL could keep.
    ///
    /// ```
    /// # use workspace_autobuild::instant::Instant;
    /// # use workspace_autobuild::schedule::{Bundled, Schedule};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let at_nine = Schedule::parse("0 9 * * *", &Bundled)?;
    /// let midnight = Instant::from_unix_seconds(0).expect("PostgreSQL keeps it");
    /// let run = at_nine.prev(midnight).expect("it runs each day");
    /// assert_eq!(run.to_string(), "1969-12-31T09:00:00Z");
    /// assert_eq!(at_nine.prev(run), Some(run)); // it is reached at its very instant
    /// # Ok(())
    /// # }
    /// ```
    pub fn prev(&self, at: Instant) -> Option<Instant> {
        let run = self.last(at, 0).ok()??;
        Instant::from_unix_seconds(run - run.rem_euclid(60))
    }

    /// What an instant must be earlier than for a run after it to be reached by `at`: the
    /// [`next`](Schedule::next) of every instant before the bound is at or before `at`, and of
    /// no other. None: of no instant.
    ///
    /// With weekdays that are `blocked` (bit 0 is Sunday) only runs on other days count. Then
    /// too no run that counts lies between the bound, or an instant after it, and `at`. Where
    /// an offset is no whole number of minutes (see [`Schedule::next`]), what is cut may be on
    /// the day before, so there every run counts.
    pub fn bound(&self, at: Instant, blocked: u8) -> Option<Instant> {
        match self.last(at, blocked) {
            Ok(run) => Instant::from_unix_seconds(run?),
            Err(unseen) => Instant::from_unix_seconds(unseen + 1),
        }
    }

    /// The second of the last run that is reached by an instant, before it is cut down to the
    /// minute. The error is the last second that a search did not come to, since the clock was
    /// moved too often.
    fn last(&self, at: Instant, blocked: u8) -> Result<Option<i64>, i64> {
        let allowed = self.sets.without(blocked);
        // What is cut down to this minute is reached too.
        let mut to = at.truncate_to_minute().unix_seconds() + 59;
        for _ in 0..MAX_SPANS {
            let offset = i64::from(self.span_at(to).offset);
            let sets = if offset % 60 == 0 {
                &allowed
            } else {
                &self.sets
            };
            let minute = (to + offset).div_euclid(60);
            let run = sets.at_or_before(minute).map(|run| run * 60 - offset);
            match self.since(to) {
                // The clock had not been moved yet when it would have shown that time. A
                // `since` that is ahead is a zone's mistake, and must not stop us.
                Some(since) if run.is_none_or(|run| run < since) => to = since.min(to) - 1,
                _ => return Ok(run),
            }
        }
        Err(to)
    }

    /// Whether one of the sets is empty: an accepted text, but it has no runs.
    pub fn never_runs(&self) -> bool {
        self.sets.is_empty()
    }

    /// The weekday that a calendar in the schedule's zone shows at an instant.
    pub fn weekday(&self, at: Instant) -> Weekday {
        let seconds = at.unix_seconds();
        let local = seconds + i64::from(self.span_at(seconds).offset);
        match weekday(local.div_euclid(86_400)) {
            0 => Weekday::Sun,
            1 => Weekday::Mon,
            2 => Weekday::Tue,
            3 => Weekday::Wed,
            4 => Weekday::Thu,
            5 => Weekday::Fri,
            _ => Weekday::Sat,
        }
    }

    /// Up to when the clock of the schedule's zone is not moved, from an instant on; `None` for
    /// ever. Until then what the schedule does in a week is what it does in the next.
    pub fn clock_stays_until(&self, at: Instant) -> Option<Instant> {
        let until = self.span_at(at.unix_seconds()).until?;
        Instant::from_unix_seconds(until)
    }

    /// The zone's name; `UTC` where the text names none.
    pub fn timezone(&self) -> &str {
        self.zone.as_ref().map_or("UTC", |(name, _)| name)
    }

    /// The zone; none where the text names none.
    pub(super) fn zone(&self) -> Option<&Z> {
        self.zone.as_ref().map(|(_, zone)| zone)
    }

    /// The five fields as written, with one space between them.
    pub fn cron(&self) -> &str {
        &self.cron
    }

    /// The schedule in plain English, e.g. `at 09:30 on Monday to Friday,
    /// America/Chicago`.
    pub fn description(&self) -> String {
        describe::describe(&self.sets, self.timezone())
    }

    fn span_at(&self, unix_seconds: i64) -> Span {
        match &self.zone {
            Some((_, zone)) => zone.span_at(unix_seconds),
            None => Span {
                offset: 0,
                until: None,
            },
        }
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        self.zone.as_ref()?.1.since(unix_seconds)
    }
}
