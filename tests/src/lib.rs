//! What the extension is tested and shown on: real servers ([`server`]), the product's
//! tables at any of ten versions with rows in them ([`product`]), the extension's own
//! functions and ticks by hand ([`autobuild`]), a stand-in for the provisioner that does the
//! builds ([`provisioner`]), an executor of the product's own shape ([`product_executor`]),
//! and a [`scene`] to look at.
//!
//! Nothing here is part of the extension. A failure of the harness itself (a server
//! that does not start, a row that the product's tables refuse) panics with what was
//! seen: a test can do nothing better with it.

pub mod autobuild;
pub mod await_until;
pub mod companion;
pub mod http;
pub mod invariants;
pub mod product;
pub mod product_executor;
pub mod provisioner;
pub mod scene;
pub mod server;

pub use autobuild::{NOTHING, Operator};
pub use await_until::{SOON, await_some, await_until};
pub use product::{Product, Transition, Version};
pub use product_executor::ProductExecutor;
pub use provisioner::Provisioner;
pub use server::{Server, StopMode};
