//! Holds: times in which nothing, or not everything, is done to some workspaces.
//!
//! A hold covers all workspaces, those of an organization, a template or an owner, or one, and
//! all transitions or some. It holds once, or again and again by a rule of RFC 5545; several
//! add up. Calendars of others are read in [`calendar`].
//!
//! Rules are expanded here and not by the `rrule` crate. That one always walks from a rule's
//! start; it answers wrongly to, for one, `FREQ=MINUTELY;INTERVAL=90;BYHOUR=9`, and takes
//! `BYDAY=garbageMO`; and it brings a time zone database of its own: more than a third of
//! what our library has without it. The tests compare the two where it is right.

pub mod calendar;
mod dates;
mod days;
mod error;
mod hold;
mod line;
mod parts;
mod pattern;
mod recurrence;
mod scope;
mod wall;
mod with;

#[cfg(test)]
mod tests;

pub use error::{HoldError, Problem};
pub use hold::{HeldBy, Hold, Holds, When, check_reason};
pub use line::Until;
pub use recurrence::Recurrence;
pub use scope::{Scope, Transitions};
pub(crate) use wall::instant_of;
pub use with::WithHolds;
