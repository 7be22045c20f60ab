//! The end of a worker's tick: filling in `next_start_at` where nothing is due.

use std::collections::HashMap;
use std::ops::ControlFlow;

use uuid::Uuid;

use crate::decision::due::Fill;
use crate::decision::pieces::{AfterFailure, Pieces};
use crate::executor::context::{Executor, TickState};
use crate::executor::fill::Filled;
use crate::executor::progress::Progress;
use crate::executor::timed::{limited, timed};
use crate::ledger::back_off::is_too_soon;
use crate::ledger::unfilled;
use crate::product::locks::{Purpose, hold};
use crate::server::cancel;
use crate::server::error::Error;

/// Workspaces that were put off and are tried again in one tick at most.
const PUT_OFF_AGAIN: usize = 4;

impl Executor<'_> {
    /// Fills in `next_start_at` in batches, until `progress` ends it. What a batch waits for
    /// in vain is narrowed down to a workspace, as with builds, and that one is put off.
    pub(super) fn fill_in(
        &self,
        state: &mut TickState,
        fills: &[Fill],
        progress: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if fills.is_empty() {
            return Ok(());
        }
        let fills: HashMap<Uuid, &Fill> = fills.iter().map(|fill| (fill.0, fill)).collect();
        let put_off = timed(
            self.settings,
            || Ok(()),
            |()| {
                let (there, gone): (HashMap<_, _>, HashMap<_, _>) =
                    unfilled::read(&self.extension)?
                        .into_iter()
                        .partition(|(id, _)| fills.contains_key(id));
                let gone: Vec<Uuid> = gone.into_keys().collect();
                unfilled::forget(&self.extension, &gone)?;
                Ok(there)
            },
        )?;
        let mut ids: Vec<Uuid> = fills
            .keys()
            .filter(|id| !put_off.contains_key(id))
            .copied()
            .collect();
        ids.sort_unstable();
        let mut pieces = Pieces::in_batches(&ids, self.batch_size());
        while let Some(piece) = pieces.take_next() {
            let filling = Progress::Filling {
                done: ids.len() - pieces.left() - piece.ids.len(),
                of: ids.len(),
            };
            if progress(filling).is_break() || cancel::was_asked() {
                return Ok(());
            }
            let Err(error) = self.fill_piece(&fills, piece.ids, piece.hurried, 0) else {
                continue;
            };
            if !error.sqlstate().is_stall() || cancel::was_asked() {
                return Err(error);
            }
            match pieces.failed(piece, error.sqlstate(), true) {
                AfterFailure::Single(id) => self.not_filled(state, id, 0, &error)?,
                AfterFailure::Again | AfterFailure::GoOn => {}
                AfterFailure::GiveUp => break,
            }
        }
        // Those that were put off, each alone: they were waited for already.
        let again = put_off
            .iter()
            .filter(|(_, put_off)| !is_too_soon(put_off.next_attempt_at, self.at));
        for (&id, put_off) in again.take(PUT_OFF_AGAIN) {
            let (done, of) = (ids.len(), ids.len());
            if progress(Progress::Filling { done, of }).is_break() {
                break;
            }
            match self.fill_piece(&fills, &[id], true, put_off.attempts) {
                Err(error) if error.sqlstate().is_stall() && !cancel::was_asked() => {
                    self.not_filled(state, id, put_off.attempts, &error)?;
                }
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Fills in some, in a transaction of its own; those that refuse are put off. `earlier`:
    /// how often they were tried before.
    fn fill_piece(
        &self,
        fills: &HashMap<Uuid, &Fill>,
        ids: &[Uuid],
        hurried: bool,
        earlier: i32,
    ) -> Result<(), Error> {
        let fills: Vec<Fill> = ids
            .iter()
            .filter_map(|id| fills.get(id).copied().cloned())
            .collect();
        let filled = limited(
            self.settings.limits(hurried),
            || {
                let product = hold(&self.settings.product_schema, Purpose::Write)?;
                Ok((product, self.locks.take(ids.iter().copied())))
            },
            |(product, held)| {
                let Filled { done, refused } = self.with(product)?.fill(&fills, &held)?;
                unfilled::forget(&self.extension, &done)?;
                let refused: Vec<(Uuid, i32)> =
                    refused.into_iter().map(|id| (id, earlier)).collect();
                unfilled::put_off(&self.extension, &refused, self.at)
            },
        );
        self.after(filled)
    }

    /// Puts off a workspace that alone came to no end, and records the tick's error.
    fn not_filled(
        &self,
        state: &mut TickState,
        id: Uuid,
        earlier: i32,
        error: &Error,
    ) -> Result<(), Error> {
        let message = format!("next_start_at of workspace {id} could not be filled in: {error}");
        let mut next = state.clone();
        next.report.note_error(error.sqlstate(), message);
        timed(
            self.settings,
            || Ok(()),
            |()| {
                unfilled::put_off(&self.extension, &[(id, earlier)], self.at)?;
                self.record_tick(&mut next)
            },
        )?;
        *state = next;
        Ok(())
    }
}
