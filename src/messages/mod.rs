//! What the owner of a workspace is told when something was done to it, or is about to be.
//!
//! The product keeps each message as a row until it is sent, and renders its text only then.
//! So a row is all that has to be written, and it is written key by key as the product does
//! ([`message`]): for one of four events ([`notice`]), with the words for a moment that the
//! product has ([`words`]), the buttons of the product's own template ([`actions`]) and its
//! address in them ([`access_url`]), in the form of the installed version ([`form`]).
//!
//! Plain Rust without PostgreSQL. Names of workspaces, users and versions are data: none is
//! taken for a template or for JSON. What can't be told as the product tells it is not told,
//! and says why ([`actions::Untold`]).

pub mod access_url;
pub mod actions;
pub mod form;
pub mod message;
pub mod notice;
pub mod words;

#[cfg(test)]
mod tests;
