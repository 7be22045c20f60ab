//! One tick: candidates, verdicts, builds, outcomes.

pub mod report;
