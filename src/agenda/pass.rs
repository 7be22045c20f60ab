//! A pass over all workspaces, in pieces of a transaction each: it builds the agenda,
//! and audits it later.

use std::collections::HashMap;

use pgrx::{PgLogLevel, pg_sys};
use uuid::Uuid;

use crate::decision::holds;
use crate::instant::Instant;
use crate::lifecycle::policy::Policy;
use crate::product::facts::{self, Selection};
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::log::log_at;

use super::entries;
use super::marks::{self, Marks};
use super::state::State;

/// Workspaces that are looked at in one piece.
const PIECE: i64 = marks::PIECE;

/// What came of taking marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// They were taken.
    Some {
        /// How many.
        count: u64,
        /// Are there more?
        more: bool,
    },
    /// What they are about is not known, or is more than a piece: the agenda must be built
    /// anew, as ticks scan.
    Lost,
}

/// What is to be done after a piece of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextPiece {
    /// Nothing: the pass is at its end, or none is due.
    Nothing,
    /// The next piece.
    GoOn,
    /// The first piece, in another transaction: under a later snapshot than this one's.
    BeginAnew,
}

/// What a pass works with. Every method runs in a transaction that holds the executor's
/// lock.
pub(crate) struct Pass<'a> {
    /// The extension.
    pub extension: &'a Extension,
    /// The product's tables.
    pub product: &'a Product,
    /// The rules that the operator allows.
    pub policy: &'a Policy,
    /// The role that reads the product's tables.
    pub role: pg_sys::Oid,
    /// The tick, not in the future.
    pub tick: Instant,
}

impl Pass<'_> {
    /// Takes a piece of the marks and computes the entries that they are about.
    pub(crate) fn take_marks(&self) -> Result<Taken, Error> {
        let marks = Marks::take(self.extension)?;
        let count = marks.count;
        let Some(ids) = acting_as(self.role, || marks.workspaces(self.product))? else {
            return Ok(Taken::Lost);
        };
        let ids: Vec<Uuid> = ids.into_iter().collect();
        for ids in ids.chunks(usize::try_from(PIECE).unwrap_or(1)) {
            let mut wanted: HashMap<Uuid, Option<Instant>> =
                ids.iter().map(|id| (*id, None)).collect();
            self.read(Selection::These(ids.to_vec()), &mut wanted)?;
            let there = entries::of_workspaces(self.extension, ids)?;
            entries::set(self.extension, &there, &wanted, self.tick)?;
        }
        let more = count >= PIECE.unsigned_abs();
        Ok(Taken::Some { count, more })
    }

    /// Has the agenda built anew, by a pass that begins in another transaction: whatever
    /// made this necessary is then in its past.
    pub(crate) fn begin_anew(&self, fingerprint: i64) -> Result<NextPiece, Error> {
        State::new(fingerprint).write(self.extension)?;
        Ok(NextPiece::BeginAnew)
    }

    /// Looks at the next piece, and writes how far the pass is then. Marks are taken
    /// first, so that what they are about doesn't count as drift.
    pub(crate) fn piece(&self, mut state: State) -> Result<NextPiece, Error> {
        match self.take_marks()? {
            Taken::Lost => return self.begin_anew(state.fingerprint),
            Taken::Some { more: true, .. } => {
                state.write(self.extension)?;
                return Ok(NextPiece::GoOn);
            }
            Taken::Some { more: false, .. } => {}
        }
        let after = state.position.unwrap_or_else(|| {
            state.begun_at = clock::now();
            state.passed = 0;
            state.repaired = 0;
            Uuid::nil()
        });
        let mut wanted = HashMap::new();
        let last = self.read(
            Selection::CandidatesAfter(*self.policy, after, PIECE),
            &mut wanted,
        )?;
        let count = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
        let ends = count < PIECE;
        let upto = if ends {
            Uuid::max()
        } else {
            last.unwrap_or(after)
        };
        let there = entries::between(self.extension, after, upto)?;
        let late = |wanted: &HashMap<Uuid, Option<Instant>>| -> Vec<Uuid> {
            wanted
                .iter()
                .filter_map(|(id, at)| Some((*id, (*at)?)))
                .filter(|(id, at)| entries::is_late(there.get(id), *at, self.tick))
                .map(|(id, _)| id)
                .collect()
        };
        let mut found = late(&wanted);
        if state.ready && !found.is_empty() {
            // Whose job is under way or failed may only seem late: jobs were not looked at.
            self.read(Selection::These(found), &mut wanted)?;
            found = late(&wanted);
        }
        let late = found.len();
        for id in there.keys() {
            wanted.entry(*id).or_insert(None);
        }
        entries::set(self.extension, &there, &wanted, self.tick)?;
        if count == 0 && !there.is_empty() {
            // Nothing where there was something is no end that a pass may come to: it is
            // looked at again.
            return self.begin_anew(state.fingerprint);
        }
        state.passed = state.passed.saturating_add(count);
        state.repaired = state
            .repaired
            .saturating_add(i64::try_from(late).unwrap_or(i64::MAX));
        state.position = (!ends).then_some(upto);
        if ends {
            state.drift = if state.ready { state.repaired } else { 0 };
            state.ready = true;
            state.audited_at = Some(clock::now());
            if state.drift > 0 {
                log_at(PgLogLevel::LOG, &state.drift_sentence().unwrap_or_default());
            }
        }
        state.write(self.extension)?;
        Ok(if ends {
            NextPiece::Nothing
        } else {
            NextPiece::GoOn
        })
    }

    /// Reads facts as the role and puts the entry of each workspace into `wanted`;
    /// returns the last id.
    fn read(
        &self,
        selection: Selection,
        wanted: &mut HashMap<Uuid, Option<Instant>>,
    ) -> Result<Option<Uuid>, Error> {
        let mut last = None;
        let holds = holds::read(self.tick)?;
        acting_as(self.role, || {
            facts::read(self.product, selection, |facts| {
                last = last.max(Some(facts.workspace_id));
                wanted.insert(
                    facts.workspace_id,
                    entries::entry(self.product, self.policy, &holds, &facts, self.tick),
                );
                Ok(())
            })
        })?;
        Ok(last)
    }
}
