//! The holds of this database, as its own table has them, beside the compiled schedules: what
//! every verdict on a server asks.
//!
//! Released ones count as well: they say which starts were missed under them, so that those
//! are not all due at once. From the tick on they hold nothing, for whichever time it is made.

use std::cell::RefCell;
use std::rc::Rc;

use uuid::Uuid;

use crate::holds::{Hold, HoldError, Holds, Scope, Transitions, When, WithHolds};
use crate::instant::{Instant, Micros};
use crate::lifecycle::policy::{MissedStarts, Policy};
use crate::schedule::{ScheduleCache, ZoneSource};
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, exists, for_each_row};
use crate::server::zones::{ServerZone, ServerZones};

use super::schedules::with_schedules;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    hold_id: i64,
    scope: String,
    scope_id: Option<Uuid>,
    starts_at: Instant,
    ends_at: Option<Instant>,
    recurrence: Option<String>,
    transitions: Option<String>,
    reason: Option<String>,
    released_at: Option<Instant>,
}

impl Kept {
    fn read(row: &Row<'_>, tick: Instant) -> Result<Kept, Error> {
        Ok(Kept {
            hold_id: Row::required(row.bigint(0)?, "hold_id")?,
            scope: row.text(1)?.unwrap_or_default(),
            scope_id: row.uuid(2)?,
            starts_at: Row::required(row.time(3)?, "starts_at")?,
            ends_at: row.time(4)?,
            recurrence: row.text(5)?,
            transitions: row.text(6)?,
            reason: row.text(7)?,
            // From the tick on it holds nothing.
            released_at: row.time(8)?.map(|at| at.min(tick)),
        })
    }

    fn when(&self) -> Result<When<ServerZone>, HoldError> {
        let recurrence = self.recurrence.as_deref();
        When::read(self.starts_at, self.ends_at, recurrence, &ServerZones)
    }

    /// Whatever can't be read any more (its zone is gone since it was made, or the row is not
    /// ours) holds more than it did, never less.
    fn hold(&self) -> Hold<ServerZone> {
        let scope = Scope::read(&self.scope, self.scope_id).unwrap_or(Scope::All);
        let names = self.transitions.as_deref();
        let transitions = names.map_or(Ok(Transitions::ALL), |names| {
            Transitions::read(names.split(','))
        });
        let when = when(self.starts_at, self.ends_at, self.recurrence.as_deref());
        let reason = self.reason.as_deref();
        let transitions = transitions.unwrap_or(Transitions::ALL);
        let hold = Hold::new(self.hold_id, scope, transitions, reason, when);
        match self.released_at {
            Some(at) => hold.released(at),
            None => hold,
        }
    }
}

/// When a kept hold holds: from its start on, if its rule can't be read any more.
pub(crate) fn when(
    starts_at: Instant,
    ends_at: Option<Instant>,
    recurrence: Option<&str>,
) -> When<ServerZone> {
    When::read(starts_at, ends_at, recurrence, &ServerZones).unwrap_or(When::Once(starts_at, None))
}

/// All of them, as a snapshot has them.
#[derive(Clone)]
pub(crate) struct KeptHolds(Rc<Compiled>);

struct Compiled {
    kept: Vec<Kept>,
    holds: Holds<ServerZone>,
}

impl PartialEq for KeptHolds {
    fn eq(&self, other: &KeptHolds) -> bool {
        self.0.kept == other.0.kept
    }
}

thread_local! {
    /// Those that this process read last: the next batch, or preview, mostly finds the same.
    static LAST: RefCell<Option<KeptHolds>> = const { RefCell::new(None) };
}

/// Reads them for a tick under the active snapshot, whoever asks. A catalog of another version
/// than the library's has none.
pub(crate) fn read(tick: Instant) -> Result<KeptHolds, Error> {
    let extension = Extension::known()?;
    let kept = extension.map_or_else(|| Ok(Vec::new()), |extension| rows(&extension, tick))?;
    let last = LAST.with_borrow(Clone::clone);
    if let Some(last) = last.filter(|last| last.0.kept == kept && last.is_of_these_zones()) {
        return Ok(last);
    }
    let holds = Holds::new(kept.iter().map(Kept::hold).collect());
    let holds = KeptHolds(Rc::new(Compiled { kept, holds }));
    LAST.set(Some(holds.clone()));
    Ok(holds)
}

fn rows(extension: &Extension, tick: Instant) -> Result<Vec<Kept>, Error> {
    let mut kept = Vec::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT h.hold_id, h.scope, h.scope_id, h.starts_at, h.ends_at, h.recurrence,
                        pg_catalog.array_to_string(h.transitions, ','), h.reason, h.released_at
                   FROM {} h ORDER BY h.hold_id USING OPERATOR(pg_catalog.<)",
                extension.table("autobuild_holds_made")
            ),
            Access::Read,
            vec![],
            |row| {
                kept.push(Kept::read(row, tick)?);
                Ok(())
            },
        )
    })?;
    Ok(kept)
}

/// What changes whenever a change of holds may bring a transition forward. A new hold only
/// delays, so that the agenda may stay as it is; but where missed starts are made up for and
/// lateness is limited, one that begins in the past may have a start made that was too late.
pub(crate) fn print(extension: &Extension, policy: &Policy) -> Result<String, Error> {
    let made_up =
        policy.missed_starts == MissedStarts::MakeUp && policy.max_start_delay > Micros(0);
    let which = if made_up {
        ""
    } else {
        "WHERE h.released_at IS NOT NULL"
    };
    let mut kept = Vec::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT h.hold_id, h.released_at FROM {} h {which}
                  ORDER BY h.hold_id USING OPERATOR(pg_catalog.<)",
                extension.table("autobuild_holds_made")
            ),
            Access::Read,
            vec![],
            |row| {
                kept.push((Row::required(row.bigint(0)?, "hold_id")?, row.time(1)?));
                Ok(())
            },
        )
    })?;
    Ok(format!("{kept:?}"))
}

/// Was any hold released after a tick? What the agenda has is as of now.
pub(crate) fn released_after(extension: &Extension, tick: Instant) -> Result<bool, Error> {
    let sql = format!(
        "SELECT true FROM {} h WHERE h.released_at OPERATOR(pg_catalog.>) $1 LIMIT 1",
        extension.table("autobuild_holds_made")
    );
    extension.as_owner(|| exists(&sql, vec![Arg::Time(Some(tick))]))
}

/// The number of a hold whose rule can't be read any more, and why.
pub(crate) struct Unreadable {
    pub hold_id: i64,
    pub error: HoldError,
}

/// Holds whose rule can't be read any more, and that are not released. A catalog of another
/// version than the library's has none.
pub(crate) fn unreadable(extension: &Extension) -> Result<Vec<Unreadable>, Error> {
    if !extension.is_current() {
        return Ok(Vec::new());
    }
    let mut unreadable = Vec::new();
    for kept in rows(extension, Instant::MAX)? {
        let read = kept.when().map(|_| ());
        if let Err(error) = read
            && kept.released_at.is_none()
        {
            let hold_id = kept.hold_id;
            unreadable.push(Unreadable { hold_id, error });
        }
    }
    Ok(unreadable)
}

impl KeptHolds {
    /// Are the zones still as they were when the rules were read, and all rules readable?
    fn is_of_these_zones(&self) -> bool {
        let mut zones = self.0.holds.zones();
        let recur = self.0.kept.iter().filter(|kept| kept.recurrence.is_some());
        self.0.holds.recurring() == recur.count() && zones.all(|zone| ServerZones.is_current(zone))
    }

    /// Runs something with this process's compiled schedules and these holds.
    pub(crate) fn with_schedules<R>(
        &self,
        work: impl FnOnce(&WithHolds<'_, ScheduleCache<ServerZones>, ServerZone>) -> R,
    ) -> R {
        let holds = &self.0.holds;
        with_schedules(|schedules| work(&WithHolds { schedules, holds }))
    }
}
