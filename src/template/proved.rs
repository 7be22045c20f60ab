//! What a proof comes to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::new_build::inputs::Static;

/// What a proof comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The stored definitions are what every render gives.
    Static(Static),
    /// They may not be: at least one reason, each thing that was found.
    Unknown(Vec<Reason>),
}

/// Why a version's definitions are not surely those that are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The file in the template's archive; a module's by its path in the module archive.
    /// `None` for what comes from the rows.
    pub file: Option<String>,
    /// The line, from 1; `None` for the file as a whole.
    pub line: Option<u32>,
    /// What was found there; never a value.
    pub what: String,
}

impl Reason {
    /// What is wrong with the stored rows.
    pub fn of_rows(what: impl Into<String>) -> Reason {
        Reason {
            file: None,
            line: None,
            what: what.into(),
        }
    }

    /// What is wrong with a file as a whole.
    pub fn of_file(file: impl Into<String>, what: impl Into<String>) -> Reason {
        Reason {
            file: Some(file.into()),
            ..Reason::of_rows(what)
        }
    }

    /// What is wrong at a line of a file.
    pub fn at(file: impl Into<String>, line: u32, what: impl Into<String>) -> Reason {
        Reason {
            line: Some(line),
            ..Reason::of_file(file, what)
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.what),
            (Some(file), None) => write!(f, "{file}: {}", self.what),
            (None, _) => f.write_str(&self.what),
        }
    }
}
