//! The fuzz targets: each takes bytes, makes an input of them, and holds the pure half to
//! what it promises for every input. A broken promise is a panic.
//!
//! `make fuzz` runs them under libFuzzer; `tests/short.rs` runs the corpora, and what
//! chance makes of them, through the same functions.

mod build;
mod input;
mod schedule;
mod second_reading;
mod template;
mod verdict;

pub use build::{parameters, tags};
pub use schedule::schedule;
pub use template::template;
pub use verdict::verdict;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("schedule", schedule),
    ("tags", tags),
    ("parameters", parameters),
    ("verdict", verdict),
    ("template", template),
];
