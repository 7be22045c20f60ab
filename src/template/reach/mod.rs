//! What an expression reaches, by whatever way, and what its value may be.
//!
//! The walk follows references through locals, variables, arguments and outputs. It computes
//! no value. It has an end: of steps, of depth, and of a chain of references.

mod expression;
mod function;
mod references;
mod repeated;
mod variables;
mod walk;

pub(super) use walk::{Calls, Named, Place, Repeated, Seen, Walk};
