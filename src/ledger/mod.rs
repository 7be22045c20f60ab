//! The extension's own tables beside the agenda: history, back-off, pauses, brakes, holds. A file
//! each.
//!
//! They are written as the extension's owner, and what a batch leaves behind in the very
//! transaction of its builds, so that they agree whatever happens. How long a workspace is
//! put off is plain arithmetic ([`back_off`]) and compiles without PostgreSQL.

pub mod back_off;

#[cfg(feature = "pgrx")]
pub(crate) mod agreement;
#[cfg(feature = "pgrx")]
pub(crate) mod attempts;
#[cfg(feature = "pgrx")]
pub(crate) mod batch;
#[cfg(feature = "pgrx")]
pub(crate) mod brakes;
#[cfg(feature = "pgrx")]
pub(crate) mod holds;
#[cfg(feature = "pgrx")]
pub(crate) mod pauses;
#[cfg(feature = "pgrx")]
pub(crate) mod prune;
#[cfg(feature = "pgrx")]
pub(crate) mod ticks;
#[cfg(feature = "pgrx")]
pub(crate) mod transitions;
#[cfg(feature = "pgrx")]
pub(crate) mod unfilled;
