//! What the source of a template says of its parameters: a proof that the stored definitions
//! are all of it.
//!
//! The product renders a template's source at each build, with the owner and the values of
//! the day. What it stored when the version was imported came out of the same source; it is
//! what every render gives unless something that decides (a name, a type, a default, an
//! option, whether there is such a parameter at all) depends on what differs from build to
//! build. [`prove()`] looks for that by following references. It computes nothing: what it
//! does not understand it calls unknown, with the file and line.
//!
//! Plain Rust without PostgreSQL. The source is written by whoever may push a template, so
//! everything here is bounded: bytes, files, nesting, steps. Nothing panics.

mod archive;
mod checks;
mod declared;
mod file;
mod functions;
mod hcl;
mod module;
mod names;
mod number;
mod prove;
mod proved;
mod reach;
mod reasons;
mod shape;
mod source;
mod tree;
mod values;

pub use prove::prove;
pub use proved::{Proved, Reason};
pub use source::{Source, StoredParameter, Variable};

/// The most bytes of an archive that are looked at. A template can only be imported if it fits
/// into a message of 4 MiB, and the archive of its modules holds at most 20 MiB of files.
pub const LARGEST_ARCHIVE: usize = 24 << 20;

/// Of the rules by which proofs are made: raised with each change of what they come to, so
/// that what was kept by others is made anew.
pub const RULES: i32 = 1;

#[cfg(test)]
mod tests;
