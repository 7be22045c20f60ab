//! Running a tick: by hand in the caller's transaction ([`manual()`]), by the worker in
//! its own ([`worker()`]), or as a preview that writes nothing ([`preview()`]).

mod filling;
mod manual;
mod preview;
mod worker;

pub use manual::manual;
pub use preview::preview;
pub use worker::{is_busy, worker};
