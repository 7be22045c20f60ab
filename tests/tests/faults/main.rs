//! Faults: what a server can suffer, at random moments of a storm of builds. After each,
//! every due workspace has exactly one whole build, and nothing else has changed.
//!
//! `FAULTS_ROUNDS` says how often each fault is tried (default 1; `make test-faults`
//! many times), `FAULTS_SEED` repeats a run, whose seed is printed.

#![allow(clippy::indexing_slicing, unreachable_pub)]

mod clock;
mod crashes;
mod disk;
mod exhausted;
mod failover;
mod high_availability;
mod sessions;
mod storm;
