//! What the extension needs of the server that it runs in, each in one small file:
//! errors with SQLSTATE and HINT, queries, rows, identities, transactions, zones, the clock.
//!
//! Every `unsafe` of the executor's side stands in here, fenced into few functions;
//! the modules above it are ordinary Rust.

pub(crate) mod cancel;
pub(crate) mod catalog;
pub(crate) mod catch;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod extension;
pub(crate) mod guc;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod query;
pub(crate) mod relation;
pub(crate) mod row;
pub(crate) mod statement_timeout;
pub(crate) mod subtransaction;
pub(crate) mod table;
pub(crate) mod transaction;
pub(crate) mod zones;
