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

/// What of a text is shown, in characters. Names in it are the author's: of any length.
const SHOWN: usize = 500;

/// Why a version's definitions are not surely those that are stored.
///
/// Whatever the source holds, a reason is short and has no control characters.
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
            what: shown(&what.into()),
        }
    }

    /// What is wrong with a file as a whole.
    pub fn of_file(file: impl Into<String>, what: impl Into<String>) -> Reason {
        Reason {
            file: Some(shown(&file.into())),
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

fn shown(text: &str) -> String {
    let printed = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().take(SHOWN).map(printed).collect()
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

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_reason_is_short_and_has_no_control_characters() {
        let name = "\u{0}\n".repeat(2_000);
        let told = Reason::at(name.clone(), 1, format!("parameter {name}")).to_string();
        assert!(told.chars().count() < 1_100);
        assert!(!told.contains(char::is_control));
        assert!(told.contains(":1: parameter"));
    }
}
