//! What a tick tells whoever ran it, in numbers.

use uuid::Uuid;

use crate::lifecycle::transition::Transition;
use crate::sqlstate::SqlState;

use super::attempt::{Attempt, Outcome};

/// Transitions by kind and outcome, in the orders of their lists.
pub type Tried<N> = [[N; Outcome::ALL.len()]; Transition::ALL.len()];

/// Workspaces that were left out of which is told which they are.
pub const LEFT_OUT: usize = 8;

/// What a tick did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Workspaces that were due.
    pub due: i32,
    /// Due, but held back by `max_builds_per_tick`, or for want of locks.
    pub held_back: i32,
    /// Due, but left out, since somebody else holds their lock.
    pub locked: i32,
    /// The first of them in the order of work, at most [`LEFT_OUT`].
    pub left_out: Vec<Uuid>,
    /// Transitions tried, by kind and outcome.
    pub tried: Tried<i32>,
    /// Workspaces that failed, by SQLSTATE.
    pub failures: Vec<(SqlState, i32)>,
    /// What the brakes say that were put on.
    pub brakes: Vec<String>,
    /// The first error that a batch met, if any did.
    pub error: Option<(SqlState, String)>,
    /// Rows of messages to owners that were queued.
    pub told: i64,
    /// Messages to owners, and rows of the audit log, that could not be written.
    pub untold: i64,
    /// Why, of the first.
    pub untold_why: Option<String>,
}

impl TickReport {
    /// Transitions that ended so.
    pub fn ended(&self, outcome: Outcome) -> i32 {
        let of_kind = |outcomes: &[i32; Outcome::ALL.len()]| {
            let place = Outcome::ALL.iter().position(|known| *known == outcome);
            place.and_then(|place| outcomes.get(place).copied())
        };
        self.tried.iter().filter_map(of_kind).sum()
    }

    /// Was any transition tried?
    pub fn tried_any(&self) -> bool {
        self.tried.iter().flatten().any(|&count| count > 0)
    }

    /// Adds attempts.
    pub fn count(&mut self, attempts: &[Attempt]) {
        for attempt in attempts {
            let kind = Transition::ALL
                .iter()
                .position(|known| *known == attempt.transition);
            let outcome = Outcome::ALL
                .iter()
                .position(|known| *known == attempt.outcome);
            if let (Some(kind), Some(outcome)) = (kind, outcome)
                && let Some(count) = self.tried.get_mut(kind).and_then(|k| k.get_mut(outcome))
            {
                *count += 1;
            }
            if attempt.outcome == Outcome::Failed
                && let Some(sqlstate) = attempt.sqlstate
            {
                match self
                    .failures
                    .iter_mut()
                    .find(|(known, _)| *known == sqlstate)
                {
                    Some((_, count)) => *count += 1,
                    None => self.failures.push((sqlstate, 1)),
                }
            }
        }
    }

    /// Somebody else holds the lock of this workspace.
    pub fn leave_out(&mut self, workspace: Uuid) {
        self.locked = self.locked.saturating_add(1);
        if self.left_out.len() < LEFT_OUT {
            self.left_out.push(workspace);
        }
    }

    /// So many messages could not be queued.
    pub fn leave_untold(&mut self, count: usize, why: impl Into<String>) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.untold = self.untold.saturating_add(count);
        self.untold_why.get_or_insert_with(|| why.into());
    }

    /// What could not be told, in a sentence.
    pub fn untold_sentence(&self) -> Option<String> {
        let why = self.untold_why.as_ref()?;
        let count = self.untold;
        Some(format!(
            "messages to owners and audit rows that could not be written: {count}, the first: {why}"
        ))
    }

    /// Keeps an error, if it is the first.
    pub fn note_error(&mut self, sqlstate: SqlState, message: impl Into<String>) {
        self.error.get_or_insert_with(|| (sqlstate, message.into()));
    }
}

/// A number with a comma between thousands.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::Instant;

    #[test]
    fn attempts_are_counted_by_kind_outcome_and_sqlstate() {
        let attempt = |transition, outcome, sqlstate| Attempt {
            transition,
            outcome,
            sqlstate: SqlState::parse(sqlstate),
            ..Attempt::example(Instant::NO_TIME)
        };
        let mut report = TickReport::default();
        report.count(&[
            attempt(Transition::Start, Outcome::Built, ""),
            attempt(Transition::Stop, Outcome::Built, ""),
            attempt(Transition::Stop, Outcome::Failed, "22012"),
            attempt(Transition::Start, Outcome::Failed, "22012"),
        ]);
        assert_eq!(report.ended(Outcome::Built), 2);
        assert_eq!(report.ended(Outcome::Failed), 2);
        assert_eq!(report.ended(Outcome::Observed), 0);
        assert_eq!(
            report.tried,
            [[1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0; 5], [0; 5], [0; 5]]
        );
        assert_eq!(report.failures, [(SqlState::parse("22012").unwrap(), 2)]);
    }

    #[test]
    fn the_first_error_is_kept() {
        let mut report = TickReport::default();
        for message in ["first", "second"] {
            report.note_error(SqlState::SERIALIZATION_FAILURE, message);
        }
        assert_eq!(report.error.unwrap().1, "first");
    }
}
