//! What is to be built.

use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::signs::Signs;

/// What is to be built. Only `next.transition` counts: a start may change the version and
/// is refused for legacy parameters; anything else is built like a stop.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The workspace.
    pub facts: &'a Facts,
    /// Its transition.
    pub next: &'a Next,
    /// The rules in force. The same as the version was prepared with.
    pub signs: &'a Signs,
    /// The operator's settings.
    pub policy: &'a Policy,
}
