//! A file of HCL, parsed.
//!
//! The parser is a library's, and its tree is only read. It bounds how deep expressions nest
//! (64 levels, 128 operators on a path), so that its tree can be walked and dropped on a small
//! stack; how much there may be of everything else is bounded here.

mod scan;

#[cfg(test)]
mod tests;

use hcl_edit::structure::Body;

use super::proved::Reason;
use scan::{Seen, scan};

/// Bytes of all files of a version that are parsed; scripts in heredocs are most of it.
const MAX_BYTES: usize = 512 << 10;

/// What may still be parsed for one version.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    seen: Seen,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            bytes: MAX_BYTES,
            seen: Seen::default(),
        }
    }
}

/// A file's tree, with the way from a place in it to a line.
#[derive(Debug)]
pub(super) struct ParsedFile {
    /// The tree. Spans in it are offsets in the text.
    pub(super) body: Body,
    /// Where each line but the first begins.
    lines: Vec<usize>,
}

impl ParsedFile {
    /// The line, from 1, of a byte's offset.
    pub(super) fn line(&self, offset: usize) -> u32 {
        let before = self.lines.partition_point(|start| *start <= offset);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

/// Parses a file. `path` is what reasons call it.
pub(super) fn parse(path: &str, bytes: &[u8], budget: &mut Budget) -> Result<ParsedFile, Reason> {
    budget.bytes = (budget.bytes)
        .checked_sub(bytes.len())
        .ok_or_else(|| Reason::of_file(path, "there is more source than is looked through"))?;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Reason::of_file(path, "this file is not UTF-8"));
    };
    scan(path, text, &mut budget.seen)?;
    let body = hcl_edit::parser::parse_body(text).map_err(|error| {
        let line = u32::try_from(error.location().line()).unwrap_or(u32::MAX);
        Reason::at(
            path,
            line,
            format!("this can't be parsed: {}", error.message()),
        )
    })?;
    let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    Ok(ParsedFile {
        body,
        lines: newlines.map(|(offset, _)| offset + 1).collect(),
    })
}
