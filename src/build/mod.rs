//! What a build of a workspace writes, and what speaks against writing it.
//!
//! Plain Rust over what was read: template versions with their definitions, the
//! previous values of a workspace, the tags of an import job. Nothing here knows
//! of PostgreSQL. Large values stay in the server: see [`inputs::PreviousValue`].

pub mod inputs;
