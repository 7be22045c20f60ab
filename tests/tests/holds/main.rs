//! Holds on real servers: what is held, from when to when and for whom, what becomes of it
//! afterwards, and who may make them.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod agenda;
mod ends;
mod made;
mod refused;
mod scopes;
mod support;
