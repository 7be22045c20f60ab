//! Proofs about the sources of template versions: made once for each version, and kept.
//!
//! A version never changes, nor does its proof, so it is kept in a table of ours until the
//! rules of proving change. The table is a cache: it is in no dump, it is bounded, and what it
//! lacks is proved anew. What a proof is, is the matter of [`crate::template`].

mod kept;
mod known;
mod make;
mod told;

pub(crate) use kept::find;
pub(crate) use known::{Proofs, known};
pub(crate) use make::{PATIENCE, make, of_caller, wanted};
pub(crate) use told::{Followed, followed_unknown};
