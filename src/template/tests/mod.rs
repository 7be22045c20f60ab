//! The rules of a proof.

mod files;
mod hostile;
mod kinds;
mod modules;
mod recorded;
mod references;
mod registry;
mod repeated;
mod tags;
mod written;
