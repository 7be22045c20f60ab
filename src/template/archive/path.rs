//! The name of an entry.

use crate::template::proved::Reason;

/// Bytes of a path; what tar allows without extensions is 256.
const MAX_LENGTH: usize = 1024;

/// Folders above a file. Modules in modules lie side by side, not in each other.
const MAX_DEPTH: usize = 32;

/// A path as the archive has it, and as it is meant.
#[derive(Debug)]
pub(super) struct Path {
    written: String,
    cleaned: String,
}

impl Path {
    /// Cleans a name of `.` and repeated slashes; a slash at its end is the caller's to judge.
    pub(super) fn new(name: &[u8]) -> Result<Path, Reason> {
        let refuse = |what: &str| Err(Reason::of_file(String::from_utf8_lossy(name), what));
        if name.len() > MAX_LENGTH {
            return refuse("the name is too long");
        }
        let Ok(written) = std::str::from_utf8(name) else {
            return refuse("the name is not UTF-8");
        };
        if written.is_empty() {
            return refuse("an entry has no name");
        }
        if written.starts_with('/') {
            return refuse("the name begins with a slash");
        }
        if written.contains(|c: char| c == '\\' || c.is_control()) {
            return refuse("the name has a backslash or a control character in it");
        }
        let parts = || written.split('/').filter(|part| !matches!(*part, "" | "."));
        if parts().any(|part| part == "..") {
            return refuse("the name leads upwards (\"..\")");
        }
        if parts().count() > MAX_DEPTH {
            return refuse("the name has too many folders in it");
        }
        let cleaned = parts().collect::<Vec<_>>().join("/");
        Ok(Path {
            written: written.to_owned(),
            cleaned,
        })
    }

    /// Does the name end in a slash?
    pub(super) fn ends_in_slash(&self) -> bool {
        self.written.ends_with('/')
    }

    /// The path from the uppermost folder; `None` for that folder itself.
    pub(super) fn cleaned(&self) -> Option<&str> {
        (!self.cleaned.is_empty()).then_some(self.cleaned.as_str())
    }

    /// What is wrong with this entry.
    pub(super) fn reason(&self, what: &str) -> Reason {
        Reason::of_file(self.written.as_str(), what)
    }
}
