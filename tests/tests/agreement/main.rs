//! Beside the product's own executor: what history records of what ours would have built,
//! where the two agree, and whether all is ready for the switch.

#![allow(unreachable_pub)]

mod beside;
mod compared;
mod history;
mod ready;
mod support;
mod why;
