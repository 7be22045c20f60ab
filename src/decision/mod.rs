//! From facts to what is due, to what is written for it, to how that went.
//!
//! The worker's tick, a tick by hand and the previews all decide, plan and order by what
//! stands here, so they can't disagree. The half that compiles without PostgreSQL is plain
//! data and arithmetic: what is due ([`due`]), what is to be written ([`planned`]), what came
//! of it ([`attempt`], [`report`]), whose turn it is ([`turn`]), what is too much at once
//! ([`brakes`]), how a batch is narrowed down ([`pieces`]), and where the product's executor does
//! the same ([`agreement`]). The other half reads the product's tables: `judge` with the `holds`
//! of this database, `plan` with the template `versions` that it takes, the second look before a
//! commit (`recheck`), what owners are told (`telling`), schedules that can't be read
//! (`unreadable`) and at which the product's executor hangs (`hanging`).
//! Nothing here writes.

pub mod agreement;
pub mod attempt;
pub mod brakes;
pub mod due;
pub mod pieces;
pub mod planned;
pub mod report;
pub mod turn;

#[cfg(feature = "pgrx")]
pub(crate) mod hanging;
#[cfg(feature = "pgrx")]
pub(crate) mod holds;
#[cfg(feature = "pgrx")]
pub(crate) mod judge;
#[cfg(feature = "pgrx")]
pub(crate) mod plan;
#[cfg(feature = "pgrx")]
pub(crate) mod recheck;
#[cfg(feature = "pgrx")]
pub(crate) mod schedules;
#[cfg(feature = "pgrx")]
pub(crate) mod telling;
#[cfg(feature = "pgrx")]
pub(crate) mod unreadable;
#[cfg(feature = "pgrx")]
mod versions;
