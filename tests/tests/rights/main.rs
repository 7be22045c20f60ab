//! As whom a tick acts, and what it may.
//!
//! What the owner of the product's tables, and whoever may create things in a schema that
//! others look into, can plant: none of it gains more than the executor's role has, none
//! of it writes our history, and what is refused ends the one workspace's build only.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod executor;
mod planted;
mod roles;
mod rows;
mod scene;
mod triggers;
