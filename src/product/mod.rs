//! The product's tables: which columns exist, reading facts, writing builds.
//!
//! Nothing here decides anything: rules live in [`crate::lifecycle`], what a build
//! writes in [`crate::new_build`]. Every statement names its tables with their schema and
//! uses only operators of `pg_catalog`, so a search_path or a planted function can't
//! bend it. (`unnest` of several arrays stands without its schema: only so the server
//! knows it for what it is, and then it takes its own, whatever the search_path.)

mod candidates;
pub(crate) mod copies;
pub(crate) mod count;
pub(crate) mod facts;
pub(crate) mod holders;
pub(crate) mod inputs;
pub(crate) mod licence;
pub(crate) mod locks;
pub(crate) mod messages;
pub(crate) mod provisioners;
pub(crate) mod role;
pub(crate) mod schema;
mod select;
pub(crate) mod sources;
pub(crate) mod starts;
pub(crate) mod terms;
pub(crate) mod waiting;
pub(crate) mod write;
