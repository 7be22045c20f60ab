//! The launcher's view of the databases: which errand is due where, and when next.
//!
//! Plain data, no PostgreSQL: the clock and what was seen are arguments. It promises
//! one errand of a database at a time, one tick for any number of missed ones, and a
//! pause that doubles while a database keeps failing.

use std::collections::BTreeMap;

use crate::instant::{Instant, MINUTE, SECOND};

/// After so long a database without the extension is looked at again, unasked.
const LOOK_AGAIN: i64 = 10 * MINUTE;
/// The longest pause after failures (or one interval, if that is longer).
const LONGEST_PAUSE: i64 = 15 * MINUTE;

/// A database's oid.
pub type Database = u32;

/// What the launcher knows of the extension in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Never looked.
    Unknown,
    /// It isn't there.
    Absent,
    /// It is there.
    Present,
}

/// What a tick worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Is the extension there?
    Probe,
    /// The tick of this time.
    Tick(Instant),
}

/// What somebody asks of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Something changed there: look whether the extension is there.
    Look,
    /// Tick now.
    Wake,
}

/// How an errand ended. Zero is what stands there before the worker says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// The process is gone and said nothing.
    Died = 0,
    /// The tick failed as a whole.
    Failed,
    /// A probe found the extension.
    Present,
    /// The extension isn't there.
    Absent,
    /// A tick is done.
    Ticked,
    /// The tick waits for the product's tables, a role or a right.
    Waiting,
    /// What the tick needs was locked, or it took too long.
    Busy,
    /// `action` is off.
    Off,
    /// The database is paused.
    Paused,
    /// The worker made room for a session that needs the database without connections.
    Yielded,
}

/// One database as the launcher knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Is the extension there?
    pub presence: Presence,
    /// When the next errand is due.
    pub next_at: Instant,
    /// Failures in a row.
    pub failures: u32,
    running: bool,
    wake: bool,
    look: bool,
}

/// The databases that the launcher serves.
#[derive(Debug)]
pub struct Roster {
    entries: BTreeMap<Database, Entry>,
    /// Microseconds between two ticks.
    interval: i64,
    /// The clock when it was last looked at.
    last_seen: Instant,
    /// Look for the extension at each tick, also where it wasn't there.
    eager: bool,
}

impl Roster {
    /// An empty one. `eager`: a database without the extension is looked at with
    /// every tick (the launcher of one database, which somebody asked for).
    pub fn new(interval_seconds: i64, now: Instant, eager: bool) -> Roster {
        Roster {
            entries: BTreeMap::new(),
            interval: interval_seconds.max(1).saturating_mul(SECOND),
            last_seen: now,
            eager,
        }
    }

    /// The clock is looked at. If it was set back, nothing waits for the old time.
    pub fn see_clock(&mut self, now: Instant) {
        if now.saturating_add_micros(SECOND) < self.last_seen {
            self.realign(now);
        }
        self.last_seen = now;
    }

    /// The interval may have changed: the next ticks are on its multiples.
    pub fn set_interval(&mut self, interval_seconds: i64, now: Instant) {
        let interval = interval_seconds.max(1).saturating_mul(SECOND);
        if interval != self.interval {
            self.interval = interval;
            self.realign(now);
        }
    }

    fn realign(&mut self, now: Instant) {
        let next = self.next_multiple(now);
        for entry in self.entries.values_mut().filter(|e| !e.wake && !e.look) {
            if entry.presence == Presence::Present && entry.failures < 2 {
                entry.next_at = next;
            } else {
                entry.next_at = entry
                    .next_at
                    .min(now.saturating_add_micros(LONGEST_PAUSE.max(self.interval)));
            }
        }
    }

    /// These are the databases now. Returns those that are gone.
    pub fn list(&mut self, now: Instant, databases: &[Database]) -> Vec<Database> {
        let gone: Vec<Database> = self
            .entries
            .keys()
            .copied()
            .filter(|database| !databases.contains(database))
            .collect();
        for database in &gone {
            self.entries.remove(database);
        }
        for &database in databases {
            self.entries.entry(database).or_insert(Entry {
                presence: Presence::Unknown,
                next_at: now,
                failures: 0,
                running: false,
                wake: false,
                look: false,
            });
        }
        gone
    }

    /// Somebody asks something of a database.
    pub fn knock(&mut self, database: Database, knock: Knock, now: Instant) {
        let Some(entry) = self.entries.get_mut(&database) else {
            return;
        };
        match knock {
            Knock::Wake => entry.wake = true,
            Knock::Look => entry.look = true,
        }
        entry.next_at = now;
    }

    /// The errands that are due, those that wait longest first.
    pub fn due(&self, now: Instant) -> Vec<(Database, Errand)> {
        let mut due: Vec<(Instant, Database, Errand)> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.running && entry.next_at <= now)
            .map(|(&database, entry)| {
                let errand = match entry.presence {
                    _ if entry.look => Errand::Probe,
                    Presence::Present if entry.wake => Errand::Tick(now),
                    Presence::Present => Errand::Tick(self.last_multiple(now)),
                    Presence::Unknown | Presence::Absent => Errand::Probe,
                };
                (entry.next_at, database, errand)
            })
            .collect();
        due.sort_by_key(|&(at, database, _)| (at, database));
        due.into_iter()
            .map(|(_, database, errand)| (database, errand))
            .collect()
    }

    /// A worker was started for this errand.
    pub fn started(&mut self, database: Database, errand: Errand, now: Instant) {
        let next = self.next_multiple(now);
        if let Some(entry) = self.entries.get_mut(&database) {
            entry.running = true;
            entry.next_at = next;
            // What is asked while the worker is at it may have come too late for it,
            // and is asked of the next one.
            match errand {
                Errand::Probe => entry.look = false,
                Errand::Tick(_) => entry.wake = false,
            }
        }
    }

    /// The database's errand is put off: it could not be started.
    pub fn postpone(&mut self, database: Database, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&database) {
            entry.next_at = now.saturating_add_micros(LOOK_AGAIN);
        }
    }

    /// The worker of a database is gone.
    pub fn ended(&mut self, database: Database, ending: Ending, now: Instant) {
        let next = self.next_multiple(now);
        let look_again = if self.eager {
            next
        } else {
            now.saturating_add_micros(LOOK_AGAIN)
        };
        let interval = self.interval;
        let Some(entry) = self.entries.get_mut(&database) else {
            return;
        };
        entry.running = false;
        match ending {
            Ending::Died | Ending::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.next_at = next.saturating_add_micros(pause(entry.failures, interval));
            }
            Ending::Absent => {
                entry.presence = Presence::Absent;
                entry.failures = 0;
                entry.wake = false;
                entry.next_at = look_again;
            }
            Ending::Yielded => entry.next_at = next,
            Ending::Present
            | Ending::Ticked
            | Ending::Waiting
            | Ending::Busy
            | Ending::Off
            | Ending::Paused => {
                entry.presence = Presence::Present;
                entry.failures = 0;
                entry.next_at = next;
            }
        }
        if entry.wake || entry.look {
            entry.next_at = now;
        }
    }

    /// When the next errand of a database without a running one is due.
    pub fn next_event(&self) -> Option<Instant> {
        self.entries
            .values()
            .filter(|entry| !entry.running)
            .map(|entry| entry.next_at)
            .min()
    }

    /// Is a tick due now? (Before ticks are started the databases are listed again.)
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_event().is_some_and(|at| at <= now)
    }

    /// The databases and what is known of them.
    pub fn entries(&self) -> impl Iterator<Item = (Database, &Entry)> {
        self.entries
            .iter()
            .map(|(&database, entry)| (database, entry))
    }

    fn last_multiple(&self, now: Instant) -> Instant {
        now.saturating_add_micros(-now.micros().rem_euclid(self.interval))
    }

    fn next_multiple(&self, now: Instant) -> Instant {
        self.last_multiple(now).saturating_add_micros(self.interval)
    }
}

/// The pause after so many failures in a row, beside the wait for the next multiple.
fn pause(failures: u32, interval: i64) -> i64 {
    let Some(doublings) = failures.checked_sub(1).filter(|&n| n > 0) else {
        return 0;
    };
    let longest = LONGEST_PAUSE.max(interval) / interval * interval;
    1_i64
        .checked_shl(doublings.min(40))
        .and_then(|intervals| intervals.checked_sub(1)?.checked_mul(interval))
        .map_or(longest, |pause| pause.min(longest))
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
