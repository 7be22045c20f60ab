//! Whose turn it is: the cap on builds of one tick, and who holds a workspace's lock.

/// Builds that a tick may still make (`max_builds_per_tick`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildsLeft(Option<usize>);

impl BuildsLeft {
    /// As many as the cap allows; `None` for no cap.
    pub fn new(cap: Option<usize>) -> BuildsLeft {
        BuildsLeft(cap)
    }

    /// May no more be made?
    pub fn is_used_up(self) -> bool {
        self.0 == Some(0)
    }

    /// One more is to be made: is it within the cap?
    pub fn take(&mut self) -> bool {
        if self.is_used_up() {
            return false;
        }
        self.0 = self.0.map(|left| left - 1);
        true
    }

    /// Of those that were to be made so many were not.
    pub fn give_back(&mut self, count: usize) {
        self.0 = self.0.map(|left| left.saturating_add(count));
    }
}

/// May a workspace be written now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its lock is ours.
    Ours,
    /// Somebody else holds its lock.
    Taken,
    /// The server has no more locks for this tick.
    Later,
}
