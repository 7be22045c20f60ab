//! One event of a calendar, and the holds that it makes.

use std::collections::BTreeSet;

use crate::holds::error::Problem;
use crate::holds::hold::LONGEST_REASON;
use crate::holds::recurrence::Recurrence;
use crate::holds::wall::DAY;
use crate::instant::{Instant, SECOND};
use crate::schedule::ZoneSource;

use super::error::{CalendarError, Fault};
use super::lines::Line;
use super::values::{Clock, Told, duration, text, told};

/// A hold that an event makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line at which its event begins.
    pub line: usize,
    /// When it begins, for the first time.
    pub starts_at: Instant,
    /// When that ends.
    pub ends_at: Instant,
    /// The event's summary, if it has one, cut to the length of a reason.
    pub summary: Option<String>,
    /// The rule by which it comes again, with its exceptions.
    pub recurrence: Option<String>,
}

/// The lines of one event that matter.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// The line at which it begins.
    pub line: usize,
    start: Option<Line>,
    end: Option<Line>,
    duration: Option<Line>,
    summary: Option<Line>,
    status: Option<Line>,
    rule: Option<Line>,
    uid: Option<Line>,
    /// It takes the place of that occurrence of another event.
    replaces: Option<Line>,
    exceptions: Vec<Line>,
    additions: Vec<Line>,
}

impl Event {
    pub(super) fn new(line: usize) -> Event {
        Event {
            line,
            ..Event::default()
        }
    }

    /// Keeps a line, if it matters.
    pub(super) fn take(&mut self, line: Line) -> Result<(), CalendarError> {
        let place = match line.name.as_str() {
            "DTSTART" => &mut self.start,
            "DTEND" => &mut self.end,
            "DURATION" => &mut self.duration,
            "SUMMARY" => &mut self.summary,
            "STATUS" => &mut self.status,
            "RRULE" => &mut self.rule,
            "UID" => &mut self.uid,
            "RECURRENCE-ID" => &mut self.replaces,
            "EXDATE" => {
                self.exceptions.push(line);
                return Ok(());
            }
            "RDATE" => {
                self.additions.push(line);
                return Ok(());
            }
            "EXRULE" => return Err(line.fault(Fault::NotRead)),
            _ => return Ok(()),
        };
        if place.is_some() {
            return Err(line.fault(Fault::Repeated));
        }
        *place = Some(line);
        Ok(())
    }

    /// The event that this one is an occurrence of, and the line that says which.
    pub(super) fn replaces(&self) -> Option<(&str, &Line)> {
        let uid = self.uid.as_ref().map_or("", |uid| uid.value.as_str());
        self.replaces.as_ref().map(|line| (uid, line))
    }

    /// The event's own name, if others may take the place of its occurrences.
    pub(super) fn replaced_by(&self) -> Option<&str> {
        let uid = self.uid.as_ref().filter(|_| self.replaces.is_none())?;
        Some(uid.value.as_str())
    }

    /// The line by which it comes again.
    pub(super) fn rule(&self) -> Option<&Line> {
        self.rule.as_ref()
    }

    /// Leaves out an occurrence.
    pub(super) fn except(&mut self, line: Line) {
        self.exceptions.push(line);
    }

    /// The holds that it makes.
    pub(super) fn holds<S: ZoneSource>(
        &self,
        floating: &dyn Fn() -> Result<Clock<S::Zone>, CalendarError>,
        zones: &S,
    ) -> Result<Vec<Found>, CalendarError> {
        let begin = CalendarError::new(self.line, "BEGIN:VEVENT", Fault::NoStart);
        let line = self.start.as_ref().ok_or(begin)?;
        let start = told(line, &line.value, floating, zones)?;
        let (starts, ends) = (start.unix(), self.ends(&start, floating, zones)?);
        if let Some(replaces) = &self.replaces
            && replaces.parameter("RANGE").is_some()
        {
            return Err(replaces.fault(Fault::NotRead));
        }
        let exceptions = all(&self.exceptions, floating, zones)?;
        let additions = all(&self.additions, floating, zones)?;
        let status = self.status.as_ref().map(|status| status.value.trim());
        let is_cancelled = status.is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED"));
        if is_cancelled || ends == starts {
            return Ok(Vec::new());
        }
        let summary = self.summary.as_ref();
        let summary = summary.map(|summary| cut(text(&summary.value)));
        let found = |from: i64, recurrence| {
            let out_of_time = || line.fault(Fault::NotATime);
            let instant = |unix| Instant::from_unix_seconds(unix).ok_or_else(out_of_time);
            Ok(Found {
                line: self.line,
                starts_at: instant(from)?,
                ends_at: instant(from + ends - starts)?,
                summary: summary.clone().filter(|summary| !summary.is_empty()),
                recurrence,
            })
        };
        // By its instant or, where the exception is a date, by what the clock's date then is.
        let (days, times): (Vec<_>, Vec<_>) = exceptions.iter().partition(|told| told.is_date());
        let days: BTreeSet<i64> = days.into_iter().map(Told::day).collect();
        let times: BTreeSet<i64> = times.into_iter().map(Told::unix).collect();
        let excepted = |told: &Told<S::Zone>| {
            days.contains(&told.day()) || !told.is_date() && times.contains(&told.unix())
        };
        let mut holds = Vec::new();
        match &self.rule {
            Some(rule) => {
                let mut recurrence = format!("{}{}", start.clock.prefix(), rule.value.trim());
                let listed: Vec<String> = exceptions
                    .iter()
                    .map(|exception| exception.exception(&start.clock))
                    .collect();
                if !listed.is_empty() {
                    recurrence.push_str(&format!("\nEXDATE:{}", listed.join(",")));
                }
                let mut hold = found(starts, Some(recurrence))?;
                if start.is_date() {
                    hold.ends_at = whole_days(hold.starts_at, hold.ends_at);
                }
                let text = hold.recurrence.as_deref().unwrap_or_default();
                match Recurrence::read(text, hold.starts_at, hold.ends_at, zones) {
                    Ok(_) => holds.push(hold),
                    // Every occurrence is an exception.
                    Err(error) if error.problem() == Problem::Never => {}
                    Err(error) => return Err(rule.fault(Fault::Hold(error))),
                }
            }
            None if excepted(&start) => {}
            None => holds.push(found(starts, None)?),
        }
        for addition in additions.iter().filter(|addition| !excepted(addition)) {
            holds.push(found(addition.unix(), None)?);
        }
        Ok(holds)
    }

    /// When the event ends, in Unix seconds.
    fn ends<S: ZoneSource>(
        &self,
        start: &Told<S::Zone>,
        floating: &dyn Fn() -> Result<Clock<S::Zone>, CalendarError>,
        zones: &S,
    ) -> Result<i64, CalendarError> {
        let (line, ends) = match (&self.end, &self.duration) {
            (Some(_), Some(duration)) => return Err(duration.fault(Fault::TwoEnds)),
            (Some(line), None) => {
                let end = told(line, &line.value, floating, zones)?;
                if end.is_date() != start.is_date() {
                    return Err(line.fault(Fault::AnotherKind));
                }
                (line, end.unix())
            }
            (None, Some(line)) => {
                let lasts = duration(&line.value);
                let lasts = lasts.ok_or_else(|| line.fault(Fault::NotADuration))?;
                let day = start.clock.later(start.time, lasts.days);
                let day = day.ok_or_else(|| line.fault(Fault::NotADuration))?;
                (line, start.clock.unix(day) + lasts.seconds)
            }
            (None, None) if start.is_date() => {
                let next = start.clock.later(start.time, 1);
                return Ok(next.map_or(start.unix(), |next| start.clock.unix(next)));
            }
            (None, None) => return Ok(start.unix()),
        };
        if ends < start.unix() {
            return Err(line.fault(Fault::Backwards));
        }
        // PostgreSQL's time ends, too.
        let kept = Instant::from_unix_seconds(ends).map(|_| ends);
        kept.ok_or_else(|| line.fault(Fault::NotATime))
    }
}

/// Each occurrence lasts as long as the first: had that one 23 hours, as its clock was moved, all
/// others would lack their last.
fn whole_days(starts_at: Instant, ends_at: Instant) -> Instant {
    let lasts = ends_at.micros().saturating_sub(starts_at.micros());
    let day = DAY * SECOND;
    let days = lasts.saturating_add(day / 2).div_euclid(day).max(1);
    starts_at.saturating_add_micros(days.saturating_mul(day))
}

/// A summary, not longer than a hold's reason may be.
fn cut(mut summary: String) -> String {
    summary.truncate(summary.floor_char_boundary(LONGEST_REASON));
    summary
}

/// All values of some lines.
fn all<S: ZoneSource>(
    lines: &[Line],
    floating: &dyn Fn() -> Result<Clock<S::Zone>, CalendarError>,
    zones: &S,
) -> Result<Vec<Told<S::Zone>>, CalendarError> {
    let mut values = Vec::new();
    for line in lines {
        for value in line.value.split(',') {
            values.push(told(line, value, floating, zones)?);
        }
    }
    Ok(values)
}
