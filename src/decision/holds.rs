//! The holds of this database, as its own table has them, beside the compiled schedules: what
//! every verdict on a server asks.
//!
//! Released ones count as well: they say which starts were missed under them, so that those
//! are not all due at once. From the tick on they hold nothing, for whichever time it is made.

use uuid::Uuid;

use crate::holds::{Hold, Holds, Scope, Transitions, When, WithHolds};
use crate::instant::{Instant, Micros};
use crate::lifecycle::policy::{MissedStarts, Policy};
use crate::schedule::ScheduleCache;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Row, for_each_row};
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
    fn read(row: &Row<'_>) -> Result<Kept, Error> {
        Ok(Kept {
            hold_id: Row::required(row.bigint(0)?, "hold_id")?,
            scope: row.text(1)?.unwrap_or_default(),
            scope_id: row.uuid(2)?,
            starts_at: Row::required(row.time(3)?, "starts_at")?,
            ends_at: row.time(4)?,
            recurrence: row.text(5)?,
            transitions: row.text(6)?,
            reason: row.text(7)?,
            released_at: row.time(8)?,
        })
    }

    /// Whatever can't be read any more (its zone is gone since it was made, or the row is not
    /// ours) holds more than it did, never less.
    fn hold(&self, tick: Instant) -> Hold<ServerZone> {
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
            Some(at) => hold.released(at.min(tick)),
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
pub(crate) struct KeptHolds {
    kept: Vec<Kept>,
    holds: Holds<ServerZone>,
}

impl PartialEq for KeptHolds {
    fn eq(&self, other: &KeptHolds) -> bool {
        self.kept == other.kept
    }
}

/// Reads them for a tick under the active snapshot, whoever asks. A catalog of another version
/// than the library's has none.
pub(crate) fn read(tick: Instant) -> Result<KeptHolds, Error> {
    let extension = Extension::find()?.filter(Extension::is_current);
    let kept = extension.map_or_else(|| Ok(Vec::new()), |extension| rows(&extension))?;
    let holds = Holds::new(kept.iter().map(|kept| kept.hold(tick)).collect());
    Ok(KeptHolds { kept, holds })
}

fn rows(extension: &Extension) -> Result<Vec<Kept>, Error> {
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
                kept.push(Kept::read(row)?);
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
    let mut kept = rows(extension)?;
    kept.retain(|hold| made_up || hold.released_at.is_some());
    let kept = kept.iter().map(|hold| (hold.hold_id, hold.released_at));
    Ok(format!("{:?}", kept.collect::<Vec<_>>()))
}

/// Was any hold released after a tick? What the agenda has is as of now.
pub(crate) fn released_after(extension: &Extension, tick: Instant) -> Result<bool, Error> {
    let kept = rows(extension)?;
    Ok(kept.iter().any(|hold| hold.released_at > Some(tick)))
}

impl KeptHolds {
    /// Runs something with this process's compiled schedules and these holds.
    pub(crate) fn with_schedules<R>(
        &self,
        work: impl FnOnce(&WithHolds<'_, ScheduleCache<ServerZones>, ServerZone>) -> R,
    ) -> R {
        let holds = &self.holds;
        with_schedules(|schedules| work(&WithHolds { schedules, holds }))
    }
}
