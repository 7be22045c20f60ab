//! What launcher, tick workers and sessions know of one database: a slot of the shared memory.
//!
//! Plain data, as all of [`State`](super::state::State) is.

use uuid::Uuid;

use crate::decision::attempt::Outcome;
use crate::decision::report::{LEFT_OUT, TickReport, Tried};
use crate::instant::{Instant, SECOND};
use crate::sqlstate::SqlState;

use super::roster::{Database, Ending};
use super::text::Text;

/// SQLSTATEs that a slot counts each for itself; the others are counted together.
const SQLSTATES: usize = 16;

/// Upper bounds of the histogram of tick times, in milliseconds; a tick above the last
/// one counts in the sum only.
pub const BUCKETS_MS: [u64; 12] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000, 60_000,
];

/// A way in which a tick ends, in the order in which [`Counters::ticks`] counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickResult {
    /// It was made.
    Done,
    /// It waits for something.
    Waiting,
    /// It failed as a whole.
    Failed,
    /// Its worker died.
    Died,
    /// It met a lock, or took too long.
    Busy,
}

impl TickResult {
    /// All of them.
    pub const ALL: [TickResult; 5] = [
        TickResult::Done,
        TickResult::Waiting,
        TickResult::Failed,
        TickResult::Died,
        TickResult::Busy,
    ];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            TickResult::Done => "done",
            TickResult::Waiting => "waiting",
            TickResult::Failed => "failed",
            TickResult::Died => "died",
            TickResult::Busy => "busy",
        }
    }
}

/// What a tick worker does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// No tick.
    None = 0,
    /// A tick.
    Ticking,
}

/// How a database fares, for the status and to log changes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Not known yet.
    Unknown = 0,
    /// The last tick was made.
    Healthy,
    /// The last tick waited; the problem is in the slot.
    Waiting,
    /// The last tick met a lock, or took too long; the problem is in the slot.
    Busy,
    /// The last errand failed.
    Failing,
    /// `action` was off.
    Off,
    /// There was a pause.
    Paused,
}

/// The last tick that was made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LastTick {
    /// Was there one?
    pub made: bool,
    /// Its time, microseconds since 2000-01-01.
    pub at: i64,
    /// How long it took.
    pub ms: i64,
    /// Workspaces that were due.
    pub due: i32,
    /// Transitions made.
    pub built: i32,
    /// Could not be built.
    pub blocked: i32,
    /// Unexpected errors.
    pub failed: i32,
    /// Recorded under `action = observe`.
    pub observed: i32,
    /// Left out, since somebody held their lock.
    pub locked: i32,
    /// Held back by the cap.
    pub held_back: i32,
    /// A batch of it ended on an error.
    pub troubled: bool,
}

/// A workspace that is due, and left out at each tick, since somebody holds its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LeftOut {
    /// Its id.
    pub workspace: [u8; 16],
    /// The time of the first tick that left it out; 0 for none.
    pub since: i64,
}

impl LeftOut {
    const NONE: LeftOut = LeftOut {
        workspace: [0; 16],
        since: 0,
    };
}

/// Sums since the server started.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Counters {
    /// Ticks, in the order of [`TickResult::ALL`].
    pub ticks: [u64; TickResult::ALL.len()],
    /// Transitions tried, by kind and outcome, as [`TickReport::tried`] has them.
    pub tried: Tried<u64>,
    /// Ticks whose time is at most that of the bucket, and above that of the one before.
    pub histogram: [u64; BUCKETS_MS.len()],
    /// Ticks measured.
    pub measured: u64,
    /// Their times added up.
    pub measured_ms: u64,
    /// Errors by SQLSTATE, of single workspaces, of batches and of whole ticks.
    pub errors: [(Text<5>, u64); SQLSTATES],
    /// Errors of SQLSTATEs that had no room.
    pub other_errors: u64,
    /// Rows of messages to owners that were queued.
    pub told: u64,
    /// Messages to owners, and rows of the audit log, that could not be written.
    pub untold: u64,
}

/// One database.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Slot {
    /// Its oid; 0 for a free slot.
    pub database: Database,
    /// The process id of its tick worker; 0 for none.
    pub worker_pid: i32,
    /// What the tick worker does.
    pub phase: Phase,
    /// How its errand ended.
    pub ending: Ending,
    /// How the database fares.
    pub health: Health,
    /// Since when the launcher knows of the extension there.
    pub since: i64,
    /// When the next tick is due; 0 for not known.
    pub next_at: i64,
    /// A tick was asked for since the errand under way began.
    pub asked: bool,
    /// Failures in a row.
    pub failures: u32,
    /// The last tick.
    pub last_tick: LastTick,
    /// Workspaces that the last ticks left out, each since when.
    pub left_out: [LeftOut; LEFT_OUT],
    /// What the tick waits for.
    pub problem: Text<600>,
    /// The last error.
    pub last_error: Text<600>,
    /// When it came; 0 for none.
    pub last_error_at: i64,
    /// Messages to owners that the last tick could not queue, and why, in a sentence.
    pub untold: Text<300>,
    /// The log has what the server says of the database's collation version.
    pub told_of_collation: bool,
    /// The FATAL message with which the last worker ended.
    pub last_words: Text<200>,
    /// Sums.
    pub counters: Counters,
}

impl Slot {
    /// A slot for a database, with nothing in it.
    pub(super) fn new(database: Database, now: Instant) -> Slot {
        let none = Text {
            len: 0,
            bytes: [0; 5],
        };
        Slot {
            database,
            worker_pid: 0,
            phase: Phase::None,
            ending: Ending::Died,
            health: Health::Unknown,
            since: now.micros(),
            next_at: 0,
            asked: false,
            failures: 0,
            last_tick: LastTick {
                made: false,
                at: 0,
                ms: 0,
                due: 0,
                built: 0,
                blocked: 0,
                failed: 0,
                observed: 0,
                locked: 0,
                held_back: 0,
                troubled: false,
            },
            left_out: [LeftOut::NONE; LEFT_OUT],
            problem: Text {
                len: 0,
                bytes: [0; 600],
            },
            last_error: Text {
                len: 0,
                bytes: [0; 600],
            },
            last_error_at: 0,
            untold: Text {
                len: 0,
                bytes: [0; 300],
            },
            told_of_collation: false,
            last_words: Text {
                len: 0,
                bytes: [0; 200],
            },
            counters: Counters {
                ticks: [0; TickResult::ALL.len()],
                tried: Tried::<u64>::default(),
                histogram: [0; BUCKETS_MS.len()],
                measured: 0,
                measured_ms: 0,
                errors: [(none, 0); SQLSTATES],
                other_errors: 0,
                told: 0,
                untold: 0,
            },
        }
    }

    /// A worker is about to be started. Until it says something else, it has died.
    pub fn begin_errand(&mut self) {
        self.ending = Ending::Died;
        self.worker_pid = 0;
        self.phase = Phase::None;
        self.asked = false;
        self.last_words.set("");
    }

    /// A tick was made.
    pub fn record_tick(&mut self, at: Instant, now: Instant, ms: i64, report: &TickReport) {
        self.last_tick = LastTick {
            made: true,
            at: at.micros(),
            ms,
            due: report.due,
            built: report.ended(Outcome::Built),
            blocked: report.ended(Outcome::Blocked),
            failed: report.ended(Outcome::Failed),
            observed: report.ended(Outcome::Observed),
            locked: report.locked,
            held_back: report.held_back,
            troubled: report.error.is_some(),
        };
        self.leave_out(at, &report.left_out);
        self.untold
            .set(&report.untold_sentence().unwrap_or_default());
        self.add_up(report);
        self.count_tick(TickResult::Done);
        self.measure(ms);
        if let Some((sqlstate, message)) = &report.error {
            self.record_error(now, *sqlstate, message);
        }
        self.problem.set("");
        self.ending = Ending::Ticked;
        self.health = Health::Healthy;
    }

    /// Who is left out again keeps its time; who is not any more makes room for others.
    fn leave_out(&mut self, at: Instant, workspaces: &[Uuid]) {
        let before = self.left_out;
        self.left_out = [LeftOut::NONE; LEFT_OUT];
        for (place, workspace) in self.left_out.iter_mut().zip(workspaces) {
            let workspace = *workspace.as_bytes();
            let since = before
                .iter()
                .find(|known| known.since != 0 && known.workspace == workspace)
                .map_or(at.micros(), |known| known.since);
            *place = LeftOut { workspace, since };
        }
    }

    /// Adds what a tick tried to the sums.
    pub fn add_up(&mut self, report: &TickReport) {
        let sums = self.counters.tried.iter_mut().flatten();
        for (sum, &count) in sums.zip(report.tried.iter().flatten()) {
            *sum = sum.saturating_add(u64::try_from(count).unwrap_or(0));
        }
        for (sqlstate, count) in &report.failures {
            self.count_errors(*sqlstate, u64::try_from(*count).unwrap_or(0));
        }
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let counters = &mut self.counters;
        counters.told = counters.told.saturating_add(count(report.told));
        counters.untold = counters.untold.saturating_add(count(report.untold));
    }

    /// A tick waits for something.
    pub fn record_waiting(&mut self, problem: &str) {
        self.count_tick(TickResult::Waiting);
        self.problem.set(problem);
        self.ending = Ending::Waiting;
        self.health = Health::Waiting;
    }

    /// A tick could not take a lock, or took too long.
    pub fn record_busy(&mut self, now: Instant, ms: i64, sqlstate: SqlState, message: &str) {
        self.count_tick(TickResult::Busy);
        self.measure(ms);
        self.record_error(now, sqlstate, message);
        self.problem
            .set(&format!("the last tick was given up: {message}"));
        self.ending = Ending::Busy;
        self.health = Health::Busy;
    }

    /// A tick failed.
    pub fn record_failure(&mut self, now: Instant, ms: i64, sqlstate: SqlState, message: &str) {
        self.count_tick(TickResult::Failed);
        self.measure(ms);
        self.record_error(now, sqlstate, message);
        self.ending = Ending::Failed;
        self.health = Health::Failing;
    }

    /// A worker ended without a report.
    pub fn record_death(&mut self, now: Instant, why: &str) {
        self.count_tick(TickResult::Died);
        self.last_error.set(why);
        self.last_error_at = now.micros();
        self.health = Health::Failing;
    }

    /// An error that did not fail a tick.
    pub fn record_error(&mut self, now: Instant, sqlstate: SqlState, message: &str) {
        self.last_error.set(&format!("{sqlstate}: {message}"));
        self.last_error_at = now.micros();
        self.count_errors(sqlstate, 1);
    }

    /// The SQLSTATE of the last error, where it has one.
    pub fn last_sqlstate(&self) -> Option<SqlState> {
        let error = self.last_error.get()?;
        error
            .split_once(": ")
            .and_then(|(state, _)| SqlState::parse(state))
    }

    fn count_errors(&mut self, sqlstate: SqlState, more: u64) {
        let known = self
            .counters
            .errors
            .iter_mut()
            .find(|(state, _)| state.get().is_none_or(|known| known == sqlstate.as_str()));
        match known {
            Some((state, count)) => {
                state.set(sqlstate.as_str());
                *count = count.saturating_add(more);
            }
            None => self.counters.other_errors = self.counters.other_errors.saturating_add(more),
        }
    }

    fn count_tick(&mut self, result: TickResult) {
        if let Some(count) = self.counters.ticks.get_mut(result as usize) {
            *count = count.saturating_add(1);
        }
    }

    fn measure(&mut self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        self.counters.measured = self.counters.measured.saturating_add(1);
        self.counters.measured_ms = self.counters.measured_ms.saturating_add(ms);
        let buckets = self.counters.histogram.iter_mut().zip(BUCKETS_MS);
        if let Some((count, _)) = buckets.into_iter().find(|&(_, bound)| ms <= bound) {
            *count = count.saturating_add(1);
        }
    }

    /// How far behind the wall clock the ticks are: how long ago the first tick was due
    /// that was not made. Zero while all is on time.
    pub fn lag(&self, now: Instant, interval_seconds: i64) -> i64 {
        let interval = interval_seconds.max(1).saturating_mul(SECOND);
        let last = if self.last_tick.made {
            self.last_tick.at
        } else {
            self.since
        };
        let due = last
            .saturating_sub(last.rem_euclid(interval))
            .saturating_add(interval);
        now.micros().saturating_sub(due).max(0)
    }
}
