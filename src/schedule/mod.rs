//! Weekly cron texts: from text to sets, from sets to the next instant.
//!
//! A [`Schedule`] accepts exactly the texts that the product accepts and answers
//! "when next?" by one rule: the first instant strictly later whose wall clock, in
//! the schedule's zone, is in all of the sets. It promises to end and not to panic,
//! whatever the text, the instant or the zone. Zones are an argument ([`Zone`]). In the
//! server they come from its zone files, and where it lacks one from the zone that the name
//! is a link to, or from bundled data ([`files`]).
//!
//! The grammar is parsed here and not by the `cron` crate: that one wants seconds,
//! counts Sunday as 1, and differs on empty items, `?`, steps, signs and names. The
//! tests compare the two where both mean the same.

mod cache;
mod describe;
mod error;
pub mod files;
pub mod iana;
pub mod lacking;
mod sets;
mod text;
mod tzif;
mod weekly;
mod zone;

#[cfg(test)]
mod next_tests;
#[cfg(test)]
mod prev_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
pub(crate) mod test_zones;
#[cfg(test)]
mod text_tests;
#[cfg(test)]
mod vector_tests;

pub use cache::ScheduleCache;
pub(crate) use error::printable;
pub use error::{Field, Problem, ScheduleError};
pub use files::Bundled;
pub use tzif::TzifZone;
pub use weekly::Schedule;
pub use zone::{Span, Zone, ZoneSource, find_zone};
