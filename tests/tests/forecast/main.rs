//! Forecasts on real servers: what is counted is what ticks then do, whom they show it, and
//! what is refused.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod asked;
mod scene;
mod simulated;
