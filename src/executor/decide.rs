//! From facts to what is due, in the order of a tick.

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::transition::Transition;
use crate::lifecycle::verdict::{Verdict, verdict};
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
    /// When those for which nothing is due are to be looked at again; see [`next_look`].
    pub later: Vec<(Uuid, Instant)>,
    /// Only those were read that the agenda has as due.
    pub by_agenda: bool,
}

impl Decided {
    /// `scan` or `agenda`, as history shows it.
    pub fn mode(&self) -> &'static str {
        if self.by_agenda { "agenda" } else { "scan" }
    }
}

/// The verdict on one workspace's facts.
pub fn judge(product: &Product, policy: &Policy, facts: &Facts, tick: Instant) -> Verdict {
    with_schedules(|schedules| verdict(facts, &product.signs, policy, tick, schedules))
}

/// From when on a workspace with this verdict must be looked at, as long as its facts
/// stay as they are; `None` for never. Before that time no tick that is not earlier than
/// this one has anything to do for it.
pub fn next_look(verdict: &Verdict, tick: Instant) -> Option<Instant> {
    if verdict.fill_next_start_at.is_some() {
        return Some(Instant::MIN);
    }
    let next = verdict.outcome.as_ref().ok().map(|next| {
        // What is due at any tick (a suspended owner's stop) is so at an earlier one too.
        if next.due && next.at == tick {
            Instant::MIN
        } else {
            next.at
        }
    });
    next.into_iter().chain(verdict.look_again_at).min()
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
        let look = next_look(&verdict, tick);
        match verdict.outcome {
            Ok(next) if next.due => decided.due.push(Due {
                next,
                fill_next_start_at: verdict.fill_next_start_at,
                facts,
            }),
            _ => {
                decided
                    .later
                    .extend(look.map(|at| (facts.workspace_id, at)));
                if let (Some(at), Some(text)) = (verdict.fill_next_start_at, facts.schedule) {
                    decided.fills.push((facts.workspace_id, text, at));
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
