//! The compiled schedules of this process.

use crate::schedule::ScheduleCache;
use crate::server::zones::ServerZones;

/// Compiled schedules that a process keeps. Tens of thousands of workspaces share far
/// fewer texts.
const SCHEDULES: usize = 10_000;

thread_local! {
    static CACHE: ScheduleCache<ServerZones> =
        ScheduleCache::new(ServerZones, SCHEDULES);
}

/// Runs something with this process's compiled schedules.
pub(crate) fn with_schedules<R>(work: impl FnOnce(&ScheduleCache<ServerZones>) -> R) -> R {
    CACHE.with(work)
}
