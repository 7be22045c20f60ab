//! What launcher, tick workers and sessions share: one slot for each database.
//!
//! Plain data of fixed size, in which all bytes zero is the empty state, so that it can
//! lie in shared memory. Nothing here calls the server: it is used under a lock.

use crate::instant::{Instant, SECOND};

use super::roster::{Database, Knock};
use super::slot::Slot;
use super::text::Text;

/// Databases with the extension that have a slot.
pub const SLOTS: usize = 1024;
/// Knocks that can wait; past them the launcher looks everywhere.
const KNOCKS: usize = 64;

/// Settings that a database, a role or a session can have for itself.
pub const CONFIGURED: usize = 26;

/// The settings of the server's configuration, as the launcher has them: it is connected
/// to no database and so has no others.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Configured {
    /// They were published.
    known: bool,
    /// In the order of `settings::OF_A_SESSION`.
    values: [Text<256>; CONFIGURED],
}

impl Configured {
    /// Keeps the values. If one is too long to be kept, none is known.
    pub fn set<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        self.known = true;
        for (kept, value) in self.values.iter_mut().zip(values) {
            kept.set(value);
            self.known &= kept.get().unwrap_or_default() == value;
        }
    }

    /// The values, if they are known.
    pub fn get(&self) -> Option<Vec<String>> {
        self.known.then(|| {
            let texts = self.values.iter().map(Text::get);
            texts.map(Option::unwrap_or_default).collect()
        })
    }
}

/// All that is shared.
#[derive(Debug)]
#[repr(C)]
pub struct State {
    /// The launcher's process id; 0 for none.
    pub launcher_pid: i32,
    /// There was a launcher since shared memory was made.
    pub launched: bool,
    /// As many tick workers are at work as may be at a time.
    pub busy: bool,
    /// What the server's configuration says.
    pub configured: Configured,
    /// The server has no worker slot left for us.
    pub starved: bool,
    /// More knocks came than there was room for: look everywhere.
    overflow: bool,
    knocks: [Knocked; KNOCKS],
    slots: [Slot; SLOTS],
}

/// A database at which somebody knocked.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Knocked {
    /// Its oid; 0 where nobody knocked.
    database: Database,
    wake: bool,
}

/// What [`State::take_knocks`] found.
#[derive(Debug, Default)]
pub struct Knocks {
    /// Who knocked, and what for.
    pub at: Vec<(Database, Knock)>,
    /// Some were lost: look everywhere.
    pub overflow: bool,
}

impl State {
    /// Somebody asks something of a database.
    pub fn knock(&mut self, database: Database, knock: Knock) {
        let wake = knock == Knock::Wake;
        if wake && let Some(slot) = self.slot(database) {
            slot.asked = true;
        }
        let same = |k: &Knocked| k.database == database && k.wake == wake;
        if self.knocks.iter().any(same) {
            return;
        }
        match self.knocks.iter_mut().find(|k| k.database == 0) {
            Some(free) => *free = Knocked { database, wake },
            None => self.overflow = true,
        }
    }

    /// What was asked since the last time.
    pub fn take_knocks(&mut self) -> Knocks {
        let mut knocks = Knocks {
            at: Vec::new(),
            overflow: std::mem::take(&mut self.overflow),
        };
        for knocked in self.knocks.iter_mut().filter(|k| k.database != 0) {
            let kind = if knocked.wake {
                Knock::Wake
            } else {
                Knock::Look
            };
            knocks.at.push((knocked.database, kind));
            knocked.database = 0;
        }
        knocks
    }

    /// The slot of a database, if it has one.
    pub fn slot(&mut self, database: Database) -> Option<&mut Slot> {
        self.slots
            .iter_mut()
            .find(|slot| slot.database == database && database != 0)
    }

    /// The slot of a database, a free one if it had none; `None` if all are taken.
    pub fn claim(&mut self, database: Database, now: Instant) -> Option<&mut Slot> {
        let index = self
            .slots
            .iter()
            .position(|slot| slot.database == database)
            .or_else(|| self.slots.iter().position(|slot| slot.database == 0))?;
        let slot = self.slots.get_mut(index)?;
        if slot.database != database {
            *slot = Slot::new(database, now);
        }
        Some(slot)
    }

    /// Does a tick wait that could not be started, since workers are busy with what can
    /// wait: one that was asked of this database, or one of another database's that is
    /// overdue by a second?
    pub fn tick_waits(&mut self, database: Database, now: Instant) -> bool {
        let overdue = now.micros().saturating_sub(SECOND);
        self.slots().any(|slot| {
            if slot.database == database {
                slot.asked
            } else {
                slot.worker_pid == 0 && slot.next_at != 0 && slot.next_at < overdue
            }
        })
    }

    /// Frees the slot of a database.
    pub fn release(&mut self, database: Database) {
        if let Some(slot) = self.slot(database) {
            slot.database = 0;
        }
    }

    /// The slots in use.
    pub fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(|slot| slot.database != 0)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
