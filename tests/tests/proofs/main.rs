//! Proofs about templates' sources: what is built on a proved version and what is not, when
//! proofs are made and by whom, and what is told of them.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod hindered;
mod kept;
mod recorded;
mod starts;
mod support;
mod told;
