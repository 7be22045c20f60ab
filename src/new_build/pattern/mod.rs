//! Parameter patterns: Go's RE2 syntax, matched by the `regex` crate.
//!
//! The product compiles a pattern with Go's `regexp`. The two dialects are close but
//! differ where it hurts (what `\d`, `\s` and `\b` mean, what stands for itself inside
//! brackets), so a pattern is parsed as Go parses it and written anew with every
//! construct spelled out. Whatever Go refuses is refused. Both the rewriting and a match
//! take time linear in the text, and the size of what is built is bounded.

mod class;
mod cursor;
mod rewrite;
mod unicode;
mod unreadable;

use regex::{Regex, RegexBuilder};

use unreadable::MAX_LENGTH;
pub use unreadable::Unreadable;

/// How large a compiled pattern may get, in bytes.
const MAX_COMPILED: usize = 10 << 20;

/// The longest text that is matched, in bytes. The worst patterns within the limits take
/// microseconds for a byte, and a match can't be interrupted.
const MAX_TEXT: usize = 32 << 10;

/// A pattern ready to match.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern in Go's syntax.
    pub fn read(pattern: &str) -> Result<Pattern, Unreadable> {
        if pattern.len() > MAX_LENGTH {
            return Err(Unreadable::TooLong);
        }
        let rewritten = rewrite::rewrite(pattern)?;
        RegexBuilder::new(&rewritten)
            .size_limit(MAX_COMPILED)
            .build()
            .map(Pattern)
            // What was rewritten is well-formed, so only the limits can refuse it: the
            // size, or groups nested deeper than the crate allows.
            .map_err(|_| Unreadable::TooLarge)
    }

    /// Does it match somewhere in the text? `None` for a text too long to be matched here.
    pub fn is_match(&self, text: &str) -> Option<bool> {
        // Not the crate's `is_match`: it stops at the earliest end, which an ASCII `\B` may
        // find inside a character, and then overlooks a match that began before.
        (text.len() <= MAX_TEXT).then(|| self.0.find(text).is_some())
    }
}

#[cfg(test)]
mod tests;
