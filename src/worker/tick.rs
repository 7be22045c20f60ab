//! The tick worker: one errand in one database, then it is gone.
//!
//! Whatever happens, the slot says how it ended: the ending that the launcher put there
//! before the start is "died", and stands when the process is ended by force.

use std::cell::Cell;
use std::ops::ControlFlow;

use pgrx::bgworkers::BackgroundWorker;
use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_guard, pg_sys};

use crate::agenda;
use crate::api::control;
use crate::executor::agenda::worker_pass;
use crate::executor::report::{Progress, Tick};
use crate::executor::tick::worker as worker_tick;
use crate::instant::{Instant, SECOND};
use crate::product::licence;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::subtransaction::attempt;
use crate::server::{clock, transaction};
use crate::settings::{self, Action, Settings};

use super::process;
use super::region::{self, Region};
use super::roster::{Database, Ending, Errand};
use super::spawn::Orders;
use super::state::{Health, Phase, Slot};

/// Where this process reports.
#[derive(Clone, Copy)]
struct Desk {
    region: Region,
    database: Database,
}

/// How much of the time between two ticks is for building or auditing the agenda: 3/4.
const PASS_SHARE: (i64, i64) = (3, 4);

thread_local! {
    static DESK: Cell<Option<Desk>> = const { Cell::new(None) };
}

impl Desk {
    /// Works on the slot; nothing if the launcher took it back (the database is gone).
    fn with<R>(self, work: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.region.with(|state| {
            state
                .slot(self.database)
                .filter(|slot| slot.worker_pid == process::my_pid())
                .map(work)
        })
    }
}

/// However the process ends, its slot is left in order.
#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: i32, _argument: pg_sys::Datum) {
    let words = process::last_words();
    if let Some(desk) = DESK.get() {
        desk.with(|slot| {
            slot.last_words.set(words.as_deref().unwrap_or_default());
            slot.phase = Phase::None;
            slot.worker_pid = 0;
        });
    }
}

/// The entry point of a tick worker's process. The argument is its database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn workspace_autobuild_worker(argument: pg_sys::Datum) {
    process::keep_last_words();
    process::handle_signals();
    let database = argument.value() as Database;
    let Some(orders) = Orders::from_extra(BackgroundWorker::get_extra()) else {
        return;
    };
    let region = match orders.segment {
        0 => region::preloaded(),
        number => region::attach(number),
    };
    let Some(region) = region else {
        // The launcher that wanted this is gone.
        return;
    };
    let desk = Desk { region, database };
    region.with(|state| {
        if let Some(slot) = state.slot(database) {
            slot.worker_pid = process::my_pid();
        }
    });
    DESK.set(Some(desk));
    process::at_exit(at_exit);

    // As the bootstrap superuser: what is done to the product's tables is done as
    // somebody else, see server::identity.
    // SAFETY: called once, before anything else touches the database.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            pg_sys::Oid::from(database),
            pg_sys::InvalidOid,
            0,
        );
    }
    process::set("search_path", "pg_catalog, pg_temp");
    // For sessions, as the server's other timeouts are; this one would act on us, too.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    process::set("transaction_timeout", "0");
    process::show_application();
    match orders.errand {
        Errand::Probe => probe(desk),
        Errand::Tick(at) => tick(desk, at),
    }
    // The statistics of this process are sent by the server as it ends.
}

/// Is the extension here?
fn probe(desk: Desk) {
    process::show(Some("looking for the extension"));
    let found = transaction::repeatable_read(|| Ok(()), |()| Extension::find());
    match found {
        Ok(found) => {
            let ending = if found.is_some() {
                Ending::Present
            } else {
                Ending::Absent
            };
            desk.with(|slot| slot.ending = ending);
        }
        Err(error) => failed(desk, clock::now(), &error),
    }
}

/// What stands between a worker and its tick.
enum Standing {
    Absent,
    Paused,
    Free,
}

fn standing() -> Result<Standing, Error> {
    let Some(extension) = Extension::find()? else {
        return Ok(Standing::Absent);
    };
    relieve_agenda(&extension)?;
    Ok(match control::pause(&extension)? {
        Some(_) => Standing::Paused,
        None => Standing::Free,
    })
}

/// Also when no tick is made, so that marks don't pile up for ever.
fn relieve_agenda(extension: &Extension) -> Result<(), Error> {
    match attempt(|| agenda::relieve(extension)) {
        Ok(true) => log("there were too many marks: the agenda is built anew".into()),
        Ok(false) => {}
        // Writers of the product's are at it; the next errand tries again.
        Err(error) if error.is("55P03") => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Is the extension certainly not here any more?
fn is_gone() -> bool {
    let found = transaction::repeatable_read(|| Ok(()), |()| Extension::find());
    matches!(found, Ok(None))
}

fn tick(desk: Desk, at: Instant) {
    let begun = clock::now();
    process::show(Some("beginning a tick"));
    let mut settings = settings::read();
    process::set("lock_timeout", &settings.lock_timeout.to_string());
    let stood = transaction::repeatable_read(
        || {
            licence::lock();
            Ok(())
        },
        |()| {
            settings = licence::settings()?;
            standing()
        },
    );
    match stood {
        Err(error) if !is_gone() => return failed(desk, begun, &error),
        Err(_) | Ok(Standing::Absent) => {
            desk.with(|slot| slot.ending = Ending::Absent);
            return;
        }
        Ok(Standing::Paused) => return skipped(desk, Ending::Paused, Health::Paused),
        Ok(Standing::Free) if settings.action == Action::Off => {
            return skipped(desk, Ending::Off, Health::Off);
        }
        Ok(Standing::Free) => {}
    }
    let database = desk.database;
    desk.with(|slot| slot.phase = Phase::Ticking);
    let broken_off = Cell::new(None);
    let progress = |progress: Progress| {
        show_progress(progress);
        let building = matches!(progress, Progress::Building { .. });
        if is_wanted(database) {
            broken_off.set(Some(Ending::Yielded));
        } else if building && is_paused() {
            broken_off.set(Some(Ending::Paused));
        }
        match broken_off.get() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    };
    let result = worker_tick(at, &settings, &progress);
    let done = matches!(result, Ok(Tick::Done(_))) && broken_off.get().is_none();
    if !matches!(result, Ok(Tick::Done(_))) && is_gone() {
        // Dropped while we were at it: neither a problem nor a failure.
        desk.with(|slot| slot.ending = Ending::Absent);
        return;
    }
    match result {
        Ok(Tick::Done(report)) => {
            let ms = milliseconds_since(begun);
            let before = desk.with(|slot| {
                let before = (slot.health, slot.last_tick.troubled, slot.last_error.get());
                slot.record_tick(at, ms, &report);
                if let Some(ending) = broken_off.get() {
                    slot.ending = ending;
                }
                (before, slot.last_error.get())
            });
            if let Some(((health, troubled, error_before), error)) = before {
                if matches!(health, Health::Failing | Health::Waiting) {
                    log("ticks are made again".into());
                }
                // The same trouble again is in the counters; the log has it once.
                if report.error.is_some() && !(troubled && error_before == error) {
                    log(format!("a batch failed: {}", error.unwrap_or_default()));
                }
            }
            if report.tried != [[0; 5]; 4] {
                log_at(
                    settings.log_level,
                    format!(
                        "tick={at} due={} built={} conflict={} blocked={} failed={} observed={} held_back={} ms={ms}",
                        report.due,
                        report.built,
                        report.conflict,
                        report.blocked,
                        report.failed,
                        report.observed,
                        report.held_back,
                    ),
                );
            }
        }
        Ok(Tick::Waiting { problem, .. }) => {
            let news = desk.with(|slot| {
                let before = (slot.health, slot.problem.get());
                slot.record_waiting(&problem);
                before != (Health::Waiting, slot.problem.get())
            });
            if news == Some(true) {
                log(format!("waiting: {problem}"));
            }
        }
        Err(error) => failed(desk, begun, &error),
    }
    if done {
        pass(desk, at, &settings);
    }
}

/// Builds or audits the agenda in what is left of the time up to the next tick.
fn pass(desk: Desk, at: Instant, settings: &Settings) {
    let (share, of) = PASS_SHARE;
    let until = at.saturating_add_micros(settings::tick_interval() * SECOND * share / of);
    let mut begun = false;
    let go_on = |passed: i64| {
        if is_wanted(desk.database) {
            return false;
        }
        let now = clock::now();
        // A first piece always, so that it comes to an end whatever ticks take.
        let first = !std::mem::replace(&mut begun, true);
        process::show(Some(&format!(
            "looking after the agenda: {} workspaces",
            grouped(usize::try_from(passed).unwrap_or(0))
        )));
        let waits = desk
            .region
            .with(|state| state.tick_waits(desk.database, now));
        first || (now < until && !waits)
    };
    if let Err(error) = worker_pass(at, settings, go_on)
        && !is_gone()
    {
        let sqlstate = error.sqlstate();
        desk.with(|slot| slot.record_error(&sqlstate, &error.message));
        log(format!("looking after the agenda failed: {error}"));
    }
}

/// There was a reason to make no tick.
fn skipped(desk: Desk, ending: Ending, health: Health) {
    desk.with(|slot| {
        slot.ending = ending;
        slot.health = health;
        slot.problem.set("");
    });
}

/// The tick failed as a whole.
fn failed(desk: Desk, begun: Instant, error: &Error) {
    let ms = milliseconds_since(begun);
    let news = desk.with(|slot| {
        let before = (slot.health, slot.last_error.get());
        slot.record_failure(ms, &error.sqlstate(), &error.message);
        before != (Health::Failing, slot.last_error.get())
    });
    // The same failure again is in the counters; the log has it once.
    if news == Some(true) {
        log(format!("a tick failed: {error}"));
    }
}

fn log(message: String) {
    log_at(PgLogLevel::LOG, message);
}

fn log_at(level: PgLogLevel, message: String) {
    ereport!(
        level,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("workspace-autobuild: {message}")
    );
}

fn milliseconds_since(begun: Instant) -> i64 {
    clock::now().micros().saturating_sub(begun.micros()).max(0) / 1000
}

fn show_progress(progress: Progress) {
    let text = match progress {
        Progress::Reading => "reading what is due".into(),
        Progress::Building { done, of } => {
            format!("building {} of {}", grouped(done), grouped(of))
        }
        Progress::Recording => "recording".into(),
    };
    process::show(Some(&text));
}

/// A number with a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Does somebody want the database for himself (DROP DATABASE, RENAME, CREATE DATABASE
/// ... TEMPLATE)? He holds a lock that a new connection would wait for, and gives up
/// when we stay for five seconds.
fn is_wanted(database: Database) -> bool {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: pg_sys::DatabaseRelationId.to_u32(),
        locktag_field3: database,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    let mode = pg_sys::RowExclusiveLock as i32;
    // SAFETY: a session-level lock, which needs no transaction and is given back at once.
    unsafe {
        let taken = pg_sys::LockAcquire(&tag, mode, true, true);
        if taken == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return true;
        }
        pg_sys::LockRelease(&tag, mode, true);
        false
    }
}

/// Was the database paused meanwhile? What can't be told is the next tick's to find out.
fn is_paused() -> bool {
    let standing = transaction::repeatable_read(|| Ok(()), |()| standing());
    matches!(standing, Ok(Standing::Paused))
}
