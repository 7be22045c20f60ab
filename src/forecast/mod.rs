//! What ticks will do: schedules, deadlines, dormancy and holds played forward from how
//! workspaces are now.
//!
//! [`lifecycle`](crate::lifecycle) decides here as it does in a tick. Each workspace is played
//! by itself, from one tick at which something is done to the next: builds succeed at once,
//! and nobody uses anything. Most of the time only its schedule and its deadline move a
//! workspace ([`steady`](crate::lifecycle::steady)); that stretch is walked without asking
//! every rule, which makes a year of a hundred thousand workspaces a matter of seconds. The
//! tests compare the two ways.

mod counts;
mod cycle;
mod deadline;
mod held;
mod play;
mod window;
mod workspace;
mod zones;

#[cfg(test)]
mod tests;

pub use counts::Counted;
pub use play::{Group, Rules, forecast, groups};
pub use window::{LONGEST, Window};
pub use workspace::{By, Requirement, Terms, Workspace};
