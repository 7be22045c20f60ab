//! The rules of a proof.

mod generated;
mod made_up;
mod recorded;
