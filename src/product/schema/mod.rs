//! The product's schema as it is found: tables, columns, their types, the signs.
//!
//! Looked up in the catalog when it is first needed and again after anything in the
//! catalog changed, so a product upgrade takes effect at the next tick (`find`). What is
//! required and missing is an error that names it; what is optional and missing, or of
//! a type that can't serve, is simply not there (`check`).

mod check;
mod find;
mod product;

pub(crate) use product::{Product, Table, alter_database, quoted};
