//! From Go's regular expression syntax to that of the `regex` crate.
//!
//! One pass over the pattern. Flags are resolved on the way and written at the piece that
//! they change; group names and greediness are dropped, since only whether a pattern
//! matches is asked. A repetition limit of Go's (1000, also when nested) is held here too.

use std::fmt::Write;

use super::cursor::{Cursor, refuse};
use super::unicode::NOTHING;
use super::unreadable::Unreadable;

/// Go's limit on a counted repetition, and on the product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// Writes a pattern anew.
pub(super) fn rewrite(pattern: &str) -> Result<String, Unreadable> {
    let mut rewriter = Rewriter {
        cursor: Cursor::new(pattern),
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        groups: Vec::new(),
        piece: None,
        weight: 0,
    };
    rewriter.run()?;
    Ok(rewriter.out)
}

/// The flags that change what a pattern matches. `U` only changes what is preferred.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
}

/// The last thing written that a repetition would repeat.
#[derive(Clone, Copy)]
struct Piece {
    /// Where it starts in what was written.
    start: usize,
    /// The product of its nested repetition counts, the greatest there is.
    weight: u32,
    /// It ends in a repetition already.
    repeated: bool,
}

/// A group that is still open.
struct Group {
    start: usize,
    flags: Flags,
    weight: u32,
}

struct Rewriter<'p> {
    cursor: Cursor<'p>,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    piece: Option<Piece>,
    /// The greatest weight of the group so far, without `piece`.
    weight: u32,
}

impl Rewriter<'_> {
    fn run(&mut self) -> Result<(), Unreadable> {
        // Two repetitions in a row are refused, but `(?i)` or `\Q\E` may part them.
        let mut after_repetition = false;
        while let Some(c) = self.cursor.peek() {
            let start = self.cursor.at();
            let mut repetition = None;
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.cursor.advance(1);
                    self.out.push('|');
                    self.end_piece();
                }
                '[' => {
                    let class = self.cursor.bracketed_class()?;
                    self.class(&class);
                }
                '.' => {
                    self.cursor.advance(1);
                    let any = if self.flags.dot_newline {
                        "(?s:.)"
                    } else {
                        r"[^\n]"
                    };
                    self.write_piece(any);
                }
                '^' | '$' => {
                    self.cursor.advance(1);
                    let anchor = match (c, self.flags.multi_line) {
                        ('^', true) => "(?m:^)",
                        ('^', false) => r"(?:\A)",
                        (_, true) => "(?m:$)",
                        (_, false) => r"(?:\z)",
                    };
                    self.write_piece(anchor);
                }
                '\\' => self.backslash()?,
                '*' | '+' | '?' => {
                    self.cursor.advance(1);
                    repetition = Some(Repetition::Simple(c));
                }
                '{' => match self.counted()? {
                    Some(counted) => repetition = Some(counted),
                    None => {
                        self.cursor.advance(1);
                        self.literal(u32::from(c));
                    }
                },
                _ => {
                    self.cursor.advance(c.len_utf8());
                    self.literal(u32::from(c));
                }
            }
            if let Some(repetition) = repetition {
                self.cursor.eat("?");
                if after_repetition {
                    return Err(refuse("repetition of a repetition", start));
                }
                self.repeat(repetition, start)?;
            }
            after_repetition = repetition.is_some();
        }
        if self.groups.is_empty() {
            Ok(())
        } else {
            Err(refuse("missing closing )", self.cursor.at()))
        }
    }

    /// Writes something that a repetition may repeat.
    fn write_piece(&mut self, text: &str) {
        self.end_piece();
        self.piece = Some(Piece {
            start: self.out.len(),
            weight: 1,
            repeated: false,
        });
        self.out.push_str(text);
    }

    fn class(&mut self, class: &str) {
        if self.flags.fold_case {
            self.write_piece(&format!("(?i:{class})"));
        } else {
            self.write_piece(class);
        }
    }

    fn literal(&mut self, code_point: u32) {
        match char::from_u32(code_point) {
            None => self.write_piece(NOTHING),
            Some(c) => {
                let mut text = String::new();
                // Writing to a String does not fail.
                let _ = if c.is_ascii_alphanumeric() {
                    write!(text, "{c}")
                } else {
                    write!(text, r"\x{{{code_point:X}}}")
                };
                if self.flags.fold_case && (c.is_ascii_alphabetic() || !c.is_ascii()) {
                    text = format!("(?i:{text})");
                }
                self.write_piece(&text);
            }
        }
    }

    fn end_piece(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.weight = self.weight.max(piece.weight);
        }
    }

    /// `(`: a group, or `(?flags)`, which changes the flags of the group it stands in.
    fn open(&mut self) -> Result<(), Unreadable> {
        let start = self.cursor.at();
        let outer = self.flags;
        self.cursor.advance(1);
        if self.cursor.eat("?") {
            if self.cursor.eat("P<") || self.cursor.eat("<") {
                self.group_name(start)?;
            } else if self.group_flags(start)? {
                return Ok(());
            }
        }
        self.end_piece();
        self.groups.push(Group {
            start: self.out.len(),
            flags: outer,
            weight: self.weight,
        });
        self.weight = 0;
        self.out.push_str("(?:");
        Ok(())
    }

    fn group_name(&mut self, start: usize) -> Result<(), Unreadable> {
        const WHAT: &str = "bad group name";
        let rest = self.cursor.rest();
        let name = rest
            .find('>')
            .and_then(|end| rest.get(..end))
            .ok_or_else(|| refuse(WHAT, start))?;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(word) {
            return Err(refuse(WHAT, start));
        }
        self.cursor.advance(name.len() + 1);
        Ok(())
    }

    /// The flags behind `(?`. True if they end in `)`, so that no group opens.
    fn group_flags(&mut self, start: usize) -> Result<bool, Unreadable> {
        const WHAT: &str = "unknown group flag";
        let mut flags = self.flags;
        let mut on = true;
        let mut any = true;
        loop {
            let c = self.cursor.peek().ok_or_else(|| refuse(WHAT, start))?;
            self.cursor.advance(c.len_utf8());
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => {}
                '-' if on => on = false,
                ':' | ')' if any => {
                    self.flags = flags;
                    return Ok(c == ')');
                }
                _ => return Err(refuse(WHAT, start)),
            }
            // A minus needs a flag behind it.
            any = c != '-';
        }
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        let group = self
            .groups
            .pop()
            .ok_or_else(|| refuse("unexpected )", self.cursor.at()))?;
        self.cursor.advance(1);
        self.out.push(')');
        self.end_piece();
        self.piece = Some(Piece {
            start: group.start,
            // An empty group still is something to repeat.
            weight: self.weight.max(1),
            repeated: false,
        });
        self.weight = group.weight;
        self.flags = group.flags;
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), Unreadable> {
        let rest = self.cursor.rest();
        let assertion = match rest.as_bytes().get(1) {
            Some(b'A') => r"(?:\A)",
            Some(b'z') => r"(?:\z)",
            Some(b'b') => r"(?-u:\b)",
            Some(b'B') => r"(?-u:\B)",
            Some(b'Q') => {
                let quoted = rest.get(2..).unwrap_or_default();
                let (text, length) = match quoted.find(r"\E") {
                    Some(end) => (quoted.get(..end).unwrap_or_default(), end + 2),
                    None => (quoted, quoted.len()),
                };
                self.cursor.advance(2 + length);
                for c in text.chars() {
                    self.literal(u32::from(c));
                }
                return Ok(());
            }
            _ => {
                if let Some(class) = self.cursor.escaped_class()? {
                    self.class(&class);
                } else {
                    let code_point = self.cursor.escape()?;
                    self.literal(code_point);
                }
                return Ok(());
            }
        };
        self.cursor.advance(2);
        self.write_piece(assertion);
        Ok(())
    }

    /// `{2}`, `{2,}` or `{2,5}`; `None` where the brace stands for itself.
    fn counted(&mut self) -> Result<Option<Repetition>, Unreadable> {
        let start = self.cursor.at();
        let Some(counted) = self.cursor.rest().strip_prefix('{').and_then(braces) else {
            return Ok(None);
        };
        let (length, min, max) = counted;
        let within = |count: &u32| *count <= MAX_REPEAT;
        let min = min.filter(within);
        let max = match max {
            Max::Unlimited => Some(None),
            Max::Count(count) => count
                .filter(|count| within(count) && min.is_some_and(|min| min <= *count))
                .map(Some),
        };
        let (Some(min), Some(max)) = (min, max) else {
            return Err(refuse("bad repetition count", start));
        };
        self.cursor.advance(1 + length);
        Ok(Some(Repetition::Counted { min, max }))
    }

    fn repeat(&mut self, repetition: Repetition, start: usize) -> Result<(), Unreadable> {
        let Some(mut piece) = self.piece else {
            return Err(refuse("nothing to repeat", start));
        };
        if piece.repeated {
            // `a+` and then `?` must not become `a+?`.
            self.out.insert_str(piece.start, "(?:");
            self.out.push(')');
        }
        piece.repeated = true;
        // Writing to a String does not fail.
        let _ = match repetition {
            Repetition::Simple(c) => write!(self.out, "{c}"),
            Repetition::Counted { min, max } => {
                // `{0,}` repeats, though its count is none.
                let count = max.unwrap_or(min.max(1));
                piece.weight = piece.weight.saturating_mul(count);
                if count >= 2 && piece.weight > MAX_REPEAT {
                    return Err(refuse("repetition count too large", start));
                }
                match max {
                    Some(max) => write!(self.out, "{{{min},{max}}}"),
                    None => write!(self.out, "{{{min},}}"),
                }
            }
        };
        self.piece = Some(piece);
        Ok(())
    }
}

/// A repetition of the piece before.
#[derive(Clone, Copy)]
enum Repetition {
    /// `*`, `+` or `?`.
    Simple(char),
    /// In braces; without `max` any number from `min` on.
    Counted { min: u32, max: Option<u32> },
}

enum Max {
    Unlimited,
    /// `None` for a number too large to keep.
    Count(Option<u32>),
}

/// Reads `2}`, `2,}` or `2,5}`: its length and its counts.
fn braces(text: &str) -> Option<(usize, Option<u32>, Max)> {
    let (min, rest) = count(text)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Max::Count(min), rest),
        Some(rest) if rest.starts_with('}') => (Max::Unlimited, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            (Max::Count(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some((text.len() - rest.len(), min, max))
}

/// A decimal number without a leading zero, and what follows it.
fn count(text: &str) -> Option<(Option<u32>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if number.is_empty() || (number.len() > 1 && number.starts_with('0')) {
        return None;
    }
    Some((number.parse().ok(), rest))
}
