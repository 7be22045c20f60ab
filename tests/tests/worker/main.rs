//! The worker on real servers: it ticks, ends at once, comes back, finds databases by
//! itself and is in nobody's way.

#![allow(unreachable_pub)]

mod commits;
mod databases;
mod life;
mod limits;
mod messages;
mod order;
mod settings;
mod standby;
mod started;
mod support;
mod switches;
mod told;
