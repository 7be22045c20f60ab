//! The SQL functions, thin: arguments in, rows out, errors raised.

pub mod control;
mod metrics;
mod status;
