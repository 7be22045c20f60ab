//! The worker: a launcher that knows the databases, and tick workers that it starts for
//! one errand each. Its states and messages are in `README.md` beside this file.
//!
//! It promises a tick at each multiple of `tick_interval` and never two for one, that
//! nothing stays connected to a database between ticks, and that a failing database
//! disturbs no other.

pub mod roster;
pub mod slot;
pub mod state;
pub mod text;

#[cfg(feature = "pgrx")]
pub(crate) mod configured;
#[cfg(feature = "pgrx")]
mod databases;
#[cfg(feature = "pgrx")]
pub(crate) mod launcher;
#[cfg(feature = "pgrx")]
mod notice;
#[cfg(feature = "pgrx")]
pub(crate) mod process;
#[cfg(feature = "pgrx")]
pub(crate) mod region;
#[cfg(feature = "pgrx")]
pub(crate) mod spawn;
#[cfg(feature = "pgrx")]
mod tick;

/// Called when the library is loaded. While the server starts it asks for shared memory
/// and registers the launcher; in a session, and in pg_upgrade's binary-upgrade mode,
/// it does nothing.
#[cfg(feature = "pgrx")]
pub fn register() {
    // SAFETY: reads variables of the process.
    let preloading = unsafe {
        pgrx::pg_sys::process_shared_preload_libraries_in_progress && !pgrx::pg_sys::IsBinaryUpgrade
    };
    if preloading {
        region::request();
        spawn::register_launcher();
        notice::install();
    }
}
