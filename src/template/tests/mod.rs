//! The rules of a proof.

mod recorded;
