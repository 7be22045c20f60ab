//! From facts to what is due, in the order of a tick.

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::signs::Policy;
use crate::lifecycle::verdict::{Next, Transition, Verdict, verdict};
use crate::product::facts::{self, Scope};
use crate::product::schema::Product;
use crate::schedule::ScheduleCache;
use crate::server::error::Error;
use crate::server::zones::ServerZones;

/// Compiled schedules that a process keeps. Tens of thousands of workspaces share far
/// fewer texts.
const SCHEDULES: usize = 10_000;

thread_local! {
    static CACHE: ScheduleCache<ServerZones> =
        ScheduleCache::new(ServerZones::default(), SCHEDULES);
}

/// Runs something with this process's compiled schedules.
pub fn with_schedules<R>(work: impl FnOnce(&ScheduleCache<ServerZones>) -> R) -> R {
    CACHE.with(work)
}

/// A workspace that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// What is known of it.
    pub facts: Facts,
    /// What is to be done.
    pub next: Next,
    /// What `next_start_at` is filled in with together with the build.
    pub fill_next_start_at: Option<Instant>,
}

/// What `next_start_at` of a workspace is filled in with, and the schedule's text that
/// it was computed from.
pub type Fill = (Uuid, String, Instant);

/// What a reading of facts came to.
#[derive(Debug, Default)]
pub struct Decided {
    /// What is due, in the order of a tick.
    pub due: Vec<Due>,
    /// `next_start_at` of workspaces for which nothing is due.
    pub fills: Vec<Fill>,
    /// When something is due for the workspaces for which nothing is due yet.
    pub later: Vec<(Uuid, Instant)>,
}

/// The verdict on one workspace's facts.
pub fn judge(product: &Product, policy: &Policy, facts: &Facts, tick: Instant) -> Verdict {
    with_schedules(|schedules| verdict(facts, &product.signs, policy, tick, schedules))
}

/// Reads and decides: what is due at the tick.
pub fn due(
    product: &Product,
    policy: &Policy,
    scope: Scope,
    tick: Instant,
) -> Result<Decided, Error> {
    let mut decided = Decided::default();
    facts::read(product, scope, |facts| {
        let verdict = judge(product, policy, &facts, tick);
        match verdict.outcome {
            Ok(next) if next.due => decided.due.push(Due {
                next,
                fill_next_start_at: verdict.fill_next_start_at,
                facts,
            }),
            outcome => {
                if let (Some(at), Some(text)) = (verdict.fill_next_start_at, facts.schedule) {
                    decided.fills.push((facts.workspace_id, text, at));
                    // Looked at again until it is filled in.
                    decided.later.push((facts.workspace_id, tick));
                } else if let Ok(next) = outcome {
                    decided.later.push((facts.workspace_id, next.at));
                }
            }
        }
        Ok(())
    })?;
    decided.due.sort_by_key(place);
    Ok(decided)
}

/// The place of a workspace in a tick: stops, starts, deletes, marks; in each by due
/// time, then by id.
fn place(due: &Due) -> (u8, Instant, Uuid) {
    let kind = match due.next.transition {
        Transition::Stop => 0,
        Transition::Start => 1,
        Transition::Delete => 2,
        Transition::Dormant => 3,
    };
    (kind, due.next.at, due.facts.workspace_id)
}
