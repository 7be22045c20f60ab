//! The agenda on real servers: which change leaves a mark, what attaching does, that
//! ticks and previews with it do what a scan does, and what it notices by itself.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod attaching;
mod auditing;
mod dumps;
mod histories;
mod marks;
mod operations;
mod piling;
mod support;
mod ticks;
mod worker;
