//! What the extension needs of the server that it runs in, each in one small file:
//! errors with SQLSTATE and HINT, queries, rows, identities, transactions, zones, the clock.
//!
//! Every `unsafe` of the executor's side stands in here, fenced into few functions;
//! the modules above it are ordinary Rust.

pub mod cancel;
pub mod catalog;
pub mod catch;
pub mod clock;
pub mod error;
pub mod extension;
pub mod guc;
pub mod identity;
pub mod log;
pub mod notify;
pub mod query;
pub mod relation;
pub mod row;
pub mod statement_timeout;
pub mod subtransaction;
pub mod table;
pub mod transaction;
pub mod zones;
