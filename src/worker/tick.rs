//! The tick worker: one errand in one database, then it is gone.
//!
//! Whatever happens, the slot says how it ended: the ending that the launcher put there
//! before the start is "died", and stands when the process is ended by force.

use std::cell::Cell;
use std::ops::ControlFlow;

use pgrx::bgworkers::BackgroundWorker;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_guard, pg_sys};

use crate::decision::attempt::Outcome;
use crate::decision::report::grouped;
use crate::executor::agenda::{relieve, worker_pass};
use crate::executor::progress::{Progress, Tick};
use crate::executor::prove::worker_ahead;
use crate::executor::tick::{is_busy, worker as worker_tick};
use crate::instant::{Instant, SECOND};
use crate::ledger::pauses;
use crate::product::holders;
use crate::product::licence;
use crate::product::schema::quoted;
use crate::server::error::Error;
use crate::server::extension::{Extension, database};
use crate::server::identity::role_name;
use crate::server::log::log_at;
use crate::server::query::fetch_one;
use crate::server::{clock, transaction};
use crate::settings::{self, Action, Settings};

use super::process;
use super::region::{self, Region};
use super::roster::{Database, Ending, Errand};
use super::slot::{Health, Phase, Slot};
use super::spawn::Orders;

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
extern "C-unwind" fn at_exit(_code: i32, _argument: pg_sys::Datum) {
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
// SAFETY: the name is this extension's own.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn workspace_autobuild_worker(argument: pg_sys::Datum) {
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
    let told = region.with(|state| {
        let slot = state.slot(database)?;
        slot.worker_pid = process::my_pid();
        Some(slot.told_of_collation)
    });
    // Each errand is a new connection: the server's warnings at connect are logged once,
    // and not at all for a database that may not even have the extension.
    process::watch_log(orders.errand == Errand::Probe || told == Some(true));
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
    if orders.errand != Errand::Probe && process::was_warned() {
        desk.with(|slot| slot.told_of_collation = true);
    }
    process::set("search_path", "pg_catalog, pg_temp");
    // For sessions, as the server's other timeouts are; this one would act on us, too.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
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
    let found = transaction::repeatable_read(
        || Ok(()),
        |()| {
            let _ = database();
            Extension::find()
        },
    );
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
    /// Nothing can be written; how that is mended.
    Waits(Error),
    Free,
}

fn standing() -> Result<Standing, Error> {
    // Known for the log's lines from here on.
    let _ = database();
    let Some(extension) = Extension::find()? else {
        return Ok(Standing::Absent);
    };
    let obstacle = match extension.must_be_current() {
        Ok(()) => read_only()?,
        Err(outdated) => Some(outdated),
    };
    Ok(match (pauses::find(&extension)?, obstacle) {
        (Some(_), _) => Standing::Paused,
        (None, Some(error)) => Standing::Waits(error),
        (None, None) => Standing::Free,
    })
}

/// Is the database set to be read only? That prevents ticks.
fn read_only() -> Result<Option<Error>, Error> {
    // SAFETY: reads the variable of a setting.
    if !unsafe { pg_sys::DefaultXactReadOnly } {
        return Ok(None);
    }
    let mut source = String::new();
    let line = fetch_one(
        "SELECT s.source, pg_catalog.regexp_replace(s.sourcefile, '^.*/', ''), s.sourceline \
         FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'",
        Vec::new(),
        |row| {
            source = row.text(0)?.unwrap_or_default();
            let file = row.text(1)?.unwrap_or_default();
            Ok(format!("{file}, line {}", row.int(2)?.unwrap_or(0)))
        },
    )?
    .unwrap_or_default();
    let (role, database) = (bootstrap_superuser(), quoted(&database()));
    let reset = |of: &str| format!("ALTER {of} RESET default_transaction_read_only;");
    let (place, mend) = match source.as_str() {
        "database" => (
            "for the database".to_owned(),
            reset(&format!("DATABASE {database}")),
        ),
        "user" => (
            "for the worker's role".to_owned(),
            reset(&format!("ROLE {role}")),
        ),
        "database user" => (
            "for the worker's role in this database".to_owned(),
            reset(&format!("ROLE {role} IN DATABASE {database}")),
        ),
        "global" => ("for every role".to_owned(), reset("ROLE ALL")),
        "configuration file" if line.starts_with("postgresql.auto.conf") => (
            "for the server by ALTER SYSTEM".to_owned(),
            format!("{} SELECT pg_reload_conf();", reset("SYSTEM")),
        ),
        "configuration file" => (
            format!("for the server in {line}"),
            "Remove it there and reload.".to_owned(),
        ),
        other => (
            format!("for the server ({other})"),
            "Remove it there.".to_owned(),
        ),
    };
    Ok(Some(
        Error::new(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            format!("nothing can be written: default_transaction_read_only is on, set {place}"),
        )
        .hint(mend),
    ))
}

/// The role that workers connect as, quoted for SQL.
fn bootstrap_superuser() -> String {
    quoted(&role_name(pg_sys::BOOTSTRAP_SUPERUSERID.into()).unwrap_or_default())
}

/// Also when no tick is made, so that marks don't pile up for ever.
fn relieve_agenda() -> Result<(), Error> {
    match relieve() {
        Ok(true) => log("there were too many marks: the agenda is rebuilt".into()),
        Ok(false) => {}
        // Writers of the product's are at it; the next errand tries again.
        Err(error) if error.sqlstate().is_locked() => {}
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
    process::set("lock_timeout", &settings.lock_timeout.0.to_string());
    let mut standing = transaction::repeatable_read(
        || {
            licence::lock();
            Ok(())
        },
        |()| {
            settings = licence::settings()?;
            standing()
        },
    );
    if matches!(standing, Ok(Standing::Free | Standing::Paused))
        && let Err(error) = relieve_agenda()
    {
        standing = Err(error);
    }
    match standing {
        Err(error) if !is_gone() => return ended_by(desk, begun, &settings, &error),
        Err(_) | Ok(Standing::Absent) => {
            desk.with(|slot| slot.ending = Ending::Absent);
            return;
        }
        Ok(Standing::Paused) => return skipped(desk, Ending::Paused, Health::Paused),
        Ok(Standing::Free | Standing::Waits(_)) if settings.action == Action::Off => {
            return skipped(desk, Ending::Off, Health::Off);
        }
        Ok(Standing::Waits(error)) => return waits(desk, &error.to_string()),
        Ok(Standing::Free) => {}
    }
    let database = desk.database;
    let until = pass_until(at);
    desk.with(|slot| slot.phase = Phase::Ticking);
    let broken_off = Cell::new(None);
    let progress = |progress: Progress| {
        show_progress(progress);
        let writes = matches!(
            progress,
            Progress::Building { .. } | Progress::Filling { .. }
        );
        if is_wanted(database) {
            broken_off.set(Some(Ending::Yielded));
        } else if writes && is_paused() {
            broken_off.set(Some(Ending::Paused));
        }
        // To fill in can wait. Some of it is done by each tick, so that it comes to an end
        // whatever ticks take.
        let later = matches!(progress, Progress::Filling { done, .. } if done > 0)
            && has_no_time(desk, until);
        if broken_off.get().is_some() || later {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
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
            let before =
                desk.with(|slot| (slot.health, slot.last_tick.troubled, slot.last_error.get()));
            // The log first: who sees the tick counted finds it there.
            if let Some((Health::Failing | Health::Waiting | Health::Busy, ..)) = before {
                log("ticks are made again".into());
            }
            if report.tried_any() || report.locked > 0 {
                log_at(
                    settings.log_level,
                    &format!(
                        "tick={at} due={} built={} conflict={} blocked={} failed={} observed={} held_back={} locked={} ms={ms}",
                        report.due,
                        report.ended(Outcome::Built),
                        report.ended(Outcome::Conflict),
                        report.ended(Outcome::Blocked),
                        report.ended(Outcome::Failed),
                        report.ended(Outcome::Observed),
                        report.held_back,
                        report.locked,
                    ),
                );
            }
            for brake in &report.brakes {
                log(brake.clone());
            }
            let error = desk.with(|slot| {
                slot.record_tick(at, clock::now(), ms, &report);
                if let Some(ending) = broken_off.get() {
                    slot.ending = ending;
                }
                slot.last_error.get()
            });
            // The same trouble again is in the counters; the log has it once.
            if let (Some((_, troubled, error_before)), Some(error)) = (before, error)
                && report.error.is_some()
                && !(troubled && error_before == error)
            {
                log(format!("a batch failed: {}", error.unwrap_or_default()));
            }
        }
        Ok(Tick::Waiting(error)) => waits(desk, &error.to_string()),
        Ok(Tick::Canceled(report)) => {
            desk.with(|slot| slot.add_up(&report));
            let error = Error::new(
                PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
                "the tick was canceled by a user",
            );
            failed(desk, begun, &error);
        }
        Ok(Tick::Busy(error)) => busy(desk, begun, &settings, &error),
        Err(error) => failed(desk, begun, &error),
    }
    if done {
        prove_ahead(desk, at, &settings);
        pass(desk, at, until, &settings);
    }
}

/// Proves what templates have made active, so that it is known when somebody is to be started
/// on it.
fn prove_ahead(desk: Desk, at: Instant, settings: &Settings) {
    process::show(Some("proving template versions"));
    if let Err(error) = worker_ahead(at, settings)
        && !is_busy(&error)
        && !is_gone()
    {
        let news = desk.with(|slot| {
            let before = slot.last_error.get();
            slot.record_error(clock::now(), error.sqlstate(), &error.message);
            before != slot.last_error.get()
        });
        // The same failure again is in the counters; the log has it once.
        if news == Some(true) {
            log(format!("proving template versions failed: {error}"));
        }
    }
}

/// Until when there is time for what can wait.
fn pass_until(at: Instant) -> Instant {
    let (share, of) = PASS_SHARE;
    at.saturating_add_micros(settings::tick_interval() * SECOND * share / of)
}

/// Is that time over, or does a tick wait for this worker to end?
fn has_no_time(desk: Desk, until: Instant) -> bool {
    let now = clock::now();
    now >= until
        || desk
            .region
            .with(|state| state.tick_waits(desk.database, now))
}

/// Builds or audits the agenda in what is left of the time up to the next tick.
fn pass(desk: Desk, at: Instant, until: Instant, settings: &Settings) {
    let mut begun = false;
    let go_on = |passed: i64| {
        if is_wanted(desk.database) {
            return false;
        }
        // A first piece always, so that it comes to an end whatever ticks take.
        let first = !std::mem::replace(&mut begun, true);
        process::show(Some(&format!(
            "maintaining the agenda: {} workspaces",
            grouped(usize::try_from(passed).unwrap_or(0))
        )));
        first || !has_no_time(desk, until)
    };
    if let Err(error) = worker_pass(at, settings, go_on)
        && !is_gone()
    {
        desk.with(|slot| slot.record_error(clock::now(), error.sqlstate(), &error.message));
        log(format!("maintenance of the agenda failed: {error}"));
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

/// An error ended the errand.
fn ended_by(desk: Desk, begun: Instant, settings: &Settings, error: &Error) {
    if is_busy(error) {
        busy(desk, begun, settings, error);
    } else {
        failed(desk, begun, error);
    }
}

/// What the tick needs was locked, or it took too long: the next one tries again.
fn busy(desk: Desk, begun: Instant, settings: &Settings, error: &Error) {
    let ms = milliseconds_since(begun);
    let before = desk.with(|slot| {
        let before = slot.health;
        slot.record_busy(clock::now(), ms, error.sqlstate(), &error.message);
        before
    });
    // It is told of when it begins; while it lasts autobuild_status says who it is.
    if before.is_some_and(|before| before != Health::Busy) {
        let holders = transaction::repeatable_read(
            || Ok(()),
            |()| holders::of_tables(settings, process::my_pid()),
        );
        let holders = holders.unwrap_or_default().into_iter();
        let told: Vec<String> = std::iter::once(error.to_string()).chain(holders).collect();
        log(format!("a tick was given up: {}", told.join("; ")));
    }
}

/// The tick waits for something; the log has once what for.
fn waits(desk: Desk, problem: &str) {
    let news = desk.with(|slot| {
        let before = (slot.health, slot.problem.get());
        slot.record_waiting(problem);
        before != (Health::Waiting, slot.problem.get())
    });
    if news == Some(true) {
        log(format!("waiting: {problem}"));
    }
}

/// The tick failed as a whole.
fn failed(desk: Desk, begun: Instant, error: &Error) {
    let ms = milliseconds_since(begun);
    let news = desk.with(|slot| {
        let before = (slot.health, slot.last_error.get());
        slot.record_failure(clock::now(), ms, error.sqlstate(), &error.message);
        before != (Health::Failing, slot.last_error.get())
    });
    // The same failure again is in the counters; the log has it once.
    if news == Some(true) {
        log(format!("a tick failed: {error}"));
    }
}

fn log(message: String) {
    log_at(PgLogLevel::LOG, &message);
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
        Progress::Filling { done, of } => {
            format!(
                "filling in next_start_at {} of {}",
                grouped(done),
                grouped(of)
            )
        }
    };
    process::show(Some(&text));
}

/// Does a session need the database without connections (DROP DATABASE, RENAME, CREATE
/// DATABASE ... TEMPLATE)? It holds a lock for which a new connection would wait, and gives
/// up if this worker stays for five seconds.
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
