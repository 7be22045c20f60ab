//! Running a tick: by hand in the caller's transaction ([`manual()`]), by the worker in
//! its own ([`worker()`]), or as a preview that writes nothing ([`preview()`]).

mod filling;
mod manual;
mod preview;
mod worker;

pub(crate) use manual::manual;
pub(crate) use preview::preview;
pub(crate) use worker::{is_busy, worker};
