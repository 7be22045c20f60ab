//! Why a pattern can't be used here.

/// The longest pattern that is read, in bytes. Real ones are tens of bytes long.
pub(super) const MAX_LENGTH: usize = 4096;

/// Why a pattern can't be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than the limit.
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not Go's syntax.
    #[error("{what} at byte {at}")]
    Syntax {
        /// What is wrong.
        what: &'static str,
        /// Where: bytes from the start of the pattern.
        at: usize,
    },
    /// Its repetitions or classes make it too large.
    #[error("it is too large once its repetitions and classes are written out")]
    TooLarge,
}
