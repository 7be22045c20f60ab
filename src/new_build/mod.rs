//! What a build of a workspace writes, and what speaks against writing it.
//!
//! Plain Rust over what was read: template versions with their definitions, the
//! previous values of a workspace, the tags of an import job. Nothing here knows
//! of PostgreSQL. Large values stay in the server: see [`inputs::PreviousValue`].
//! [`plan::plan`] ties it together; every reason against a build is a
//! [`codes::BlockCode`].

mod check;
pub mod codes;
pub mod inputs;
pub mod job_input;
mod kind;
mod options;
mod order;
mod parameters;
pub mod pattern;
pub mod plan;
mod preset;
pub mod request;
mod tags;
pub mod version;

#[cfg(test)]
mod tests;
