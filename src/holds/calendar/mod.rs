//! Calendars of others (RFC 5545, `.ics`): the holds that their events make.
//!
//! An event that is cancelled or has no length makes none. One that takes the place of an
//! occurrence of another is a hold of its own, and that occurrence an exception. Either all
//! of a text is read, or it is refused, with the line. Whether people are busy in an event, its
//! alarms and its attendees don't matter.
//!
//! Lines are read here: the crates that do it count them only after unfolding (`icalendar`),
//! or drop blanks where lines were folded, and are no longer kept (`ical`).

mod error;
mod event;
mod lines;
mod values;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::schedule::ZoneSource;

use self::event::Event;
use self::lines::{Line, lines};
use self::values::Clock;

pub use self::error::{CalendarError, Fault};
pub use self::event::Found;

/// A longer text is not read.
const LONGEST: usize = 4 << 20;
/// More events are not read, and more holds not made, of one text.
const MOST_HOLDS: usize = 10_000;

/// More events that recur are not read: each of their rules is worked out first.
const MOST_RECURRING: usize = 2_000;

/// The holds that a calendar's events make, in order. Dates, and times without a zone, are in
/// `zone`, else in the one that the calendar names in `X-WR-TIMEZONE`, else in UTC.
pub fn read<S: ZoneSource>(
    text: &str,
    zone: Option<&str>,
    zones: &S,
) -> Result<Vec<Found>, CalendarError> {
    if text.len() > LONGEST {
        return Err(CalendarError::new(None, "ics", Fault::TooLong(LONGEST)));
    }
    if let Some(zone) = zone {
        let fault = || CalendarError::new(None, zone, Fault::NotAZone);
        Clock::of(zone, zones).ok_or_else(fault)?;
    }
    let mut holds = Vec::new();
    let mut recurring = 0;
    for calendar in calendars(text)? {
        let floating = || {
            let named = calendar.zone.as_ref();
            let name = zone.or(named.map(|line| line.value.trim()));
            let Some(name) = name else {
                return Ok(Clock::utc());
            };
            let line = named.map(|line| line.number);
            let fault = || CalendarError::new(line, name, Fault::NotAZone);
            Clock::of(name, zones).ok_or_else(fault)
        };
        for event in &calendar.events {
            if let Some(rule) = event.rule() {
                recurring += 1;
                if recurring > MOST_RECURRING {
                    return Err(rule.fault(Fault::TooMany(MOST_RECURRING)));
                }
            }
            holds.extend(event.holds(&floating, zones)?);
            if holds.len() > MOST_HOLDS {
                let fault = Fault::TooMany(MOST_HOLDS);
                return Err(CalendarError::new(event.line, "BEGIN:VEVENT", fault));
            }
        }
    }
    Ok(holds)
}

/// One calendar of a text.
#[derive(Default)]
struct Calendar {
    zone: Option<Line>,
    events: Vec<Event>,
}

impl Calendar {
    /// Makes exceptions of the occurrences that other events take the place of.
    fn replace(&mut self) {
        let replaced = self.events.iter().filter_map(Event::replaces);
        let mut replaced_by_uid: HashMap<String, Vec<Line>> = HashMap::new();
        for (uid, line) in replaced {
            let lines = replaced_by_uid.entry(uid.to_owned()).or_default();
            lines.push(line.clone());
        }
        for event in &mut self.events {
            let lines = event
                .replaced_by()
                .and_then(|uid| replaced_by_uid.remove(uid));
            for line in lines.unwrap_or_default() {
                event.except(line);
            }
        }
    }
}

/// The calendars of a text.
fn calendars(text: &str) -> Result<Vec<Calendar>, CalendarError> {
    const CALENDAR: &str = "VCALENDAR";
    const EVENT: &str = "VEVENT";
    let mut calendars: Vec<Calendar> = Vec::new();
    // What has begun and not ended, the outermost first.
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut events = 0;
    for line in lines(text) {
        let line = line?;
        let component = line.value.trim().to_ascii_uppercase();
        let within = open.last().map(|(name, _)| name.as_str());
        match (line.name.as_str(), calendars.last_mut()) {
            ("BEGIN", calendar) => {
                let may = match (component.as_str(), within) {
                    (CALENDAR, within) => within.is_none(),
                    (EVENT, within) => within == Some(CALENDAR),
                    (_, within) => within.is_some(),
                };
                if !may {
                    return Err(line.fault(Fault::Misplaced));
                }
                match (component.as_str(), calendar) {
                    (CALENDAR, _) => calendars.push(Calendar::default()),
                    (EVENT, Some(_)) if events == MOST_HOLDS => {
                        return Err(line.fault(Fault::TooMany(MOST_HOLDS)));
                    }
                    (EVENT, Some(calendar)) => {
                        events += 1;
                        calendar.events.push(Event::new(line.number));
                    }
                    _ => {}
                }
                open.push((component, line.number));
            }
            ("END", calendar) => {
                if within != Some(component.as_str()) {
                    return Err(line.fault(Fault::NotEnded));
                }
                open.pop();
                if let Some(calendar) = calendar.filter(|_| component == CALENDAR) {
                    calendar.replace();
                }
            }
            (name, Some(calendar)) => match within {
                Some(CALENDAR) if name == "X-WR-TIMEZONE" => calendar.zone = Some(line),
                Some(EVENT) => {
                    if let Some(event) = calendar.events.last_mut() {
                        event.take(line)?;
                    }
                }
                Some(_) => {}
                None => return Err(line.fault(Fault::Outside)),
            },
            (_, None) => return Err(line.fault(Fault::Outside)),
        }
    }
    if let Some((name, line)) = open.pop() {
        let seen = format!("BEGIN:{name}");
        return Err(CalendarError::new(line, &seen, Fault::Open));
    }
    if calendars.is_empty() {
        return Err(CalendarError::new(None, "ics", Fault::NoCalendar));
    }
    Ok(calendars)
}
