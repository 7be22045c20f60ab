//! Running a tick: in the caller's transaction, by hand ([`manual()`]) or by a timer
//! ([`run()`]), by the worker in its own ([`worker()`]), or as a preview that writes nothing
//! ([`preview()`]).

mod filling;
mod manual;
mod preview;
mod worker;

pub(crate) use manual::{manual, run};
pub(crate) use preview::preview;
pub(crate) use worker::{is_busy, worker};
