//! What stands for one character of a set: brackets, `\d \s \w`, `\p{...}`.
//!
//! Everything becomes a bracketed class of the `regex` crate whose items are code
//! points, ranges and nested classes, so that none of its own class syntax (`&&`, `--`,
//! `~~`, nesting) can come about from the pattern's characters.

use std::fmt::Write;

use super::cursor::{Cursor, refuse};
use super::unicode::{self, NOTHING};
use super::unreadable::Unreadable;

/// How many large sets (`\p{...}`, wide ranges) a pattern may have. Each may take
/// milliseconds to write out and to fold, before the compiled pattern's size is known.
const MAX_LARGE_SETS: usize = 64;

/// A range of more characters than this is a large set.
const WIDE: u32 = 1024;

/// Go's POSIX classes; the `regex` crate has the same under the same names.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl Cursor<'_> {
    /// A class that is one escape (`\d`, `\pN`, `\P{Greek}`), if one stands here.
    pub(super) fn escaped_class(&mut self) -> Result<Option<String>, Unreadable> {
        let mut after = self.rest().chars();
        if after.next() != Some('\\') {
            return Ok(None);
        }
        let Some(letter) = after.next() else {
            return Ok(None);
        };
        // ASCII, as in Go. Vertical tab is no space there.
        let items = match letter.to_ascii_lowercase() {
            'd' => r"0-9",
            's' => r"\t\n\x0C\r\x20",
            'w' => r"0-9A-Za-z_",
            'p' => return self.unicode_class().map(Some),
            _ => return Ok(None),
        };
        self.advance(2);
        let not = if letter.is_ascii_uppercase() { "^" } else { "" };
        Ok(Some(format!("[{not}{items}]")))
    }

    /// `\pN`, `\p{Name}`, `\p{^Name}` and the same with `P`.
    fn unicode_class(&mut self) -> Result<String, Unreadable> {
        const WHAT: &str = "unknown character class";
        let start = self.at();
        let mut negated = self.rest().starts_with(r"\P");
        self.advance(2);
        let name = if self.eat("{") {
            let end = self.rest().find('}').ok_or_else(|| refuse(WHAT, start))?;
            let name = self.rest().get(..end).unwrap_or_default();
            self.advance(end + 1);
            name
        } else {
            let rest = self.rest();
            let length = rest.chars().next().map_or(0, char::len_utf8);
            self.advance(length);
            rest.get(..length).unwrap_or_default()
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        let items = unicode::class_items(name).ok_or_else(|| refuse(WHAT, start))?;
        self.count_large_set()?;
        Ok(format!("[{}{items}]", if negated { "^" } else { "" }))
    }

    /// `[...]`, from its bracket on.
    pub(super) fn bracketed_class(&mut self) -> Result<String, Unreadable> {
        let start = self.at();
        self.advance(1);
        let not = if self.eat("^") { "^" } else { "" };
        let mut items = String::new();
        let mut first = true;
        loop {
            let Some(c) = self.peek() else {
                return Err(refuse("missing closing ]", start));
            };
            if c == ']' && !first {
                self.advance(1);
                break;
            }
            first = false;
            let nested = match self.posix_class()? {
                Some(posix) => Some(posix),
                None => self.escaped_class()?,
            };
            if let Some(nested) = nested {
                if nested.starts_with("[^") || nested.starts_with("[:^") {
                    self.count_large_set()?;
                }
                items.push_str(&nested);
            } else {
                self.range(&mut items, start)?;
            }
        }
        if items.is_empty() {
            // Surrogates alone: brackets can't be empty.
            items.push_str(NOTHING);
        }
        Ok(format!("[{not}{items}]"))
    }

    /// `[:name:]` or `[:^name:]` inside brackets. Without a `:]` anywhere behind it,
    /// the bracket stands for itself.
    fn posix_class(&mut self) -> Result<Option<String>, Unreadable> {
        let Some(inside) = self.rest().strip_prefix("[:") else {
            return Ok(None);
        };
        let Some(name) = inside.find(":]").and_then(|end| inside.get(..end)) else {
            return Ok(None);
        };
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(refuse("unknown character class", self.at()));
        }
        let class = format!("[:{name}:]");
        self.advance(class.len());
        Ok(Some(class))
    }

    /// A character or a range of them inside brackets.
    fn range(&mut self, items: &mut String, start: usize) -> Result<(), Unreadable> {
        let at = self.at();
        let low = self.class_character(start)?;
        let mut high = low;
        let rest = self.rest();
        if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
            self.advance(1);
            high = self.class_character(start)?;
            if high < low {
                return Err(refuse("range out of order", at));
            }
        }
        // Go has surrogates among its characters, no text does.
        let low = if (0xD800..0xE000).contains(&low) {
            0xE000
        } else {
            low
        };
        let high = if (0xD800..0xE000).contains(&high) {
            0xD7FF
        } else {
            high
        };
        if low <= high {
            if high - low > WIDE {
                self.count_large_set()?;
            }
            // Writing to a String does not fail.
            let _ = write!(items, r"\x{{{low:X}}}-\x{{{high:X}}}");
        }
        Ok(())
    }

    fn count_large_set(&mut self) -> Result<(), Unreadable> {
        self.large_sets += 1;
        if self.large_sets > MAX_LARGE_SETS {
            return Err(Unreadable::TooLarge);
        }
        Ok(())
    }

    fn class_character(&mut self, start: usize) -> Result<u32, Unreadable> {
        match self.peek() {
            None => Err(refuse("missing closing ]", start)),
            Some('\\') => self.escape(),
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(u32::from(c))
            }
        }
    }
}
