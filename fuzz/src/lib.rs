//! The fuzz targets: each takes bytes, makes an input of them, and holds the pure half to
//! what it promises for every input. A broken promise is a panic.
//!
//! `make fuzz` runs them under libFuzzer; `tests/short.rs` runs the corpora, and what
//! chance makes of them, through the same functions.

mod build;
mod holds;
mod input;
mod schedule;
mod second_reading;
mod template;
mod verdict;

pub use build::{parameters, tags};
pub use holds::holds;
pub use schedule::schedule;
pub use template::template;
pub use verdict::verdict;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("schedule", schedule),
    ("tags", tags),
    ("parameters", parameters),
    ("verdict", verdict),
    ("template", template),
    ("holds", holds),
];
