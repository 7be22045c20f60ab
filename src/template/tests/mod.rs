//! The rules of a proof.

mod files;
mod generated;
mod hostile;
mod kinds;
mod made_up;
mod modules;
mod recorded;
mod references;
mod registry;
mod repeated;
mod small_stack;
mod starters;
mod tags;
mod unified;
mod written;
