//! The agenda on real servers: which change leaves a mark, what attaching does, that
//! ticks and previews with it do what a scan does, and what it notices by itself.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod at_once;
mod attaching;
mod auditing;
mod dumps;
mod histories;
mod jobs;
mod marks;
mod operations;
mod own_builds;
mod piling;
mod reading;
mod support;
mod ticks;
mod worker;
