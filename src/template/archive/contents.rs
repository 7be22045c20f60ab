//! What is in an archive, and when it is too much or contradicts itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::path::Path;
use crate::template::proved::Reason;

/// Files and folders. Whole repositories as modules have a few thousand.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// What is in an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Archive<'a> {
    /// The files: path without `./` in front, and content.
    pub(crate) files: BTreeMap<String, Cow<'a, [u8]>>,
    /// The folders that have an entry of their own; the uppermost has none.
    pub(crate) folders: BTreeSet<String>,
}

impl<'a> Archive<'a> {
    pub(super) fn add_file(&mut self, path: &Path, content: Cow<'a, [u8]>) -> Result<(), Reason> {
        let Some(name) = path.cleaned() else {
            return Err(path.reason("a file has no name"));
        };
        self.is_new(path, name)?;
        self.files.insert(name.to_owned(), content);
        Ok(())
    }

    pub(super) fn add_folder(&mut self, path: &Path) -> Result<(), Reason> {
        if let Some(name) = path.cleaned() {
            self.is_new(path, name)?;
            self.folders.insert(name.to_owned());
        }
        Ok(())
    }

    fn is_new(&self, path: &Path, name: &str) -> Result<(), Reason> {
        if self.files.contains_key(name) || self.folders.contains(name) {
            return Err(path.reason("this path is twice in an archive"));
        }
        if self.files.len() + self.folders.len() >= MAX_ENTRIES {
            let what = format!("an archive has more than {MAX_ENTRIES} files and folders");
            return Err(Reason::of_rows(what));
        }
        Ok(())
    }

    /// No path leads through a file.
    pub(super) fn no_file_is_a_folder(&self) -> Result<(), Reason> {
        for file in self.files.keys() {
            let below = format!("{file}/");
            let file_below = self.files.range(below.clone()..).next();
            let folder_below = self.folders.range(below.clone()..).next();
            if file_below.is_some_and(|(path, _)| path.starts_with(&below))
                || folder_below.is_some_and(|path| path.starts_with(&below))
            {
                return Err(Reason::of_file(file, "this file has other files in it"));
            }
        }
        Ok(())
    }
}

/// What is wrong with an archive as a whole; the library's words, which show no content.
pub(super) fn unreadable(error: impl std::fmt::Display) -> Reason {
    Reason::of_rows(format!("an archive can't be read: {error}"))
}
