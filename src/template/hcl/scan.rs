//! A look through a file before it is parsed.
//!
//! The product reads the same text with another parser. Two readers that disagree where a
//! text ends (a string, a heredoc) see two files in one: what is text to ours may be code to
//! the product. So the text is walked here by the product's rules, and wherever the two could
//! part it is refused. What both refuse is left to the parser.
//!
//! It is also counted, for what the parser does not bound: how much there is of all, and how
//! often a key of an object is compared with those before it.

use crate::template::proved::Reason;

/// Names, numbers, operators, lines, comments of all files of a version. The tree takes some
/// 200 bytes for each; plain source has one in five bytes.
const MAX_TOKENS: usize = 100_000;

/// For all pairs of braces together: entries times tokens. The parser compares each key of an
/// object with those before. A map of 200 entries of 12 tokens comes to half a million.
const MAX_COMPARISONS: usize = 20_000_000;

/// Brackets, strings and heredocs that are open at once, with the conditions and the signs
/// before terms in each, whose terms the parser nests too. It allows 64 levels itself; at 10 kB
/// for each (30 kB in debug builds) that is much of a server's stack.
const MAX_DEPTH: usize = 24;

/// What has been seen of a version's files so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tokens: usize,
    comparisons: usize,
}

/// What is open around a place, and how deep terms may be nested in it without brackets.
#[derive(Clone, Copy, Debug)]
struct Level<'a> {
    open: Open<'a>,
    chain: usize,
}

/// What opened it.
#[derive(Clone, Copy, Debug)]
enum Open<'a> {
    /// The file itself.
    File,
    /// `(` or `[`, with what closes it.
    Bracket(u8),
    /// `{` of a block or an object: how many entries it has, and the tokens before it.
    Brace { entries: usize, before: usize },
    /// `${` or `%{`.
    Sequence,
    /// `"`.
    Quoted,
    /// A heredoc up to this line.
    Heredoc { end: &'a str, line: Line },
}

/// Where in a heredoc a place is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    /// At the start of its first line.
    First,
    /// At the start of another.
    Next,
    /// Within a line.
    Within,
}

/// Walks through a file.
pub(super) fn scan(path: &str, text: &str, seen: &mut Seen) -> Result<(), Reason> {
    let mut scanner = Scanner {
        text,
        at: 0,
        last: b'\n',
        around: Vec::new(),
        level: Level::of(Open::File),
        depth: 0,
        seen,
    };
    scanner.file().map_err(|what| {
        let before = text.as_bytes().get(..scanner.at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Reason::at(path, u32::try_from(line).unwrap_or(u32::MAX), what)
    })
}

struct Scanner<'a, 's> {
    text: &'a str,
    at: usize,
    /// The last byte of code that is neither blank nor a line's end.
    last: u8,
    /// The level of this place, and those around it.
    level: Level<'a>,
    around: Vec<Level<'a>>,
    /// Of all levels together.
    depth: usize,
    seen: &'s mut Seen,
}

type Scanned = Result<(), &'static str>;

impl<'a> Level<'a> {
    fn of(open: Open<'a>) -> Level<'a> {
        Level { open, chain: 0 }
    }
}

impl<'a> Scanner<'a, '_> {
    fn file(&mut self) -> Scanned {
        while let Some(byte) = self.byte(0) {
            match self.level.open {
                Open::Quoted => self.quoted(byte)?,
                Open::Heredoc { end, line } => self.heredoc(byte, end, line)?,
                _ => self.code(byte)?,
            }
        }
        match self.around.is_empty() {
            true => Ok(()),
            false => Err("the file ends within something that is open"),
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self) -> Scanned {
        self.seen.tokens += 1;
        match self.seen.tokens > MAX_TOKENS {
            true => Err("there is more source than is looked through"),
            false => Ok(()),
        }
    }

    fn deeper(&mut self) -> Scanned {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err("this is nested too deeply"),
            false => Ok(()),
        }
    }

    fn push(&mut self, open: Open<'a>) -> Scanned {
        self.around.push(self.level);
        self.level = Level::of(open);
        self.deeper()
    }

    /// Leaves what is open, and says what it was.
    fn pop(&mut self) -> Result<Open<'a>, &'static str> {
        let around = self.around.pop().ok_or(UNBALANCED)?;
        self.chain_ends();
        self.depth -= 1;
        Ok(std::mem::replace(&mut self.level, around).open)
    }

    /// A term is nested in another without a bracket.
    fn chain_grows(&mut self) -> Scanned {
        self.level.chain += 1;
        self.deeper()
    }

    fn chain_ends(&mut self) {
        self.depth -= self.level.chain;
        self.level.chain = 0;
    }

    /// Outside of texts.
    fn code(&mut self, byte: u8) -> Scanned {
        if matches!(byte, b' ' | b'\t') {
            self.at += 1;
            return Ok(());
        }
        self.token()?;
        match (byte, self.byte(1)) {
            (b'#', _) | (b'/', Some(b'/')) => {
                let rest = self.rest();
                let comment = rest.find('\n').unwrap_or(rest.len());
                let comment = rest.get(..comment).unwrap_or_default();
                if comment.trim_end_matches('\r').contains('\r') {
                    return Err(LONE_RETURN);
                }
                self.at += comment.len();
                return Ok(());
            }
            (b'/', Some(b'*')) => {
                let inner = self.rest().get(2..).unwrap_or_default();
                self.at += 4 + inner.find("*/").ok_or("this comment has no end")?;
                return Ok(());
            }
            (b'\n', _) => {
                if matches!(self.level.open, Open::File | Open::Brace { .. }) {
                    self.chain_ends();
                }
                self.at += 1;
                return Ok(());
            }
            (b'\r', Some(b'\n')) => {
                self.at += 1;
                return Ok(());
            }
            (b'\r', _) => return Err(LONE_RETURN),
            (b'<', Some(b'<')) => self.heredoc_begins()?,
            _ => self.symbol(byte)?,
        }
        self.last = byte;
        self.at += 1;
        Ok(())
    }

    /// A name, a number, or a sign that is a token by itself. Stops at its last byte.
    fn symbol(&mut self, byte: u8) -> Scanned {
        match byte {
            b'"' => self.push(Open::Quoted),
            b'(' => self.push(Open::Bracket(b')')),
            b'[' => self.push(Open::Bracket(b']')),
            b'{' => {
                let before = self.seen.tokens;
                self.push(Open::Brace { entries: 0, before })
            }
            b')' | b']' => match self.pop()? {
                Open::Bracket(closing) if closing == byte => Ok(()),
                _ => Err(UNBALANCED),
            },
            b'}' => match self.pop()? {
                Open::Brace { entries, before } => {
                    self.seen.comparisons += entries * (self.seen.tokens - before);
                    match self.seen.comparisons > MAX_COMPARISONS {
                        true => Err("objects have too many entries"),
                        false => Ok(()),
                    }
                }
                Open::Sequence => Ok(()),
                _ => Err(UNBALANCED),
            },
            b'=' | b':' => {
                if let Open::Brace { entries, .. } = &mut self.level.open {
                    *entries += 1;
                }
                Ok(())
            }
            b'?' => self.chain_grows(),
            b'!' | b'-' if b"\n([{=,?:<>!&|+-*/%".contains(&self.last) => self.chain_grows(),
            b',' => {
                self.chain_ends();
                Ok(())
            }
            b'0'..=b'9' => {
                self.skip(|byte| byte.is_ascii_digit());
                Ok(())
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.skip(in_name);
                Ok(())
            }
            b'!'..=b'~' => Ok(()),
            // A letter to one reader may be none to another.
            _ => Err("a character outside of texts that is not read"),
        }
    }

    /// Moves to the last of the bytes that are such.
    fn skip(&mut self, such: impl Fn(u8) -> bool) {
        while self.byte(1).is_some_and(&such) {
            self.at += 1;
        }
    }

    /// Stops at the last byte of the heredoc's first line.
    fn heredoc_begins(&mut self) -> Scanned {
        const NONE: &str = "this begins no heredoc";
        let rest = self.rest().get(2..).unwrap_or_default();
        let (line, _) = rest.split_once('\n').ok_or(NONE)?;
        let end = line.strip_suffix('\r').unwrap_or(line);
        let end = end.strip_prefix('-').unwrap_or(end);
        let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        if !end.bytes().next().is_some_and(begins) || !end.bytes().all(in_name) {
            return Err(NONE);
        }
        self.at += 2 + line.len();
        let line = Line::First;
        self.push(Open::Heredoc { end, line })
    }

    fn quoted(&mut self, byte: u8) -> Scanned {
        match byte {
            b'"' => {
                self.pop()?;
            }
            b'\\' => match self.byte(1) {
                Some(b'n' | b'r' | b't' | b'\\' | b'"' | b'u' | b'U') => self.at += 1,
                _ => return Err("an escape that is not known"),
            },
            b'\n' | b'\r' => return Err("this text has more than one line"),
            b'$' | b'%' => return self.sign(),
            _ => {}
        }
        self.at += 1;
        Ok(())
    }

    fn heredoc(&mut self, byte: u8, end: &str, line: Line) -> Scanned {
        if line != Line::Within {
            self.line(Line::Within);
            if self.ends(end)? {
                self.pop()?;
                // The parser takes this end for text, and looks for another.
                return match line == Line::First {
                    true => Err("an empty heredoc"),
                    false => Ok(()),
                };
            }
        }
        match (byte, self.byte(1)) {
            (b'\n', _) => self.line(Line::Next),
            (b'\r', Some(b'\n')) => {}
            (b'\r', _) => return Err(LONE_RETURN),
            (b'$' | b'%', _) => return self.sign(),
            _ => {}
        }
        self.at += 1;
        Ok(())
    }

    fn line(&mut self, now: Line) {
        if let Open::Heredoc { line, .. } = &mut self.level.open {
            *line = now;
        }
    }

    /// Is this line the end of a heredoc? If so it is passed, up to what follows the word.
    ///
    /// The parser ends a heredoc at the word, whatever follows; the product only where
    /// nothing else is in the line, but for any kind of blank.
    fn ends(&mut self, end: &str) -> Result<bool, &'static str> {
        let rest = self.rest();
        let (line, last) = match rest.split_once('\n') {
            Some((line, _)) => (line, false),
            None => (rest, true),
        };
        let Some(after) = line.trim_start().strip_prefix(end) else {
            return Ok(false);
        };
        if after.bytes().next().is_some_and(in_name) {
            return Ok(false);
        }
        let plain = line.trim_end_matches('\r').trim_matches([' ', '\t']);
        if plain != end || last {
            return Err("a line that may be the end of the heredoc");
        }
        self.at += line.len() - after.len();
        Ok(true)
    }

    /// A dollar or percent sign in a text. With a brace behind it begins a sequence; doubled it
    /// stands for itself. More of them are left alone.
    fn sign(&mut self) -> Scanned {
        let rest = self.rest();
        let after = rest.trim_start_matches(['$', '%']);
        let signs = rest.get(..rest.len() - after.len()).unwrap_or_default();
        self.at += signs.len();
        if after.starts_with('{') {
            match signs {
                "$" | "%" | "$%" | "%$" => {
                    self.at += 1;
                    self.token()?;
                    return self.push(Open::Sequence);
                }
                "$$" | "%%" => self.at += 1,
                _ => return Err("several signs in front of a brace"),
            }
        }
        Ok(())
    }
}

const LONE_RETURN: &str = "a carriage return that ends no line";
const UNBALANCED: &str = "this bracket closes nothing";

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
