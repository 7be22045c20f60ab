//! Schedules already parsed, by their text.
//!
//! A session sees the same few texts over and over. The cache holds a bounded number
//! of them, and none that is long, so what users write can't make it grow; refusals
//! are kept like the rest. It is a matter of speed only: answers never depend on it. So a
//! schedule whose zone has changed is parsed anew, and a text that is refused for its zone
//! isn't kept: the zone may come.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::error::{Problem, ScheduleError};
use super::weekly::Schedule;
use super::zone::ZoneSource;

/// The longest text that is kept, in bytes. Longer ones are parsed each time.
const LONGEST_TEXT: usize = 256;

type Outcome<Z> = Result<Rc<Schedule<Z>>, ScheduleError>;

/// A bounded cache of parsed schedules over a zone source.
///
/// ```
/// # use workspace_autobuild::schedule::{ScheduleCache, Span, Zone, ZoneSource};
/// # #[derive(Debug)]
/// # struct Utc;
/// # impl Zone for Utc {
/// #     fn span_at(&self, _: i64) -> Span { Span { offset: 0, until: None } }
/// #     fn since(&self, _: i64) -> Option<i64> { None }
/// # }
/// # impl ZoneSource for Utc {
/// #     type Zone = Utc;
/// #     fn zone(&self, name: &str) -> Option<Utc> { (name == "UTC").then_some(Utc) }
/// # }
/// let schedules = ScheduleCache::new(Utc, 100);
/// let first = schedules.get("0 9 * * *").expect("a schedule");
/// let again = schedules.get("0 9 * * *").expect("a schedule");
/// assert!(std::rc::Rc::ptr_eq(&first, &again)); // parsed once
/// assert!(schedules.get("at nine").is_err());
/// ```
#[derive(Debug)]
pub struct ScheduleCache<S: ZoneSource> {
    zones: S,
    /// How many texts each of the two generations may hold.
    generation: usize,
    kept: RefCell<Generations<S::Zone>>,
}

/// Texts used lately and those used before. When the recent ones fill up they become
/// the earlier ones, and what was there and isn't used any more goes.
#[derive(Debug)]
struct Generations<Z> {
    recent: HashMap<Box<str>, Outcome<Z>>,
    earlier: HashMap<Box<str>, Outcome<Z>>,
}

impl<S: ZoneSource> ScheduleCache<S> {
    /// A cache of at most `capacity` texts (at least two).
    pub fn new(zones: S, capacity: usize) -> Self {
        ScheduleCache {
            zones,
            generation: (capacity / 2).max(1),
            kept: RefCell::new(Generations {
                recent: HashMap::new(),
                earlier: HashMap::new(),
            }),
        }
    }

    /// The schedule of a text, or why it is refused.
    pub fn get(&self, text: &str) -> Outcome<S::Zone> {
        if text.len() > LONGEST_TEXT {
            return self.parse(text);
        }
        // Each borrow ends in its own statement: a zone source may run code that
        // comes back here.
        let recent = self.kept.borrow().recent.get(text).cloned();
        if let Some(outcome) = recent
            && self.is_current(&outcome)
        {
            return outcome;
        }
        let earlier = self.kept.borrow_mut().earlier.remove(text);
        let outcome = earlier
            .filter(|outcome| self.is_current(outcome))
            .unwrap_or_else(|| self.parse(text));
        if matches!(&outcome, Err(error) if error.problem() == Some(Problem::NotAnIanaZone)) {
            return outcome;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.recent.len() >= self.generation {
            kept.earlier = std::mem::take(&mut kept.recent);
        }
        kept.recent.insert(text.into(), outcome.clone());
        outcome
    }

    /// Is the zone of a schedule that was kept what it was?
    fn is_current(&self, outcome: &Outcome<S::Zone>) -> bool {
        let zone = outcome.as_ref().ok().and_then(|schedule| schedule.zone());
        zone.is_none_or(|zone| self.zones.is_current(zone))
    }

    fn parse(&self, text: &str) -> Outcome<S::Zone> {
        Schedule::parse(text, &self.zones).map(Rc::new)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::files::Bundled;
    use super::super::tzif::TzifZone;
    use super::super::zone::{Span, Zone};
    use super::*;

    /// Counts how often a zone is looked up.
    struct Counted(Bundled, Cell<usize>);

    impl ZoneSource for Counted {
        type Zone = TzifZone;
        fn zone(&self, name: &str) -> Option<TzifZone> {
            self.1.set(self.1.get() + 1);
            self.0.zone(name)
        }
    }

    fn cache(capacity: usize) -> ScheduleCache<Counted> {
        ScheduleCache::new(Counted(Bundled, Cell::new(0)), capacity)
    }

    fn held(cache: &ScheduleCache<Counted>) -> usize {
        let kept = cache.kept.borrow();
        kept.recent.len() + kept.earlier.len()
    }

    #[test]
    fn a_text_is_parsed_once_also_when_refused() {
        let cache = cache(16);
        let text = "CRON_TZ=Europe/Rome 30 9 * * 1-5";
        let first = cache.get(text).unwrap();
        assert!(Rc::ptr_eq(&first, &cache.get(text).unwrap()));
        let refused = cache.get("CRON_TZ=Europe/Rome 30 9 * *").unwrap_err();
        let again = cache.get("CRON_TZ=Europe/Rome 30 9 * *").unwrap_err();
        assert_eq!(refused, again);
        assert_eq!(cache.zones.1.get(), 1);
    }

    #[test]
    fn a_zone_that_is_not_there_is_asked_for_each_time() {
        let cache = cache(16);
        for _ in 0..3 {
            cache
                .get("CRON_TZ=Europe/Nowhere 30 9 * * 1-5")
                .unwrap_err();
        }
        assert_eq!((cache.zones.1.get(), held(&cache)), (3, 0));
    }

    /// Zones that change with a number.
    struct Changing(Cell<i32>);

    #[derive(Debug)]
    struct Hours(i32);

    impl Zone for Hours {
        fn span_at(&self, _: i64) -> Span {
            Span {
                offset: self.0 * 3600,
                until: None,
            }
        }

        fn since(&self, _: i64) -> Option<i64> {
            None
        }
    }

    impl ZoneSource for Changing {
        type Zone = Hours;
        fn zone(&self, _: &str) -> Option<Hours> {
            Some(Hours(self.0.get()))
        }
        fn is_current(&self, zone: &Hours) -> bool {
            zone.0 == self.0.get()
        }
    }

    #[test]
    fn a_schedule_follows_its_zone() {
        let cache = ScheduleCache::new(Changing(Cell::new(0)), 2);
        let hour = |text: &str| {
            let after = crate::instant::Instant::from_unix_seconds(0).unwrap();
            let run = cache.get(text).unwrap().next(after).unwrap();
            run.unix_seconds() / 3600
        };
        assert_eq!(hour("CRON_TZ=A 0 12 * * *"), 12);
        cache.zones.0.set(1);
        assert_eq!(hour("CRON_TZ=A 0 12 * * *"), 11);
        // Also from among those that were used before.
        assert_eq!(hour("CRON_TZ=B 0 12 * * *"), 11);
        cache.zones.0.set(2);
        assert_eq!(hour("CRON_TZ=A 0 12 * * *"), 10);
        let first = cache.get("CRON_TZ=A 0 12 * * *").unwrap();
        assert!(Rc::ptr_eq(
            &first,
            &cache.get("CRON_TZ=A 0 12 * * *").unwrap()
        ));
    }

    #[test]
    fn many_texts_stay_within_the_capacity() {
        let cache = cache(16);
        for n in 0..1000 {
            cache.get(&format!("{} {} * * *", n % 60, n / 60)).unwrap();
            cache.get(&format!("refused {n}")).unwrap_err();
            assert!(held(&cache) <= 16);
        }
    }

    #[test]
    fn a_text_in_use_outlives_many_others() {
        let cache = cache(16);
        let text = "CRON_TZ=Europe/Rome 30 9 * * 1-5";
        for n in 0..500 {
            cache.get(text).unwrap();
            cache.get(&format!("{} {} * * *", n % 60, n / 60)).unwrap();
        }
        assert_eq!(cache.zones.1.get(), 1);
    }

    #[test]
    fn a_long_text_is_answered_but_not_kept() {
        let cache = cache(16);
        let text = format!("{}9 9 * * *", "1,".repeat(10_000));
        assert!(cache.get(&text).is_ok());
        assert!(cache.get(&"x".repeat(100_000)).is_err());
        assert_eq!(held(&cache), 0);
    }
}
