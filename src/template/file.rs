//! A file of the source, by its path.

use std::ops::Range;

use hcl_edit::structure::Body;

use super::hcl::ParsedFile;
use super::proved::Reason;

/// A file that was parsed.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    parsed: ParsedFile,
}

impl File {
    pub(super) fn new(path: String, parsed: ParsedFile) -> File {
        File { path, parsed }
    }

    pub(super) fn body(&self) -> &Body {
        &self.parsed.body
    }

    /// What is wrong at a place of it.
    pub(super) fn reason(&self, place: Option<Range<usize>>, what: impl Into<String>) -> Reason {
        match place {
            Some(place) => Reason::at(&*self.path, self.parsed.line(place.start), what),
            None => Reason::of_file(&*self.path, what),
        }
    }
}
