//! The launcher: knows the databases, starts a tick worker for each errand that is
//! due, and owns the back-off. Connected to no database; the states are in README.md.

use std::collections::HashMap;

use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_guard, pg_sys};

use crate::instant::{Instant, MINUTE, SECOND};
use crate::server::error::check_for_interrupts;
use crate::server::log::log_of;
use crate::{server::clock, settings};

use super::configured;
use super::databases;
use super::process;
use super::region::{self, Region};
use super::roster::{Database, Ending, Errand, Knock, Presence, Roster};
use super::slot::Health;
use super::spawn::{MORE_SLOTS, Orders, Worker};
use super::state::SLOTS;

/// Tick workers at a time, of all databases together.
pub(crate) const MAX_WORKERS: usize = 4;
/// The list of databases is read at least so often.
const LIST_EVERY: i64 = 5 * SECOND;
/// Before ticks are started the list is read if it is older than this.
const LIST_FRESH: i64 = SECOND;
/// A shortage of worker slots is told of when it lasts so long: where databases are many
/// and slots are few, waiting for each other's is how it goes.
const SHORTAGE: i64 = 5 * SECOND;
/// The longest pause between two attempts to get a worker slot.
const LONGEST_STARVE: i64 = 30 * SECOND;
/// Workers that an earlier launcher left are looked at so often.
const LOOK_AT_STRAYS: i64 = SECOND;

/// The entry point of the launcher's process. The argument is the one database that it
/// serves, 0 for all.
// SAFETY: the name is this extension's own.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn workspace_autobuild_launcher(argument: pg_sys::Datum) {
    process::watch_log(false);
    process::handle_signals();
    // SAFETY: connects to no database: shared catalogs can be scanned, and no more.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0);
    }
    process::show_application();
    let only = Some(argument.value() as Database).filter(|&database| database != 0);
    let place = match only {
        None => region::preloaded().map(|region| (region, 0)),
        Some(database) => region::found(database),
    };
    let Some((region, segment)) = place else {
        // Another launcher serves this database already.
        return;
    };
    Launcher::new(only, region, segment).run();
}

/// A tick worker that was started and not yet seen to end.
enum Running {
    /// Started by this launcher.
    Ours(Worker),
    /// Left by a launcher before this one; known by its process id.
    Stray(i32),
}

impl Running {
    fn is_gone(&self) -> bool {
        match self {
            Running::Ours(worker) => worker.is_gone(),
            Running::Stray(pid) => !process::lives(*pid),
        }
    }
}

struct Launcher {
    only: Option<Database>,
    region: Region,
    segment: u32,
    roster: Roster,
    running: HashMap<Database, Running>,
    /// The names of the databases that it serves, for the log.
    names: HashMap<Database, String>,
    listed_at: Option<Instant>,
    /// No worker slot is free: since when, when to try again, how long to wait next.
    starved_since: Option<Instant>,
    starved_until: Option<Instant>,
    starve: i64,
    told_of_slots: bool,
}

thread_local! {
    static REGION: std::cell::Cell<Option<Region>> = const { std::cell::Cell::new(None) };
}

/// When the launcher ends, nobody sets its latch any more.
#[pg_guard]
extern "C-unwind" fn at_exit(_code: i32, _argument: pg_sys::Datum) {
    if let Some(region) = REGION.get() {
        region.with(|state| {
            if state.launcher_pid == process::my_pid() {
                state.launcher_pid = 0;
            }
        });
    }
}

impl Launcher {
    fn new(only: Option<Database>, region: Region, segment: u32) -> Launcher {
        let now = clock::now();
        REGION.set(Some(region));
        process::at_exit(at_exit);
        let mut roster = Roster::new(settings::tick_interval(), now, only.is_some());
        configured::publish(region);
        let left = region.with(|state| {
            state.launcher_pid = process::my_pid();
            state.launched = true;
            state.starved = false;
            state
                .slots()
                .map(|slot| (slot.database, slot.worker_pid))
                .filter(|&(_, pid)| pid != 0)
                .collect::<Vec<_>>()
        });
        let left: Vec<_> = left
            .into_iter()
            .filter(|&(_, pid)| process::lives(pid))
            .collect();
        let databases: Vec<Database> = left.iter().map(|&(database, _)| database).collect();
        roster.list(now, &databases);
        for &database in &databases {
            roster.started(database, Errand::Probe, now);
        }
        Launcher {
            only,
            region,
            segment,
            roster,
            running: left
                .into_iter()
                .map(|(database, pid)| (database, Running::Stray(pid)))
                .collect(),
            names: HashMap::new(),
            listed_at: None,
            starved_since: None,
            starved_until: None,
            starve: 0,
            told_of_slots: false,
        }
    }

    /// Works until the process is ended, or the one database that it serves is gone.
    fn run(mut self) {
        loop {
            check_for_interrupts();
            if process::reload_if_asked() {
                configured::publish(self.region);
                self.roster
                    .set_interval(settings::tick_interval(), clock::now());
                self.listed_at = None;
            }
            self.roster.see_clock(clock::now());
            self.collect();
            self.answer_knocks();
            if !self.list_if_due() {
                return;
            }
            self.start_what_is_due();
            self.publish();
            process::show(None);
            process::sleep(self.pause());
        }
    }

    /// Takes notice of the workers that are gone.
    fn collect(&mut self) {
        let gone: Vec<Database> = self
            .running
            .iter()
            .filter(|(_, worker)| worker.is_gone())
            .map(|(&database, _)| database)
            .collect();
        for database in gone {
            self.running.remove(&database);
            // Its slot is free for the next one.
            self.starved_until = None;
            self.ended(database);
        }
    }

    fn ended(&mut self, database: Database) {
        let now = clock::now();
        let told = self.region.with(|state| {
            let slot = state.slot(database)?;
            let ending = slot.ending;
            let news = ending == Ending::Died && slot.health != Health::Failing;
            if ending == Ending::Died {
                let words = slot.last_words.get();
                slot.record_death(
                    now,
                    words
                        .as_deref()
                        .unwrap_or("its process could not be started, or ended without a report"),
                );
            }
            Some((ending, news))
        });
        let Some((ending, news)) = told else {
            // The slot went with the database.
            return;
        };
        self.roster.ended(database, ending, now);
        if news {
            let name = self.names.get(&database);
            log_of(
                &name.cloned().unwrap_or_else(|| database.to_string()),
                PgLogLevel::LOG,
                "the worker died; the next attempt follows, with increasing delays if it dies \
                again",
            );
        }
        if ending == Ending::Absent {
            self.region.with(|state| state.release(database));
        }
    }

    fn answer_knocks(&mut self) {
        let knocks = self.region.with(|state| state.take_knocks());
        if knocks.at.is_empty() && !knocks.overflow {
            return;
        }
        // A knock may be for a database that is not listed yet.
        self.list();
        let now = clock::now();
        for (database, knock) in knocks.at {
            self.roster.knock(database, knock, now);
        }
        if knocks.overflow {
            let all: Vec<Database> = self
                .roster
                .entries()
                .map(|(database, _)| database)
                .collect();
            for database in all {
                self.roster.knock(database, Knock::Look, now);
            }
        }
    }

    /// Reads the list of databases when it is time. False when the one database that
    /// the launcher serves is gone.
    fn list_if_due(&mut self) -> bool {
        let now = clock::now();
        let age = self.listed_at.map_or(i64::MAX, |at| {
            now.micros().saturating_sub(at.micros()).saturating_abs()
        });
        if age >= LIST_EVERY || (age >= LIST_FRESH && self.roster.is_due(now)) {
            return self.list();
        }
        true
    }

    fn list(&mut self) -> bool {
        let all = databases::list();
        let now = clock::now();
        self.listed_at = Some(now);
        let there = self
            .only
            .is_none_or(|only| all.iter().any(|&(database, _)| database == only));
        self.names = all
            .into_iter()
            .filter(|(database, name)| match self.only {
                Some(only) => *database == only,
                None => settings::names_database(name),
            })
            .collect();
        let listed: Vec<Database> = self.names.keys().copied().collect();
        let gone = self.roster.list(now, &listed);
        self.region.with(|state| {
            for &database in &gone {
                state.release(database);
            }
        });
        there
    }

    fn start_what_is_due(&mut self) {
        let now = clock::now();
        if self.starved_until.is_some_and(|until| now < until) {
            return;
        }
        for (database, errand) in self.roster.due(now) {
            if self.running.len() >= MAX_WORKERS {
                return;
            }
            if self.running.contains_key(&database) {
                // It left the list and came back while its worker was at it.
                continue;
            }
            let has_slot = self.region.with(|state| {
                state
                    .claim(database, now)
                    .map(|slot| slot.begin_errand())
                    .is_some()
            });
            if !has_slot {
                self.no_room_for(database, now);
                continue;
            }
            let orders = Orders {
                errand,
                segment: self.segment,
            };
            match Worker::start(database, orders) {
                Some(worker) => {
                    self.roster.started(database, errand, now);
                    self.running.insert(database, Running::Ours(worker));
                    self.fed();
                }
                None => {
                    self.starved(now);
                    return;
                }
            }
        }
    }

    /// More databases have the extension than the shared state has room for.
    fn no_room_for(&mut self, database: Database, now: Instant) {
        self.roster.postpone(database, now);
        if !self.told_of_slots {
            self.told_of_slots = true;
            ereport!(
                PgLogLevel::WARNING,
                PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!(
                    "workspace-autobuild: more than {SLOTS} databases have the extension; no ticks are run in the others"
                )
            );
        }
    }

    /// The server has no worker slot left.
    fn starved(&mut self, now: Instant) {
        self.starve = (self.starve * 2).clamp(SECOND, LONGEST_STARVE);
        self.starved_until = Some(now.saturating_add_micros(self.starve));
        let since = *self.starved_since.get_or_insert(now);
        let lasts = now.micros().saturating_sub(since.micros()) >= SHORTAGE;
        let news = lasts
            && self
                .region
                .with(|state| !std::mem::replace(&mut state.starved, true));
        if news {
            ereport!(
                PgLogLevel::WARNING,
                PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!(
                    "workspace-autobuild: no background worker slot is free, ticks are late; {MORE_SLOTS}"
                )
            );
        }
    }

    /// There was a worker slot.
    fn fed(&mut self) {
        self.starve = 0;
        self.starved_since = None;
        self.starved_until = None;
        let news = self
            .region
            .with(|state| std::mem::replace(&mut state.starved, false));
        if news {
            ereport!(
                PgLogLevel::LOG,
                PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                "workspace-autobuild: background worker slots are free again"
            );
        }
    }

    /// Writes what is next into the slots.
    fn publish(&self) {
        self.region.with(|state| {
            state.busy = self.running.len() >= MAX_WORKERS;
            for slot in state.slots() {
                slot.next_at = 0;
            }
            for (database, entry) in self.roster.entries() {
                if entry.presence != Presence::Present {
                    continue;
                }
                if let Some(slot) = state.slot(database) {
                    slot.next_at = entry.next_at.micros();
                    slot.failures = entry.failures;
                }
            }
        });
    }

    /// How long to sleep, in milliseconds. A started or ended worker, a knock and every
    /// signal set the latch.
    fn pause(&self) -> i64 {
        let now = clock::now();
        let mut wait = self.listed_at.map_or(0, |at| {
            at.micros()
                .saturating_add(LIST_EVERY)
                .saturating_sub(now.micros())
        });
        if self
            .running
            .values()
            .any(|r| matches!(r, Running::Stray(_)))
        {
            wait = wait.min(LOOK_AT_STRAYS);
        }
        if self.running.len() < MAX_WORKERS
            && let Some(at) = self.roster.next_event()
        {
            let at = self.starved_until.map_or(at, |until| at.max(until));
            wait = wait.min(at.micros().saturating_sub(now.micros()));
        }
        // Rounded up: waking a little early would only mean to look twice.
        (wait.clamp(0, MINUTE) + 999) / 1000
    }
}
