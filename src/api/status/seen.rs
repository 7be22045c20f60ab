//! What the shared state says of this database.

use crate::instant::SECOND;
use crate::server::error::Error;
use crate::worker::roster::Database;
use crate::worker::slot::Slot;
use crate::worker::{process, region};

/// A tick that is so late says why; and so long a launcher may take to appear.
pub(super) const LATE: i64 = 5 * SECOND;

/// What the shared state says of this database.
pub(crate) struct Seen {
    /// The launcher lives.
    pub launcher: bool,
    /// There was one since shared memory was made.
    pub launched: bool,
    /// There was no worker slot for it.
    pub starved: bool,
    /// The databases in which tick workers are at work, if these are as many as may be.
    pub busy_with: Vec<Database>,
    /// The database's slot.
    pub slot: Option<Slot>,
}

/// Looks at the shared state; `None` without any.
pub(crate) fn seen() -> Result<Option<Seen>, Error> {
    region::visit(|region| {
        let mut pid = 0;
        let mut seen = region.with(|state| {
            pid = state.launcher_pid;
            let at_work = |slot: &&mut Slot| slot.worker_pid != 0;
            Seen {
                launcher: false,
                launched: state.launched,
                starved: state.starved,
                busy_with: if state.busy {
                    let slots = state.slots().filter(at_work);
                    slots.map(|slot| slot.database).collect()
                } else {
                    Vec::new()
                },
                slot: state.slot(region::this_database()).map(|slot| *slot),
            }
        });
        seen.launcher = process::lives(pid);
        seen
    })
}
