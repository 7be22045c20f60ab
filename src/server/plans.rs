//! Plans that are kept.
