//! What must hold of a version's blocks and rows.

pub(super) mod attribute;
mod option;
pub(super) mod parameter;
pub(super) mod rounds;
pub(super) mod rows;
pub(super) mod sensitive;
mod stored;
pub(super) mod tags;
mod validation;
