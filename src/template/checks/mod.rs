//! What must hold of a version's blocks and rows.

mod option;
pub(super) mod parameter;
pub(super) mod rounds;
pub(super) mod rows;
pub(super) mod tags;
mod validation;
