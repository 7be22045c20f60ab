//! SQLSTATEs, and what each means to a tick. The only place where one is written out.
//!
//! A caller asks what an error means ([`SqlState::is_race`], [`SqlState::is_stall`], ...),
//! never which it is.

use std::fmt;

/// The five characters of a SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `serialization_failure`: another transaction changed what this one rests on.
    pub const SERIALIZATION_FAILURE: SqlState = SqlState(*b"40001");
    /// `deadlock_detected`.
    const DEADLOCK_DETECTED: SqlState = SqlState(*b"40P01");
    /// `lock_not_available`.
    const LOCK_NOT_AVAILABLE: SqlState = SqlState(*b"55P03");
    /// `query_canceled`, which a timeout raises as well.
    const QUERY_CANCELED: SqlState = SqlState(*b"57014");
    /// `unique_violation`.
    const UNIQUE_VIOLATION: SqlState = SqlState(*b"23505");
    /// `insufficient_privilege`.
    const INSUFFICIENT_PRIVILEGE: SqlState = SqlState(*b"42501");
    /// `out_of_memory`, which the server also raises when its table of locks is full.
    const OUT_OF_MEMORY: SqlState = SqlState(*b"53200");
    /// `invalid_schema_name`.
    const INVALID_SCHEMA_NAME: SqlState = SqlState(*b"3F000");
    /// `object_not_in_prerequisite_state`.
    const OBJECT_NOT_IN_PREREQUISITE_STATE: SqlState = SqlState(*b"55000");
    /// Class: insufficient resources.
    const INSUFFICIENT_RESOURCES: [u8; 2] = *b"53";
    /// Class: operator intervention.
    const OPERATOR_INTERVENTION: [u8; 2] = *b"57";
    /// Class: syntax error or access rule violation, which a missing table or column is.
    const ACCESS_RULE_VIOLATION: [u8; 2] = *b"42";

    /// The states of an error that somebody else's work causes, and that may be gone at any
    /// time.
    pub const HELD: [SqlState; 3] = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::SERIALIZATION_FAILURE,
        SqlState::DEADLOCK_DETECTED,
    ];

    /// The state of a number in which the server packs one: six bits a character, the first
    /// in the lowest, counted from `0`.
    #[must_use]
    pub fn from_packed(packed: i32) -> SqlState {
        SqlState(std::array::from_fn(|place| {
            let six = u8::try_from((packed >> (6 * place)) & 0x3f).unwrap_or(0);
            six + b'0'
        }))
    }

    /// The state of five characters; `None` for another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<SqlState> {
        text.as_bytes().try_into().ok().map(SqlState)
    }

    /// Its five characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    fn is_of_class(self, class: [u8; 2]) -> bool {
        self.0.starts_with(&class)
    }

    /// Another transaction changed what this one rests on.
    #[must_use]
    pub fn is_serialization_failure(self) -> bool {
        self == SqlState::SERIALIZATION_FAILURE
    }

    /// Another transaction was at the same rows: a new snapshot will do.
    #[must_use]
    pub fn is_race(self) -> bool {
        self == SqlState::SERIALIZATION_FAILURE || self == SqlState::DEADLOCK_DETECTED
    }

    /// A lock that somebody else holds was not given in time.
    #[must_use]
    pub fn is_locked(self) -> bool {
        self == SqlState::LOCK_NOT_AVAILABLE
    }

    /// A lock could not be taken: it was not given in time, or waiting for it was a deadlock.
    #[must_use]
    pub fn is_locked_or_deadlock(self) -> bool {
        self.is_locked() || self == SqlState::DEADLOCK_DETECTED
    }

    /// A wait or a shortage that one workspace may cause to its whole batch: a lock that is
    /// held, a timeout, too few locks or too little memory.
    #[must_use]
    pub fn is_stall(self) -> bool {
        self.is_locked()
            || self.is_of_class(SqlState::INSUFFICIENT_RESOURCES)
            || self.is_of_class(SqlState::OPERATOR_INTERVENTION)
    }

    /// No single row of a batch causes it.
    #[must_use]
    pub fn ends_batch(self) -> bool {
        self.is_race() || self.is_stall()
    }

    /// Somebody else is at work: a lock that was held, a race that was lost, a timeout. The
    /// next tick may well succeed.
    #[must_use]
    pub fn is_busy(self) -> bool {
        self.is_race() || self.is_locked() || self.is_canceled()
    }

    /// Somebody else's work causes it, and may end at any time ([`SqlState::HELD`]).
    #[must_use]
    pub fn is_held(self) -> bool {
        SqlState::HELD.contains(&self)
    }

    /// It waited in vain: for a lock, a row, or until a timeout.
    #[must_use]
    pub fn waited_in_vain(self) -> bool {
        self.is_locked() || self.is_canceled()
    }

    /// The statement was canceled, by a user or by a timeout.
    #[must_use]
    pub fn is_canceled(self) -> bool {
        self == SqlState::QUERY_CANCELED
    }

    /// The statement or the session was ended from outside.
    #[must_use]
    pub fn is_intervention(self) -> bool {
        self.is_of_class(SqlState::OPERATOR_INTERVENTION)
    }

    /// The server's table of locks is full.
    #[must_use]
    pub fn is_out_of_locks(self) -> bool {
        self == SqlState::OUT_OF_MEMORY
    }

    /// A unique key was violated.
    #[must_use]
    pub fn is_unique_violation(self) -> bool {
        self == SqlState::UNIQUE_VIOLATION
    }

    /// A privilege is missing.
    #[must_use]
    pub fn lacks_right(self) -> bool {
        self == SqlState::INSUFFICIENT_PRIVILEGE
    }

    /// The product's tables, the role or its rights are not there (yet): a worker waits.
    #[must_use]
    pub fn lacks_prerequisite(self) -> bool {
        self == SqlState::INVALID_SCHEMA_NAME
            || self == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
            || self.is_of_class(SqlState::ACCESS_RULE_VIOLATION)
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> SqlState {
        SqlState::parse(text).unwrap()
    }

    #[test]
    fn a_packed_state_has_its_five_characters() {
        // As the server's MAKE_SQLSTATE packs them.
        let packed = "40P01"
            .bytes()
            .enumerate()
            .fold(0, |packed, (place, byte)| {
                packed | (i32::from(byte - b'0') & 0x3f) << (6 * place)
            });
        assert_eq!(SqlState::from_packed(packed), state("40P01"));
    }

    #[test]
    fn a_text_that_is_not_five_bytes_is_no_state() {
        for text in ["", "4000", "400011"] {
            assert_eq!(SqlState::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_held_is_tried_again_and_what_is_missing_is_waited_for() {
        for (text, race, stall, busy, missing) in [
            ("40001", true, false, true, false),
            ("40P01", true, false, true, false),
            ("55P03", false, true, true, false),
            ("57014", false, true, true, false),
            ("57P01", false, true, false, false),
            ("53200", false, true, false, false),
            ("42P01", false, false, false, true),
            ("3F000", false, false, false, true),
            ("55000", false, false, false, true),
            ("23505", false, false, false, false),
        ] {
            let state = state(text);
            assert_eq!(
                (
                    state.is_race(),
                    state.is_stall(),
                    state.is_busy(),
                    state.lacks_prerequisite()
                ),
                (race, stall, busy, missing),
                "{text}"
            );
            assert_eq!(state.ends_batch(), race || stall, "{text}");
        }
    }
}
