//! Where the reading of a pattern stands.

use super::unreadable::Unreadable;

/// A pattern, and how far it was read.
pub(super) struct Cursor<'p> {
    pattern: &'p str,
    at: usize,
    /// The large sets that were read.
    pub(super) large_sets: usize,
}

/// The pattern is not Go's syntax.
pub(super) fn refuse(what: &'static str, at: usize) -> Unreadable {
    Unreadable::Syntax { what, at }
}

impl<'p> Cursor<'p> {
    pub(super) fn new(pattern: &'p str) -> Cursor<'p> {
        Cursor {
            pattern,
            at: 0,
            large_sets: 0,
        }
    }

    /// Bytes from the start of the pattern.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'p str {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.advance(text.len());
        }
        there
    }

    /// An escape that stands for one character: `\n`, `\.`, `\x41`, `\x{1F600}`, `\101`.
    pub(super) fn escape(&mut self) -> Result<u32, Unreadable> {
        let start = self.at;
        let bad = || refuse("bad escape", start);
        self.advance(1);
        let c = self.peek().ok_or_else(bad)?;
        self.advance(c.len_utf8());
        match c {
            // Octal; a single digit but 0 would be a backreference.
            '0'..='7' => {
                let more = |at: &Self| at.peek().and_then(|c| c.to_digit(8));
                if c != '0' && more(self).is_none() {
                    return Err(bad());
                }
                let mut value = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = more(self) else { break };
                    self.advance(1);
                    value = value * 8 + digit;
                }
                Ok(value)
            }
            'x' => {
                let digits = if self.eat("{") {
                    let rest = self.rest();
                    let end = rest.find('}').ok_or_else(bad)?;
                    self.advance(end + 1);
                    rest.get(..end)
                } else {
                    let rest = self.rest();
                    let digits = rest.get(..2);
                    self.advance(2);
                    digits
                };
                digits
                    .filter(|digits| !digits.is_empty())
                    .and_then(|digits| {
                        digits.chars().try_fold(0, |value, c| {
                            c.to_digit(16)
                                .map(|digit| value * 16 + digit)
                                .filter(|value| *value <= u32::from(char::MAX))
                        })
                    })
                    .ok_or_else(bad)
            }
            'a' => Ok(0x07),
            'f' => Ok(0x0C),
            'n' => Ok(0x0A),
            'r' => Ok(0x0D),
            't' => Ok(0x09),
            'v' => Ok(0x0B),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(u32::from(c)),
            _ => Err(bad()),
        }
    }
}
