//! Builds: which version one takes, what is written of it, column by column, and that what
//! can't be built leaves nothing behind.

mod previewed;
mod refused;
mod support;
mod versions;
mod written;
