//! The pieces that a worker's tick is done in: batches, and smaller ones of what did not
//! work out.
//!
//! What a batch waits for in vain (a row that a session holds, a trigger that sleeps)
//! names no row. So the batch is cut up until the one that it waits for stands alone;
//! that one is put off like any failure, and the others are built, in this tick or the next
//! ones: each tick that gives up has settled at least one of them before.

use uuid::Uuid;

use crate::sqlstate::SqlState;

/// How often what met 40001 or 40P01 is tried.
const TRIES: usize = 3;
/// Into how many parts a piece is cut.
const PARTS: usize = 8;
/// Pieces that may end on an error of the server's own before the tick is given up. More
/// than it takes to come from the largest batch down to one workspace.
const ENDED: usize = 12;

/// Workspaces that are tried in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// They.
    pub ids: &'a [Uuid],
    /// They were waited for already: this time with less patience.
    pub hurried: bool,
    /// How often it is still tried when it meets 40001 or 40P01.
    tries: usize,
}

/// What is to be done after a piece failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again in parts, as nothing is wrong with it.
    Again,
    /// Go on: with its parts, or with what comes after it.
    GoOn,
    /// It is this workspace that comes to no end: put it off, then go on.
    Single(Uuid),
    /// The tick ends here.
    GiveUp,
}

/// What is left of a tick.
#[derive(Debug)]
pub struct Pieces<'a> {
    /// The last one is next.
    stack: Vec<Piece<'a>>,
    ended: usize,
}

impl<'a> Pieces<'a> {
    /// Batches of a size, in the order given.
    pub fn in_batches(due: &'a [Uuid], batch_size: usize) -> Pieces<'a> {
        let mut pieces = Pieces {
            stack: Vec::new(),
            ended: 0,
        };
        pieces.push(due, batch_size, false, TRIES);
        pieces
    }

    /// Others after all of these, in batches of their own.
    #[must_use]
    pub fn and_then(mut self, due: &'a [Uuid], batch_size: usize) -> Pieces<'a> {
        let mut all = Pieces::in_batches(due, batch_size);
        all.stack.append(&mut self.stack);
        all
    }

    fn push(&mut self, ids: &'a [Uuid], size: usize, hurried: bool, tries: usize) {
        let parts = ids.chunks(size.max(1)).rev().map(|ids| Piece {
            ids,
            hurried,
            tries,
        });
        self.stack.extend(parts);
    }

    /// The next piece.
    pub fn take_next(&mut self) -> Option<Piece<'a>> {
        self.stack.pop()
    }

    /// Workspaces that are left.
    pub fn left(&self) -> usize {
        self.stack.iter().map(|piece| piece.ids.len()).sum()
    }

    /// A piece met an error. `alone`: it was met as the one executor of the database, so
    /// it is not another executor that was waited for.
    pub fn failed(&mut self, piece: Piece<'a>, error: SqlState, alone: bool) -> AfterFailure {
        let part = piece.ids.len().div_ceil(PARTS);
        if piece.tries > 1 && error.is_race() {
            // The last try is each workspace's own: one that never wins loses for none.
            let part = if piece.tries == 2 { 1 } else { part };
            self.push(piece.ids, part, piece.hurried, piece.tries - 1);
            return AfterFailure::Again;
        }
        self.ended += 1;
        if self.ended >= ENDED || (error.is_stall() && !alone) {
            return AfterFailure::GiveUp;
        }
        match piece.ids {
            [id] if error.is_stall() || error.is_race() => AfterFailure::Single(*id),
            ids if error.is_stall() => {
                self.push(ids, part, true, piece.tries);
                AfterFailure::GoOn
            }
            _ => AfterFailure::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u128) -> Vec<Uuid> {
        (1..=count).map(Uuid::from_u128).collect()
    }

    #[test]
    fn what_comes_after_is_in_no_batch_with_what_is_before() {
        let all = ids(7);
        let (first, then) = all.split_at(3);
        let mut pieces = Pieces::in_batches(first, 2).and_then(then, 2);
        let mut sizes = Vec::new();
        let mut taken: Vec<Uuid> = Vec::new();
        while let Some(piece) = pieces.take_next() {
            sizes.push(piece.ids.len());
            taken.extend(piece.ids);
        }
        assert_eq!(sizes, [2, 1, 2, 2]);
        assert_eq!(taken, all);
    }

    fn error(sqlstate: &str) -> SqlState {
        SqlState::parse(sqlstate).unwrap()
    }

    fn timeout() -> SqlState {
        error("55P03")
    }

    /// Ticks until nothing is left: what `stuck` says of is not to be had and is put off
    /// once it stood alone. Returns how many ticks that took.
    fn ticks(mut due: Vec<Uuid>, batch_size: usize, stuck: impl Fn(&Uuid) -> bool) -> usize {
        for tick in 1..100 {
            let all = due.clone();
            let mut pieces = Pieces::in_batches(&all, batch_size);
            while let Some(piece) = pieces.take_next() {
                if !piece.ids.iter().any(|id| stuck(id) && due.contains(id)) {
                    due.retain(|id| !piece.ids.contains(id));
                    continue;
                }
                match pieces.failed(piece, timeout(), true) {
                    AfterFailure::Single(single) => {
                        assert!(stuck(&single));
                        due.retain(|id| *id != single);
                    }
                    AfterFailure::GiveUp => break,
                    AfterFailure::Again | AfterFailure::GoOn => {}
                }
            }
            assert!(due.len() < all.len(), "tick {tick} settled nothing");
            if due.is_empty() {
                return tick;
            }
        }
        panic!("{} are left", due.len())
    }

    #[test]
    fn one_that_is_not_to_be_had_holds_nobody_up() {
        for size in [1, 2, 7, 8, 9, 500, 10_000] {
            for stuck in [1, size / 2 + 1, size] {
                let stuck = Uuid::from_u128(stuck as u128);
                assert_eq!(
                    ticks(ids(size as u128), size, |id| *id == stuck),
                    1,
                    "{size}"
                );
            }
        }
    }

    #[test]
    fn every_tick_settles_some_however_many_are_not_to_be_had() {
        assert!(ticks(ids(100), 100, |_| true) < 30);
        assert!(ticks(ids(2000), 500, |id| id.as_u128() % 100 == 7) <= 8);
    }

    #[test]
    fn what_another_executor_holds_ends_the_tick() {
        let ids = ids(10);
        let mut pieces = Pieces::in_batches(&ids, 5);
        let piece = pieces.take_next().expect("a piece");
        assert_eq!(pieces.failed(piece, timeout(), false), AfterFailure::GiveUp);
    }

    #[test]
    fn a_race_is_run_again_in_parts_and_not_for_ever() {
        let ids = ids(64);
        let race = error("40001");
        let mut pieces = Pieces::in_batches(&ids, 64);
        let mut sizes = Vec::new();
        while let Some(piece) = pieces.take_next() {
            sizes.push(piece.ids.len());
            if piece.ids.contains(&Uuid::from_u128(1)) {
                let then = pieces.failed(piece, race, true);
                let expected = match piece.ids {
                    [id] => AfterFailure::Single(*id),
                    _ => AfterFailure::Again,
                };
                assert_eq!(then, expected, "{piece:?}");
            }
        }
        assert_eq!(sizes.get(..3), Some(&[64, 8, 1][..]));
        assert_eq!(sizes.len(), 1 + 8 + 8);
    }

    #[test]
    fn what_every_batch_meets_ends_the_tick() {
        let ids = ids(100);
        let denied = error("42501");
        let mut pieces = Pieces::in_batches(&ids, 1);
        let mut tried = 0;
        while let Some(piece) = pieces.take_next() {
            tried += 1;
            if pieces.failed(piece, denied, true) == AfterFailure::GiveUp {
                break;
            }
        }
        assert_eq!(tried, ENDED);
    }
}
